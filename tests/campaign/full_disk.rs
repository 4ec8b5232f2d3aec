//! A disk that fills up under a running hub: a small tmpfs, which needs the right to mount.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use crate::backup::results_of;
use crate::harness::left_out::is_missing_for;
use crate::harness::{Client, Hub, Setup, has, text, within};
use crate::table::Table;

/// The number of times that the disk is filled.
const TIMES: usize = 5;

/// A tmpfs of its own, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }

    /// Fills the file system to the last byte.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.0.join("ballast")).unwrap();
        for size in [64 * 1024, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Runs it; true if nothing acknowledged was lost and service came back by itself, each time.
pub(crate) async fn run() -> bool {
    let setup = Setup::on_disk().without_data_dir();
    let at = setup.home().join("small");
    let Some(disk) = SmallDisk::mount(&at) else {
        is_missing_for("full disk", "the right to mount a tmpfs", "run it as root");
        return true;
    };
    let data = at.join("data").display().to_string();
    let setup = setup.config("[log]\nhistory = \"0s\"\n").args(&["--data-dir", &data]);
    let hub = setup.start().await;
    let mut bot = hub.provider("caller").await;
    let mut acknowledged: Vec<String> = Vec::new();
    let (mut unavailable, mut slowest) = (0, Duration::ZERO);
    for time in 0..TIMES {
        acknowledged.extend(ring_while_full(&disk, &mut bot, time, &mut unavailable).await);
        until_ready_is(&hub, 503).await;
        disk.empty();
        let began = Instant::now();
        acknowledged.push(until_taken(&mut bot, time).await);
        slowest = slowest.max(began.elapsed());
        until_ready_is(&hub, 200).await;
    }
    disk.fill();
    hub.kill_9();
    disk.empty();
    let hub = setup.start().await;
    sleep(Duration::from_millis(600)).await;
    let results = results_of(&hub, "caller").await;
    let lost = acknowledged.iter().filter(|id| !results.contains_key(*id)).count();
    let more = results.len().saturating_sub(acknowledged.len());
    let mut table = Table::new("full disk");
    table.row("times the disk was full", TIMES + 1);
    table.row("calls answered `unavailable`", unavailable);
    table.row("acknowledged", acknowledged.len());
    table.row("of these without an outcome at the end", lost);
    table.row("refused and yet carried out", more);
    table.row("slowest return to service, ms", slowest.as_millis());
    table.print();
    lost == 0 && more == 0 && unavailable > 0
}

/// Rings until the disk is full and some more, then something is due while nothing can be written.
async fn ring_while_full(disk: &SmallDisk, bot: &mut Client, time: usize, unavailable: &mut usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for n in 0..20 {
        if n == 5 {
            disk.fill();
        }
        let reply = ring(bot, &format!("call-{time}-{n}")).await;
        if reply["type"] == "ack" {
            acknowledged.push(text(&reply["notificationId"]));
            continue;
        }
        has(&reply, json!({"type": "error", "code": "unavailable"}));
        assert!(reply["retryAfterMs"].is_u64(), "{reply}");
        *unavailable += 1;
        // Longer than the templates' times, so that open notifications become due while the disk is full.
        sleep(Duration::from_millis(40)).await;
    }
    acknowledged
}

/// Waits until the hub's `/readyz` answers this: what a load balancer goes by.
async fn until_ready_is(hub: &Hub, status: u16) {
    let wanted = format!("HTTP/1.1 {status}");
    let asked = async {
        loop {
            let mut socket = hub.tcp().await;
            socket.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.unwrap();
            if answer.starts_with(&wanted) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    within(&format!("/readyz to answer {status}"), asked).await;
}

/// Repeats a call until it is accepted, more often than its error asks for.
async fn until_taken(bot: &mut Client, time: usize) -> String {
    loop {
        let reply = ring(bot, &format!("patient-{time}")).await;
        if reply["type"] == "ack" {
            return text(&reply["notificationId"]);
        }
        has(&reply, json!({"type": "error", "code": "unavailable"}));
        sleep(Duration::from_millis(20)).await;
    }
}

async fn ring(bot: &mut Client, id: &str) -> Value {
    let notify = json!({"type": "notify", "id": id, "templateName": "impatient", "to": {"agents": [id]},
                        "templateParameters": {"note": "x".repeat(900)}});
    bot.call(notify).await
}
