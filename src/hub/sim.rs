//! The whole loop over simulated time and a log that fails, tears, repeats and crashes at every step.
//!
//! Each seed is one history. What every client saw is written down by the client, and held against the promise:
//! an acknowledged notification gets exactly one outcome, and its provider learns it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use deskbell_core::entry::{Entry, Input, Joiner};
use deskbell_core::{Incarnation, Limits, Name};

use self::device::{Device, SimClock, SimLog};
use self::dice::Dice;
use self::people::{AGENTS, People, Tally};
use self::recorder::{Inbox, Recorder, Told};
use super::intake::{Intake, Waiting};
use super::partition::{HubSettings, Partition};
use crate::log::Keep;

mod cluster;
mod device;
mod dice;
mod people;
mod recorder;
mod stream;

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
    intake: Intake,
    partition: Option<Partition<Recorder>>,
    runs: u64,
    serials: u64,
    people: People,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let device = Device {
            records: Vec::new(),
            dice: Dice::new(seed ^ 0xdead),
            faults: BTreeMap::new(),
            fault_every: dice.fault_every(),
            full_until: 0,
        };
        Self {
            seed,
            dice,
            clock: SimClock(AtomicU64::new(1_000_000)),
            device: Arc::new(Mutex::new(device)),
            inbox: Inbox::default(),
            intake: Intake::default(),
            partition: None,
            runs: 0,
            serials: 0,
            people: People::new(seed),
        }
    }

    fn start_hub(&mut self) {
        while self.partition.is_none() {
            self.runs += 1;
            self.inbox.lock().unwrap().clear();
            self.intake = Intake::default();
            let incarnation = Incarnation(self.runs);
            let next = || unreachable!("a log of its own removes no hub");
            let log = SimLog { device: Arc::clone(&self.device), read: 0, broken: false, crashed: false };
            let recorder = Recorder { incarnation, inbox: Arc::clone(&self.inbox) };
            let settings = settings(self.seed, incarnation, next);
            self.partition = Partition::start(Box::new(log), recorder, &self.clock, settings).ok();
        }
        self.people.all_lost();
    }

    fn turn(&mut self) {
        let Some(partition) = &mut self.partition else { return };
        for _ in 0..3 {
            match partition.turn(&self.intake, &self.clock) {
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
            let people = &mut self.people;
            if people.provider.serial == Some(serial) {
                if told == Told::CutOff {
                    people.provider.serial = None;
                } else {
                    people.provider_told(told).iter().for_each(|id| self.notify(id));
                }
            } else if let Some(agent) = people.agent_at(serial) {
                if told == Told::CutOff {
                    people.agents[agent].serial = None;
                } else {
                    people.agent_told(agent, told);
                }
            }
        }
    }

    fn notify(&mut self, id: &Name) {
        if let Some((serial, call)) = self.people.notify(id) {
            self.submit(serial, call);
        }
    }

    fn connect(&mut self, client: Joiner) -> u64 {
        self.serials += 1;
        self.submit(self.serials, Input::Join { connection: self.serials, client });
        self.serials
    }

    fn connect_provider(&mut self) {
        if self.people.provider.serial.is_none() {
            let serial = self.connect(self.people.provider_client());
            self.people.provider.serial = Some(serial);
        }
    }

    fn step(&mut self) {
        if self.partition.is_none() {
            self.start_hub();
        }
        match self.dice.below(12) {
            0 if self.people.provider.serial.is_none() => self.connect_provider(),
            0..=3 => {
                self.connect_provider();
                let id = self.people.next_id();
                self.notify(&id);
            }
            4..=5 => {
                let agent = self.dice.below(AGENTS as u64) as usize;
                if self.people.agents[agent].serial.is_none() {
                    let serial = self.connect(People::agent_client(agent));
                    self.people.agents[agent].serial = Some(serial);
                }
            }
            6..=8 => {
                for (_, serial, answer) in self.people.answers(&mut self.dice) {
                    self.submit(serial, answer);
                }
            }
            9 => {
                let agent = self.dice.below(AGENTS as u64) as usize;
                if let Some(serial) = self.people.agents[agent].serial.take() {
                    self.submit(serial, Input::Leave { connection: serial });
                }
            }
            10 => {
                let ms = self.dice.below(4_000);
                self.clock.0.fetch_add(ms, Ordering::Relaxed);
            }
            // The process is killed.
            _ if self.dice.one_in(4) => self.partition = None,
            _ => {}
        }
        self.turn();
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
            self.turn();
            // What was refused at a second try is tried again: an earlier one may have been done.
            self.people.pending().iter().for_each(|id| self.notify(id));
            self.clock.0.fetch_add(20_000, Ordering::Relaxed);
            self.turn();
        }
    }

    fn check(&self) {
        self.people.check();
        let core = self.partition.as_ref().unwrap().core();
        assert_eq!(core.stats("default").map_or(0, |stats| stats.open), 0, "seed {}: still open at the end", self.seed);
    }
}

/// A hub over a small desk, so that much waits and much is passed over.
fn settings(seed: u64, incarnation: Incarnation, next_incarnation: fn() -> Incarnation) -> HubSettings {
    HubSettings {
        incarnation,
        next_incarnation,
        epoch: seed | 1,
        limits: Limits { display_limit: 2, queue_limit: 2, ..Limits::default() },
        deliveries_per_second: 1_000_000,
        keep: Keep { history_ms: 0, history_bytes: 0 },
    }
}

/// How many histories: what the environment says, else `default`.
fn seeds(variable: &str, default: u64) -> u64 {
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
        tally.add(&world.people, &world.device.lock().unwrap().faults);
        runs += world.runs;
    }
    println!("{seeds} seeds, {runs} starts, {tally}");
}
