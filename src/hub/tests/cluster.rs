//! Several hubs over one log that loses, delays, repeats and refuses what they append; hubs that are killed, paused and
//! cut off; clocks that agree on nothing. Each seed is one history, held against the same promise.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use deskbell_core::entry::{Entry, Input, Joiner};
use deskbell_core::rules::{RULES, RulesRange};
use deskbell_core::{Incarnation, Millis, Name};

use super::clients::{AGENTS, Clients, Tally};
use super::dice::Dice;
use super::recorder::{EVERYBODY, Inbox, Recorder, Told};
use super::single::{seeds, settings};
use super::stream::{SkewedClock, Stream, StreamLog};
use crate::hub::codec::{CodecError, encode_snapshot};
use crate::hub::input_queue::{InputQueue, QueuedInput};
use crate::hub::partition::{HubError, Partition};
use crate::log::AnyLog;

/// Histories per run; `DESKBELL_CLUSTER_SEEDS` sets another number for a long campaign.
const SEEDS: u64 = 300;
const STEPS: usize = 60;
const HUBS: usize = 3;
/// The longest jump of time between two turns: hubs say something every second.
const TURN_MS: u64 = 400;
/// The rules of a hub before an upgrade, and after it.
const BEFORE: RulesRange = RulesRange { newest: RULES.oldest, ..RULES };
const AFTER: RulesRange = RulesRange { newest: RULES.oldest + 1, ..RULES };

thread_local! {
    static INCARNATIONS: Cell<u64> = const { Cell::new(0) };
}

fn next_incarnation() -> Incarnation {
    INCARNATIONS.with(|count| {
        count.set(count.get() + 1);
        Incarnation(count.get())
    })
}

#[derive(Debug)]
struct Host {
    clock: SkewedClock,
    cut: Arc<AtomicBool>,
    paused_until: u64,
    inputs: Arc<InputQueue>,
    inbox: Inbox,
    partition: Option<Partition<Recorder>>,
    ready: bool,
    /// The rules that its program applies.
    rules: RulesRange,
}

/// What an upgrade led to.
#[derive(Debug, Default)]
struct Upgrade {
    /// Hubs that started while the log followed the rules before, by their newest rules.
    started_before: [u64; 2],
    /// Starts of the version before that were refused because the rules had been raised.
    starts_refused: u64,
    /// Hubs of the version before that found, while they ran, that the rules had been raised without them.
    ended: u64,
}

#[derive(Debug)]
struct Cluster {
    seed: u64,
    dice: Dice,
    world: Arc<AtomicU64>,
    stream: Arc<Mutex<Stream>>,
    hosts: Vec<Host>,
    serials: u64,
    rejoined: u64,
    /// While hubs are exchanged for those of another version.
    upgrade: Option<Upgrade>,
    clients: Clients,
    /// At which host the provider is.
    provider_at: usize,
    /// At which host each agent is.
    agents_at: [usize; AGENTS],
}

impl Cluster {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let world = Arc::new(AtomicU64::new(1_000_000));
        let stream =
            Stream { dice: Dice::new(seed ^ 0xbeef), fault_every: dice.fault_every(), ..Stream::reliable(&world) };
        let hosts = (0..HUBS).map(|_| Host {
            clock: SkewedClock { world: Arc::clone(&world), skew_ms: dice.below(1_000_000_000) },
            cut: Arc::default(),
            paused_until: 0,
            inputs: Arc::default(),
            inbox: Inbox::default(),
            partition: None,
            ready: false,
            rules: RULES,
        });
        let hosts = hosts.collect();
        Self {
            seed,
            dice,
            world,
            stream: Arc::new(Mutex::new(stream)),
            hosts,
            serials: 0,
            rejoined: 0,
            upgrade: None,
            clients: Clients::new(seed),
            provider_at: 0,
            agents_at: [0; AGENTS],
        }
    }

    fn now(&self) -> u64 {
        self.world.load(Ordering::Relaxed)
    }

    /// Starts the hub of a host; during an upgrade that of either version. The version before is refused once the rules
    /// were raised.
    fn start(&mut self, number: usize) {
        if self.upgrade.is_some() {
            let after = self.hosts[number].rules == AFTER;
            // Some hosts are set back to the version before.
            let stays = self.dice.one_in(2);
            self.hosts[number].rules = if after == stays { AFTER } else { BEFORE };
        }
        let (stream, seed) = (Arc::clone(&self.stream), self.seed);
        let host = &mut self.hosts[number];
        let due = stream.lock().unwrap().records.len();
        let log = StreamLog { stream, read: 0, due, cut: Arc::clone(&host.cut), refused: false };
        let incarnation = next_incarnation();
        let mut settings = settings(seed, incarnation, next_incarnation);
        // Nothing is forgotten, however long the provider was away.
        settings.limits.retention = Millis(1 << 40);
        settings.rules = host.rules;
        host.inbox = Inbox::default();
        host.inputs = Arc::default();
        let recorder = Recorder { incarnation, inbox: Arc::clone(&host.inbox) };
        match Partition::start(AnyLog::Shared(Box::new(log)), recorder, &host.clock, settings) {
            Ok(partition) => {
                if let Some(upgrade) = self.upgrade.as_mut().filter(|_| partition.core().rules() < AFTER.newest) {
                    upgrade.started_before[usize::from(host.rules == AFTER)] += 1;
                }
                host.partition = Some(partition);
            }
            Err(error) => self.refused(number, &error),
        }
    }

    /// A hub ended, or did not start, with an error: only one of the version before may, once the rules were raised.
    fn refused(&mut self, number: usize, error: &HubError) {
        let (seed, host) = (self.seed, &mut self.hosts[number]);
        let raised = matches!(error, HubError::Codec(CodecError::NewerRules { theirs, .. }) if *theirs == AFTER.newest);
        assert!(raised && host.rules == BEFORE, "seed {seed}: {error}");
        let upgrade = self.upgrade.as_mut().unwrap_or_else(|| panic!("seed {seed}: no upgrade, and {error}"));
        host.ready = false;
        if host.partition.take().is_some() {
            upgrade.ended += 1;
            self.hang_up(number);
        } else {
            upgrade.starts_refused += 1;
        }
    }

    /// All hubs that can have a few turns.
    fn poll(&mut self) {
        self.stream.lock().unwrap().arrive();
        let now = self.now();
        for number in 0..HUBS {
            let host = &mut self.hosts[number];
            let Some(partition) = host.partition.as_mut().filter(|_| now >= host.paused_until) else { continue };
            let mut ended = None;
            for _ in 0..4 {
                let polled = match partition.poll(&host.inputs, &host.clock) {
                    Ok(progress) => {
                        host.ready = progress.ready;
                        Ok(())
                    }
                    Err(HubError::Removed) => {
                        self.rejoined += 1;
                        host.ready = false;
                        partition.rejoin(&host.clock)
                    }
                    Err(error) => Err(error),
                };
                if let Err(error) = polled {
                    ended = Some(error);
                    break;
                }
                assert!(partition.core().rules() <= host.rules.newest, "seed {}: rules that it lacks", self.seed);
            }
            match ended {
                Some(error) => self.refused(number, &error),
                None => self.read_inbox(number),
            }
        }
    }

    fn pass(&mut self, mut ms: u64) {
        while ms > 0 {
            let step = ms.min(TURN_MS);
            self.world.fetch_add(step, Ordering::Relaxed);
            self.poll();
            ms -= step;
        }
    }

    fn submit(&mut self, host: usize, serial: u64, input: Input) {
        let entry = Entry { workspace: "default".into(), input };
        self.hosts[host].inputs.push(QueuedInput { serial, entry, permit: None }).unwrap();
    }

    fn read_inbox(&mut self, host: usize) {
        let told: Vec<_> = self.hosts[host].inbox.lock().unwrap().drain(..).collect();
        for (serial, told) in told {
            let clients = &mut self.clients;
            if serial == EVERYBODY {
                self.hang_up(host);
            } else if clients.provider.serial == Some(serial) && self.provider_at == host {
                if told == Told::Disconnected {
                    self.lose_provider();
                } else {
                    clients.provider_told(told).iter().for_each(|id| self.notify(id));
                }
            } else if let Some(agent) = clients.agent_at(serial) {
                if told == Told::Disconnected {
                    self.lose_agent(agent);
                } else {
                    clients.agent_told(agent, told);
                }
            }
        }
    }

    /// Everybody at that host finds the connection gone; the host hears of it as of any that ends.
    fn hang_up(&mut self, host: usize) {
        if self.provider_at == host {
            self.lose_provider();
        }
        for agent in (0..AGENTS).filter(|&agent| self.agents_at[agent] == host).collect::<Vec<_>>() {
            self.lose_agent(agent);
        }
    }

    fn lose_provider(&mut self) {
        if let Some(serial) = self.clients.provider.serial.take() {
            self.submit(self.provider_at, serial, Input::Leave { connection: serial });
        }
    }

    fn lose_agent(&mut self, agent: usize) {
        if let Some(serial) = self.clients.agents[agent].serial.take() {
            self.submit(self.agents_at[agent], serial, Input::Leave { connection: serial });
        }
    }

    fn notify(&mut self, id: &Name) {
        if let Some((serial, call)) = self.clients.notify(id) {
            self.submit(self.provider_at, serial, call);
        }
    }

    /// Connects to one of the hosts; to which, and over which connection. `None` if nothing answers there.
    fn connect(&mut self, client: Joiner) -> Option<(usize, u64)> {
        let host = self.dice.below(HUBS as u64) as usize;
        let there = &self.hosts[host];
        if there.partition.is_none() || self.now() < there.paused_until {
            return None;
        }
        self.serials += 1;
        self.submit(host, self.serials, Input::Join { connection: self.serials, client });
        Some((host, self.serials))
    }

    fn connect_provider(&mut self) {
        if self.clients.provider.serial.is_none()
            && let Some((host, serial)) = self.connect(self.clients.provider_client())
        {
            self.provider_at = host;
            self.clients.provider.serial = Some(serial);
        }
    }

    fn connect_agent(&mut self, agent: usize) {
        if self.clients.agents[agent].serial.is_none()
            && let Some((host, serial)) = self.connect(Clients::agent_client(agent))
        {
            self.agents_at[agent] = host;
            self.clients.agents[agent].serial = Some(serial);
        }
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
                let id = self.clients.next_id();
                self.notify(&id);
            }
            5..=6 => {
                let agent = self.dice.below(AGENTS as u64) as usize;
                self.connect_agent(agent);
            }
            7..=9 => {
                for (agent, serial, answer) in self.clients.answers(&mut self.dice) {
                    self.submit(self.agents_at[agent], serial, answer);
                }
            }
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

    /// No more faults; everything runs out; the provider comes back and must know it all.
    fn come_to_rest(&mut self) {
        let mut stream = self.stream.lock().unwrap();
        stream.fault_every = 0;
        stream.stalled_until = 0;
        drop(stream);
        let upgraded = self.upgrade.take();
        for host in 0..HUBS {
            self.hosts[host].cut.store(false, Ordering::Relaxed);
            self.hosts[host].paused_until = 0;
            if upgraded.is_some() && self.hosts[host].rules != AFTER {
                self.hosts[host].rules = AFTER;
                self.hosts[host].partition = None;
                self.hang_up(host);
            }
            if self.hosts[host].partition.is_none() {
                self.start(host);
            }
        }
        self.upgrade = upgraded;
        self.pass(30_000);
        assert!(self.hosts.iter().all(|host| host.ready), "seed {}: a hub is not back", self.seed);
        for _ in 0..8 {
            self.connect_provider();
            self.pass(10_000);
            // What was refused at a second try is tried again: an earlier one may have been done.
            self.clients.pending().iter().for_each(|id| self.notify(id));
        }
        self.pass(20_000);
    }

    fn check(&mut self) {
        let seed = self.seed;
        self.clients.check();
        let last = self.stream.lock().unwrap().records.len() as u64;
        let mut states = Vec::new();
        for host in &mut self.hosts {
            let partition = host.partition.as_mut().unwrap();
            while partition.applied() < last {
                // Its ticks come behind `last`; what counts is that all of them fold the same.
                partition.poll(&host.inputs, &host.clock).unwrap();
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
    let seeds = seeds("DESKBELL_CLUSTER_SEEDS", SEEDS);
    let (mut rejoined, mut tally) = (0, Tally::default());
    for seed in 0..seeds {
        let mut cluster = Cluster::new(seed);
        for _ in 0..STEPS {
            cluster.step();
        }
        cluster.come_to_rest();
        cluster.check();
        tally.add(&cluster.clients, &cluster.stream.lock().unwrap().faults);
        rejoined += cluster.rejoined;
    }
    println!("{seeds} seeds, {rejoined} hubs removed and back, {tally}");
    assert!(rejoined > 0 && tally.outcomes > 0);
}

#[test]
fn hubs_of_two_versions_share_one_log_until_the_last_old_one_is_gone() {
    let seeds = seeds("DESKBELL_CLUSTER_SEEDS", SEEDS);
    let (mut all, mut tally) = (Upgrade::default(), Tally::default());
    for seed in 0..seeds {
        let mut cluster = Cluster::new(seed);
        cluster.hosts.iter_mut().for_each(|host| host.rules = BEFORE);
        for step in 0..STEPS {
            if step == STEPS / 4 {
                cluster.upgrade = Some(Upgrade::default());
            }
            cluster.step();
        }
        cluster.come_to_rest();
        cluster.check();
        for host in &cluster.hosts {
            assert_eq!(host.partition.as_ref().unwrap().core().rules(), AFTER.newest, "seed {seed}");
        }
        tally.add(&cluster.clients, &cluster.stream.lock().unwrap().faults);
        let upgrade = cluster.upgrade.unwrap();
        for (all, one) in all.started_before.iter_mut().zip(upgrade.started_before) {
            *all += one;
        }
        all.starts_refused += upgrade.starts_refused;
        all.ended += upgrade.ended;
    }
    println!("{seeds} seeds, {all:?}, {tally}");
    assert!(all.started_before.iter().all(|&starts| starts > 0), "both versions ran side by side: {all:?}");
    assert!(
        all.starts_refused > 0 && all.ended > 0,
        "the version before was refused at its start, and while away: {all:?}"
    );
    assert!(tally.outcomes > 0);
}
