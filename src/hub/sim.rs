//! The whole loop over simulated time and a log that fails, tears, repeats and crashes at every step.
//!
//! Each seed is one history. What every client saw is written down by the client, and held against the promise:
//! an acknowledged notification gets exactly one outcome, and its provider learns it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::clock::Clock;
use super::delivery::{Delivery, NotTried};
use super::intake::{Intake, Waiting};
use super::partition::{HubSettings, Partition};
use crate::log::{AppendError, History, Keep, Log, LogError, Stored};
use crate::workspace::effect::{Effect, Effects, ReplyTo, Welcome};
use crate::workspace::entry::{Action, Call, Client, Entry, Input, Notify, Rendered, Resume, Settle, To};
use crate::workspace::{ConnectionId, Core, Incarnation, Limits, Name, NotificationId, Outcome, Position, Timestamp};

mod cluster;

/// Histories per run; `DESKBELL_SEEDS` sets another number for a long campaign.
const SEEDS: u64 = 2_000;
/// Steps per history.
const STEPS: usize = 60;

/// A small generator with good enough bits: xorshift64*.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 33) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[derive(Debug, Default)]
struct SimClock(AtomicU64);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// What survives a crash.
#[derive(Debug)]
struct Device {
    records: Vec<Vec<u8>>,
    dice: Dice,
    faults: BTreeMap<&'static str, u64>,
    /// One in so many appends goes wrong; 0: none.
    fault_every: u64,
    full_until: u64,
}

/// A log that goes wrong in every way that its contract allows.
#[derive(Debug)]
struct SimLog {
    device: Arc<Mutex<Device>>,
    read: usize,
    broken: bool,
    /// The process dies before it reads on.
    crashed: bool,
}

impl Log for SimLog {
    fn append(&mut self, record: &[u8]) -> Result<(), AppendError> {
        assert!(!self.broken, "a broken log is opened again before it is written");
        let mut device = self.device.lock().unwrap();
        if device.full_until > 0 {
            device.full_until -= 1;
            return Err(AppendError::Full("simulated".to_owned()));
        }
        let every = device.fault_every;
        let fault = if every > 0 && device.dice.one_in(every) { device.dice.below(6) } else { 6 };
        let name = ["full", "unsynced", "broken", "crash before", "crash after", "repeat", "good"][fault as usize];
        *device.faults.entry(name).or_default() += 1;
        match fault {
            0 => {
                device.full_until = device.dice.below(4);
                return Err(AppendError::Full("simulated".to_owned()));
            }
            // It fails, and the record is there or is not.
            1 => device.records.push(record.to_vec()),
            2 | 3 => {}
            // A repeat: the same group twice in the log.
            5 => device.records.extend([record.to_vec(), record.to_vec()]),
            _ => device.records.push(record.to_vec()),
        }
        self.crashed = matches!(fault, 3 | 4);
        if matches!(fault, 1 | 2) {
            self.broken = true;
            return Err(AppendError::Broken("simulated".to_owned()));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Stored>, LogError> {
        if self.crashed || self.broken {
            return Err(LogError::Device("simulated".to_owned()));
        }
        let device = self.device.lock().unwrap();
        let Some(record) = device.records.get(self.read) else { return Ok(None) };
        self.read += 1;
        Ok(Some(Stored::new(self.read as u64, record.clone())))
    }

    fn history(&self) -> Option<Box<dyn History>> {
        None
    }

    fn bytes(&self) -> u64 {
        0
    }

    fn reopen(&mut self) -> Result<(), LogError> {
        let mut device = self.device.lock().unwrap();
        // Once nothing fails any more, this does not either: else the last of a history may never come.
        if device.fault_every > 0 && device.dice.one_in(3) {
            return Err(LogError::Device("simulated: not yet".to_owned()));
        }
        drop(device);
        self.broken = false;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), AppendError> {
        Ok(())
    }
}

/// What a connection was told, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Welcome { missed: bool, shown: Vec<NotificationId> },
    Ack { id: Name, duplicate: bool },
    Result { id: Name, outcome: Outcome, position: Position },
    Refused,
    Unavailable { id: Option<Name> },
    Shown(NotificationId),
    Closed(NotificationId),
    Answered { won: bool, notification: NotificationId, outcome: Option<Outcome> },
    CutOff,
}

/// Stands for all connections of a hub.
const EVERYBODY: u64 = u64::MAX;

type Inbox = Arc<Mutex<Vec<(u64, Told)>>>;

#[derive(Debug)]
struct Recorder {
    incarnation: Incarnation,
    inbox: Inbox,
}

impl Recorder {
    fn tell(&self, connections: impl IntoIterator<Item = ConnectionId>, joiner: Option<ConnectionId>, told: &Told) {
        let own = connections.into_iter().filter(|c| c.incarnation == self.incarnation && Some(*c) != joiner);
        self.inbox.lock().unwrap().extend(own.map(|c| (c.serial, told.clone())));
    }
}

impl Delivery for Recorder {
    fn deliver(&mut self, core: &Core, _: Timestamp, effects: Effects) {
        let joiner = effects.joiner;
        for (workspace, effect) in effects.list {
            let agents = |agents: &[u32]| -> Vec<ConnectionId> { core.agent_connections(&workspace, agents).collect() };
            match effect {
                Effect::Welcome(welcome) => {
                    let told = match *welcome {
                        Welcome::Provider { missed, .. } => Told::Welcome { missed, shown: Vec::new() },
                        Welcome::Agent { notifications, .. } => Told::Welcome {
                            missed: false,
                            shown: notifications.iter().map(|shown| shown.content.notification_id).collect(),
                        },
                        Welcome::Observer => continue,
                    };
                    self.tell(joiner, None, &told);
                }
                Effect::Ack { to, duplicate, .. } => {
                    let id = to.id.unwrap();
                    self.tell([to.connection], joiner, &Told::Ack { id, duplicate });
                }
                Effect::Settled { settled, position } => {
                    let told = Told::Result { id: settled.id.clone().unwrap(), outcome: settled.outcome, position };
                    let connections = core.provider_connections(&workspace, &settled.provider_id);
                    self.tell(connections.iter().copied(), joiner, &told);
                }
                Effect::SettledAgain { to, settled, position } => {
                    let told = Told::Result { id: settled.id.clone().unwrap(), outcome: settled.outcome, position };
                    self.tell([to], None, &told);
                }
                Effect::Show { agents: to, shown } => {
                    self.tell(agents(&to), joiner, &Told::Shown(shown.content.notification_id));
                }
                Effect::Close { agents: to, notification_id, .. } => {
                    self.tell(agents(&to), joiner, &Told::Closed(notification_id));
                }
                Effect::Answered { to, won, notification_id, outcome, .. } => {
                    self.tell([to.connection], joiner, &Told::Answered { won, notification: notification_id, outcome });
                }
                Effect::Refused { to, .. } => self.tell([to.connection], joiner, &Told::Refused),
                _ => {}
            }
        }
    }

    fn tick(&mut self, _: &Core) -> Option<Duration> {
        None
    }

    fn flush(&mut self) {}

    fn refuse(&mut self, to: &ReplyTo, _: NotTried) {
        self.tell([to.connection], None, &Told::Unavailable { id: to.id.clone() });
    }

    fn cut_off(&mut self, serials: &[u64]) {
        self.inbox.lock().unwrap().extend(serials.iter().map(|&serial| (serial, Told::CutOff)));
    }

    fn cut_off_all(&mut self) {
        self.inbox.lock().unwrap().push((EVERYBODY, Told::CutOff));
    }

    fn begin_anew(&mut self, incarnation: Incarnation) {
        self.incarnation = incarnation;
    }
}

/// A client over all its connections.
#[derive(Debug, Default)]
struct Person {
    /// The connection that it has now.
    serial: Option<u64>,
    position: Option<Position>,
    acked: BTreeSet<Name>,
    /// Every outcome that it was ever told, by its own id.
    outcomes: BTreeMap<Name, BTreeSet<Outcome>>,
    /// Notifies that it does not know the fate of, with the number of tries: repeated after the next welcome.
    pending: BTreeMap<Name, u32>,
    /// Told at the first and only try that nothing was done.
    refused: BTreeSet<Name>,
    on_desk: BTreeSet<NotificationId>,
    won: BTreeSet<NotificationId>,
}

#[derive(Debug)]
struct World {
    seed: u64,
    dice: Dice,
    clock: Arc<SimClock>,
    device: Arc<Mutex<Device>>,
    inbox: Inbox,
    intake: Arc<Intake>,
    partition: Option<Partition<Recorder>>,
    runs: u64,
    serials: u64,
    notified: u64,
    provider: Person,
    agents: Vec<Person>,
    winners: BTreeMap<NotificationId, usize>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let fault_every = [0, 3, 10, 30][dice.below(4) as usize];
        let device = Device {
            records: Vec::new(),
            dice: Dice::new(seed ^ 0xdead),
            faults: BTreeMap::new(),
            fault_every,
            full_until: 0,
        };
        Self {
            seed,
            dice,
            clock: Arc::new(SimClock(AtomicU64::new(1_000_000))),
            device: Arc::new(Mutex::new(device)),
            inbox: Inbox::default(),
            intake: Arc::default(),
            partition: None,
            runs: 0,
            serials: 0,
            notified: 0,
            provider: Person::default(),
            agents: (0..3).map(|_| Person::default()).collect(),
            winners: BTreeMap::new(),
        }
    }

    fn start_hub(&mut self) {
        while self.partition.is_none() {
            self.runs += 1;
            self.inbox.lock().unwrap().clear();
            self.intake = Arc::default();
            let incarnation = Incarnation(self.runs);
            let log = SimLog { device: Arc::clone(&self.device), read: 0, broken: false, crashed: false };
            let settings = HubSettings {
                incarnation,
                next_incarnation: || unreachable!("a log of its own removes no hub"),
                epoch: self.seed | 1,
                limits: Limits { display_limit: 2, queue_limit: 2, ..Limits::default() },
                deliveries_per_second: 1_000_000,
                keep: Keep { history_ms: 0, history_bytes: 0 },
            };
            let recorder = Recorder { incarnation, inbox: Arc::clone(&self.inbox) };
            self.partition = Partition::start(Box::new(log), recorder, &*self.clock, settings).ok();
        }
        for person in std::iter::once(&mut self.provider).chain(&mut self.agents) {
            person.serial = None;
            person.on_desk.clear();
        }
    }

    fn turn(&mut self) {
        let Some(partition) = &mut self.partition else { return };
        for _ in 0..3 {
            match partition.turn(&self.intake, &*self.clock) {
                Ok(turned) if turned.busy => {}
                Ok(_) => break,
                Err(_) => {
                    self.partition = None;
                    return;
                }
            }
        }
        self.read_inbox();
    }

    fn submit(&mut self, serial: u64, input: Input) {
        let entry = Entry { workspace: "default".into(), input };
        self.intake.push(Waiting { serial, entry, permit: None }).unwrap();
    }

    fn read_inbox(&mut self) {
        let told: Vec<_> = self.inbox.lock().unwrap().drain(..).collect();
        for (serial, told) in told {
            if self.provider.serial == Some(serial) {
                self.provider_told(told);
            } else if let Some(agent) = self.agents.iter().position(|agent| agent.serial == Some(serial)) {
                self.agent_told(agent, told);
            }
        }
    }

    fn provider_told(&mut self, told: Told) {
        let provider = &mut self.provider;
        match told {
            Told::Welcome { missed, .. } => {
                assert!(!missed, "seed {}: nothing is forgotten here", self.seed);
                // What it does not know the fate of it sends again, with the same id.
                for id in provider.pending.clone().into_keys() {
                    self.notify(&id);
                }
            }
            Told::Ack { id, .. } => {
                provider.acked.insert(id);
            }
            Told::Result { id, outcome, position } => {
                provider.pending.remove(&id);
                provider.position = provider.position.max(Some(position));
                provider.outcomes.entry(id).or_default().insert(outcome);
            }
            Told::Unavailable { id } => {
                // Nothing was done, for sure: unless it was acknowledged in an earlier try, it is dropped.
                if let Some(id) = id.filter(|id| !provider.acked.contains(id))
                    && provider.pending.remove(&id) == Some(1)
                {
                    provider.refused.insert(id);
                }
            }
            Told::CutOff => provider.serial = None,
            other => panic!("seed {}: a provider was told {other:?}", self.seed),
        }
    }

    fn agent_told(&mut self, at: usize, told: Told) {
        let seed = self.seed;
        let agent = &mut self.agents[at];
        match told {
            Told::Welcome { shown, .. } => agent.on_desk = shown.into_iter().collect(),
            Told::Shown(id) => assert!(agent.on_desk.insert(id), "seed {seed}: shown twice"),
            Told::Closed(id) => assert!(agent.on_desk.remove(&id), "seed {seed}: closed, but not shown"),
            Told::Answered { won, notification, outcome } => {
                if won {
                    assert!(matches!(outcome, Some(Outcome::Accepted | Outcome::Declined)), "seed {seed}");
                    agent.won.insert(notification);
                    let winner = *self.winners.entry(notification).or_insert(at);
                    assert_eq!(winner, at, "seed {seed}: two agents won one notification");
                }
            }
            Told::CutOff => agent.serial = None,
            Told::Unavailable { .. } | Told::Refused => {}
            other => panic!("seed {seed}: an agent was told {other:?}"),
        }
    }

    fn notify(&mut self, id: &Name) {
        let Some(serial) = self.provider.serial else { return };
        *self.provider.pending.entry(id.clone()).or_default() += 1;
        let call = Call { id: Some(id.clone()), correlation_id: Some("c".into()), action: Action::Notify(notify(id)) };
        self.submit(serial, Input::Call { connection: serial, call });
    }

    fn connect(&mut self, client: Client) -> u64 {
        self.serials += 1;
        self.submit(self.serials, Input::Join { connection: self.serials, client });
        self.serials
    }

    fn connect_provider(&mut self) {
        let resume = Resume::After(self.provider.position);
        // The first time there is no position to resume from.
        let resume = if self.provider.position.is_none() { Resume::All } else { resume };
        self.provider.serial = Some(self.connect(Client::Provider { id: "bot".into(), resume }));
    }

    fn step(&mut self) {
        if self.partition.is_none() {
            self.start_hub();
        }
        match self.dice.below(12) {
            0 if self.provider.serial.is_none() => self.connect_provider(),
            0..=3 => {
                if self.provider.serial.is_none() {
                    self.connect_provider();
                }
                self.notified += 1;
                let id: Name = format!("n{}", self.notified).into();
                self.notify(&id);
            }
            4..=5 => {
                let agent = self.dice.below(self.agents.len() as u64) as usize;
                if self.agents[agent].serial.is_none() {
                    let id: Name = format!("agent-{agent}").into();
                    let serial = self.connect(Client::Agent { id, groups: None, presence: None });
                    self.agents[agent].serial = Some(serial);
                }
            }
            6..=8 => self.answer(),
            9 => {
                let agent = self.dice.below(self.agents.len() as u64) as usize;
                if let Some(serial) = self.agents[agent].serial.take() {
                    self.submit(serial, Input::Leave { connection: serial });
                }
            }
            10 => {
                let ms = self.dice.below(4_000);
                self.clock.0.fetch_add(ms, Ordering::Relaxed);
            }
            _ => {
                if self.dice.one_in(4) {
                    // The process is killed.
                    self.partition = None;
                }
            }
        }
        self.turn();
    }

    fn answer(&mut self) {
        // All who see the same one answer at once: a race.
        let Some(id) = self.agents.iter().find_map(|agent| agent.on_desk.first().copied()) else { return };
        let accept = !self.dice.one_in(3);
        for serial in
            self.agents.iter().filter(|a| a.on_desk.contains(&id)).filter_map(|a| a.serial).collect::<Vec<_>>()
        {
            let action = if accept {
                Action::Accept { notification_id: id }
            } else {
                Action::Reject { notification_id: id, reason: None }
            };
            let call = Call { id: None, correlation_id: None, action };
            self.submit(serial, Input::Call { connection: serial, call });
        }
    }

    /// No more faults; everything runs out; the provider comes back and must know it all.
    fn come_to_rest(&mut self) {
        let mut device = self.device.lock().unwrap();
        device.fault_every = 0;
        device.full_until = 0;
        drop(device);
        for _ in 0..8 {
            if self.partition.is_none() {
                self.start_hub();
            }
            if self.provider.serial.is_none() {
                self.connect_provider();
            }
            self.turn();
            self.clock.0.fetch_add(20_000, Ordering::Relaxed);
            self.turn();
        }
    }

    fn check(&self) {
        let seed = self.seed;
        for id in &self.provider.acked {
            let outcomes = self.provider.outcomes.get(id).map_or(0, BTreeSet::len);
            assert_eq!(outcomes, 1, "seed {seed}: {id} was acknowledged and has {outcomes} outcomes");
        }
        for id in &self.provider.refused {
            assert!(!self.provider.outcomes.contains_key(id), "seed {seed}: {id} was refused and yet done");
        }
        assert!(self.provider.pending.is_empty(), "seed {seed}: without an answer: {:?}", self.provider.pending);
        let core = self.partition.as_ref().unwrap().core();
        assert_eq!(core.stats("default").map_or(0, |stats| stats.open), 0, "seed {seed}: still open at the end");
    }
}

fn notify(id: &Name) -> Box<Notify> {
    let n: u128 = id[1..].parse().unwrap();
    Box::new(Notify {
        notification_id: NotificationId(n << 64),
        template_name: "t".into(),
        fingerprint: n,
        session_id: None,
        cancellation_token: None,
        to: To::default(),
        rendered: Ok(Rendered {
            title: "title".into(),
            icon: None,
            fields: Vec::new(),
            accept_label: "Accept".into(),
            reject_label: "Reject".into(),
            timeout_ms: 5_000,
            queue_timeout_ms: 5_000,
            show_timeout: true,
            auto_accept: n.is_multiple_of(7),
            auto_accept_on_timeout: n.is_multiple_of(5),
            settle: if n.is_multiple_of(3) { Settle::FirstAccept } else { Settle::FirstResponse },
        }),
    })
}

#[test]
fn whatever_the_log_does_every_acknowledged_notification_gets_one_outcome() {
    let seeds = std::env::var("DESKBELL_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(SEEDS);
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut runs, mut notified, mut outcomes) = (0, 0, 0);
    for seed in 0..seeds {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.come_to_rest();
        world.check();
        for (fault, count) in &world.device.lock().unwrap().faults {
            *faults.entry(fault).or_default() += count;
        }
        runs += world.runs;
        notified += world.notified;
        outcomes += world.provider.outcomes.len();
    }
    println!(
        "{seeds} seeds, {runs} starts, {notified} notifies, {outcomes} outcomes, 0 violations; appends: {faults:?}"
    );
}
