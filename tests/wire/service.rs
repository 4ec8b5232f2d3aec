//! The hub under systemd: its notifications, and the unit in docs/deploy.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{PATIENCE, Setup, left_out_in_cluster};

/// The next message to the supervisor that has `line`.
fn told(socket: &UnixDatagram, line: &str) -> String {
    let began = Instant::now();
    let mut buffer = [0; 4096];
    loop {
        assert!(began.elapsed() < PATIENCE, "never told {line}");
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
                if message.lines().any(|one| one == line) {
                    return message;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A supervisor's socket, and a hub that is configured with it and with a watchdog of so much patience.
fn supervised(setup: Setup, patience_us: u64) -> (UnixDatagram, Setup) {
    let path = setup.home().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let setup = setup.variable("NOTIFY_SOCKET", path.to_str().unwrap());
    (socket, setup.variable("WATCHDOG_USEC", &patience_us.to_string()))
}

/// What the supervisor has been sent and not read yet.
fn unread(socket: &UnixDatagram) -> Vec<String> {
    socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4096];
    let mut messages = Vec::new();
    while let Ok(length) = socket.recv(&mut buffer) {
        messages.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
    }
    socket.set_nonblocking(false).unwrap();
    messages
}

/// A hub with an `fdatasync` that hangs from the creation of the first FIFO until the second one is written to (`hangs.c`).
fn with_a_device_that_hangs() -> (Setup, PathBuf, PathBuf) {
    let setup = Setup::on_disk();
    let home = std::fs::canonicalize(setup.home()).unwrap();
    let (layer, stuck, goes_on) = (home.join("hangs.so"), home.join("stuck"), home.join("goes-on"));
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-shared", "-fPIC", "-o"]).args([&layer, &shown("tests/wire/hangs.c")]).arg("-ldl");
    assert!(cc.status().is_ok_and(|status| status.success()), "cc is needed");
    let setup = setup.variable("LD_PRELOAD", layer.to_str().unwrap()).variable("HANGS_AT", home.to_str().unwrap());
    (setup, stuck, goes_on)
}

const STANDS_STILL: &str = "the hub's thread stands still";

#[tokio::test(flavor = "multi_thread")]
async fn systemd_receives_ready_watchdog_and_stopping() {
    if left_out_in_cluster("three hubs tell one supervisor") {
        return;
    }
    let (socket, setup) = supervised(Setup::on_disk(), 6_000_000);
    let hub = setup.start().await;
    let ready = told(&socket, "READY=1");
    assert!(ready.contains(&format!("127.0.0.1:{}", hub.port)), "{ready}");
    told(&socket, "WATCHDOG=1");
    told(&socket, "WATCHDOG=1");
    hub.terminate();
    told(&socket, "STOPPING=1");
    assert_eq!(hub.exit().await.code, Some(0));
}

/// Systemd gets a message every half of its patience; without that an idle hub would wake up more rarely.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_with_nothing_to_do_lives_also_for_an_impatient_supervisor() {
    if left_out_in_cluster("three hubs tell one supervisor") {
        return;
    }
    let (socket, setup) = supervised(Setup::on_disk(), 300_000);
    let hub = setup.start().await;
    told(&socket, "READY=1");
    let times = 12;
    for _ in 0..times {
        told(&socket, "WATCHDOG=1");
    }
    // On a busy machine it may miss a turn; as a rule it does not.
    let missed = hub.stderr.so_far().matches(STANDS_STILL).count();
    assert!(missed < times / 2, "{missed} times beside {times}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_with_a_hanging_log_sends_no_watchdog_message() {
    if left_out_in_cluster("the log on disk hangs") {
        return;
    }
    let (setup, stuck, goes_on) = with_a_device_that_hangs();
    let (socket, setup) = supervised(setup, 1_000_000);
    let hub = setup.start().await;
    let (mut bot, mut ada) = (hub.provider("bot").await, hub.agent("ada").await);
    told(&socket, "READY=1");
    told(&socket, "WATCHDOG=1");
    assert!(Command::new("mkfifo").args([&stuck, &goes_on]).status().unwrap().success());
    bot.send(json!({"type": "notify", "templateName": "chat", "to": {"agents": ["ada"]}})).await;
    // Opened when the hub opens it too: then its thread is in fdatasync.
    tokio::task::spawn_blocking(move || std::fs::read(stuck)).await.unwrap().unwrap();
    hub.says_after(hub.stderr.so_far().len(), STANDS_STILL).await;
    // The notification before that covered the time until then.
    unread(&socket);
    let before = hub.stderr.so_far().len();
    for times in 1..=3 {
        let said = || hub.stderr.so_far()[before..].matches(STANDS_STILL).count();
        let began = Instant::now();
        while said() < times {
            assert!(began.elapsed() < PATIENCE, "it does not notice");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert_eq!(unread(&socket), Vec::<String>::new(), "it says that it lives");
    // The device works again: nothing was lost, and the hub reports that it is alive.
    tokio::task::spawn_blocking(move || std::fs::write(goes_on, "")).await.unwrap().unwrap();
    bot.expect("ack").await;
    ada.expect("notification").await;
    told(&socket, "WATCHDOG=1");
    hub.terminate();
    assert_eq!(hub.exit().await.code, Some(0));
}

/// The log's device is busy when the hub is asked to stop: calls that were under way then are answered before the close.
#[tokio::test(flavor = "multi_thread")]
async fn calls_under_way_at_the_stop_are_acknowledged() {
    if left_out_in_cluster("the log on disk hangs") {
        return;
    }
    let (setup, stuck, goes_on) = with_a_device_that_hangs();
    let hub = setup.start().await;
    let mut bot = hub.provider("bot").await;
    assert!(Command::new("mkfifo").args([&stuck, &goes_on]).status().unwrap().success());
    // The first is written while the device hangs, the others wait behind it.
    for n in 0..5 {
        bot.send(json!({"type": "notify", "id": format!("n-{n}"), "templateName": "chat"})).await;
    }
    tokio::task::spawn_blocking(move || std::fs::read(stuck)).await.unwrap().unwrap();
    hub.terminate();
    tokio::task::spawn_blocking(move || std::fs::write(goes_on, "")).await.unwrap().unwrap();
    bot.reply("n-0").await;
    bot.expect_close(1001).await;
    assert_eq!(hub.exit().await.code, Some(0));
}

#[tokio::test]
async fn a_missing_supervisor_socket_does_not_stop_the_hub() {
    let hub = Setup::new().variable("NOTIFY_SOCKET", "/nonexistent/notify").start().await;
    hub.agent("ada").await;
}

fn shown(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// `None` without systemd.
fn analyze(arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new("systemd-analyze").args(arguments).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn the_unit_that_is_shown_is_one_and_is_hardened() {
    let unit = std::fs::read_to_string(shown("docs/deploy/deskbell.service")).unwrap();
    for line in ["Type=notify", "WatchdogSec=60", "DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes"] {
        assert!(unit.lines().any(|other| other == line), "{line}");
    }
    let home = tempfile::tempdir().unwrap();
    let here = home.path().join("deskbell.service");
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/deskbell ")).unwrap();
    std::fs::write(&here, unit.replace("/usr/local/bin/deskbell", env!("CARGO_BIN_EXE_deskbell"))).unwrap();
    let here = here.to_str().unwrap();
    let Some((fine, said)) = analyze(&["verify", "--man=no", here]) else { return };
    assert!(fine && !said.contains("deskbell.service:"), "{said}");
    // In tenths; everything open to everybody would be 9.6.
    let (fine, said) = analyze(&["security", "--offline=yes", "--threshold=20", here]).unwrap();
    assert!(fine, "{said}");
    // Its command line is valid.
    let flags = command.split_whitespace().filter(|word| word.starts_with("--"));
    let help = Command::new(env!("CARGO_BIN_EXE_deskbell")).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for flag in flags {
        assert!(help.contains(flag), "{flag}");
    }
}

#[test]
fn the_files_that_the_dockerfile_copies_exist() {
    let dockerfile = std::fs::read_to_string(shown("Dockerfile")).unwrap();
    let ignored = std::fs::read_to_string(shown(".dockerignore")).unwrap();
    let mut copied = 0;
    for line in dockerfile.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from=")) {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        for source in &words[..words.len() - 1] {
            assert!(shown(source).exists(), "{source} is not there");
            copied += 1;
        }
    }
    assert!(copied >= 3, "{dockerfile}");
    // The image's sources include all files that the build embeds.
    for needed in ["Cargo.toml", "Cargo.lock", "src", "client-demo"] {
        assert!(dockerfile.contains(needed), "{needed}");
        assert!(ignored.lines().all(|line| line.trim_end_matches('/') != needed), "{needed} is ignored");
    }
    assert!(dockerfile.lines().any(|line| line.starts_with("USER ") && line != "USER root"), "it is not root");
    assert!(dockerfile.contains("HEALTHCHECK") && dockerfile.contains("EXPOSE"));
}

#[tokio::test]
async fn the_containers_health_check_detects_a_hub_that_is_not_ready() {
    let dockerfile = std::fs::read_to_string(shown("Dockerfile")).unwrap();
    let command = dockerfile.lines().find_map(|line| line.trim().strip_prefix("CMD ")).unwrap();
    let command: Vec<String> = serde_json::from_str(command).unwrap();
    let ask = |port: u16| {
        let mut check = Command::new(&command[0]);
        // As the operator of a container may set it; the hub and its health check see the same.
        check.args(&command[1..]).env("DESKBELL_LISTEN", format!("0.0.0.0:{port}"));
        tokio::task::spawn_blocking(move || check.output().unwrap().status.success())
    };
    let hub = Setup::new().start().await;
    assert!(ask(hub.port).await.unwrap());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert!(!ask(nobody).await.unwrap());
}
