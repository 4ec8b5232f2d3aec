//! Malicious and broken clients: their effect on other clients, and on the hub's memory.
//!
//! The attackers run apart ([`Apart`]). Three conditions take turns: nobody attacks; the same attack on another hub on
//! this machine, which is what the machine's two processors and one disk make of it (the control); the attack itself.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use crate::apart::{self, Apart, Done};
use crate::harness::Setup;
use crate::light::{Light, frame, upgrade};
use crate::table::Table;
use crate::usage::{connections_max, memory, processor};
use crate::work::{Shown, Waits, median_is_held, ratio};

/// The length and number of rounds for each condition, so that the machine's other work affects all conditions alike.
const LOOK: Duration = Duration::from_secs(3);
const ROUNDS: u64 = 4;

/// After an attack: its connections end.
const PEACE: Duration = Duration::from_millis(700);

/// The default of `outboundBytes`, plus the other memory of a connection.
const CONNECTION_BYTES_MAX: u64 = 1024 * 1024 + 64 * 1024;

/// The measured provider and agent, and the provider that calls the agents that do not read.
const OTHERS: u64 = 3;

/// Runs them one after the other; true if the hub survived, kept to its memory, and the others' median wait at
/// most doubled.
pub(crate) async fn run(half_open: u64) -> bool {
    let half_open = half_open.min(connections_max());
    let (hub, control) = (Setup::on_disk().start().await, Setup::on_disk().start().await);
    Waits::default().measure(hub.port, "early", Duration::from_secs(1)).await;
    let mut table = Table::new("hostile clients");
    let yields = apart::can_yield();
    table.row("attackers get only idle processor time", if yields { "yes" } else { "NO" });
    let mut good = true;
    for hostility in Hostility::ALL {
        let count = match hostility {
            Hostility::Flood => 1,
            Hostility::HalfOpen => half_open,
            Hostility::Dribble => 300,
            Hostility::Deaf => 100,
        };
        let (mut alone, mut beside, mut under) = (Waits::default(), Waits::default(), Waits::default());
        let (mut most, mut busy, mut rates) = (0, 0.0, Vec::new());
        for round in 0..ROUNDS {
            let name = |condition: &str| format!("{}-{round}-{condition}", hostility.word());
            alone.measure(hub.port, &name("alone"), LOOK).await;
            let attack = Apart::start(hostility.word(), control.port, count, yields);
            beside.measure(hub.port, &name("control"), LOOK).await;
            attack.stop();
            sleep(PEACE).await;
            // Settled notifications stay in memory for a while, with or without an attack.
            let baseline = memory(&hub.pid());
            let attack = Apart::start(hostility.word(), hub.port, count, yields);
            let (before, began) = (processor(&hub.pid()), Instant::now());
            under.measure(hub.port, &name("attack"), LOOK).await;
            busy = (processor(&hub.pid()) - before).as_secs_f64() / began.elapsed().as_secs_f64();
            most = most.max(memory(&hub.pid()).saturating_sub(baseline));
            rates.push(attack.stop());
            sleep(PEACE).await;
        }
        let bound = (count + OTHERS) * CONNECTION_BYTES_MAX;
        table.row(&format!("{count} {}: alone", hostility.name()), Shown(&alone.call));
        let times = |of: &Waits, than: &Waits| format!("p99 × {:.2}", ratio(&of.call, &than.call));
        table.row("  while another hub has them", format!("{}, {}", Shown(&beside.call), times(&beside, &alone)));
        table.row("  while this hub has them", format!("{}, {}", Shown(&under.call), times(&under, &alone)));
        table.row("  the latter to the former", times(&under, &beside));
        let mean = |of: &str| rates.iter().filter_map(|rates| rates[of].as_f64()).sum::<f64>() / ROUNDS as f64;
        let done =
            format!("{:.0} sent, {:.0} connections, hub's processors {busy:.2}", mean("sent"), mean("connections"));
        table.row("  by second", done);
        let (most_mib, bound_mib) = (most / 1024 / 1024, bound / 1024 / 1024);
        table.row("  the hub's memory, MiB more than before", format!("{most_mib} (bound {bound_mib})"));
        let held = median_is_held(&under.call, [&alone.call, &beside.call]);
        table.row("  the others' median at most doubled", if held { "yes" } else { "NO" });
        good &= most <= bound && held;
    }
    control.terminate();
    hub.terminate();
    let survived = hub.exit().await.code == Some(0);
    table.row("survived, within its memory, the others served", if good && survived { "yes" } else { "NO" });
    table.print();
    good && survived
}

/// What they do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hostility {
    /// One provider that rings as fast as it can, and reconnects when it is closed.
    Flood,
    /// Connections that stop in the middle of an upgrade, or never say hello.
    HalfOpen,
    /// Senders of one byte at a time.
    Dribble,
    /// Agents that are called and do not read.
    Deaf,
}

impl Hostility {
    const ALL: [Self; 4] = [Self::Flood, Self::Dribble, Self::Deaf, Self::HalfOpen];

    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hostility| hostility.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::HalfOpen => "half-open",
            Self::Dribble => "dribble",
            Self::Deaf => "deaf",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Flood => "client floods",
            Self::HalfOpen => "connections stay half open",
            Self::Dribble => "clients send byte by byte",
            Self::Deaf => "agents stop reading, 100 calls a second for them",
        }
    }

    /// Begins with `count` of them, as long as the process lives.
    pub(crate) async fn begin(self, port: u16, count: u64, done: &'static Done) {
        for number in 0..count {
            tokio::spawn(async move {
                loop {
                    Done::add(&done.connections, 1);
                    // What the hub does to them is its business; they come again.
                    let _ = match self {
                        Self::Flood => flood(port, done).await,
                        Self::HalfOpen => half_open(port, number).await,
                        Self::Dribble => dribble(port, number, done).await,
                        Self::Deaf => deaf(port, number).await,
                    };
                    sleep(Duration::from_millis(50)).await;
                }
            });
        }
        if matches!(self, Self::Deaf) {
            tokio::spawn(async move { while ring_the_deaf(port, done).await.is_ok() {} });
        }
        // They are at it before anybody looks.
        sleep(Duration::from_millis(500)).await;
    }
}

async fn flood(port: u16, done: &'static Done) -> std::io::Result<()> {
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
            write.write_all(&calls).await?;
            Done::add(&done.sent, 32);
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

async fn dribble(port: u16, number: u64, done: &'static Done) -> std::io::Result<()> {
    let mut light = Light::connect(port, None).await?;
    let mut bytes = upgrade(port).into_bytes();
    bytes
        .extend(frame(&json!({"type": "hello", "role": "agent", "agentId": format!("dribbler-{number}")}).to_string()));
    for byte in bytes.into_iter().chain(frame(r#"{"type":"ping"}"#).repeat(1000)) {
        light.stream.write_all(&[byte]).await?;
        Done::add(&done.sent, 1);
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

/// Rings all agents that do not read, and cancels, as often as its rate allows.
async fn ring_the_deaf(port: u16, done: &'static Done) -> std::io::Result<()> {
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
        Done::add(&done.sent, 2);
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
