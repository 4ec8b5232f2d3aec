//! The bots of `client-demo/bots` that are built with the hub: each run as a process, as its reader would run it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::harness::{Client, Hub, PATIENCE, Setup, text};

/// The example's program, built if it is not up to date.
async fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().nth(2).unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--example", "bot"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if folder.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().await.unwrap().success());
    folder.join("examples/bot")
}

struct Bot {
    process: Child,
    says: Lines<BufReader<ChildStdout>>,
    hears: ChildStdin,
}

impl Bot {
    fn start(program: &Path, hub: &Hub, home: &Path) -> Self {
        let mut command = Command::new(program);
        command.arg(format!("ws://127.0.0.1:{}/ws", hub.port)).current_dir(home).kill_on_drop(true);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let says = BufReader::new(process.stdout.take().unwrap()).lines();
        let hears = process.stdin.take().unwrap();
        Self { process, says, hears }
    }

    async fn told(&mut self, line: &str) {
        self.hears.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn says(&mut self) -> String {
        timeout(PATIENCE, self.says.next_line()).await.expect("in time").unwrap().expect("a line")
    }
}

async fn ringing(ada: &mut Client) -> String {
    text(&ada.expect("notification").await["notificationId"])
}

#[tokio::test]
async fn the_rust_bot_rings_prints_the_outcome_and_resumes() {
    let (program, home) = (program().await, tempfile::tempdir().unwrap());
    let hub = Setup::on_disk().start().await;
    let mut ada = hub.agent("ada").await;
    let mut bot = Bot::start(&program, &hub, home.path());
    bot.told("conv-1 Grace").await;
    let id = ringing(&mut ada).await;
    ada.accept(&id).await;
    assert_eq!(bot.says().await, "conv-1: Accept ada");
    bot.told("conv-2 Heidi").await;
    let id = ringing(&mut ada).await;
    // It dies in mid-ring, and the answer comes while it is away.
    bot.process.kill().await.unwrap();
    ada.reject(&id).await;
    let mut bot = Bot::start(&program, &hub, home.path());
    assert_eq!(bot.says().await, "conv-2: DeclinedByAgent ada");
    // It has printed all earlier outcomes; it waits for the outcome of its next call, then ends.
    bot.told("conv-2 Heidi").await;
    bot.told("conv-3 Ivan").await;
    let id = ringing(&mut ada).await;
    drop(bot.hears);
    ada.accept(&id).await;
    let said = timeout(PATIENCE, bot.says.next_line()).await.expect("in time").unwrap();
    assert_eq!(said.as_deref(), Some("conv-3: Accept ada"));
    assert!(timeout(PATIENCE, bot.process.wait()).await.expect("it ends").unwrap().success());
}

#[test]
fn it_is_short_enough_to_read() {
    let lines = include_str!("../../client-demo/bots/bot.rs").lines().count();
    assert!(lines < 60, "{lines}");
}
