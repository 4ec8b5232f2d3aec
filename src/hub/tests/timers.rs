//! Deadlines in a cluster, by the clock of the stream: when its record comes, and from which hub.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use deskbell_core::Incarnation;
use deskbell_core::entry::{Entry, Input};

use super::clients::Clients;
use super::recorder::{Inbox, Recorder};
use super::single::settings;
use super::stream::{SkewedClock, Stream, StreamLog};
use crate::hub::input_queue::{InputQueue, QueuedInput};
use crate::hub::membership::{HEARTBEAT_MS, TICK_LATER_MS};
use crate::hub::partition::Partition;
use crate::log::AnyLog;

/// The display and queue time of the notifications.
const TIMEOUT_MS: u64 = 5_000;

struct Hub {
    clock: SkewedClock,
    inputs: InputQueue,
    partition: Partition<Recorder>,
    /// When it wants its next turn; its thread takes one for every record that arrives, too.
    next_turn: u64,
    records: usize,
}

impl Hub {
    fn start(world: &Arc<AtomicU64>, stream: &Arc<Mutex<Stream>>, number: u64) -> Self {
        let log = StreamLog { stream: Arc::clone(stream), read: 0, due: 0, cut: Arc::default(), refused: false };
        let incarnation = Incarnation(number);
        let recorder = Recorder { incarnation, inbox: Inbox::default() };
        let clock = SkewedClock { world: Arc::clone(world), skew_ms: number * 777_777_777 };
        let next = || unreachable!("no hub is removed here");
        let log = AnyLog::Shared(Box::new(log));
        let partition = Partition::start(log, recorder, &clock, settings(0, incarnation, next)).unwrap();
        Self { clock, inputs: InputQueue::default(), partition, next_turn: 0, records: 0 }
    }

    fn submit(&self, serial: u64, input: Input) {
        let entry = Entry { workspace: "default".into(), input };
        self.inputs.push(QueuedInput { serial, entry, permit: None }).unwrap();
    }

    fn turn(&mut self, now: u64, records: usize) {
        if now < self.next_turn && records == self.records && self.inputs.is_empty() {
            return;
        }
        // A read may find nothing although there is something.
        for _ in 0..8 {
            let progress = self.partition.poll(&self.inputs, &self.clock).unwrap();
            self.next_turn = now + progress.next.map_or(HEARTBEAT_MS, |next| next.as_millis() as u64).max(1);
        }
        self.records = records;
    }

    fn open_notifications(&self) -> u64 {
        self.partition.core().stats("default").map_or(0, |stats| stats.open)
    }
}

/// A notification of a provider at the first of two hubs; how long after its deadline the second hub sees it settled.
/// `lives`: the first hub is there when the time is over.
fn lateness_ms(lives: bool) -> u64 {
    let world = Arc::new(AtomicU64::new(1_000_000));
    let stream = Arc::new(Mutex::new(Stream::reliable(&world)));
    let mut hubs: Vec<_> = [1, 2].map(|number| Hub::start(&world, &stream, number)).into();
    let mut clients = Clients::new(0);
    let pass = |hubs: &mut Vec<Hub>, until: &dyn Fn(&[Hub]) -> bool| {
        for _ in 0..20_000 {
            let now = world.fetch_add(1, Ordering::Relaxed) + 1;
            for hub in &mut *hubs {
                let records = stream.lock().unwrap().records.len();
                hub.turn(now, records);
            }
            if until(hubs) {
                return now;
            }
        }
        panic!("it does not happen");
    };
    pass(&mut hubs, &|hubs| hubs.iter().all(|hub| hub.partition.core().incarnations().count() == 2));
    hubs[0].submit(1, Input::Join { connection: 1, client: clients.provider_client() });
    clients.provider.serial = Some(1);
    let id = clients.next_id();
    let (serial, call) = clients.notify(&id).unwrap();
    hubs[0].submit(serial, call);
    let notified = pass(&mut hubs, &|hubs| hubs[1].open_notifications() == 1);
    if !lives {
        hubs.remove(0);
    }
    let settled = pass(&mut hubs, &|hubs| hubs.last().unwrap().open_notifications() == 0);
    assert!(settled >= notified + TIMEOUT_MS - 2, "{} ms too early", notified + TIMEOUT_MS - settled);
    settled.saturating_sub(notified + TIMEOUT_MS)
}

#[test]
fn in_a_cluster_a_deadline_is_met_when_it_is_due_and_not_with_the_next_heartbeat() {
    let late = lateness_ms(true);
    assert!(late <= 20, "{late} ms late");
}

#[test]
fn without_the_hub_of_its_provider_another_hub_meets_a_deadline_a_little_later() {
    let late = lateness_ms(false);
    assert!((TICK_LATER_MS - 20..=TICK_LATER_MS + 20).contains(&late), "{late} ms late");
}
