//! Clients that mean harm, or are merely broken: what the others notice of them, and what they cost in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::harness::Setup;
use crate::light::{Light, frame, upgrade};
use crate::table::Table;
use crate::usage::{connections_max, memory};

/// How long each is looked at.
const LOOK: Duration = Duration::from_secs(4);

/// The default of `outboundBytes`, and what a connection may cost besides.
const CONNECTION_BYTES_MAX: u64 = 1024 * 1024 + 64 * 1024;

/// Those who work, and who rings the deaf.
const OTHERS: u64 = 3;

/// Runs them one after the other; true if the hub survived and kept to its memory.
pub(crate) async fn run(half_open: u64) -> bool {
    let half_open = half_open.min(connections_max());
    let hub = Setup::on_disk().start().await;
    let (port, pid) = (hub.port, hub.pid());
    let mut table = Table::new("hostile clients");
    let calm = others(port, 0).await;
    let baseline = memory(&pid);
    table.row("memory before, MiB", baseline / 1024 / 1024);
    table.row("nobody hostile: notify to result", shown(&calm));
    let mut good = true;
    for (number, hostility) in
        [Hostility::Flood, Hostility::Dribble, Hostility::Deaf, Hostility::HalfOpen].into_iter().enumerate()
    {
        let count = match hostility {
            Hostility::Flood => 1,
            Hostility::HalfOpen => half_open,
            Hostility::Dribble => 300,
            Hostility::Deaf => 100,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let mut attackers = attack(hostility, port, count, &stop);
        // They are at it before anybody looks.
        sleep(Duration::from_millis(500)).await;
        let under = others(port, number as u64 + 1).await;
        let used = memory(&pid);
        stop.store(true, Ordering::Relaxed);
        attackers.abort_all();
        while attackers.join_next().await.is_some() {}
        let bound = baseline + (count + OTHERS) * CONNECTION_BYTES_MAX;
        let ratio = under.value_at_quantile(0.99) as f64 / calm.value_at_quantile(0.99) as f64;
        table.row(&format!("{count} {}", hostility.name()), format!("{}, p99 × {ratio:.2}", shown(&under)));
        let (used_mib, bound_mib) = (used / 1024 / 1024, bound / 1024 / 1024);
        table.row("  the hub's memory, MiB", format!("{used_mib} (bound {bound_mib})"));
        good &= used <= bound && !under.is_empty();
    }
    hub.terminate();
    let survived = hub.exit().await.code == Some(0);
    table.row("survived, within its memory", if good && survived { "yes" } else { "NO" });
    table.print();
    good && survived
}

#[derive(Debug, Clone, Copy)]
enum Hostility {
    /// One provider that rings as fast as it can, and comes back when it is closed.
    Flood,
    /// Connections that stop in the middle of an upgrade, or never say hello.
    HalfOpen,
    /// Senders of one byte at a time.
    Dribble,
    /// Agents who are rung and do not read.
    Deaf,
}

impl Hostility {
    fn name(self) -> &'static str {
        match self {
            Self::Flood => "client floods",
            Self::HalfOpen => "connections stay half open",
            Self::Dribble => "clients send byte by byte",
            Self::Deaf => "agents stop reading, 100 calls a second for them",
        }
    }
}

fn attack(hostility: Hostility, port: u16, count: u64, stop: &Arc<AtomicBool>) -> JoinSet<()> {
    let mut attackers = JoinSet::new();
    for number in 0..count {
        let stop = Arc::clone(stop);
        attackers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                // What the hub does to them is its business; they come again.
                let _ = match hostility {
                    Hostility::Flood => flood(port).await,
                    Hostility::HalfOpen => half_open(port, number).await,
                    Hostility::Dribble => dribble(port, number).await,
                    Hostility::Deaf => deaf(port, number).await,
                };
                sleep(Duration::from_millis(50)).await;
            }
        });
    }
    if matches!(hostility, Hostility::Deaf) {
        attackers.spawn(async move { while ring_the_deaf(port).await.is_ok() {} });
    }
    attackers
}

async fn flood(port: u16) -> std::io::Result<()> {
    let (light, _) =
        Light::join(port, &json!({"type": "hello", "role": "provider", "providerId": "flood"}), None).await?;
    let (mut read, mut write) = light.stream.into_split();
    let reader = tokio::spawn(async move {
        let mut buffer = vec![0; 65536];
        while read.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
    });
    let call = frame(&json!({"type": "notify", "templateName": "short", "to": {"agents": ["nobody"]}}).to_string());
    let calls = call.repeat(32);
    let sent = async {
        loop {
            write.write_all(&calls).await?
        }
    };
    let result: std::io::Result<()> = sent.await;
    reader.abort();
    result
}

async fn half_open(port: u16, number: u64) -> std::io::Result<()> {
    let mut light = Light::connect(port, None).await?;
    let head = upgrade(port);
    let part = match number % 3 {
        0 => "",
        1 => &head[..head.len() / 2],
        _ => &head,
    };
    light.stream.write_all(part.as_bytes()).await?;
    let mut buffer = [0; 256];
    while light.stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

async fn dribble(port: u16, number: u64) -> std::io::Result<()> {
    let mut light = Light::connect(port, None).await?;
    let mut bytes = upgrade(port).into_bytes();
    bytes
        .extend(frame(&json!({"type": "hello", "role": "agent", "agentId": format!("dribbler-{number}")}).to_string()));
    for byte in bytes.into_iter().chain(frame(r#"{"type":"ping"}"#).repeat(1000)) {
        light.stream.write_all(&[byte]).await?;
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

async fn deaf(port: u16, number: u64) -> std::io::Result<()> {
    let hello = json!({"type": "hello", "role": "agent", "agentId": format!("deaf-{number}"), "groups": ["deaf"]});
    let (_light, _) = Light::join(port, &hello, Some(4096)).await?;
    sleep(Duration::from_secs(3600)).await;
    Ok(())
}

/// Rings all the deaf, and withdraws it, as often as its rate allows.
async fn ring_the_deaf(port: u16) -> std::io::Result<()> {
    let (mut bot, _) =
        Light::join(port, &json!({"type": "hello", "role": "provider", "providerId": "crier"}), None).await?;
    for n in 0.. {
        let token = format!("t{n}");
        let note = "x".repeat(900);
        bot.send(&json!({"type": "notify", "templateName": "chat", "cancellationToken": token,
                         "templateParameters": {"customerName": note}, "to": {"groups": ["deaf"]}}))
            .await?;
        bot.send(&json!({"type": "cancel", "id": token, "cancellationToken": token})).await?;
        bot.until(|m| m["id"] == token.as_str()).await?;
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// What a provider and an agent notice who do nothing but work: microseconds from the call to its result. They have a
/// thread of their own, so that they wait for the hub and not for their attackers.
async fn others(port: u16, round: u64) -> Histogram<u64> {
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work(port, round)).expect("the others are served")
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn work(port: u16, round: u64) -> std::io::Result<Histogram<u64>> {
    let agent = format!("worker-{round}");
    let hello = json!({"type": "hello", "role": "agent", "agentId": agent});
    let (mut desk, _) = Light::join(port, &hello, None).await?;
    let hello = json!({"type": "hello", "role": "provider", "providerId": format!("bot-{round}")});
    let (mut bot, _) = Light::join(port, &hello, None).await?;
    let mut took = Histogram::new(3).unwrap();
    let began = Instant::now();
    while began.elapsed() < LOOK {
        let call = Instant::now();
        bot.send(&json!({"type": "notify", "templateName": "chat", "to": {"agents": [agent]}})).await?;
        let shown = desk.until(|m| m["type"] == "notification").await?;
        desk.send(&json!({"type": "accept", "notificationId": shown["notificationId"]})).await?;
        bot.until(|m| m["type"] == "result").await?;
        took.record(u64::try_from(call.elapsed().as_micros()).unwrap()).unwrap();
        sleep(Duration::from_millis(6)).await;
    }
    Ok(took)
}

fn shown(took: &Histogram<u64>) -> String {
    let ms = |us: u64| us as f64 / 1000.0;
    let (p50, p99) = (ms(took.value_at_quantile(0.5)), ms(took.value_at_quantile(0.99)));
    format!("p50 {p50:.1} ms, p99 {p99:.1} ms ({} calls)", took.len())
}
