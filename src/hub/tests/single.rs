//! The whole loop over simulated time and a log that fails, tears, repeats and crashes at every step.
//!
//! Each seed is one history. What every client saw is written down by the client, and held against the promise:
//! an acknowledged notification gets exactly one outcome, and its provider learns it.

use std::sync::{Arc, Mutex};

use deskbell_core::entry::{Entry, Input, Joiner};
use deskbell_core::{Incarnation, Limits, Name};

use super::clients::{AGENTS, Clients, Tally};
use super::device::{Device, SimClock, SimLog};
use super::dice::Dice;
use super::recorder::{Inbox, Recorder, Told};

use crate::hub::input_queue::{InputQueue, QueuedInput};
use crate::hub::partition::Partition;
use crate::hub::settings::{HubSettings, SnapshotInterval};
use crate::log::Retention;

/// Histories per run; `DESKBELL_SEEDS` sets another number for a long campaign.
const SEEDS: u64 = 2_000;
/// Steps per history.
const STEPS: usize = 60;

#[derive(Debug)]
struct World {
    seed: u64,
    dice: Dice,
    clock: SimClock,
    device: Arc<Mutex<Device>>,
    inbox: Inbox,
    inputs: InputQueue,
    partition: Option<Partition<Recorder>>,
    runs: u64,
    serials: u64,
    clients: Clients,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let device = Device::new(Dice::new(seed ^ 0xdead), dice.fault_every());
        Self {
            seed,
            dice,
            clock: SimClock::new(),
            device: Arc::new(Mutex::new(device)),
            inbox: Inbox::default(),
            inputs: InputQueue::default(),
            partition: None,
            runs: 0,
            serials: 0,
            clients: Clients::new(seed),
        }
    }

    fn start_hub(&mut self) {
        while self.partition.is_none() {
            self.runs += 1;
            self.inbox.lock().unwrap().clear();
            self.inputs = InputQueue::default();
            let incarnation = Incarnation(self.runs);
            let next = || unreachable!("a log of its own removes no hub");
            let log = SimLog::open(&self.device);
            let recorder = Recorder { incarnation, inbox: Arc::clone(&self.inbox) };
            let settings = settings(self.seed, incarnation, next);
            self.partition = Partition::start(Box::new(log), recorder, &self.clock, settings).ok();
        }
        self.clients.all_lost();
    }

    /// A few polls. The hub ends only if its process crashes: whatever else the log does, it recovers.
    fn poll(&mut self) {
        let Some(partition) = &mut self.partition else { return };
        for _ in 0..3 {
            let polled = partition.poll(&self.inputs, &self.clock);
            if self.device.lock().unwrap().crashed {
                self.partition = None;
                return;
            }
            let progress = polled.unwrap_or_else(|error| panic!("seed {}: the hub ended: {error}", self.seed));
            if !progress.busy {
                break;
            }
        }
        self.read_inbox();
    }

    fn submit(&mut self, serial: u64, input: Input) {
        let entry = Entry { workspace: "default".into(), input };
        self.inputs.push(QueuedInput { serial, entry, permit: None }).unwrap();
    }

    fn read_inbox(&mut self) {
        let told: Vec<_> = self.inbox.lock().unwrap().drain(..).collect();
        for (serial, told) in told {
            let clients = &mut self.clients;
            if clients.provider.serial == Some(serial) {
                if told == Told::Disconnected {
                    clients.provider.serial = None;
                } else {
                    clients.provider_told(told).iter().for_each(|id| self.notify(id));
                }
            } else if let Some(agent) = clients.agent_at(serial) {
                if told == Told::Disconnected {
                    clients.agents[agent].serial = None;
                } else {
                    clients.agent_told(agent, told);
                }
            }
        }
    }

    fn notify(&mut self, id: &Name) {
        if let Some((serial, call)) = self.clients.notify(id) {
            self.submit(serial, call);
        }
    }

    fn connect(&mut self, client: Joiner) -> u64 {
        self.serials += 1;
        self.submit(self.serials, Input::Join { connection: self.serials, client });
        self.serials
    }

    fn connect_provider(&mut self) {
        if self.clients.provider.serial.is_none() {
            let serial = self.connect(self.clients.provider_client());
            self.clients.provider.serial = Some(serial);
        }
    }

    fn step(&mut self) {
        if self.partition.is_none() {
            self.start_hub();
        }
        match self.dice.below(12) {
            0 if self.clients.provider.serial.is_none() => self.connect_provider(),
            0..=3 => {
                self.connect_provider();
                let id = self.clients.next_id();
                self.notify(&id);
            }
            4..=5 => {
                let agent = self.dice.below(AGENTS as u64) as usize;
                if self.clients.agents[agent].serial.is_none() {
                    let serial = self.connect(Clients::agent_client(agent));
                    self.clients.agents[agent].serial = Some(serial);
                }
            }
            6..=8 => {
                for (_, serial, answer) in self.clients.answers(&mut self.dice) {
                    self.submit(serial, answer);
                }
            }
            9 => {
                let agent = self.dice.below(AGENTS as u64) as usize;
                if let Some(serial) = self.clients.agents[agent].serial.take() {
                    self.submit(serial, Input::Leave { connection: serial });
                }
            }
            10 => {
                let ms = self.dice.below(4_000);
                self.clock.pass(ms);
            }
            // The process is killed.
            _ if self.dice.one_in(4) => self.partition = None,
            _ => {}
        }
        self.poll();
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
            self.connect_provider();
            self.poll();
            // What was refused at a second try is tried again: an earlier one may have been done.
            self.clients.pending().iter().for_each(|id| self.notify(id));
            self.clock.pass(20_000);
            self.poll();
        }
    }

    fn check(&self) {
        self.clients.check();
        let core = self.partition.as_ref().unwrap().core();
        assert_eq!(core.stats("default").map_or(0, |stats| stats.open), 0, "seed {}: still open at the end", self.seed);
    }
}

/// A hub over a small desk, so that much waits and much is passed over.
pub(super) fn settings(seed: u64, incarnation: Incarnation, next_incarnation: fn() -> Incarnation) -> HubSettings {
    HubSettings {
        incarnation,
        next_incarnation,
        epoch: seed | 1,
        limits: Limits { display_limit: 2, queue_limit: 2, ..Limits::default() },
        rules: deskbell_core::rules::RULES,
        deliveries_per_second: 1_000_000,
        retention: Retention { history_ms: 0, history_bytes: 0 },
        snapshot_every: SnapshotInterval::default(),
    }
}

/// How many histories: what the environment says, else `default`.
pub(super) fn seeds(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[test]
fn whatever_the_log_does_every_acknowledged_notification_gets_one_outcome() {
    let seeds = seeds("DESKBELL_SEEDS", SEEDS);
    let (mut runs, mut tally) = (0, Tally::default());
    for seed in 0..seeds {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.come_to_rest();
        world.check();
        tally.add(&world.clients, &world.device.lock().unwrap().faults);
        runs += world.runs;
    }
    println!("{seeds} seeds, {runs} starts, {tally}");
}
