//! The log for years: a million settled notifications through a hub on disk, with `history` off. What the data directory
//! holds then, how long a restart takes, and how long calls wait while a snapshot is made.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deskbell::hub::{
    CallRejected, Clock, Delivery, Hub, HubSettings, InputQueue, InputSender, SnapshotInterval, WallClock,
};
use deskbell::log::{Disk, Retention, disk};
use deskbell_core::effect::{Effect, Effects, ReplyTo};
use deskbell_core::entry::{
    Action, AgentAction, Call, Field, Input, Joiner, NewNotification, ProviderAction, Recipients, Rendered, Resume,
};
use deskbell_core::{Core, Incarnation, Limits, Millis, Name, NotificationId, Timestamp};
use hdrhistogram::Histogram;
use tokio::sync::mpsc;

use crate::harness::Setup;
use crate::table::Table;

/// What the contract of this command is.
const DIRECTORY_MIB_MAX: u64 = 100;
const RESTART_MAX: Duration = Duration::from_secs(2);

/// Providers that ring at once, each for an agent of its own, each with a desk's worth of notifications.
const LANES: u64 = 64;
const AT_ONCE: u64 = 3;

/// The longest time, approximately, between the start of a snapshot and the appearance of its file.
const BEFORE_SNAPSHOT: Duration = Duration::from_secs(2);

/// The acks and results of one lane's notifications.
#[derive(Debug)]
enum Told {
    Joined,
    Ack,
    Shown(NotificationId),
    Settled,
}

/// Carries effects to the lanes; a notification's id names its lane.
#[derive(Debug)]
struct Tap(Vec<mpsc::Sender<Told>>);

impl Tap {
    fn tell(&self, lane: u64, told: Told) {
        // Room for all calls that a lane can have in flight.
        self.0[usize::try_from(lane).unwrap()].try_send(told).unwrap();
    }
}

fn lane_of(id: NotificationId) -> u64 {
    u64::try_from(id.0 >> 64).unwrap()
}

impl Delivery for Tap {
    fn deliver(&mut self, _core: &Core, _at: Timestamp, effects: Effects) {
        if let Some(joiner) = effects.joiner {
            self.tell(joiner.serial / 2, Told::Joined);
        }
        for (_, effect) in effects.list {
            match effect {
                Effect::Ack { notification_id, .. } => self.tell(lane_of(notification_id), Told::Ack),
                Effect::Display { card, .. } => {
                    let id = card.content.notification_id;
                    self.tell(lane_of(id), Told::Shown(id));
                }
                Effect::Settled { settled, .. } => self.tell(lane_of(settled.notification_id), Told::Settled),
                Effect::Refused { refusal, .. } => panic!("{refusal:?}"),
                _ => {}
            }
        }
    }

    fn tick(&mut self, _core: &Core) -> Option<Duration> {
        None
    }

    fn flush(&mut self) {}

    fn refuse(&mut self, _to: &ReplyTo, why: CallRejected) {
        panic!("{why:?}");
    }

    fn disconnect(&mut self, _serials: &[u64]) {
        panic!("the log does not answer");
    }

    fn disconnect_all(&mut self) {
        panic!("the log is not shared");
    }

    fn rejoin(&mut self, _: Incarnation) {
        panic!("the log is not shared");
    }
}

/// When each acknowledgement came and how long it took, in microseconds.
type Acks = Arc<Mutex<Vec<(Instant, u32)>>>;

struct Lane {
    number: u64,
    provider: InputSender,
    agent: InputSender,
    told: mpsc::Receiver<Told>,
    left: Arc<AtomicU64>,
    acks: Acks,
    rung: u64,
}

impl Lane {
    async fn run(mut self) {
        let name: Name = format!("agent-{}", self.number).into();
        let agent = Joiner::Agent { id: name.clone(), groups: None, presence: None };
        let provider = Joiner::Provider { id: format!("provider-{}", self.number).into(), resume: Resume::Nothing };
        for (port, serial, client) in [(&self.agent, self.agent(), agent), (&self.provider, self.provider(), provider)]
        {
            hand_in(port, Input::Join { connection: serial, client }).await;
        }
        for _ in 0..2 {
            assert!(matches!(self.told.recv().await, Some(Told::Joined)));
        }
        while self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(AT_ONCE)).is_ok() {
            self.round(&name).await;
        }
    }

    fn provider(&self) -> u64 {
        2 * self.number
    }

    fn agent(&self) -> u64 {
        2 * self.number + 1
    }

    /// Rings a desk full and settles all of it: most are answered, some withdrawn.
    async fn round(&mut self, agent: &Name) {
        let began = Instant::now();
        for _ in 0..AT_ONCE {
            self.rung += 1;
            let call = notify(self.number, self.rung, agent);
            hand_in(&self.provider, Input::Call { connection: self.provider(), call }).await;
        }
        let mut settled = 0;
        while settled < AT_ONCE {
            match self.told.recv().await.unwrap() {
                Told::Joined => {}
                Told::Ack => {
                    let took = u32::try_from(began.elapsed().as_micros()).unwrap();
                    self.acks.lock().unwrap().push((Instant::now(), took));
                }
                Told::Shown(id) => self.settle(id).await,
                Told::Settled => settled += 1,
            }
        }
    }

    async fn settle(&self, notification_id: NotificationId) {
        let number = u64::try_from(notification_id.0 & u128::from(u64::MAX)).unwrap();
        let (port, connection, action) = match number % 10 {
            0..5 => (&self.agent, self.agent(), Action::from(AgentAction::Accept { notification_id })),
            5..8 => (&self.agent, self.agent(), AgentAction::Reject { notification_id, reason: None }.into()),
            _ => {
                let cancel = ProviderAction::Cancel { cancellation_token: token(number) };
                (&self.provider, self.provider(), cancel.into())
            }
        };
        let call = Call { id: Some(format!("answer-{number}").into()), correlation_id: None, number: None, action };
        hand_in(port, Input::Call { connection, call }).await;
    }
}

async fn hand_in(port: &InputSender, input: Input) {
    let room = port.permit().await.unwrap();
    port.submit(room, "default".into(), input).unwrap();
}

fn token(number: u64) -> Name {
    format!("token-{number:020}").into()
}

/// The size of an ordinary call.
fn notify(lane: u64, number: u64, agent: &Name) -> Call {
    let field = |label: &str, value: &str| Field { label: label.into(), value: value.into() };
    let rendered = Rendered {
        icon: Some("chat".into()),
        fields: vec![field("Customer", "Grace Hopper"), field("Queue", "Billing, second line")],
        ..Rendered::titled("Grace Hopper wants to chat", Millis(120_000))
    };
    let notify = NewNotification {
        notification_id: NotificationId(u128::from(lane) << 64 | u128::from(number)),
        template_name: "msdyn_chat_incoming_unauthenticated".into(),
        fingerprint: u128::from(number),
        session_id: None,
        cancellation_token: Some(token(number)),
        to: Recipients { agents: vec![agent.clone()], groups: Vec::new() },
        context: None,
        rendered: Ok(rendered),
        unused: Vec::new(),
    };
    let id = format!("{lane:08x}-0000-4000-8000-{number:012x}");
    Call {
        id: Some(id.clone().into()),
        correlation_id: Some(id.into()),
        number: None,
        action: ProviderAction::Notify(Box::new(notify)).into(),
    }
}

/// Observations of the directory while the hub ran.
#[derive(Debug, Default)]
struct Watched {
    most_bytes: u64,
    snapshots: Vec<Instant>,
    largest_snapshot: u64,
}

/// Measures the directory until it is stopped.
fn watch(directory: &Path, stop: &AtomicBool) -> Watched {
    let mut watched = Watched::default();
    let mut newest = String::new();
    while !stop.load(Ordering::Relaxed) {
        let mut bytes = 0;
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let (name, size) =
                (entry.file_name().into_string().unwrap(), entry.metadata().map_or(0, |data| data.len()));
            bytes += size;
            if name.starts_with("snapshot-") && !name.ends_with(".tmp") && name > newest {
                newest = name;
                watched.snapshots.push(Instant::now());
                watched.largest_snapshot = watched.largest_snapshot.max(size);
            }
        }
        watched.most_bytes = watched.most_bytes.max(bytes);
        std::thread::sleep(Duration::from_millis(5));
    }
    watched
}

fn size(directory: &Path) -> u64 {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// Runs it, prints its table; true if the directory stayed small and the restarts were quick.
pub(crate) async fn run(count: u64) -> bool {
    let setup = Setup::on_disk();
    let crashed = Setup::on_disk();
    let directory = setup.data_dir();
    let began = Instant::now();
    let (log, _) = Disk::open(&disk::Options::new(&directory, || WallClock.now().0)).unwrap();
    let inputs = Arc::new(InputQueue::default());
    let (senders, mut receivers): (Vec<_>, Vec<_>) = (0..LANES).map(|_| mpsc::channel(64)).unzip();
    let settings = HubSettings {
        incarnation: Incarnation(1),
        next_incarnation: || Incarnation(u64::MAX),
        epoch: 1,
        limits: Limits::default(),
        rules: deskbell_core::rules::RULES,
        deliveries_per_second: u64::MAX / 4,
        snapshot_every: SnapshotInterval::default(),
        retention: Retention { history_ms: 0, history_bytes: 256 * 1024 * 1024 },
    };
    let clock = Arc::new(WallClock);
    let hub = Hub::start(Box::new(log), Tap(senders), Arc::clone(&inputs), clock, settings, || {}).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (directory, stop) = (directory.clone(), Arc::clone(&stop));
        std::thread::spawn(move || watch(&directory, &stop))
    };
    let (acks, left) = (Acks::default(), Arc::new(AtomicU64::new(count)));
    let lanes: Vec<_> = (0..LANES)
        .map(|number| {
            let lane = Lane {
                number,
                provider: InputSender::new(Arc::clone(&inputs), 2 * number).0,
                agent: InputSender::new(Arc::clone(&inputs), 2 * number + 1).0,
                told: receivers.remove(0),
                left: Arc::clone(&left),
                acks: Arc::clone(&acks),
                rung: 0,
            };
            tokio::spawn(lane.run())
        })
        .collect();
    for lane in lanes {
        lane.await.unwrap();
    }
    let took = began.elapsed();
    // The fold behind may still be at its last snapshot.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let running_bytes = size(&directory);
    copy_running(&directory, &crashed.data_dir());
    stop.store(true, Ordering::Relaxed);
    let watched = watcher.join().unwrap();
    tokio::task::block_in_place(|| hub.stop()).unwrap();
    let stopped_bytes = size(&directory);
    let history_off = "[log]\nhistory = \"0s\"\n";
    let restart = restart_of(&setup.config(history_off)).await;
    let restart_after_crash = restart_of(&crashed.config(history_off)).await;
    let acks = std::mem::take(&mut *acks.lock().unwrap());
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1024.0 / 1024.0);
    let mut table = Table::new("log for years");
    table.row("notifications settled", acks.len());
    table.row("seconds", took.as_secs());
    table.row("settled per second", acks.len() as u64 / took.as_secs().max(1));
    table.row("snapshots while running", watched.snapshots.len());
    table.row("largest snapshot", mib(watched.largest_snapshot));
    table.row("data directory, at its largest", mib(watched.most_bytes));
    table.row("data directory, running at the end", mib(running_bytes));
    table.row("data directory, stopped", mib(stopped_bytes));
    table.row("restart after an orderly stop", format!("{} ms", restart.as_millis()));
    table.row("restart after a crash at the end", format!("{} ms", restart_after_crash.as_millis()));
    let near = |at: &Instant| {
        let near = |snapshot: &Instant| *at + BEFORE_SNAPSHOT >= *snapshot && *at <= *snapshot + BEFORE_SNAPSHOT / 4;
        watched.snapshots.iter().any(near)
    };
    for (when, wanted) in [("around snapshots", true), ("else", false)] {
        let mut took = Histogram::<u64>::new(3).unwrap();
        acks.iter().filter(|(at, _)| near(at) == wanted).for_each(|(_, us)| took.record(u64::from(*us)).unwrap());
        let ms = |us: u64| us as f64 / 1000.0;
        let (p50, p99) = (ms(took.value_at_quantile(0.5)), ms(took.value_at_quantile(0.99)));
        table.row(
            &format!("notify to ack, {when}"),
            format!("p50 {p50:.1} ms, p99 {p99:.1} ms, max {:.1} ms", ms(took.max())),
        );
    }
    let small = running_bytes.max(stopped_bytes) < DIRECTORY_MIB_MAX * 1024 * 1024;
    let quick = restart < RESTART_MAX && restart_after_crash < RESTART_MAX;
    table.row("under 100 MiB, restart under 2 s", if small && quick { "yes" } else { "NO" });
    table.print();
    small && quick
}

/// Copies a running hub as `docs/data-directory.md` says: the snapshots, then the segments, not `FORMAT`.
pub(crate) fn copy_running(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for prefix in ["snapshot-", "log-"] {
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            if name.to_str().unwrap().starts_with(prefix) {
                // What vanishes meanwhile is what a newer snapshot made needless.
                let _ = fs::copy(from.join(&name), to.join(&name));
            }
        }
    }
}

async fn restart_of(setup: &Setup) -> Duration {
    let began = Instant::now();
    let mut hub = setup.spawn();
    hub.await_listening_for(Duration::from_secs(120)).await;
    let took = began.elapsed();
    hub.terminate();
    assert_eq!(hub.exit().await.code, Some(0));
    took
}
