//! Hubs and servers are killed, paused or cut off, one at a time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::campaign::Line;
use crate::fixture::{CONFIG, Cluster, await_ready, ready};
use crate::harness::{Client, Hub, Setup, accepted, has};
use crate::proxy::Proxy;

#[tokio::test]
async fn agents_of_a_killed_hub_leave_the_audience_and_nothing_else_changes() {
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
    println!("kill -9 of a hub: its agents are out of the audience after {:?}", began.elapsed());

    // She comes back at the other one and finds it.
    let mut ada = cluster.hubs[0].agent("ada").await;
    has(&ada.welcome["notifications"][0], json!({"notificationId": shown}));
    ada.accept(&shown).await;
    has(&bot.result_of(&shown).await, json!({"value": accepted(), "agentId": "ada"}));
}

#[tokio::test]
async fn a_paused_hub_disconnects_its_clients_and_rejoins() {
    let Some(cluster) = Cluster::start(1, 2).await else { return };
    let [a, b] = &cluster.hubs[..] else { panic!() };
    let mut bot = a.provider("bot").await;
    let mut watcher = a.observer().await;
    let mut ada = b.agent("ada").await;
    watcher.take("ada to join", |m| m["event"] == "agentJoined" && m["agentId"] == "ada").await;
    b.signal("-STOP");
    watcher.take("ada to leave", |m| m["event"] == "agentLeft" && m["agentId"] == "ada").await;
    let meanwhile = bot.ring("chat").await;
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
async fn a_hub_without_its_log_refuses_calls_and_recovers_each_time() {
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

    // Cut off for long: the hub is removed and its clients are closed. When it is back it catches up before it serves. Each time.
    let mut id = id.to_owned();
    for absence in 1..=2 {
        proxy.cut(true);
        bot.expect_close(1013).await;
        assert_eq!(ready(b).await, 503);
        ada.accept(&id).await;
        a.says_after(0, "it is removed").await;
        proxy.cut(false);
        await_ready(b, true, Duration::from_secs(30)).await;
        bot = b.join(json!({"role": "provider", "providerId": "bot", "resume": true})).await;
        has(&bot.result_of(&id).await, json!({"value": accepted(), "agentId": "ada"}));
        id = bot.ring_with("chat", json!({"id": format!("after-absence-{absence}")})).await;
        ada.shown(&id).await;
    }
}

#[tokio::test]
async fn the_loss_of_one_server_of_three_costs_a_pause_and_of_two_the_service_until_they_are_back() {
    let Some(mut cluster) = Cluster::start(3, 2).await else { return };
    for victim in 0..3 {
        let mut ada = come_back(&cluster.hubs[1], json!({"role": "agent", "agentId": "ada"})).await;
        cluster.servers[victim].kill();
        let began = Instant::now();
        let id = ring_at(&cluster.hubs[0], &format!("n-{victim}")).await;
        println!("server {victim} of three killed: a notification is acknowledged after {:?}", began.elapsed());
        // If the others took longer than a call may wait to elect a leader, she was cut off, and comes back.
        let mut again = come_back(&cluster.hubs[1], json!({"role": "agent", "agentId": "ada"})).await;
        assert!(again.welcome["notifications"].as_array().unwrap().iter().any(|n| n["notificationId"] == id));
        has(&accept(&mut again, &id).await, json!({"value": accepted(), "won": true}));
        let hello = json!({"role": "provider", "providerId": "bot", "resume": true});
        let mut bot = come_back(&cluster.hubs[0], hello).await;
        has(&bot.result_of(&id).await, json!({"value": accepted()}));
        let _ = ada.arrived();
        cluster.servers[victim].start();
        cluster.servers[victim].await_jetstream();
        for hub in &cluster.hubs {
            await_ready(hub, true, Duration::from_secs(30)).await;
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
    let mut ada = come_back(&cluster.hubs[1], json!({"role": "agent", "agentId": "ada"})).await;
    let id = ring_at(&cluster.hubs[0], "last").await;
    ada.shown(&id).await;
}

/// Accepts as a page does: again, where nothing was done.
async fn accept(agent: &mut Client, id: &str) -> Value {
    let began = Instant::now();
    loop {
        let reply = agent.accept(id).await;
        if reply["code"] != "unavailable" {
            return reply;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "unavailable for a minute");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Joins as a page does, and tries again if the hub does not know yet whether the join was carried out.
async fn come_back(hub: &Hub, hello: Value) -> Client {
    let began = Instant::now();
    loop {
        await_ready(hub, true, Duration::from_secs(60)).await;
        let mut client = hub.connect().await;
        if client.hello_or_close(hello.clone()).await {
            return client;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "no welcome for a minute; {}", hub.stderr.so_far());
    }
}

/// Rings until it is acknowledged, as a provider does: the same call again wherever its fate is not known.
async fn ring_at(hub: &Hub, id: &str) -> String {
    let began = Instant::now();
    let mut line = Line::to(hub.port);
    let call = json!({"type": "notify", "id": id, "templateName": "chat"});
    while began.elapsed() < Duration::from_secs(60) {
        let hello = json!({"type": "hello", "role": "provider", "providerId": "bot"});
        if !line.is_open() && line.connect(&hello).await.is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        line.send(&call).await;
        while let Ok(Some(message)) = line.read(Duration::from_secs(15)).await {
            match message["type"].as_str() {
                Some("ack") => return message["notificationId"].as_str().unwrap().to_owned(),
                Some("error") => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    break;
                }
                _ => {}
            }
        }
    }
    panic!("nothing was acknowledged for a minute; {}", hub.stderr.so_far());
}
