//! What the cluster costs, printed. By name only: `cargo test --release --test cluster -- --ignored --nocapture measure`.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;

use crate::fixture::{CONFIG, Cluster};
use crate::harness::{Client, Hub, Setup};

/// Notifications per measurement; `MEASURE_ROUNDS` sets another number.
const ROUNDS: usize = 500;

/// Agents that are called at once.
const AGENTS: usize = 60;

fn rounds() -> usize {
    std::env::var("MEASURE_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// All of it in one run, one after the other.
#[tokio::test]
#[ignore = "it measures; nothing is held against it"]
async fn measure_latency_deliveries_and_failover() {
    latency_and_deliveries().await;
    failover().await;
}

async fn latency_and_deliveries() {
    println!("notify → result: one provider, one agent who accepts at once; deliveries: {AGENTS} agents see all");
    one("memory", &Setup::new().config(CONFIG).start().await).await;
    one("disk", &Setup::on_disk().config(CONFIG).start().await).await;
    for servers in [1, 3] {
        for hubs in [1, 3] {
            let Some(cluster) = Cluster::start(servers, hubs).await else { return };
            let name = format!("JetStream, {servers} server(s), {hubs} hub(s)");
            several(&name, &cluster.hubs.iter().collect::<Vec<_>>()).await;
        }
    }
}

async fn one(name: &str, hub: &Hub) {
    several(name, &[hub]).await;
}

async fn several(name: &str, hubs: &[&Hub]) {
    let mut bot = hubs[0].provider("bot").await;
    let mut ada = hubs[hubs.len() - 1].agent_in("ada", &["one"]).await;
    let mut latency = Histogram::<u64>::new(3).unwrap();
    for _ in 0..rounds() {
        let began = Instant::now();
        bot.send(json!({"type": "notify", "templateName": "chat", "to": {"agents": ["ada"]}})).await;
        let shown = ada.expect("notification").await;
        ada.send(json!({"type": "accept", "id": "a", "notificationId": shown["notificationId"]})).await;
        bot.take("the result", |m| m["type"] == "result").await;
        latency.record(u64::try_from(began.elapsed().as_micros()).unwrap()).unwrap();
        ada.rest().await;
    }
    let deliveries = deliveries_per_second(hubs, &mut bot).await;
    println!(
        "{name}: notify→result p50 {:.2} ms, p99 {:.2} ms; {deliveries:.0} deliveries/s",
        latency.value_at_quantile(0.5) as f64 / 1e3,
        latency.value_at_quantile(0.99) as f64 / 1e3
    );
}

/// Rings and cancels as fast as the hub takes it; each ring is shown to and closed at every agent.
async fn deliveries_per_second(hubs: &[&Hub], bot: &mut Client) -> f64 {
    let mut readers = Vec::new();
    for n in 0..AGENTS {
        let mut agent = hubs[n % hubs.len()].agent_in(&format!("agent-{n}"), &["many"]).await;
        readers.push(tokio::spawn(async move {
            for _ in 0..rounds() {
                agent.expect("notification").await;
                agent.expect("closed").await;
            }
        }));
    }
    let began = Instant::now();
    for n in 0..rounds() {
        let token = format!("t-{n}");
        let to = json!({"groups": ["many"]});
        bot.send(json!({"type": "notify", "templateName": "chat", "cancellationToken": token, "to": to})).await;
        bot.send(json!({"type": "cancel", "id": token, "cancellationToken": token})).await;
        bot.reply(&token).await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
    let seconds = began.elapsed().max(Duration::from_millis(1)).as_secs_f64();
    (rounds() * AGENTS * 2) as f64 / seconds
}

/// Measures the time from `kill -9` of a hub until its agent's notification rings again: on the agent's desk at another hub, if the
/// agent reconnects at once; otherwise until the other hubs know that the agent has left.
async fn failover() {
    const KILLS: usize = 5;
    let Some(mut cluster) = Cluster::start(3, 3).await else { return };
    let (mut back, mut gone) = (Vec::new(), Vec::new());
    let mut bot = cluster.hubs[0].provider("bot").await;
    let mut watcher = cluster.hubs[0].observer().await;
    for round in 0..KILLS {
        let [ada, bob] = ["ada", "bob"].map(|name| format!("{name}-{round}"));
        let mut desk = cluster.hubs[2].agent(&ada).await;
        let _stays_away = cluster.hubs[2].agent(&bob).await;
        let held = bot.ring_with("chat", json!({"to": {"agents": [ada]}})).await;
        desk.shown(&held).await;
        let setup = cluster.hubs[2].setup.clone();
        let killed = Instant::now();
        drop(cluster.hubs.remove(2).kill_9());
        let again = cluster.hubs[1].agent(&ada).await;
        back.push(killed.elapsed());
        assert_eq!(again.welcome["notifications"][0]["notificationId"], json!(held));
        let left = |m: &serde_json::Value| m["event"] == "agentLeft" && m["agentId"] == json!(bob);
        watcher.take("bob to leave", left).await;
        gone.push(killed.elapsed());
        cluster.hubs.push(setup.start().await);
    }
    println!("kill -9 of a hub until its agent, back at another at once, has the notification before her: {back:.1?}");
    println!("kill -9 of a hub until its agents that do not come back are out of the audience: {gone:.1?}");
}
