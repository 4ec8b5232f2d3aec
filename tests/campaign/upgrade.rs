//! An upgrade under traffic: the new hub waits for the data directory, the old one stops, everybody comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::check::check;
use crate::harness::Setup;
use crate::kills::{SETTLE_PATIENCE, start_clients, until_settled};
use crate::link::{Faults, Manner, Phase, World};
use crate::scene::config;
use crate::table::Table;

/// Runs `times` upgrades; true if every call was accepted, as every call is without one.
pub(crate) async fn run(seed: u64, times: u64, clients: u64) -> bool {
    let first = Setup::on_disk().config(&config()).start().await;
    let setup = first.setup.clone().listen(&format!("127.0.0.1:{}", first.port)).args(&["--wait-lock", "10s"]);
    let world = Arc::new(World {
        seed,
        port: AtomicU16::new(first.port),
        phase: watch::Sender::new(Phase::Traffic),
        faults: Faults::default(),
        unresolved: AtomicU64::new(0),
        notified: AtomicU64::new(0),
        provider_pause: (30, 200),
        manner: Manner::Mild,
    });
    let tasks = start_clients(&world, clients);
    let mut hub = first;
    let mut pauses = Vec::new();
    for _ in 0..times {
        sleep(Duration::from_millis(1500)).await;
        let mut next = setup.spawn();
        // It is at the lock by then; whether it is does not matter to the outcome.
        sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        hub.terminate();
        next.await_listening().await;
        pauses.push(began.elapsed());
        assert_eq!(hub.exit().await.code, Some(0));
        hub = next;
    }
    sleep(Duration::from_millis(1500)).await;
    world.phase.send_replace(Phase::Quiet);
    let settled = until_settled(&world).await;
    world.phase.send_replace(Phase::End);
    let mut records = Vec::new();
    for task in tasks {
        records.push(timeout(SETTLE_PATIENCE, task).await.expect("a client ends").expect("a client does not panic"));
    }
    let mut verdict = check(&records);
    if !settled {
        verdict.add(format!("{} notifies without a result", world.unresolved.load(Ordering::Relaxed)));
    }
    for (outcome, times) in verdict.outcomes.clone() {
        if outcome != "Accept" {
            verdict.add(format!("{times} calls ended as {outcome}; without an upgrade all are accepted"));
        }
    }
    hub.terminate();
    assert_eq!(hub.exit().await.code, Some(0));
    let mut table = Table::new("upgrade under traffic");
    table.row("seed", seed);
    table.row("upgrades", times);
    table.row("notifications", world.notified.load(Ordering::Relaxed));
    table.row("connections", verdict.connections);
    for (outcome, times) in &verdict.outcomes {
        table.row(&format!("outcome: {outcome}"), times);
    }
    let longest = pauses.iter().max().copied().unwrap_or_default();
    table.row("longest pause from SIGTERM to the new hub, ms", longest.as_millis());
    table.row("violations", verdict.count());
    table.print();
    for violation in &verdict.violations {
        println!("VIOLATION: {violation}");
    }
    verdict.count() == 0
}
