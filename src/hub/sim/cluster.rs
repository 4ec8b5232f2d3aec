//! Several hubs over one log that loses, delays, repeats and refuses what they append; hubs that are killed, paused and
//! cut off; clocks that agree on nothing. Each seed is one history, held against the same promise.

use std::cell::Cell;
use std::sync::atomic::AtomicBool;

use super::super::codec::encode_snapshot;
use super::super::partition::HubError;
use super::*;

/// Histories per run; `DESKBELL_CLUSTER_SEEDS` sets another number for a long campaign.
const SEEDS: u64 = 300;
const STEPS: usize = 60;
const HUBS: usize = 3;
/// The longest jump of time between two turns: hubs say something every second.
const TURN_MS: u64 = 400;

thread_local! {
    static INCARNATIONS: Cell<u64> = const { Cell::new(0) };
}

fn next_incarnation() -> Incarnation {
    INCARNATIONS.with(|count| {
        count.set(count.get() + 1);
        Incarnation(count.get())
    })
}

/// A clock that counts as the world does, from where it likes.
#[derive(Debug)]
struct SkewedClock {
    world: Arc<AtomicU64>,
    skew_ms: u64,
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.world.load(Ordering::Relaxed) + self.skew_ms)
    }

    fn steady(&self) -> Timestamp {
        Timestamp(self.world.load(Ordering::Relaxed) + self.skew_ms / 7)
    }
}

/// What the servers hold.
#[derive(Debug)]
struct Stream {
    world: Arc<AtomicU64>,
    records: Vec<(u64, Vec<u8>)>,
    /// On their way, and when they arrive.
    late: Vec<(u64, Vec<u8>)>,
    dice: Dice,
    /// One in so many appends goes wrong; 0: none.
    fault_every: u64,
    faults: BTreeMap<&'static str, u64>,
    /// Until then nothing is taken: there is no quorum.
    stalled_until: u64,
}

impl Stream {
    fn now(&self) -> u64 {
        self.world.load(Ordering::Relaxed)
    }

    fn store(&mut self, record: Vec<u8>) {
        let stamp = 1_700_000_000_000 + self.now();
        self.records.push((stamp, record));
    }

    fn arrive(&mut self) {
        let now = self.now();
        for (due, record) in std::mem::take(&mut self.late) {
            if due <= now {
                self.store(record);
            } else {
                self.late.push((due, record));
            }
        }
    }

    /// What becomes of an append; `true`: it is refused for want of room.
    fn append(&mut self, record: &[u8]) -> bool {
        if self.now() < self.stalled_until {
            return false;
        }
        let faulty = self.fault_every > 0 && self.dice.one_in(self.fault_every);
        let fault = if faulty { self.dice.below(5) } else { 5 };
        *self
            .faults
            .entry(["lost", "late", "twice", "now and late", "refused", "good"][fault as usize])
            .or_default() += 1;
        let due = self.now() + self.dice.below(6_000);
        match fault {
            0 => {}
            1 => self.late.push((due, record.to_vec())),
            2 => {
                self.store(record.to_vec());
                self.store(record.to_vec());
            }
            3 => {
                self.store(record.to_vec());
                self.late.push((due, record.to_vec()));
            }
            4 => return true,
            _ => self.store(record.to_vec()),
        }
        false
    }
}

/// One hub's way to the stream.
#[derive(Debug)]
struct StreamLog {
    stream: Arc<Mutex<Stream>>,
    read: usize,
    due: usize,
    cut: Arc<AtomicBool>,
    refused: bool,
}

impl Log for StreamLog {
    fn append(&mut self, record: &[u8]) -> Result<(), AppendError> {
        if !self.cut.load(Ordering::Relaxed) {
            self.refused = self.stream.lock().unwrap().append(record);
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Stored>, LogError> {
        let mut stream = self.stream.lock().unwrap();
        let waits = self.read < self.due;
        if !waits && (self.cut.load(Ordering::Relaxed) || stream.dice.one_in(5)) {
            return Ok(None);
        }
        let Some((stamp, record)) = stream.records.get(self.read) else { return Ok(None) };
        self.read += 1;
        Ok(Some(Stored { number: self.read as u64, time_ms: Some(*stamp), bytes: record.clone() }))
    }

    fn history(&self) -> Option<Box<dyn History>> {
        None
    }

    fn bytes(&self) -> u64 {
        0
    }

    fn reopen(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn refused(&mut self) -> Option<String> {
        std::mem::take(&mut self.refused).then(|| "simulated".to_owned())
    }

    fn close(self: Box<Self>) -> Result<(), AppendError> {
        Ok(())
    }
}

#[derive(Debug)]
struct Host {
    clock: SkewedClock,
    cut: Arc<AtomicBool>,
    paused_until: u64,
    intake: Arc<Intake>,
    inbox: Inbox,
    partition: Option<Partition<Recorder>>,
    ready: bool,
}

#[derive(Debug)]
struct Cluster {
    seed: u64,
    dice: Dice,
    world: Arc<AtomicU64>,
    stream: Arc<Mutex<Stream>>,
    hosts: Vec<Host>,
    serials: u64,
    notified: u64,
    anew: u64,
    provider: Person,
    agents: Vec<Person>,
    /// At which host the provider and the agents are.
    at: Vec<usize>,
    winners: BTreeMap<NotificationId, usize>,
}

/// The provider's place in `at`; the agents' follow.
const PROVIDER: usize = 0;

impl Cluster {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let world = Arc::new(AtomicU64::new(1_000_000));
        let stream = Stream {
            world: Arc::clone(&world),
            records: Vec::new(),
            late: Vec::new(),
            dice: Dice::new(seed ^ 0xbeef),
            fault_every: [0, 3, 10, 30][dice.below(4) as usize],
            faults: BTreeMap::new(),
            stalled_until: 0,
        };
        let hosts = (0..HUBS).map(|_| Host {
            clock: SkewedClock { world: Arc::clone(&world), skew_ms: dice.below(1_000_000_000) },
            cut: Arc::default(),
            paused_until: 0,
            intake: Arc::default(),
            inbox: Inbox::default(),
            partition: None,
            ready: false,
        });
        let hosts = hosts.collect();
        Self {
            seed,
            dice,
            world,
            stream: Arc::new(Mutex::new(stream)),
            hosts,
            serials: 0,
            notified: 0,
            anew: 0,
            provider: Person::default(),
            agents: (0..3).map(|_| Person::default()).collect(),
            at: vec![0; 4],
            winners: BTreeMap::new(),
        }
    }

    fn now(&self) -> u64 {
        self.world.load(Ordering::Relaxed)
    }

    fn start(&mut self, host: usize) {
        let (stream, seed) = (Arc::clone(&self.stream), self.seed);
        let host = &mut self.hosts[host];
        let due = stream.lock().unwrap().records.len();
        let log = StreamLog { stream, read: 0, due, cut: Arc::clone(&host.cut), refused: false };
        let incarnation = next_incarnation();
        let settings = HubSettings {
            incarnation,
            next_incarnation,
            epoch: seed | 1,
            limits: Limits { display_limit: 2, queue_limit: 2, retention_ms: 1 << 40, ..Limits::default() },
            deliveries_per_second: 1_000_000,
            keep: Keep { history_ms: 0, history_bytes: 0 },
        };
        host.inbox = Inbox::default();
        host.intake = Arc::default();
        let recorder = Recorder { incarnation, inbox: Arc::clone(&host.inbox) };
        host.partition = Some(Partition::start(Box::new(log), recorder, &host.clock, settings).unwrap());
    }

    /// All hubs that can have a few turns.
    fn turn(&mut self) {
        self.stream.lock().unwrap().arrive();
        let now = self.now();
        for number in 0..HUBS {
            let host = &mut self.hosts[number];
            let Some(partition) = host.partition.as_mut().filter(|_| now >= host.paused_until) else { continue };
            for _ in 0..4 {
                match partition.turn(&host.intake, &host.clock) {
                    Ok(turned) => host.ready = turned.ready,
                    Err(HubError::Removed) => {
                        self.anew += 1;
                        host.ready = false;
                        partition.begin_anew(&host.clock).unwrap();
                    }
                    Err(error) => panic!("seed {}: {error}", self.seed),
                }
            }
            self.read_inbox(number);
        }
    }

    fn pass(&mut self, mut ms: u64) {
        while ms > 0 {
            let step = ms.min(TURN_MS);
            self.world.fetch_add(step, Ordering::Relaxed);
            self.turn();
            ms -= step;
        }
    }

    fn submit(&mut self, host: usize, serial: u64, input: Input) {
        let entry = Entry { workspace: "default".into(), input };
        self.hosts[host].intake.push(Waiting { serial, entry, permit: None }).unwrap();
    }

    fn read_inbox(&mut self, host: usize) {
        let told: Vec<_> = self.hosts[host].inbox.lock().unwrap().drain(..).collect();
        for (serial, told) in told {
            if serial == EVERYBODY {
                self.hang_up(host);
            } else if self.provider.serial == Some(serial) && self.at[PROVIDER] == host {
                self.provider_told(told);
            } else if let Some(agent) = self.agents.iter().position(|agent| agent.serial == Some(serial)) {
                self.agent_told(agent, told);
            }
        }
    }

    /// Everybody at that host finds the connection gone; the host hears of it as of any that ends.
    fn hang_up(&mut self, host: usize) {
        let at = self.at.clone();
        let people = std::iter::once(&mut self.provider).chain(&mut self.agents);
        let gone: Vec<u64> =
            people.zip(at).filter(|(_, at)| *at == host).filter_map(|(p, _)| p.serial.take()).collect();
        for serial in gone {
            self.submit(host, serial, Input::Leave { connection: serial });
        }
    }

    fn provider_told(&mut self, told: Told) {
        let provider = &mut self.provider;
        match told {
            Told::Welcome { missed, .. } => {
                assert!(!missed, "seed {}: nothing is forgotten here", self.seed);
                for id in provider.pending.clone().into_keys() {
                    self.notify(&id);
                }
            }
            Told::Ack { id, .. } => drop(provider.acked.insert(id)),
            Told::Result { id, outcome, position } => {
                provider.pending.remove(&id);
                provider.position = provider.position.max(Some(position));
                provider.outcomes.entry(id).or_default().insert(outcome);
            }
            Told::Unavailable { id } => {
                if let Some(id) = id.filter(|id| !provider.acked.contains(id))
                    && provider.pending.get(&id) == Some(&1)
                {
                    provider.pending.remove(&id);
                    provider.refused.insert(id);
                }
            }
            Told::CutOff => self.lose_provider(),
            other => panic!("seed {}: a provider was told {other:?}", self.seed),
        }
    }

    fn lose_provider(&mut self) {
        if let Some(serial) = self.provider.serial.take() {
            self.submit(self.at[PROVIDER], serial, Input::Leave { connection: serial });
        }
    }

    fn agent_told(&mut self, at: usize, told: Told) {
        let seed = self.seed;
        let agent = &mut self.agents[at];
        match told {
            Told::Welcome { shown, .. } => agent.on_desk = shown.into_iter().collect(),
            Told::Shown(id) => assert!(agent.on_desk.insert(id), "seed {seed}: shown twice"),
            Told::Closed(id) => assert!(agent.on_desk.remove(&id), "seed {seed}: closed, but not shown"),
            Told::Answered { won: true, notification, outcome } => {
                assert!(matches!(outcome, Some(Outcome::Accepted | Outcome::Declined)), "seed {seed}");
                let winner = *self.winners.entry(notification).or_insert(at);
                assert_eq!(winner, at, "seed {seed}: two agents won one notification");
            }
            Told::CutOff => {
                if let Some(serial) = agent.serial.take() {
                    self.submit(self.at[1 + at], serial, Input::Leave { connection: serial });
                }
            }
            Told::Answered { .. } | Told::Unavailable { .. } | Told::Refused => {}
            other => panic!("seed {seed}: an agent was told {other:?}"),
        }
    }

    fn notify(&mut self, id: &Name) {
        let Some(serial) = self.provider.serial else { return };
        *self.provider.pending.entry(id.clone()).or_default() += 1;
        let call = Call { id: Some(id.clone()), correlation_id: Some("c".into()), action: Action::Notify(notify(id)) };
        self.submit(self.at[PROVIDER], serial, Input::Call { connection: serial, call });
    }

    fn connect(&mut self, who: usize, client: Client) -> Option<u64> {
        let host = self.dice.below(HUBS as u64) as usize;
        let there = &self.hosts[host];
        if there.partition.is_none() || self.now() < there.paused_until {
            return None;
        }
        self.serials += 1;
        self.at[who] = host;
        self.submit(host, self.serials, Input::Join { connection: self.serials, client });
        Some(self.serials)
    }

    fn connect_provider(&mut self) {
        if self.provider.serial.is_some() {
            return;
        }
        let resume = Resume::After(self.provider.position);
        let resume = if self.provider.position.is_none() { Resume::All } else { resume };
        self.provider.serial = self.connect(PROVIDER, Client::Provider { id: "bot".into(), resume });
    }

    fn step(&mut self) {
        for host in 0..HUBS {
            if self.hosts[host].partition.is_none() && self.dice.one_in(4) {
                self.start(host);
            }
        }
        let host = self.dice.below(HUBS as u64) as usize;
        match self.dice.below(16) {
            0..=4 => {
                self.connect_provider();
                self.notified += 1;
                let id: Name = format!("n{}", self.notified).into();
                self.notify(&id);
            }
            5..=6 => {
                let agent = self.dice.below(3) as usize;
                if self.agents[agent].serial.is_none() {
                    let id: Name = format!("agent-{agent}").into();
                    self.agents[agent].serial =
                        self.connect(1 + agent, Client::Agent { id, groups: None, presence: None });
                }
            }
            7..=9 => self.answer(),
            10 => {
                let ms = self.dice.below(4_000);
                self.pass(ms);
            }
            11 => {
                // Killed: nobody hears a word.
                self.hosts[host].partition = None;
                self.hang_up(host);
            }
            12 => self.hosts[host].paused_until = self.now() + self.dice.below(30_000),
            13 => {
                let cut = self.dice.one_in(2);
                self.hosts[host].cut.store(cut, Ordering::Relaxed);
            }
            14 if self.dice.one_in(3) => {
                self.stream.lock().unwrap().stalled_until = self.now() + self.dice.below(20_000);
            }
            _ => self.lose_provider(),
        }
        let ms = self.dice.below(1_500);
        self.pass(ms);
    }

    fn answer(&mut self) {
        let Some(id) = self.agents.iter().find_map(|agent| agent.on_desk.first().copied()) else { return };
        let accept = !self.dice.one_in(3);
        for agent in 0..self.agents.len() {
            let person = &self.agents[agent];
            let Some(serial) = person.serial.filter(|_| person.on_desk.contains(&id)) else { continue };
            let action = if accept {
                Action::Accept { notification_id: id }
            } else {
                Action::Reject { notification_id: id, reason: None }
            };
            let call = Call { id: None, correlation_id: None, action };
            self.submit(self.at[1 + agent], serial, Input::Call { connection: serial, call });
        }
    }

    /// No more faults; everything runs out; the provider comes back and must know it all.
    fn come_to_rest(&mut self) {
        let mut stream = self.stream.lock().unwrap();
        stream.fault_every = 0;
        stream.stalled_until = 0;
        drop(stream);
        for host in 0..HUBS {
            self.hosts[host].cut.store(false, Ordering::Relaxed);
            self.hosts[host].paused_until = 0;
            if self.hosts[host].partition.is_none() {
                self.start(host);
            }
        }
        self.pass(30_000);
        assert!(self.hosts.iter().all(|host| host.ready), "seed {}: a hub is not back", self.seed);
        for _ in 0..8 {
            self.connect_provider();
            self.pass(10_000);
            // What was refused at a second try is tried again: an earlier one may have been done.
            for id in self.provider.pending.clone().into_keys() {
                self.notify(&id);
            }
        }
        self.pass(20_000);
    }

    fn check(&mut self) {
        let seed = self.seed;
        for id in &self.provider.acked {
            let outcomes = self.provider.outcomes.get(id).map_or(0, BTreeSet::len);
            assert_eq!(outcomes, 1, "seed {seed}: {id} was acknowledged and has {outcomes} outcomes");
        }
        for id in &self.provider.refused {
            assert!(!self.provider.outcomes.contains_key(id), "seed {seed}: {id} was refused and yet done");
        }
        assert!(self.provider.pending.is_empty(), "seed {seed}: without an answer: {:?}", self.provider.pending);
        let last = self.stream.lock().unwrap().records.len() as u64;
        let mut states = Vec::new();
        for host in &mut self.hosts {
            let partition = host.partition.as_mut().unwrap();
            while partition.applied() < last {
                // Its ticks come behind `last`; what counts is that all of them fold the same.
                partition.turn(&host.intake, &host.clock).unwrap();
            }
            let core = partition.core();
            assert_eq!(core.stats("default").map_or(0, |stats| stats.open), 0, "seed {seed}: still open at the end");
            let alive: Vec<_> = core.incarnations().collect();
            assert_eq!(
                alive.len(),
                HUBS,
                "seed {seed}: those that are gone are out: {alive:?}, {:?}",
                partition.incarnation()
            );
            states.push((partition.applied(), encode_snapshot(core)));
        }
        for (applied, state) in &states {
            let same = states.iter().filter(|(other, _)| other == applied).all(|(_, other)| other == state);
            assert!(same, "seed {seed}: two states after record {applied}");
        }
    }
}

#[test]
fn whatever_befalls_hubs_and_stream_every_acknowledged_notification_gets_one_outcome() {
    let seeds = std::env::var("DESKBELL_CLUSTER_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(SEEDS);
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut anew, mut notified, mut outcomes, mut refused) = (0, 0, 0, 0);
    for seed in 0..seeds {
        let mut cluster = Cluster::new(seed);
        for _ in 0..STEPS {
            cluster.step();
        }
        cluster.come_to_rest();
        cluster.check();
        for (fault, count) in &cluster.stream.lock().unwrap().faults {
            *faults.entry(fault).or_default() += count;
        }
        anew += cluster.anew;
        notified += cluster.notified;
        outcomes += cluster.provider.outcomes.len();
        refused += cluster.provider.refused.len();
    }
    println!(
        "{seeds} seeds, {notified} notifies, {outcomes} outcomes, {refused} refused, {anew} hubs removed and back, 0 \
         violations; appends: {faults:?}"
    );
    assert!(anew > 0 && outcomes > 0);
}
