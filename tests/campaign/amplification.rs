//! One provider makes the hub send as much as it may: what another one's agent notices of it between accept and result.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::harness::Setup;
use crate::light::{Light, frame};
use crate::table::Table;
use crate::usage::connections_max;

/// Agents who connect at the same time.
const JOINING: u64 = 200;

/// Between two calls of those who work: people do not answer every millisecond.
const PAUSE: Duration = Duration::from_millis(5);

/// Measures for `look` each; prints, and is true if everybody was served.
pub(crate) async fn run(agents: u64, look: Duration) -> bool {
    let agents = agents.min(connections_max());
    let hub = Setup::on_disk().config("[limits]\nmaxConnections = 100000").start().await;
    let port = hub.port;
    let read = Arc::new(AtomicU64::new(0));
    let mut audience = JoinSet::new();
    for first in (0..agents).step_by(JOINING as usize) {
        let mut joining = JoinSet::new();
        for number in first..(first + JOINING).min(agents) {
            let hello =
                json!({"type": "hello", "role": "agent", "agentId": format!("agent-{number}"), "groups": ["all"]});
            joining.spawn(async move { Light::join(port, &hello, None).await.expect("an agent joins").0 });
        }
        for mut light in joining.join_all().await {
            let read = Arc::clone(&read);
            audience.spawn(async move {
                let mut buffer = [0; 2048];
                while light.stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {
                    read.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    let mut table = Table::new("amplification");
    table.row("agents who get every kpi", agents);
    let calm = others(port, 0, look).await;
    table.row("accept to result, nobody else", shown(&calm));

    let stop = Arc::new(AtomicBool::new(false));
    let shouting = tokio::spawn(shout(port, Arc::clone(&stop)));
    sleep(Duration::from_millis(500)).await;
    let (before, began) = (read.load(Ordering::Relaxed), Instant::now());
    let under = others(port, 1, look).await;
    let per_second = (read.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let (taken, refused) = shouting.await.unwrap().expect("the shouting provider stays");
    table.row("accept to result, beside it", shown(&under));
    let ratio = under.value_at_quantile(0.99) as f64 / calm.value_at_quantile(0.99) as f64;
    table.row("  its p99, as a multiple", format!("{ratio:.2}"));
    table.row("kpi taken, and refused as rateLimited", format!("{taken}, {refused}"));
    table.row("reads of the agents' sockets per second", format!("{per_second:.0}"));
    table.print();
    audience.abort_all();
    hub.terminate();
    !under.is_empty() && taken > 0 && hub.exit().await.code == Some(0)
}

/// Sends kpi as fast as the rates take them; how many were taken, and how many refused.
async fn shout(port: u16, stop: Arc<AtomicBool>) -> std::io::Result<(u64, u64)> {
    let hello = json!({"type": "hello", "role": "provider", "providerId": "shouter"});
    let (mut shouter, _) = Light::join(port, &hello, None).await?;
    let (mut taken, mut refused) = (0, 0);
    let call = frame(&json!({"type": "kpi", "sessionId": "s", "details": "x".repeat(200)}).to_string());
    while !stop.load(Ordering::Relaxed) {
        tokio::io::AsyncWriteExt::write_all(&mut shouter.stream, &call).await?;
        match shouter.next().await?["type"].as_str() {
            Some("result") => taken += 1,
            _ => refused += 1,
        }
        // Below messagesPerSecond, so that deliveriesPerSecond is what refuses.
        sleep(PAUSE).await;
    }
    Ok((taken, refused))
}

/// A provider and its agent, on a thread of their own: microseconds from the agent's accept to the provider's result.
async fn others(port: u16, round: u64, look: Duration) -> Histogram<u64> {
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work(port, round, look)).expect("the others are served")
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn work(port: u16, round: u64, look: Duration) -> std::io::Result<Histogram<u64>> {
    let agent = format!("worker-{round}");
    let (mut desk, _) = Light::join(port, &json!({"type": "hello", "role": "agent", "agentId": agent}), None).await?;
    let hello = json!({"type": "hello", "role": "provider", "providerId": format!("bot-{round}")});
    let (mut bot, _) = Light::join(port, &hello, None).await?;
    let mut took = Histogram::new(3).unwrap();
    let began = Instant::now();
    while began.elapsed() < look {
        bot.send(&json!({"type": "notify", "templateName": "chat", "to": {"agents": [agent]}})).await?;
        let shown = desk.until(|m| m["type"] == "notification").await?;
        let accept = Instant::now();
        desk.send(&json!({"type": "accept", "notificationId": shown["notificationId"]})).await?;
        bot.until(|m| m["type"] == "result").await?;
        took.record(u64::try_from(accept.elapsed().as_micros()).unwrap()).unwrap();
        sleep(PAUSE).await;
    }
    Ok(took)
}

fn shown(took: &Histogram<u64>) -> String {
    let ms = |us: u64| us as f64 / 1000.0;
    let (p50, p99) = (ms(took.value_at_quantile(0.5)), ms(took.value_at_quantile(0.99)));
    format!("p50 {p50:.1} ms, p99 {p99:.1} ms ({} calls)", took.len())
}
