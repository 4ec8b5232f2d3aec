//! One hub through single faults, step by step: a device that is away, a device without room, a wall clock that is set.

use std::sync::{Arc, Mutex};

use deskbell_core::entry::Input;
use deskbell_core::{Incarnation, Name};

use super::clients::Clients;
use super::device::{Device, SimClock, SimLog};
use super::dice::Dice;
use super::recorder::{Inbox, Recorder, Told};
use super::single::settings;
use crate::hub::input_queue::{InputQueue, QueuedInput};
use crate::hub::partition::LOG_RETRY_MS;
use crate::hub::partition::{Partition, Progress};
use deskbell_core::entry::Entry;

struct Hub {
    device: Arc<Mutex<Device>>,
    clock: SimClock,
    inputs: InputQueue,
    inbox: Inbox,
    partition: Partition<Recorder>,
    clients: Clients,
}

impl Hub {
    /// A hub with an agent (connection 1) and a provider (connection 2).
    fn start() -> Self {
        let device = Arc::new(Mutex::new(Device::new(Dice::new(1), 0)));
        let (clock, inbox) = (SimClock::new(), Inbox::default());
        let partition = Self::open(&device, &clock, &inbox, 1);
        let mut hub = Self { device, clock, inputs: InputQueue::default(), inbox, partition, clients: Clients::new(0) };
        hub.submit(1, Input::Join { connection: 1, client: Clients::agent_client(0) });
        let provider = hub.clients.provider_client();
        hub.submit(2, Input::Join { connection: 2, client: provider });
        hub.clients.provider.serial = Some(2);
        hub.poll();
        hub.told();
        hub
    }

    fn open(device: &Arc<Mutex<Device>>, clock: &SimClock, inbox: &Inbox, run: u64) -> Partition<Recorder> {
        let incarnation = Incarnation(run);
        let recorder = Recorder { incarnation, inbox: Arc::clone(inbox) };
        let next = || unreachable!("nobody removes a hub from its own log");
        Partition::start(Box::new(SimLog::open(device)), recorder, clock, settings(0, incarnation, next)).unwrap()
    }

    fn submit(&mut self, serial: u64, input: Input) {
        let entry = Entry { workspace: "default".into(), input };
        self.inputs.push(QueuedInput { serial, entry, permit: None }).unwrap();
    }

    fn notify(&mut self) -> Name {
        let id = self.clients.next_id();
        let (serial, call) = self.clients.notify(&id).unwrap();
        self.submit(serial, call);
        id
    }

    /// Polls until there is nothing more to do at once.
    fn poll(&mut self) -> Progress {
        loop {
            let progress = self.partition.poll(&self.inputs, &self.clock).unwrap();
            if !progress.busy {
                return progress;
            }
        }
    }

    fn told(&mut self) -> Vec<(u64, Told)> {
        self.inbox.lock().unwrap().drain(..).collect()
    }

    fn open_notifications(&self) -> u64 {
        self.partition.core().stats("default").map_or(0, |stats| stats.open)
    }
}

#[test]
fn while_the_device_is_away_calls_are_refused_at_once_and_it_is_tried_at_a_bounded_rate() {
    let mut hub = Hub::start();
    hub.device.lock().unwrap().is_down = true;
    hub.notify();
    let progress = hub.poll();
    assert!(!progress.ready, "a hub whose log is broken is not ready");
    let before = hub.device.lock().unwrap().attempts;
    for passed in 0..1_000 {
        if passed % 10 == 5 {
            let id = hub.notify();
            hub.poll();
            assert!(hub.told().contains(&(2, Told::Unavailable { id: Some(id) })), "refused by the next poll");
        }
        hub.clock.pass(10);
        assert!(!hub.poll().ready);
    }
    let attempts = hub.device.lock().unwrap().attempts - before;
    assert!((10_000 / LOG_RETRY_MS - 2..=10_000 / LOG_RETRY_MS + 2).contains(&attempts), "{attempts} attempts in 10 s");
    hub.device.lock().unwrap().is_down = false;
    hub.clock.pass(LOG_RETRY_MS);
    hub.told();
    assert!(hub.poll().ready, "the hub recovers by itself");
    hub.notify();
    hub.poll();
    assert!(hub.told().iter().any(|(_, told)| matches!(told, Told::Ack { .. })), "and takes calls");
}

#[test]
fn a_full_disk_ends_readiness_and_room_on_it_brings_readiness_back() {
    let mut hub = Hub::start();
    hub.device.lock().unwrap().full_until = 5;
    let id = hub.notify();
    let progress = hub.poll();
    assert!(!progress.ready);
    assert!(hub.told().contains(&(2, Told::Unavailable { id: Some(id) })));
    let next = progress.next.expect("the log is tried again");
    assert!(!next.is_zero() && next.as_millis() <= u128::from(LOG_RETRY_MS), "{next:?}");
    // A connection that closes meanwhile is not forgotten.
    hub.submit(1, Input::Leave { connection: 1 });
    for _ in 0..8 {
        hub.clock.pass(LOG_RETRY_MS);
        hub.poll();
    }
    let progress = hub.poll();
    assert!(progress.ready && progress.next.is_none_or(|next| !next.is_zero()), "{progress:?}");
    assert_eq!(hub.partition.core().stats("default").unwrap().agents, 0, "the leave reached the log");
}

#[test]
fn setting_the_wall_clock_moves_no_deadline_while_the_hub_runs_or_between_two_runs() {
    for step_ms in [-3_600_000, -30_000, 30_000, 3_600_000] {
        let mut hub = Hub::start();
        hub.notify();
        hub.poll();
        assert_eq!(hub.open_notifications(), 1);
        hub.clock.step_wall(step_ms);
        hub.clock.pass(4_999);
        hub.poll();
        assert_eq!(hub.open_notifications(), 1, "by {step_ms} ms: not before its time");
        hub.clock.pass(1);
        hub.poll();
        assert_eq!(hub.open_notifications(), 0, "by {step_ms} ms: at its time");
    }
    // Back, between two runs: the log's time goes on from its last record.
    let mut hub = Hub::start();
    hub.notify();
    hub.poll();
    hub.clock.step_wall(-40_000);
    hub.partition = Hub::open(&hub.device, &hub.clock, &hub.inbox, 2);
    hub.clock.pass(5_000);
    hub.poll();
    assert_eq!(hub.open_notifications(), 0);
}
