//! What every kind of log must do. A kind joins by implementing [`LogKind`] and a line at the end.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::disk::Options;
use super::disk::tests::faults;
use super::{
    AnyLog, AppendError, Disk, Log, LogError, Memory, RECORD_BYTES_MAX, RecordNumber, Retention, SnapshotStore, Stored,
};

/// One log that can be opened again and again, one at a time.
trait LogKind {
    fn open(&self) -> Opened;

    /// Whether it keeps what was appended when its process ends.
    fn keeps(&self) -> bool;
}

/// A log that was opened.
struct Opened(AnyLog);

impl Deref for Opened {
    type Target = dyn Log + 'static;

    fn deref(&self) -> &(dyn Log + 'static) {
        self.0.log()
    }
}

impl DerefMut for Opened {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match &mut self.0 {
            AnyLog::Own(log) => &mut **log,
            AnyLog::Shared(log) => &mut **log,
        }
    }
}

impl Opened {
    fn is_shared(&self) -> bool {
        matches!(self.0, AnyLog::Shared(_))
    }

    fn snapshots(&self) -> Option<Box<dyn SnapshotStore>> {
        match &self.0 {
            AnyLog::Own(log) => log.snapshots().map(|snapshots| snapshots as _),
            AnyLog::Shared(log) => Some(log.snapshots()),
        }
    }

    fn close(self) -> Result<(), AppendError> {
        match self.0 {
            AnyLog::Own(log) => log.close(),
            AnyLog::Shared(log) => log.close(),
        }
    }
}

/// Everything is to be kept.
const ALL: Retention = Retention { history_ms: u64::MAX, history_bytes: u64::MAX };
/// Keeps only the records that a start needs.
const NOTHING: Retention = Retention { history_ms: 0, history_bytes: 0 };

fn payload(number: RecordNumber) -> Vec<u8> {
    format!("record {number}").repeat(number as usize % 7).into_bytes()
}

/// Appends the records from `from` to `to`, each read back before the next.
fn append(log: &mut Opened, from: RecordNumber, to: RecordNumber) {
    for number in from..=to {
        log.append(&payload(number)).unwrap();
        assert_eq!(await_next(log), Some((number, payload(number))));
    }
}

/// The next record of a log that is not at its end; one over a network takes a moment.
fn await_next(log: &mut Opened) -> Option<(RecordNumber, Vec<u8>)> {
    let began = Instant::now();
    loop {
        let record = log.next().unwrap();
        if record.is_some() || !log.is_shared() || began.elapsed() > Duration::from_secs(10) {
            return record.map(Stored::record);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Everything that was appended is there to be read.
fn settle(log: &mut Opened) {
    if log.is_shared() {
        log.reopen().unwrap();
    }
}

/// Reads from record `from` to the end, and tells where that is.
fn read(log: &mut Opened, from: RecordNumber) -> RecordNumber {
    let mut number = from;
    while let Some(record) = log.next().unwrap().map(Stored::record) {
        assert_eq!(record, (number, payload(number)));
        number += 1;
    }
    number - 1
}

fn what_is_appended_is_read_back_once_and_in_order(kind: &dyn LogKind) {
    let mut log = kind.open();
    assert_eq!(log.next().unwrap().map(Stored::record), None);
    append(&mut log, 1, 100);
    assert_eq!(log.next().unwrap().map(Stored::record), None);
}

fn reading_may_lag_behind_appending(kind: &dyn LogKind) {
    let mut log = kind.open();
    for number in 1..=50 {
        log.append(&payload(number)).unwrap();
    }
    assert_eq!(await_next(&mut log), Some((1, payload(1))));
    for number in 51..=60 {
        log.append(&payload(number)).unwrap();
    }
    settle(&mut log);
    assert_eq!(read(&mut log, 2), 60);
}

fn an_empty_record_and_the_largest_come_back_and_a_larger_one_is_refused(kind: &dyn LogKind) {
    let mut log = kind.open();
    let largest: Vec<u8> = (0..RECORD_BYTES_MAX).map(|byte| byte as u8).collect();
    let zeros = vec![0; RECORD_BYTES_MAX];
    for record in [&[][..], &largest, &zeros] {
        log.append(record).unwrap();
    }
    let refused = log.append(&vec![1; RECORD_BYTES_MAX + 1]);
    assert!(matches!(refused, Err(AppendError::Full(_))), "{refused:?}");
    assert_eq!(await_next(&mut log), Some((1, Vec::new())));
    assert_eq!(await_next(&mut log), Some((2, largest)));
    assert_eq!(await_next(&mut log), Some((3, zeros)));
    assert_eq!(log.next().unwrap().map(Stored::record), None);
    append(&mut log, 4, 5);
}

fn reopening_goes_on_where_reading_was(kind: &dyn LogKind) {
    let mut log = kind.open();
    append(&mut log, 1, 20);
    log.reopen().unwrap();
    assert_eq!(log.next().unwrap().map(Stored::record), None);
    append(&mut log, 21, 25);
    for number in 26..=30 {
        log.append(&payload(number)).unwrap();
    }
    log.reopen().unwrap();
    assert_eq!(read(&mut log, 26), 30);
}

fn a_new_start_reads_the_same_again(kind: &dyn LogKind) {
    let mut log = kind.open();
    append(&mut log, 1, 40);
    drop(log);
    let mut log = kind.open();
    assert_eq!(read(&mut log, 1), if kind.keeps() { 40 } else { 0 });
    log.close().unwrap();
    let mut log = kind.open();
    assert_eq!(read(&mut log, 1), if kind.keeps() { 40 } else { 0 });
}

fn a_start_reads_on_after_the_newest_snapshot(kind: &dyn LogKind) {
    let mut log = kind.open();
    append(&mut log, 1, 30);
    let Some(mut history) = log.snapshots() else { return };
    assert_eq!(history.snapshot().unwrap(), None);
    history.save_snapshot(10, b"ten", &ALL).unwrap();
    history.save_snapshot(25, b"twenty-five", &ALL).unwrap();
    history.save_snapshot(12, b"late", &ALL).unwrap();
    assert_eq!(history.snapshot().unwrap(), Some((25, b"twenty-five".to_vec())));
    assert!(matches!(history.save_snapshot(31, b"of the future", &ALL), Err(AppendError::Broken(_))));
    assert_eq!(log.next().unwrap().map(Stored::record), None, "a snapshot does not disturb who reads");
    drop((log, history));
    let mut log = kind.open();
    assert_eq!(log.snapshots().unwrap().snapshot().unwrap(), Some((25, b"twenty-five".to_vec())));
    assert_eq!(read(&mut log, 26), 30);
    append(&mut log, 31, 32);
}

fn an_orderly_end_with_a_snapshot_of_everything_leaves_no_tail(kind: &dyn LogKind) {
    let mut log = kind.open();
    append(&mut log, 1, 30);
    let Some(mut history) = log.snapshots() else { return };
    history.save_snapshot(30, &[], &ALL).unwrap();
    drop(history);
    log.close().unwrap();
    for _ in 0..3 {
        let mut log = kind.open();
        assert_eq!(log.snapshots().unwrap().snapshot().unwrap(), Some((30, Vec::new())));
        assert_eq!(log.next().unwrap().map(Stored::record), None);
        log.close().unwrap();
    }
    append(&mut kind.open(), 31, 40);
    assert_eq!(read(&mut kind.open(), 31), 40);
}

fn history_reads_beside_the_owner_from_any_record_on(kind: &dyn LogKind) {
    let mut log = kind.open();
    let Some(mut history) = log.snapshots() else { return };
    assert_eq!((history.oldest(), history.after(0).unwrap().map(Stored::record)), (1, None));
    append(&mut log, 1, 30);
    for from in [0, 29, 7, 7, 8, 15] {
        assert_eq!(history.after(from).unwrap().map(Stored::record), Some((from + 1, payload(from + 1))));
    }
    assert_eq!(history.after(30).unwrap().map(Stored::record), None);
    append(&mut log, 31, 31);
    assert_eq!(history.after(30).unwrap().map(Stored::record), Some((31, payload(31))));
    assert_eq!(history.after(u64::MAX).unwrap().map(Stored::record), None);
}

fn what_no_start_needs_is_forgotten_after_the_second_snapshot(kind: &dyn LogKind) {
    let mut log = kind.open();
    append(&mut log, 1, 200);
    let Some(mut history) = log.snapshots() else { return };
    let before = log.bytes();
    history.save_snapshot(100, b"a", &NOTHING).unwrap();
    assert_eq!(history.oldest(), 1, "the only snapshot may go bad; all records could replace it");
    history.save_snapshot(200, b"b", &NOTHING).unwrap();
    let oldest = history.oldest();
    assert!((80..=101).contains(&oldest), "kept from {oldest} on");
    assert!(log.bytes() < before * 2 / 3, "{} bytes of {before}", log.bytes());
    let trimmed = history.after(oldest - 2);
    assert!(matches!(trimmed, Err(LogError::Trimmed(number)) if number == oldest - 1), "{trimmed:?}");
    assert!(history.after(oldest - 1).unwrap().is_some());
    append(&mut log, 201, 210);
    drop((log, history));
    assert_eq!(read(&mut kind.open(), 201), 210);
}

fn the_history_that_is_asked_for_is_kept(kind: &dyn LogKind) {
    let mut log = kind.open();
    append(&mut log, 1, 200);
    let Some(mut history) = log.snapshots() else { return };
    for number in [50, 150, 200] {
        history.save_snapshot(number, b"", &ALL).unwrap();
    }
    assert_eq!(history.oldest(), 1);
    history.save_snapshot(200, b"", &Retention { history_ms: u64::MAX, history_bytes: log.bytes() / 2 }).unwrap();
    let oldest = history.oldest();
    assert!((50..=150).contains(&oldest), "half of it is kept: from {oldest} on");
}

struct InMemory;

impl LogKind for InMemory {
    fn open(&self) -> Opened {
        Opened(Box::new(Memory::new()).into())
    }

    fn keeps(&self) -> bool {
        false
    }
}

struct OnDisk(TempDir, Options);

impl OnDisk {
    fn new() -> Self {
        let directory = faults::scratch();
        let options = faults::options(&PathBuf::from(directory.path()).join("data"));
        Self(directory, options)
    }
}

impl LogKind for OnDisk {
    fn open(&self) -> Opened {
        let (log, recovery) = Disk::open(&self.1).unwrap();
        assert_eq!((recovery.dropped, recovery.repaired), (None, Vec::new()), "in {:?}", self.0);
        Opened(Box::new(log).into())
    }

    fn keeps(&self) -> bool {
        true
    }
}

/// The same servers for all opens of one test; `None` where there is no nats-server to be had.
#[cfg(feature = "cluster")]
struct OnJetStream(super::jetstream::tests::Nats);

#[cfg(feature = "cluster")]
impl LogKind for OnJetStream {
    fn open(&self) -> Opened {
        Opened(AnyLog::Shared(Box::new(self.0.open())))
    }

    fn keeps(&self) -> bool {
        true
    }
}

/// Runs a test over JetStream, if there is a server to be had.
#[cfg(feature = "cluster")]
fn on_jetstream(test: fn(&dyn LogKind)) {
    if let Some(nats) = super::jetstream::tests::Nats::start() {
        test(&OnJetStream(nats));
    }
}

macro_rules! every_kind {
    ($($test:ident)*) => {
        mod memory { $(#[test] fn $test() { super::$test(&super::InMemory); })* }
        mod disk { $(#[test] fn $test() { super::$test(&super::OnDisk::new()); })* }
        #[cfg(feature = "cluster")]
        mod jetstream { $(#[test] fn $test() { super::on_jetstream(super::$test); })* }
    };
}

every_kind! {
    what_is_appended_is_read_back_once_and_in_order
    reading_may_lag_behind_appending
    an_empty_record_and_the_largest_come_back_and_a_larger_one_is_refused
    reopening_goes_on_where_reading_was
    a_new_start_reads_the_same_again
    a_start_reads_on_after_the_newest_snapshot
    an_orderly_end_with_a_snapshot_of_everything_leaves_no_tail
    history_reads_beside_the_owner_from_any_record_on
    what_no_start_needs_is_forgotten_after_the_second_snapshot
    the_history_that_is_asked_for_is_kept
}
