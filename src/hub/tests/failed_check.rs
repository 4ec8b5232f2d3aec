//! A hub with a damaged state. A check fails in the middle of a record: the hub must end with an error that names the
//! record, deliver nothing of it, and leave a log that can be read.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deskbell_core::effect::{Effects, ReplyTo};
use deskbell_core::entry::{AgentAction, Call, Entry, Input, ProviderAction};
use deskbell_core::rules::RULES;
use deskbell_core::{Core, Incarnation, NotificationId, Timestamp};

use super::clients::Clients;
use super::device::SimClock;
use super::single::settings;
use crate::hub::checked_apply::FailedCheck;
use crate::hub::codec::decode_record;
use crate::hub::delivery::{CallRejected, Delivery};
use crate::hub::input_queue::{InputQueue, QueuedInput};
use crate::hub::partition::{HubError, Partition};
use crate::hub::settings::HubSettings;
use crate::log::disk::{Options, ReadOnlyLog};
use crate::log::{Disk, History, OwnLog, RecordNumber};

/// The effects that reached the delivery, and how many of them were flushed.
#[derive(Debug, Default)]
struct Deliveries {
    delivered: usize,
    flushed: usize,
}

#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<Deliveries>>);

impl Delivery for Collector {
    fn deliver(&mut self, _: &Core, _: Timestamp, effects: Effects) {
        self.0.lock().unwrap().delivered += effects.list.len();
    }

    fn tick(&mut self, _: &Core) -> Option<Duration> {
        None
    }

    fn flush(&mut self) {
        let mut deliveries = self.0.lock().unwrap();
        deliveries.flushed = deliveries.delivered;
    }

    fn refuse(&mut self, _: &ReplyTo, why: CallRejected) {
        panic!("nothing is refused: {why:?}");
    }

    fn disconnect(&mut self, _: &[u64]) {
        panic!("nobody is disconnected");
    }

    fn disconnect_all(&mut self) {
        panic!("nobody is disconnected");
    }

    fn rejoin(&mut self, _: Incarnation) {
        unreachable!("the log is the hub's own");
    }
}

struct Hub {
    partition: Partition<Collector>,
    inputs: InputQueue,
    deliveries: Collector,
    clock: SimClock,
}

fn options(directory: &Path) -> Options {
    Options::new(directory, || 1_000_000_000).new_id(7)
}

impl Hub {
    fn start(directory: &Path, run: u64) -> Result<Self, HubError> {
        let next = || unreachable!("the log is the hub's own");
        let settings: HubSettings = settings(0, Incarnation(run), next);
        let (deliveries, clock) = (Collector::default(), SimClock::new());
        let (log, _) = Disk::open(&options(directory))?;
        let partition = Partition::start(Box::new(log), deliveries.clone(), &clock, settings)?;
        Ok(Self { partition, inputs: InputQueue::default(), deliveries, clock })
    }

    fn submit(&self, serial: u64, input: Input) {
        let entry = Entry { workspace: "default".into(), input };
        self.inputs.push(QueuedInput { serial, entry, permit: None }).unwrap();
    }

    fn call(&self, connection: u64, action: impl Into<deskbell_core::entry::Action>) {
        let call = Call { id: Some("x".into()), correlation_id: None, number: None, action: action.into() };
        self.submit(connection, Input::Call { connection, call });
    }

    fn poll(&mut self) -> Result<(), HubError> {
        while self.partition.poll(&self.inputs, &self.clock)?.busy {}
        Ok(())
    }
}

/// Stops a hub in which an agent has a session. Returns the session's name, and the last record of the snapshot.
fn stopped_hub(directory: &Path) -> (String, RecordNumber) {
    let mut hub = Hub::start(directory, 1).unwrap();
    let mut clients = Clients::new(0);
    clients.provider.serial = Some(2);
    hub.submit(1, Input::Join { connection: 1, client: Clients::agent_client(0) });
    hub.submit(2, Input::Join { connection: 2, client: clients.provider_client() });
    let id = clients.next_id();
    let (serial, notify) = clients.notify(&id).unwrap();
    hub.submit(serial, notify);
    hub.poll().unwrap();
    let notification_id = NotificationId(1 << 64);
    hub.call(1, AgentAction::Accept { notification_id });
    hub.poll().unwrap();
    assert_eq!(hub.partition.core().totals().sessions, 1);
    let number = hub.partition.applied();
    hub.partition.finish();
    (notification_id.to_string(), number)
}

/// Replaces occurrence `at` of `name` in the snapshot by another name of the same length; whether there is one.
fn damage(directory: &Path, number: RecordNumber, name: &str, at: usize) -> bool {
    let (log, _) = Disk::open(&options(directory)).unwrap();
    let mut store = log.snapshots().unwrap();
    let mut bytes = store.snapshot_at(number).unwrap();
    let mut places = (0..bytes.len() - name.len()).filter(|&at| bytes[at..].starts_with(name.as_bytes()));
    let Some(place) = places.nth(at) else { return false };
    bytes[place] = b'x';
    let retention = settings(0, Incarnation(0), || unreachable!()).retention;
    store.save_snapshot(number, &bytes, &retention).unwrap();
    true
}

#[test]
fn a_failed_check_ends_the_hub_before_anything_of_the_record_is_delivered() {
    let mut failed = 0;
    // Wherever the state has the session's name, that one place has another.
    for at in 0.. {
        let scratch = tempfile::tempdir().unwrap();
        let (session, number) = stopped_hub(scratch.path());
        if !damage(scratch.path(), number, &session, at) {
            assert!(at > 2, "the name is in several indexes");
            break;
        }
        let mut hub = Hub::start(scratch.path(), 2).unwrap();
        let provider = Clients::new(0).provider_client();
        hub.submit(1, Input::Join { connection: 1, client: provider });
        hub.poll().unwrap();
        let before = hub.deliveries.0.lock().unwrap().delivered;
        // One record: the reply to the first call is an effect of an entry before the one that fails.
        hub.call(1, ProviderAction::Lookup { notification_id: NotificationId(99) });
        hub.call(1, ProviderAction::EndSession { session_id: session.as_str().into() });
        let Err(error) = hub.poll() else { continue };
        failed += 1;
        let record = hub.partition.applied() + 1;
        let HubError::FailedCheck(FailedCheck { number, check }) = &error else { panic!("{error}") };
        assert_eq!(*number, record);
        assert!(check.contains(&session[1..]), "the check names what is wrong: {check}");
        assert!(error.to_string().starts_with(&format!("record {record} cannot be applied")), "{error}");
        assert!(!hub.partition.can_rejoin(&error), "the same record would fail again");
        let deliveries = hub.deliveries.0.lock().unwrap();
        assert!(deliveries.delivered > before, "an earlier entry of the record had effects");
        assert_eq!(deliveries.flushed, before, "they must not leave the hub");
        drop(deliveries);
        drop(hub);

        // The log is whole, with the record that fails; and the next start fails at the same one.
        let mut log = ReadOnlyLog::open(scratch.path()).unwrap();
        for number in 0..record {
            let stored = log.after(number).unwrap().expect("every record is there");
            decode_record(&stored, RULES).unwrap();
        }
        assert_eq!(log.after(record).unwrap(), None);
        match Hub::start(scratch.path(), 3) {
            Err(HubError::FailedCheck(again)) => assert_eq!(again.number, record),
            other => panic!("{:?}", other.map(|hub| hub.partition)),
        }
    }
    assert!(failed > 0, "no damage was noticed");
}
