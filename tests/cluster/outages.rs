//! What is killed, paused or cut off, one at a time.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fixture::{CONFIG, Cluster, await_ready, ready};
use crate::harness::{Setup, accepted, has};
use crate::proxy::Proxy;

#[tokio::test]
async fn a_killed_hubs_agents_are_out_within_twelve_seconds_and_nothing_else_happens() {
    let Some(mut cluster) = Cluster::start(1, 2).await else { return };
    let mut bot = cluster.hubs[0].provider("bot").await;
    let mut watcher = cluster.hubs[0].observer().await;
    let mut ada = cluster.hubs[1].agent("ada").await;
    let shown = bot.ring("chat").await;
    ada.shown(&shown).await;
    watcher.take("ada to join", |m| m["event"] == "agentJoined" && m["agentId"] == "ada").await;

    let began = Instant::now();
    cluster.hubs.remove(1).kill_9();
    watcher.take("ada to leave", |m| m["event"] == "agentLeft" && m["agentId"] == "ada").await;
    let took = began.elapsed();
    println!("kill -9 of a hub: its agents are out of the audience after {took:?}");
    assert!(took < Duration::from_secs(12), "{took:?}");

    // She comes back at the other one and finds it.
    let mut ada = cluster.hubs[0].agent("ada").await;
    has(&ada.welcome["notifications"][0], json!({"notificationId": shown}));
    ada.accept(&shown).await;
    has(&bot.result_of(&shown).await, json!({"value": accepted(), "agentId": "ada"}));
}

#[tokio::test]
async fn a_paused_hub_finds_that_it_was_removed_drops_its_clients_and_comes_back() {
    let Some(cluster) = Cluster::start(1, 2).await else { return };
    let [a, b] = &cluster.hubs[..] else { panic!() };
    let mut bot = a.provider("bot").await;
    let mut watcher = a.observer().await;
    let mut ada = b.agent("ada").await;
    watcher.take("ada to join", |m| m["event"] == "agentJoined" && m["agentId"] == "ada").await;
    b.signal("-STOP");
    watcher.take("ada to leave", |m| m["event"] == "agentLeft" && m["agentId"] == "ada").await;
    let meanwhile = bot.ring("chat").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    b.signal("-CONT");
    ada.expect_close(1013).await;
    await_ready(b, true, Duration::from_secs(10)).await;
    b.says(&["removed"]).await;
    let mut ada = b.agent("ada").await;
    has(&ada.welcome["notifications"][0], json!({"notificationId": meanwhile}));
    ada.accept(&meanwhile).await;
    has(&bot.result_of(&meanwhile).await, json!({"value": accepted()}));
}

#[tokio::test]
async fn a_hub_that_is_cut_off_says_so_refuses_and_comes_back() {
    let Some(mut cluster) = Cluster::start(1, 1).await else { return };
    let proxy = Proxy::to(cluster.servers[0].port()).await;
    let setup = Setup::new().without_data_dir().config(CONFIG).args(&["--cluster", &proxy.url()]);
    cluster.hubs.push(setup.start().await);
    let [a, b] = &cluster.hubs[..] else { panic!() };
    let mut bot = b.provider("bot").await;
    let mut ada = a.agent("ada").await;

    // Not for long: its clients stay.
    proxy.cut(true);
    await_ready(b, false, Duration::from_secs(8)).await;
    let refused = bot.call(json!({"type": "notify", "id": "n-1", "templateName": "chat"})).await;
    has(&refused, json!({"type": "error", "code": "unavailable"}));
    assert!(refused["retryAfterMs"].is_u64(), "{refused}");
    proxy.cut(false);
    await_ready(b, true, Duration::from_secs(10)).await;
    let id = bot.call(json!({"type": "notify", "id": "n-1", "templateName": "chat"})).await["notificationId"].clone();
    let id = id.as_str().unwrap();
    ada.shown(id).await;

    // For long: it is removed, its clients are cut off, and when it is back it has caught up before it serves.
    proxy.cut(true);
    bot.expect_close(1013).await;
    assert_eq!(ready(b).await, 503);
    ada.accept(id).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    proxy.cut(false);
    await_ready(b, true, Duration::from_secs(15)).await;
    let mut bot = b.join(json!({"role": "provider", "providerId": "bot", "resume": true})).await;
    has(&bot.result_of(id).await, json!({"value": accepted(), "agentId": "ada"}));
}

#[tokio::test]
async fn the_loss_of_one_server_of_three_costs_a_pause_and_of_two_the_service_until_they_are_back() {
    let Some(mut cluster) = Cluster::start(3, 2).await else { return };
    let mut bot = cluster.hubs[0].provider("bot").await;
    let mut ada = cluster.hubs[1].agent("ada").await;
    for victim in 0..3 {
        cluster.servers[victim].kill();
        let began = Instant::now();
        let id = loop {
            let id = format!("n-{victim}");
            let reply = bot.call(json!({"type": "notify", "id": id, "templateName": "chat"})).await;
            if reply["type"] == "ack" {
                break reply["notificationId"].as_str().unwrap().to_owned();
            }
            has(&reply, json!({"code": "unavailable"}));
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        ada.shown(&id).await;
        println!("server {victim} of three killed: a notification is on the desk after {:?}", began.elapsed());
        ada.accept(&id).await;
        has(&bot.result_of(&id).await, json!({"value": accepted()}));
        cluster.servers[victim].start();
        tokio::time::sleep(Duration::from_secs(3)).await;
        for hub in &cluster.hubs {
            await_ready(hub, true, Duration::from_secs(20)).await;
        }
    }
    cluster.servers[0].kill();
    cluster.servers[1].kill();
    for hub in &cluster.hubs {
        await_ready(hub, false, Duration::from_secs(15)).await;
    }
    cluster.servers[0].start();
    cluster.servers[1].start();
    let began = Instant::now();
    for hub in &cluster.hubs {
        await_ready(hub, true, Duration::from_secs(60)).await;
    }
    println!("quorum lost and found: ready again after {:?}", began.elapsed());
    let mut bot = cluster.hubs[0].provider("bot").await;
    let mut ada = cluster.hubs[1].agent("ada").await;
    let id = bot.ring("chat").await;
    ada.shown(&id).await;
}
