//! The fault campaign: the real hub under traffic, killed at random moments and started again over the same data.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::agent::{Tab, observe};
use crate::chance::Chance;
use crate::check::{Verdict, check, check_end};
use crate::harness::left_out::is_missing_for;
use crate::harness::{Hub, Setup, within};
use crate::link::{Came, Faults, Link, Manner, Phase, World};
use crate::provider::Provider;
use crate::record::{Client, Connection, Saw};
use crate::scene::config;
use crate::table::Table;
use crate::unsynced::Unsynced;

/// How a campaign is run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// How often the hub is ended and started again.
    pub(crate) cycles: u64,
    /// The longest that it runs between two ends, in milliseconds.
    pub(crate) run_ms: u64,
    pub(crate) clients: u64,
    /// Whether to run on the file layer that drops unsynced writes.
    pub(crate) unsynced: bool,
}

/// Everything must have its outcome so long after the last call: the longest template and two restarts.
pub(crate) const SETTLE_PATIENCE: Duration = Duration::from_secs(40);

/// A start is quick; how quick is printed. This only ends a hang.
const START_PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Counts {
    kills: u64,
    kills_while_starting: u64,
    stops: u64,
    slowest_start: Duration,
}

/// Runs it, prints its table; true if the promise was kept.
pub(crate) async fn run(plan: &Plan) -> bool {
    let mut config = config();
    if plan.unsynced {
        // Every orderly stop makes a snapshot, and the second snapshot trims the records before the first.
        config.insert_str(0, "[log]\nhistory = \"0s\"\n");
    }
    let mut setup = Setup::on_disk().config(&config);
    let mut layer = None;
    if plan.unsynced {
        let Some(built) = Unsynced::build(&setup) else {
            is_missing_for("campaign over unsynced files", "a C compiler", "Debian: apt-get install gcc libc6-dev");
            return true;
        };
        setup = built.around(setup);
        layer = Some(built);
    }
    println!("campaign: seed {} ({} cycles, {} clients)", plan.seed, plan.cycles, plan.clients);
    let began = Instant::now();
    let first = setup.start().await;
    let setup = first.setup.clone().listen(&format!("127.0.0.1:{}", first.port));
    let world = Arc::new(World {
        seed: plan.seed,
        port: AtomicU16::new(first.port),
        phase: watch::Sender::new(Phase::Traffic),
        faults: Faults::default(),
        unresolved: AtomicU64::new(0),
        notified: AtomicU64::new(0),
        provider_pause: (20, 200),
        manner: Manner::Wild,
    });
    let clients = start_clients(&world, plan.clients);
    let mut counts = Counts::default();
    let mut chance = Chance::of(plan.seed, 0);
    let mut hub = first;
    for _ in 0..plan.cycles {
        sleep(chance.ms(50, plan.run_ms)).await;
        hub = end_and_start(hub, &setup, &mut chance, &mut counts, layer.as_mut()).await;
    }
    world.phase.send_replace(Phase::Quiet);
    let settled = until_settled(&world).await;
    world.phase.send_replace(Phase::End);
    let mut records = Vec::new();
    for client in clients {
        records.push(timeout(SETTLE_PATIENCE, client).await.expect("a client ends").expect("a client does not panic"));
    }
    let mut verdict = check(&records);
    if !settled {
        verdict.add(format!("{} notifies without a result", world.unresolved.load(Ordering::Relaxed)));
    }
    check_end(&mut verdict, &records, &fresh_clients(&world, &records).await);
    hub = end_and_start(hub, &setup, &mut chance, &mut counts, layer.as_mut()).await;
    check_end(&mut verdict, &records, &fresh_clients(&world, &records).await);
    hub.terminate();
    let exit = hub.exit().await;
    if exit.code != Some(0) {
        verdict.add(format!("the last hub ended with {:?}", exit.code));
    }
    print(plan, &world, &counts, &verdict, layer.as_ref(), began.elapsed());
    verdict.count() == 0 && (!plan.unsynced || revocations(&mut chance).await)
}

/// A revocation that was confirmed outlasts a crash of the machine, each time.
async fn revocations(chance: &mut Chance) -> bool {
    const TIMES: usize = 5;
    const SECRET: &str = "a secret of this campaign, long enough to be one";
    let setup = Setup::on_disk();
    let secret = setup.home().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let setup = setup.args(&["--auth-secret-file", secret.to_str().unwrap(), "--admin-listen", "127.0.0.1:0"]);
    let mut layer = Unsynced::build(&setup).expect("built before");
    let setup = layer.around(setup);
    let token = |subject: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_deskbell"));
        command.args(["token", "--role", "agent", "--sub", subject, "--secret-file"]).arg(&secret);
        String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
    };
    let subjects: Vec<String> = (0..TIMES).map(|n| format!("agent-{n}")).collect();
    let tokens: Vec<String> = subjects.iter().map(|subject| token(subject)).collect();
    let mut taken = 0;
    for revoked in 0..=TIMES {
        let hub = setup.start().await;
        for (n, token) in tokens.iter().enumerate() {
            let mut client = hub.connect().await;
            client.send(serde_json::json!({"type": "hello", "role": "agent", "token": token})).await;
            let refused = client.first_or_close().await.is_err();
            taken += usize::from(refused != (n < revoked));
        }
        let Some(subject) = subjects.get(revoked) else { break };
        let status = revoke(&hub, subject).await;
        assert_eq!(status, "HTTP/1.1 200", "{}", hub.stderr.so_far());
        hub.kill_9();
        layer.crash(chance);
    }
    let mut table = Table::new("revocations over unsynced files");
    table.row("revocations, each followed by a crash", TIMES);
    table.row("tokens taken or refused against them", taken);
    table.print();
    taken == 0
}

/// Revokes a subject by the admin listener; the first words of its answer.
async fn revoke(hub: &Hub, subject: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let before = "admin listener on http://127.0.0.1:";
    hub.says(&[before]).await;
    let said = hub.stderr.so_far();
    let port: String = said.split(before).nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    let port: u16 = port.parse().unwrap();
    let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let body = format!("{{\"subject\":\"{subject}\"}}");
    let head = format!(
        "POST /revoke HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an answer of the admin listener", socket.read_to_string(&mut answer)).await.unwrap();
    answer.chars().take("HTTP/1.1 200".len()).collect()
}

pub(crate) fn start_clients(world: &Arc<World>, clients: u64) -> Vec<JoinHandle<Client>> {
    let providers = (clients / 4).max(2);
    let mut tasks: Vec<_> = (0..providers).map(|n| tokio::spawn(Provider::new(world, n).run())).collect();
    tasks.push(tokio::spawn(observe(Arc::clone(world), 0)));
    let mut agent = 0;
    while (tasks.len() as u64) < clients {
        for tab in 0..=agent % 3 {
            tasks.push(tokio::spawn(Tab::new(world, agent, tab).run()));
        }
        agent += 1;
    }
    tasks
}

/// Ends the hub as chance has it and starts it again, perhaps only at the second try.
async fn end_and_start(
    hub: Hub,
    setup: &Setup,
    chance: &mut Chance,
    counts: &mut Counts,
    mut layer: Option<&mut Unsynced>,
) -> Hub {
    // Over unsynced files more often, for the snapshots.
    if chance.percent(if layer.is_some() { 40 } else { 12 }) {
        hub.terminate();
        let exit = hub.exit().await;
        assert_eq!(exit.code, Some(0), "an orderly stop; standard error:\n{}", exit.stderr);
        counts.stops += 1;
    } else {
        hub.kill_9();
        counts.kills += 1;
    }
    while chance.percent(20) {
        lose(layer.as_deref_mut(), chance);
        let starting = setup.spawn();
        sleep(chance.ms(0, 60)).await;
        starting.kill_9();
        counts.kills_while_starting += 1;
    }
    lose(layer, chance);
    let began = Instant::now();
    let mut hub = setup.spawn();
    hub.await_listening_for(START_PATIENCE).await;
    counts.slowest_start = counts.slowest_start.max(began.elapsed());
    hub
}

fn lose(layer: Option<&mut Unsynced>, chance: &mut Chance) {
    if let Some(layer) = layer {
        layer.crash(chance);
    }
}

pub(crate) async fn until_settled(world: &World) -> bool {
    let settled = async {
        while world.unresolved.load(Ordering::Relaxed) > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SETTLE_PATIENCE, settled).await.is_ok()
}

/// What new connections receive after the end.
async fn fresh_clients(world: &Arc<World>, records: &[Client]) -> Vec<Client> {
    let mut names: Vec<&String> = records.iter().map(|client| &client.name).collect();
    names.sort();
    names.dedup();
    let mut fresh = Vec::new();
    for name in names.into_iter().filter(|name| !name.starts_with("observer")) {
        fresh.push(Client { name: name.clone(), connections: vec![look(world, name).await], ..Client::default() });
    }
    fresh
}

async fn look(world: &Arc<World>, name: &str) -> Connection {
    use serde_json::json;
    let provider = name.starts_with("provider");
    let hello = if provider {
        json!({"type": "hello", "role": "provider", "providerId": name, "resume": true})
    } else {
        json!({"type": "hello", "role": "agent", "agentId": name})
    };
    let question = if provider {
        json!({"type": "endSession", "sessionId": "nobody's", "id": "end"})
    } else {
        json!({"type": "accept", "id": "end", "notificationId": "0192f0c4-7e3a-7b21-8c55-0123456789ab"})
    };
    let mut chance = Chance::new(1);
    let Some(mut link) = Link::join(world, &mut chance, &hello).await else { return Connection::default() };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while let Some(came) = link.next(deadline).await {
        if matches!(came, Came::End | Came::Said(Saw::Welcome(_))) {
            break;
        }
    }
    link.finish(&question).await;
    std::mem::take(&mut link.record)
}

fn print(plan: &Plan, world: &World, counts: &Counts, verdict: &Verdict, layer: Option<&Unsynced>, took: Duration) {
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let mut table = Table::new(if plan.unsynced { "campaign over unsynced files" } else { "campaign" });
    table.row("seed", plan.seed);
    table.row("seconds", took.as_secs());
    table.row("cycles", counts.kills + counts.stops);
    table.row("notifications", count(&world.notified));
    table.row("connections", verdict.connections);
    table.row("displays", verdict.displays);
    table.row("fault: kill -9", counts.kills);
    table.row("fault: kill -9 while starting", counts.kills_while_starting);
    table.row("fault: orderly stop", counts.stops);
    table.row("fault: connection cut", count(&world.faults.cuts));
    table.row("fault: reader stalled", count(&world.faults.stalls));
    table.row("fault: half closed", count(&world.faults.half_closes));
    table.row("closed as too slow (1013)", count(&world.faults.too_slow));
    if let Some(layer) = layer {
        table.row("crashes that lost unsynced bytes or names", layer.losses.crashes_with_loss);
        table.row("sectors lost", layer.losses.sectors_lost);
        table.row("names lost", layer.losses.names_lost);
    }
    table.row("notifies repeated and known", verdict.duplicates);
    table.row("results told again", verdict.replayed);
    for (outcome, times) in &verdict.outcomes {
        table.row(&format!("outcome: {outcome}"), times);
    }
    table.row("answers told that they won", verdict.won);
    table.row("slowest start, ms", counts.slowest_start.as_millis());
    table.row("violations", verdict.count());
    table.print();
    for violation in &verdict.violations {
        println!("VIOLATION: {violation}");
    }
    if verdict.more > 0 {
        println!("... and {} more", verdict.more);
    }
}
