//! Upgrades with two real programs: this version, and one whose rules are one number ahead (feature `next-rules`). Hubs of
//! both run side by side; the rules rise when the last old hub is gone; afterwards the old program is refused.
//!
//! `tests/run` builds the second program. By hand: `cargo build --features next-rules`, copy `target/debug/deskbell` to
//! `target/next-rules/deskbell`, then `cargo build` again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::campaign::{BRIEF, Shared, agent, provider};
use crate::fixture::{CONFIG, Cluster, await_ready};
use crate::harness::left_out::is_missing;
use crate::harness::{Client, Exit, Hub, PATIENCE, Setup, has, text};
use crate::state::digests;

/// What the next version logs when its rules are in force.
const IN_FORCE: &str = "these rules: now in force rules=5";

/// The program of the next version; `None` if it was not built.
fn next_version() -> Option<PathBuf> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_deskbell"));
    let next = program.parent()?.parent()?.join("next-rules/deskbell");
    if next.exists() {
        return Some(next);
    }
    is_missing("the program of the next rules", "tests/run builds it");
    None
}

/// Sets the unread count of a session, and returns the count that its agent receives.
async fn unread_of(bot: &mut Client, ada: &mut Client, session: &str) -> Value {
    bot.send(json!({"type": "activity", "id": "unread", "sessionId": session, "count": 150})).await;
    bot.reply("unread").await;
    ada.expect("activity").await["count"].clone()
}

/// The old program over a log that follows the next rules.
async fn assert_refused(setup: &Setup) {
    let Exit { code, stdout, stderr } = setup.fail().await;
    assert!(code.is_some_and(|code| code != 0) && stdout.is_empty(), "{code:?} {stdout}");
    let why = "this version of deskbell applies rules 4 to 4: start a version that applies rules 5";
    assert!(stderr.contains(why), "{stderr}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_upgrade_loses_nothing_and_every_client_reconnects_once() {
    let Some(next) = next_version() else { return };
    let config = format!("{CONFIG}\n{BRIEF}");
    let Some(mut cluster) = Cluster::start_with(1, 3, &config).await else { return };
    let ports = |hubs: &[Hub]| hubs.iter().map(|hub| hub.port).collect::<Vec<_>>();
    let (tell, told) = watch::channel(ports(&cluster.hubs));
    let (stop, stopped) = watch::channel(false);
    let book = Shared::default();
    let mut clients = Vec::new();
    // The length of a name decides at which hub a client begins.
    for (bot, desk) in [("b", "a"), ("bo", "ag"), ("bot", "age")] {
        clients.push(tokio::spawn(provider(bot.into(), told.clone(), Arc::clone(&book), stopped.clone())));
        clients.push(tokio::spawn(agent(desk.into(), told.clone(), Arc::clone(&book), stopped.clone())));
    }
    let outcomes = async |more: usize| {
        let enough = book.lock().unwrap().outcomes.len() + more;
        let settled = async {
            while book.lock().unwrap().outcomes.len() < enough {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE * 2, settled).await.expect("outcomes come");
    };
    outcomes(20).await;

    let mut upgraded: Vec<Hub> = Vec::new();
    for old in std::mem::take(&mut cluster.hubs) {
        let hub = cluster.setup(&config).program(&next).start().await;
        await_ready(&hub, true, PATIENCE).await;
        assert!(!upgraded.iter().any(|hub| hub.stderr.so_far().contains(IN_FORCE)), "an old hub is alive");
        upgraded.push(hub);
        // Whoever is disconnected finds only upgraded hubs, as behind a load balancer that has drained the old ones.
        tell.send_replace(ports(&upgraded));
        old.terminate();
        assert_eq!(old.exit().await.code, Some(0));
        outcomes(20).await;
    }
    for hub in &upgraded {
        hub.says(&[IN_FORCE]).await;
    }
    outcomes(20).await;
    stop.send_replace(true);
    for client in clients {
        client.await.unwrap();
    }
    {
        let book = book.lock().unwrap();
        assert_eq!(book.faults(), (0, 0, 0));
        assert!(book.connects.len() == 6 && book.connects.values().all(|times| *times == 2), "{:?}", book.connects);
    }
    let digests = digests(&cluster.servers[0], 3);
    assert!(digests.iter().all(|digest| *digest == digests[0]), "the hubs' states differ");
    assert_refused(&cluster.setup(&config)).await;
}

#[tokio::test]
async fn hubs_of_two_versions_decide_by_the_rules_of_the_older_one() {
    let Some(next) = next_version() else { return };
    let Some(mut cluster) = Cluster::start(1, 1).await else { return };
    let old = cluster.hubs.remove(0);
    let new = cluster.setup(CONFIG).program(&next).start().await;
    let (mut bot, mut ada) = (new.provider("bot").await, new.agent("ada").await);
    let id = bot.ring("chat").await;
    ada.shown(&id).await;
    ada.accept(&id).await;
    let session = text(&bot.result_of(&id).await["sessionId"]);
    assert_eq!(unread_of(&mut bot, &mut ada, &session).await, 150);
    old.terminate();
    assert_eq!(old.exit().await.code, Some(0));
    new.says(&[IN_FORCE]).await;
    assert_eq!(unread_of(&mut bot, &mut ada, &session).await, 99);
}

#[tokio::test]
async fn a_hub_with_a_log_of_its_own_is_upgraded_without_a_clean_stop() {
    let Some(next) = next_version() else { return };
    let old = Setup::on_disk();
    let new = old.clone().program(&next);
    let hub = old.start().await;
    let (mut bot, mut ada) = (hub.provider("bot").await, hub.agent("ada").await);
    let settled = bot.ring("chat").await;
    ada.shown(&settled).await;
    ada.accept(&settled).await;
    let session = text(&bot.result_of(&settled).await["sessionId"]);
    assert_eq!(unread_of(&mut bot, &mut ada, &session).await, 150);
    let open = bot.ring("chat").await;
    hub.kill_9();

    // After a kill the records of both versions follow each other; after an orderly stop there is a snapshot.
    for orderly in [false, true, false] {
        let hub = new.start().await;
        let mut bot = hub.join(json!({"role": "provider", "providerId": "bot", "resume": true})).await;
        let mut ada = hub.agent("ada").await;
        has(&bot.welcome["open"][0], json!({"notificationId": open}));
        has(&ada.welcome["sessions"][0], json!({"sessionId": session}));
        assert_eq!(bot.result_of(&settled).await["agentId"], "ada");
        assert_eq!(unread_of(&mut bot, &mut ada, &session).await, 99);
        if orderly {
            hub.terminate();
            assert_eq!(hub.exit().await.code, Some(0));
        } else {
            hub.kill_9();
        }
        assert_refused(&old).await;
    }
}
