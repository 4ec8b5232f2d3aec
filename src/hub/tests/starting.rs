//! A hub on its own thread: when its start is over, and what its stop waits for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deskbell_core::entry::{Entry, Input};
use deskbell_core::rules::RULES;
use deskbell_core::{Core, Incarnation, Timestamp};

use super::recorder::{Inbox, Recorder};
use super::single::settings;
use super::stream::{Stream, StreamLog};
use crate::hub::clock::WallClock;
use crate::hub::codec::GroupBytes;
use crate::hub::input_queue::InputQueue;
use crate::hub::membership::{OwnIncarnation, SnapshotDuty};
use crate::hub::runner::Hub;
use crate::hub::settings::SnapshotInterval;
use crate::hub::snapshotter::Snapshotter;
use crate::log::{
    AnyLog, AppendError, Digest, History, LogAge, LogError, OwnSnapshots, RecordNumber, Retention, SharedSnapshots,
    SnapshotStore, Stored,
};

#[test]
fn a_hub_of_a_cluster_serves_only_after_the_stream_has_returned_its_start() {
    let stream = Arc::new(Mutex::new(Stream::reliable(&Arc::new(AtomicU64::new(1_000)))));
    let cut = Arc::new(AtomicBool::new(true));
    let log = StreamLog { stream: Arc::clone(&stream), read: 0, due: 0, cut: Arc::clone(&cut), refused: false };
    let recorder = Recorder { incarnation: Incarnation(1), inbox: Inbox::default() };
    let inputs = Arc::new(InputQueue::default());
    let starting = std::thread::spawn({
        let (cut, inputs) = (Arc::clone(&cut), Arc::clone(&inputs));
        move || {
            let next = || unreachable!("nobody removes it");
            let settings = settings(0, Incarnation(1), next);
            let log = AnyLog::Shared(Box::new(log));
            let hub = Hub::start(log, recorder, inputs, Arc::new(WallClock), settings, || {}).unwrap();
            assert!(!cut.load(Ordering::Acquire), "the hub serves, and the stream has not answered yet");
            assert!(hub.handle().is_ready());
            hub
        }
    });
    // It appends again: so it has waited for an answer.
    while stream.lock().unwrap().attempts < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    cut.store(false, Ordering::Release);
    inputs.wake();
    let hub = starting.join().unwrap();
    hub.stop().unwrap();
}

/// A log of three records whose snapshots wait until the test lets them go on.
#[derive(Debug)]
struct SlowStore {
    begins: Sender<()>,
    goes_on: Receiver<()>,
    saved: Arc<Mutex<Vec<RecordNumber>>>,
}

impl History for SlowStore {
    fn snapshot(&mut self) -> Result<Option<(RecordNumber, Vec<u8>)>, LogError> {
        Ok(None)
    }

    fn replay_points(&mut self) -> Result<Vec<RecordNumber>, LogError> {
        Ok(vec![0])
    }

    fn snapshot_at(&mut self, number: RecordNumber) -> Result<Vec<u8>, LogError> {
        Err(LogError::Trimmed(number))
    }

    fn oldest(&self) -> RecordNumber {
        1
    }

    fn after(&mut self, number: RecordNumber) -> Result<Option<Stored>, LogError> {
        let mut group = GroupBytes::new(&Core::default());
        group.push(&Entry { workspace: "default".into(), input: Input::started(1, RULES.newest) });
        let stored = || Stored::new(number + 1, group.seal(Incarnation(1), number + 1, Timestamp(number)));
        Ok((number < 3).then(stored))
    }
}

impl SnapshotStore for SlowStore {
    fn save_snapshot(&mut self, number: RecordNumber, _: &[u8], _: &Retention) -> Result<(), AppendError> {
        self.begins.send(()).unwrap();
        // An error: the test is over, and with it what it would let go on.
        let _ = self.goes_on.recv();
        self.saved.lock().unwrap().push(number);
        Ok(())
    }
}

impl OwnSnapshots for SlowStore {
    fn age(&self) -> Option<LogAge> {
        None
    }

    fn trim(&mut self, _: &Retention) {}
}

impl SharedSnapshots for SlowStore {
    fn exchange_digests(&mut self, _: Digest) -> Vec<Digest> {
        Vec::new()
    }
}

/// A snapshotter that is writing the snapshot of record 3.
fn writing(
    duty: impl FnOnce(Box<SlowStore>) -> SnapshotDuty,
) -> (Snapshotter, Sender<()>, Arc<Mutex<Vec<RecordNumber>>>) {
    let ((begins, has_begun), (go_on, goes_on)) = (channel(), channel());
    let saved = Arc::default();
    let store = Box::new(SlowStore { begins, goes_on, saved: Arc::clone(&saved) });
    let every = SnapshotInterval { records: 3, bytes: u64::MAX };
    let retention = Retention { history_ms: 0, history_bytes: 0 };
    let mut snapshotter = Snapshotter::start(duty(store), retention, every, RULES, Arc::new(WallClock), Arc::default());
    snapshotter.reached(1_000);
    has_begun.recv_timeout(Duration::from_secs(60)).expect("a snapshot is due");
    (snapshotter, go_on, saved)
}

#[test]
fn a_stop_waits_for_the_snapshot_that_is_being_written_to_an_own_log() {
    let (snapshotter, go_on, saved) = writing(|store| SnapshotDuty::Sole(store));
    let stopping = std::thread::spawn(move || {
        snapshotter.stop();
        saved.lock().unwrap().clone()
    });
    go_on.send(()).unwrap();
    assert_eq!(stopping.join().unwrap(), [3]);
}

#[test]
fn a_stop_leaves_a_snapshot_behind_that_the_servers_of_a_shared_log_do_not_take() {
    let own = OwnIncarnation::new(Incarnation(1));
    let (snapshotter, go_on, saved) = writing(|store| SnapshotDuty::Lowest(store, own));
    snapshotter.stop();
    assert!(saved.lock().unwrap().is_empty());
    drop(go_on);
}
