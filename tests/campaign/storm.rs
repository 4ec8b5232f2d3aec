//! A reconnect storm: ten thousand agents lose their connection at once, and all come back to the right desk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::{Hub, Setup};
use crate::light::Light;
use crate::table::Table;
use crate::usage::{connections_max, memory, processor};

/// Notifications on each desk; a group's agents have the same.
const DESK: usize = 3;

/// Agents of one group.
const GROUP: u64 = 100;

/// How long agents go on trying.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of all agents connecting at once.
#[derive(Debug)]
struct Storm {
    took: Duration,
    /// Milliseconds from the first try to the welcome, by agent.
    each: Histogram<u64>,
    wrong_desks: u64,
    retries: u64,
}

/// Runs it; true if everybody came back to the right desk, also over a hub that was killed.
pub(crate) async fn run(agents: u64) -> bool {
    let agents = agents.min(connections_max());
    let config = "[limits]\nmaxConnections = 100000\n\
                  [[templates]]\nname = \"lasting\"\ntitle = \"{card}\"\ntimeout = \"1h\"\n";
    let first = Setup::on_disk().config(config).start().await;
    let setup = first.setup.clone().listen(&format!("127.0.0.1:{}", first.port));
    let mut bot = first.provider("bot").await;
    for group in 0..agents.div_ceil(GROUP) {
        for n in 0..DESK {
            let more = json!({"to": {"groups": [format!("group-{group}")]},
                              "templateParameters": {"card": format!("{group}/{n}")}});
            bot.ring_with("lasting", more).await;
        }
    }
    let idle = memory(&first.pid());
    let mut table = Table::new("reconnect storm");
    table.row("agents", agents);
    let mut good = true;
    let (joined, lights) = all_at_once(first.port, agents).await;
    good &= tell(&mut table, "all at once", &joined);
    table.row("memory by connection, KiB", (memory(&first.pid()).saturating_sub(idle)) / 1024 / agents);

    drop(lights);
    let before = processor(&first.pid());
    let (again, lights) = all_at_once(first.port, agents).await;
    good &= tell(&mut table, "after all were cut", &again);
    let used = processor(&first.pid()).saturating_sub(before);
    table.row("  the hub's processor time, leaving and coming, ms", used.as_millis());

    first.kill_9();
    drop(lights);
    let began = Instant::now();
    let storm = tokio::spawn(all_at_once(setup_port(&setup), agents));
    let hub: Hub = setup.start().await;
    table.row("restart after kill -9, ms", began.elapsed().as_millis());
    let (after, lights) = storm.await.unwrap();
    good &= tell(&mut table, "after kill -9", &after);
    table.print();
    drop(lights);
    hub.terminate();
    good && hub.exit().await.code == Some(0)
}

fn setup_port(setup: &Setup) -> u16 {
    setup.port().expect("a fixed port")
}

fn tell(table: &mut Table, when: &str, storm: &Storm) -> bool {
    table.row(&format!("{when}: all back after, ms"), storm.took.as_millis());
    let (p50, p99) = (storm.each.value_at_quantile(0.5), storm.each.value_at_quantile(0.99));
    table.row("  one agent, ms", format!("p50 {p50}, p99 {p99}, max {}", storm.each.max()));
    table.row("  connections tried again", storm.retries);
    table.row("  wrong desks", storm.wrong_desks);
    storm.wrong_desks == 0
}

/// Everybody starts at the same moment and tries until it is welcome.
async fn all_at_once(port: u16, agents: u64) -> (Storm, Vec<Light>) {
    let start = Arc::new(Barrier::new(usize::try_from(agents).unwrap()));
    let tasks: Vec<_> = (0..agents)
        .map(|agent| {
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                join(port, agent).await
            })
        })
        .collect();
    let began = Instant::now();
    let mut storm = Storm { took: Duration::ZERO, each: Histogram::new(3).unwrap(), wrong_desks: 0, retries: 0 };
    let mut lights = Vec::new();
    for (agent, task) in (0..agents).zip(tasks) {
        let (light, welcome, took, retries) = task.await.unwrap();
        storm.each.record(u64::try_from(took.as_millis()).unwrap()).unwrap();
        storm.retries += retries;
        storm.wrong_desks += u64::from(!is_right(&welcome, agent));
        lights.push(light);
    }
    storm.took = began.elapsed();
    (storm, lights)
}

async fn join(port: u16, agent: u64) -> (Light, Value, Duration, u64) {
    let hello = json!({"type": "hello", "role": "agent", "agentId": format!("agent-{agent}"),
                       "groups": [format!("group-{}", agent / GROUP)]});
    let began = Instant::now();
    let mut retries = 0;
    loop {
        match Light::join(port, &hello, None).await {
            Ok((light, welcome)) => return (light, welcome, began.elapsed(), retries),
            Err(error) => {
                assert!(began.elapsed() < PATIENCE, "agent {agent} never came back: {error}");
                retries += 1;
                tokio::time::sleep(Duration::from_millis(20 + agent % 50)).await;
            }
        }
    }
}

fn is_right(welcome: &Value, agent: u64) -> bool {
    let titles: Vec<&str> =
        welcome["notifications"].as_array().unwrap().iter().filter_map(|n| n["title"].as_str()).collect();
    let group = agent / GROUP;
    let expected: Vec<String> = (0..DESK).map(|n| format!("{group}/{n}")).collect();
    titles == expected
}
