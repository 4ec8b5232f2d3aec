//! Torn and damaged logs, and data directories that cannot be used.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Exit, Hub, Setup, desk, has, is_error, left_out_in_cluster, text, within};
use crate::raw::{get, status};

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The file that holds the records: the largest, after so many of them.
fn log_file(setup: &Setup) -> PathBuf {
    files(&setup.data_dir()).into_iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}

/// A data directory with this many open notifications, of a hub that was killed.
async fn used(notifications: usize) -> (Setup, Vec<String>) {
    let setup = Setup::on_disk();
    let hub = setup.start().await;
    let mut bot = hub.provider("bot").await;
    let mut ids = Vec::new();
    for n in 0..notifications {
        ids.push(bot.ring_to("chat", &[&format!("nobody-{n}")]).await);
    }
    drop(hub.kill_9());
    (setup, ids)
}

/// A hub with a disk that [`fill_the_disk`] can fill.
pub(crate) async fn on_a_disk_that_may_fill(setup: &Setup) -> Hub {
    // The signal that a process over its file size gets is ignored, so that its writes fail as on a full disk.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_deskbell"), "serve"]);
    command.args(["--listen", "127.0.0.1:0", "--config"]).arg(setup.config_path());
    command.arg("--data-dir").arg(setup.data_dir());
    let mut hub = Hub::spawn_with(command, setup.clone(), &[]);
    hub.await_listening().await;
    hub
}

/// Nothing more can be written.
pub(crate) fn fill_the_disk(hub: &Hub) {
    limit_files(hub, &fs::metadata(log_file(&hub.setup)).unwrap().len().to_string());
}

fn limit_files(hub: &Hub, bytes: &str) {
    let prlimit = Command::new("prlimit").args(["--pid", &hub.pid(), &format!("--fsize={bytes}:unlimited")]).status();
    assert!(prlimit.unwrap().success());
}

#[track_caller]
fn refused(exit: &Exit, words: &[&str]) {
    assert!(exit.code.is_some_and(|code| code != 0), "{exit:?}");
    assert_eq!(exit.stdout, "", "it served");
    let said = exit.stderr.to_lowercase();
    assert!(!said.contains("panicked"), "{said}");
    for word in words {
        assert!(said.contains(&word.to_lowercase()), "nothing about {word:?} in: {}", exit.stderr);
    }
}

#[tokio::test]
async fn an_incomplete_last_record_is_dropped_and_reported_and_the_hub_starts() {
    if left_out_in_cluster("it has no data directory") {
        return;
    }
    for cut in [1, 7, 40] {
        let (setup, ids) = used(10).await;
        let path = log_file(&setup);
        let bytes = fs::read(&path).unwrap();
        // What never arrived may read as zeros behind the end; the file ends where the last record does, or later.
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        fs::write(&path, &bytes[..end - cut]).unwrap();
        let hub = setup.start().await;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        hub.says(&[&name]).await;
        let bot = hub.provider("bot").await;
        let open = bot.welcome["open"].as_array().unwrap();
        assert!(open.len() >= ids.len() - 1, "more than the last record was dropped: {} of {}", open.len(), ids.len());
    }
}

#[tokio::test]
async fn any_other_damage_refuses_the_start_and_says_where() {
    if left_out_in_cluster("it has no data directory") {
        return;
    }
    let (setup, _) = used(40).await;
    let path = log_file(&setup);
    let whole = fs::read(&path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    for at in [whole.len() / 4, whole.len() / 3, whole.len() / 2] {
        for change in [0x01, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            fs::write(&path, &bytes).unwrap();
            refused(&setup.fail().await, &[name, "byte"]);
            // Nothing was changed by the refusal.
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }
    // A missing piece in the middle is noticed, too.
    let mut bytes = whole.clone();
    bytes.drain(whole.len() / 3..whole.len() / 3 + 512);
    fs::write(&path, &bytes).unwrap();
    refused(&setup.fail().await, &[name]);
    fs::write(&path, &whole).unwrap();
    let hub = setup.start().await;
    assert_eq!(hub.provider("bot").await.welcome["open"].as_array().unwrap().len(), 40);
}

#[tokio::test]
async fn a_data_directory_of_a_newer_version_is_refused() {
    if left_out_in_cluster("it has no data directory") {
        return;
    }
    let (setup, _) = used(3).await;
    for path in files(&setup.data_dir()) {
        let mut bytes = fs::read(&path).unwrap();
        if bytes.len() >= 16 && bytes.starts_with(b"deskbell") {
            bytes[8..12].copy_from_slice(&99_u32.to_le_bytes());
            let sum = crc32c::crc32c(&bytes[..12]);
            bytes[12..16].copy_from_slice(&sum.to_le_bytes());
            fs::write(&path, bytes).unwrap();
        }
    }
    refused(&setup.fail().await, &["newer"]);
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_refused() {
    if left_out_in_cluster("it has no data directory") {
        return;
    }
    let setup = Setup::new();
    let file = setup.home().join("a-file");
    fs::write(&file, "no directory").unwrap();
    for path in [file.clone(), file.join("below")] {
        let memoryless = Setup::on_disk().args(&["--data-dir", path.to_str().unwrap()]);
        let exit = memoryless.without_data_dir().fail().await;
        refused(&exit, &["a-file"]);
    }
}

#[tokio::test]
async fn a_data_directory_in_use_is_refused() {
    if left_out_in_cluster("it has no data directory") {
        return;
    }
    let setup = Setup::on_disk();
    let hub = setup.start().await;
    refused(&setup.fail().await, &["data"]);
    hub.agent("ada").await;
}

#[tokio::test]
async fn wait_lock_waits_for_the_other_hub_to_go() {
    if left_out_in_cluster("it has no data directory") {
        return;
    }
    let setup = Setup::on_disk();
    let first = setup.start().await;
    let mut bot = first.provider("bot").await;
    let id = bot.ring("chat").await;
    let mut second = setup.clone().args(&["--wait-lock", "10s"]).spawn();
    let brief = setup.clone().args(&["--wait-lock", "100ms"]).fail().await;
    refused(&brief, &["data"]);
    first.terminate();
    let stopped = tokio::join!(first.exit(), second.await_listening()).0;
    assert_eq!(stopped.code, Some(0));
    has(&second.provider("bot").await.welcome["open"][0], json!({"notificationId": id}));
}

#[tokio::test]
async fn the_data_directory_is_its_owners_only() {
    if left_out_in_cluster("it has no data directory") {
        return;
    }
    let setup = Setup::on_disk();
    let hub = setup.start().await;
    let mut bot = hub.provider("bot").await;
    bot.ring("chat").await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&setup.data_dir()), 0o700);
    let files = files(&setup.data_dir());
    assert!(!files.is_empty());
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn client_strings_never_become_file_names() {
    if left_out_in_cluster("it has no data directory") {
        return;
    }
    let setup = Setup::on_disk();
    let hub = setup.start().await;
    let mut bot = hub.provider("../escaped").await;
    let call = json!({"type": "notify", "id": "../../x", "templateName": "chat", "sessionId": "/etc/x", "cancellationToken": ".."});
    has(&bot.call(call).await, json!({"type": "ack"}));
    for file in files(setup.home()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(!name.contains("escaped") && !name.starts_with("x"), "{name}");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_new_work_loses_nothing_and_goes_on_when_there_is_room() {
    if left_out_in_cluster("it has no data directory") {
        return;
    }
    let setup = Setup::on_disk();
    let hub = on_a_disk_that_may_fill(&setup).await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let before = bot.ring("chat").await;
    ada.shown(&before).await;
    fill_the_disk(&hub);
    for _ in 0..3 {
        let notify = json!({"type": "notify", "id": "n", "templateName": "chat"});
        is_error(&bot.call(notify).await, "unavailable", Some("NotifyEvent"));
        is_error(&ada.accept(&before).await, "unavailable", None);
    }
    has(&ada.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
    assert_eq!(status(&get(hub.port, "/healthz").await), 200);
    within("/readyz to say 503", async { while status(&get(hub.port, "/readyz").await) != 503 {} }).await;
    limit_files(&hub, "unlimited");
    let ack = loop {
        let reply = bot.call(json!({"type": "notify", "id": "n", "templateName": "chat"})).await;
        if reply["type"] == "ack" {
            break reply;
        }
        is_error(&reply, "unavailable", Some("NotifyEvent"));
        tokio::time::sleep(Duration::from_millis(reply["retryAfterMs"].as_u64().unwrap())).await;
    };
    within("/readyz to say 200", async { while status(&get(hub.port, "/readyz").await) != 200 {} }).await;
    has(&ack, json!({"duplicate": false}));
    let after = text(&ack["notificationId"]);
    ada.shown(&after).await;
    has(&ada.accept(&before).await, json!({"won": true}));
    let hub = hub.crash_and_restart().await;
    assert_eq!(desk(&hub.agent("ada").await.welcome), [after]);
}

#[tokio::test]
async fn a_file_system_of_its_own_is_taken_though_it_is_not_empty() {
    if left_out_in_cluster("it has no data directory") {
        return;
    }
    let setup = Setup::on_disk();
    fs::create_dir(setup.data_dir()).unwrap();
    fs::set_permissions(setup.data_dir(), fs::Permissions::from_mode(0o700)).unwrap();
    // As mkfs leaves it, and as file managers do.
    fs::create_dir(setup.data_dir().join("lost+found")).unwrap();
    fs::write(setup.data_dir().join(".directory"), "").unwrap();
    let hub = setup.start().await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    let hub = hub.crash_and_restart().await;
    let ada = hub.agent("ada").await;
    has(&ada.welcome["notifications"][0], json!({"notificationId": id}));
}
