//! A client that reads too slowly never costs the others anything.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Client, Hub, desk, has, hub, left_out_in_cluster, within};
use crate::raw::Raw;

/// Marks a session and waits until every agent has received the mark; returns how long that took.
async fn round(bot: &mut Client, agents: &mut [Client], n: usize) -> Duration {
    let details = format!("{n:06}{}", "x".repeat(500));
    let began = Instant::now();
    bot.send(json!({"type": "kpi", "sessionId": "s", "details": details})).await;
    for agent in agents {
        has(&agent.expect("kpi").await, json!({"details": details}));
    }
    let took = began.elapsed();
    bot.expect("result").await;
    took
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() * 99 / 100]
}

async fn cast(hub: &Hub) -> (Client, Vec<Client>) {
    let mut agents = Vec::new();
    for n in 0..5 {
        agents.push(hub.agent(&format!("agent-{n}")).await);
    }
    (hub.provider("bot").await, agents)
}

async fn slow_reader(hub: &Hub) -> Raw {
    let mut slow = Raw::with_small_window(hub.port).await;
    slow.join(hub.port, &json!({"type": "hello", "role": "agent", "agentId": "slow"})).await;
    slow
}

/// Continues until the hub counts the slow reader as disconnected, and returns the times of the others.
async fn until_gone(hub: &Hub, bot: &mut Client, agents: &mut [Client]) -> Vec<Duration> {
    let mut watcher = hub.observer().await;
    let mut times = Vec::new();
    loop {
        times.push(round(bot, agents, times.len()).await);
        if times.len().is_multiple_of(20) {
            let events = watcher.rest().await;
            if events.iter().any(|m| m["event"] == "agentLeft" && m["agentId"] == "slow") {
                return times;
            }
        }
        assert!(times.len() < 20_000, "the slow client is never given up");
    }
}

#[tokio::test]
async fn a_slow_reader_is_closed_with_1013_while_the_others_go_on() {
    let hub = hub("[limits]\noutboundBytes = 65536\nmessagesPerSecond = 100000\ndeliveriesPerSecond = 1000000").await;
    let (mut bot, mut agents) = cast(&hub).await;
    // The first ones warm things up.
    for n in 0..100 {
        round(&mut bot, &mut agents, n).await;
    }
    let mut without = Vec::new();
    for n in 0..300 {
        without.push(round(&mut bot, &mut agents, n).await);
    }
    let mut slow = slow_reader(&hub).await;
    let with = until_gone(&hub, &mut bot, &mut agents).await;
    let rounds = with.len();
    let (without, with) = (p99(without), p99(with));
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    println!("p99 of the others: {without:?} without, {with:?} with a slow client ({rounds} rounds): × {ratio:.2}");
    assert_eq!(slow.close_code().await, Some(1013));
    for agent in &mut agents {
        agent.expect_silence().await;
    }
    // Its next welcome gives it the whole state again.
    let id = bot.ring("chat").await;
    let back = hub.agent("slow").await;
    assert_eq!(desk(&back.welcome), [id]);
    assert_eq!(back.welcome["kpi"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_bound_in_frames_counts_too() {
    let hub = hub("[limits]\noutboundFrames = 32\nmessagesPerSecond = 100000\ndeliveriesPerSecond = 1000000").await;
    let (mut bot, mut agents) = cast(&hub).await;
    let mut slow = slow_reader(&hub).await;
    until_gone(&hub, &mut bot, &mut agents).await;
    assert_eq!(slow.close_code().await, Some(1013));
}

#[tokio::test]
async fn a_slow_reader_that_never_reads_again_is_dropped() {
    if left_out_in_cluster("each hub counts its own connections") {
        return;
    }
    let hub = hub(
        "[limits]\noutboundBytes = 4096\nmessagesPerSecond = 100000\ndeliveriesPerSecond = 1000000\nmaxConnections = 8",
    )
    .await;
    let (mut bot, mut agents) = cast(&hub).await;
    let mut slow = slow_reader(&hub).await;
    until_gone(&hub, &mut bot, &mut agents).await;
    // It is gone for the hub, its socket stays for the 1013 that nobody reads. Take every place that is left.
    let upgrade = crate::raw::upgrade(hub.port, "");
    let mut others = Vec::new();
    loop {
        let mut raw = Raw::connect(hub.port).await;
        raw.send(upgrade.as_bytes()).await;
        if crate::raw::status(&raw.head().await) == 503 {
            break;
        }
        others.push(raw);
        assert!(others.len() < 4, "more places than there are");
    }
    // In the end all eight are others'.
    let all_free = async {
        while others.len() < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut raw = Raw::connect(hub.port).await;
            raw.send(upgrade.as_bytes()).await;
            if crate::raw::status(&raw.head().await) == 101 {
                others.push(raw);
            }
        }
    };
    within("the place of the slow client", all_free).await;
    has(&agents[0].call(json!({"type": "ping"})).await, json!({"type": "pong"}));
    slow.rest().await;
}

#[tokio::test]
async fn an_agent_whose_connection_is_reset_leaves_at_once() {
    // Nothing but the reset itself can tell: neither a ping nor the idle timeout comes for an hour.
    let hub = hub("[server]\npingInterval = \"1h\"\nidleTimeout = \"2h\"").await;
    let mut watcher = hub.observer().await;
    let mut ada = Raw::connect(hub.port).await;
    ada.join(hub.port, &json!({"type": "hello", "role": "agent", "agentId": "ada"})).await;
    watcher.take("ada to join", |m| m["event"] == "agentJoined" && m["agentId"] == "ada").await;
    ada.reset();
    watcher.take("ada to leave", |m| m["event"] == "agentLeft" && m["agentId"] == "ada").await;
}

#[tokio::test]
async fn the_hub_pings_once_in_each_interval_and_no_more_often() {
    let hub = hub("[server]\npingInterval = \"1s\"\nidleTimeout = \"1m\"").await;
    let began = Instant::now();
    let mut ada = Raw::connect(hub.port).await;
    ada.join(hub.port, &json!({"type": "hello", "role": "agent"})).await;
    let mut pings = 0_u64;
    while pings < 3 {
        let (opcode, _) = ada.frame().await.expect("the connection stays");
        pings += u64::from(opcode == crate::raw::PING);
    }
    // Three pings are two whole intervals apart; a busy machine may make it longer, never shorter.
    assert!(began.elapsed() >= Duration::from_millis(1_500), "three pings within {:?}", began.elapsed());
}
