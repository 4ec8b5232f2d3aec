//! Snapshots while the hub runs: a thread applies the records of the log a second time, from the last snapshot on, so
//! that the live state never has to stand still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use deskbell_core::Core;
use deskbell_core::rules::RulesRange;

use super::checked_apply::apply_record;
use super::clock::Clock;
use super::codec::{check_rules, decode_record, decode_snapshot, encode_snapshot};
use super::divergence::{DigestComparison, RECORDS_PER_DIGEST, digest};
use super::membership::SnapshotDuty;
use super::metrics::Metrics;
use super::partition::HubError;
use super::settings::SnapshotInterval;
use crate::log::{LogError, RecordNumber, Retention};

/// How far the log may run ahead before the thread follows. Records of a busy hub have some ten thousand bytes.
const RECORDS_PER_STEP: u64 = 100;

/// How often the age of the log is checked: a quarter of the retention's spacing, within these bounds.
const AGE_CHECK_MIN: Duration = Duration::from_secs(1);
const AGE_CHECK_MAX: Duration = Duration::from_secs(300);

/// How soon the thread tries again after a failure to read the log: the first time, and at most.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// How long a stop waits for the thread if the log is shared, and how often it looks.
const STOP_MAX: Duration = Duration::from_secs(3);
const STOP_LOOK: Duration = Duration::from_millis(5);

/// The handle of the thread that makes snapshots.
#[derive(Debug)]
pub(super) struct Snapshotter {
    wake: SyncSender<()>,
    /// The record for which the thread was last woken.
    woken_for: RecordNumber,
    is_shared: bool,
    /// The thread asks for one more record, so that old records can be removed in a quiet hub too.
    wants_record: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Snapshotter {
    pub(super) fn start(
        duty: SnapshotDuty,
        retention: Retention,
        every: SnapshotInterval,
        rules: RulesRange,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        // One place: a busy thread needs to know only that there is more.
        let (wake, woken) = sync_channel(1);
        let is_shared = duty.is_shared();
        let worker = SnapshotWorker::new(duty, retention, every, rules, clock, metrics);
        let wants_record = Arc::clone(&worker.wants_record);
        let span = tracing::Span::current();
        let thread = thread::spawn(move || {
            let _within = span.enter();
            if let Err(error) = worker.run(&woken) {
                tracing::error!(%error, "no snapshots are made until the next start; the log grows");
            }
        });
        Self { wake, woken_for: 0, is_shared, wants_record, thread }
    }

    /// The hub has applied record `number`.
    pub(super) fn reached(&mut self, number: RecordNumber) {
        // A full channel means that the thread is at work and will be woken for a later record.
        if number >= self.woken_for + RECORDS_PER_STEP && self.wake.try_send(()).is_ok() {
            self.woken_for = number;
        }
    }

    /// Whether a record is to be appended although nothing happened; `true` once for each wish.
    pub(super) fn wants_record(&self) -> bool {
        self.wants_record.swap(false, Relaxed)
    }

    /// Ends the thread, after the snapshot that it may be writing. The servers of a shared log may be away: then the
    /// thread is left alone, and an unfinished snapshot does not count.
    pub(super) fn stop(self) {
        drop(self.wake);
        let began = Instant::now();
        while self.is_shared && !self.thread.is_finished() {
            if began.elapsed() > STOP_MAX {
                return tracing::warn!(
                    "the thread that makes snapshots waits for the log's servers and is left behind"
                );
            }
            thread::sleep(STOP_LOOK);
        }
        let _ = self.thread.join();
    }
}

/// The thread's state.
#[derive(Debug)]
pub(super) struct SnapshotWorker {
    duty: SnapshotDuty,
    retention: Retention,
    every: SnapshotInterval,
    rules: RulesRange,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    pub(super) wants_record: Arc<AtomicBool>,
    core: Core,
    /// The last record applied; 0 until the newest snapshot was loaded.
    number: RecordNumber,
    /// The record at which the next snapshot is made, if its bytes do not ask for it before.
    due_at: RecordNumber,
    /// Bytes of records applied since.
    bytes: u64,
    digests: DigestComparison,
}

/// The actions that the age of the log makes necessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Aged {
    /// A snapshot, if there is anything new.
    pub(super) snapshot: bool,
    /// Too old a snapshot holds records that should be gone.
    pub(super) held: bool,
}

impl SnapshotWorker {
    pub(super) fn new(
        duty: SnapshotDuty,
        retention: Retention,
        every: SnapshotInterval,
        rules: RulesRange,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            duty,
            retention,
            every,
            rules,
            clock,
            metrics,
            wants_record: Arc::default(),
            core: Core::default(),
            number: 0,
            due_at: every.records,
            bytes: 0,
            digests: DigestComparison::default(),
        }
    }

    fn run(mut self, woken: &Receiver<()>) -> Result<(), HubError> {
        let check_every = Duration::from_millis(self.retention.spacing_ms() / 4).clamp(AGE_CHECK_MIN, AGE_CHECK_MAX);
        loop {
            let aged = match woken.recv_timeout(check_every) {
                Ok(()) => None,
                Err(RecvTimeoutError::Timeout) => match self.aged() {
                    Some(aged) => Some(aged),
                    None => continue,
                },
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let mut pause = RETRY_MIN;
            while self.step(aged, woken)? == Step::Retry {
                if is_stopped_within(woken, pause) {
                    return Ok(());
                }
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }

    /// Applies what the log has, makes snapshots as they fall due, and does what the log's age asks for. A failure that
    /// may pass (no descriptors, no memory, a device or servers that do not answer) is counted and tried again.
    ///
    /// # Errors
    /// [`HubError`]: the log is damaged, or contains something that cannot be applied.
    pub(super) fn step(&mut self, aged: Option<Aged>, woken: &Receiver<()>) -> Result<Step, HubError> {
        match self.catch_up(woken) {
            Ok(()) => {}
            Err(HubError::Log(error)) if self.may_pass(&error) => {
                self.metrics.snapshots_failed.fetch_add(1, Relaxed);
                tracing::warn!(%error, "the log cannot be read for a snapshot; tried again later");
                return Ok(Step::Retry);
            }
            Err(error) => return Err(error),
        }
        if let Some(aged) = aged {
            self.act_on_age(aged);
        }
        Ok(Step::Done)
    }

    /// Whether `error` may pass by itself. Any error of a shared log's servers may be caused by an election.
    fn may_pass(&self, error: &LogError) -> bool {
        self.duty.is_shared() || matches!(error, LogError::Device(_))
    }

    fn catch_up(&mut self, woken: &Receiver<()>) -> Result<(), HubError> {
        if self.number == 0 {
            self.load()?;
        }
        match self.follow(woken) {
            // The hub with this duty was faster and trimmed the log.
            Err(HubError::Log(LogError::Trimmed(_))) if self.duty.is_shared() => self.load(),
            done => done,
        }
    }

    /// Whether age asks for something although nothing else does: a snapshot now and then, with which explanations can
    /// begin, and that records older than the history go while the hub is quiet.
    pub(super) fn aged(&self) -> Option<Aged> {
        let (age, now, spacing) = (self.duty.age()?, self.clock.now().0, self.retention.spacing_ms());
        let unsaved = age.newest > age.snapshot && age.snapshot_ms.saturating_add(spacing) <= now;
        let kept_for = self.retention.history_ms.saturating_add(spacing);
        let overdue = age.next_to_go_ms.saturating_add(kept_for) <= now;
        // Two snapshots have to be newer than what goes.
        let held = overdue && age.next_to_go > age.older_snapshot;
        (unsaved || overdue).then_some(Aged { snapshot: unsaved || held, held })
    }

    fn act_on_age(&mut self, aged: Aged) {
        let saved = self.duty.age().map_or(0, |age| age.snapshot);
        if aged.snapshot && self.number > saved {
            self.snapshot();
        } else {
            self.duty.trim(&self.retention);
        }
        if aged.held {
            self.wants_record.store(true, Relaxed);
        }
    }

    /// Applies the records that the log has.
    fn follow(&mut self, woken: &Receiver<()>) -> Result<(), HubError> {
        while let Some(stored) = self.duty.store().after(self.number)? {
            let record = decode_record(&stored, self.rules)?;
            apply_record(&mut self.core, stored.number, &record, |_, _| {})?;
            check_rules(stored.number, &self.core, self.rules)?;
            self.number = stored.number;
            self.bytes += stored.bytes.len() as u64;
            self.metrics.folded_record.store(self.number, Relaxed);
            if matches!(woken.try_recv(), Err(TryRecvError::Disconnected)) {
                return Ok(());
            }
            if self.number.is_multiple_of(RECORDS_PER_DIGEST) {
                self.compare();
            }
            // Here and not after the loop: under a steady load the end of the log may never be reached.
            if self.number >= self.due_at || self.bytes >= self.every.bytes {
                self.snapshot();
            }
        }
        Ok(())
    }

    fn load(&mut self) -> Result<(), HubError> {
        if let Some((number, bytes)) = self.duty.store().snapshot()? {
            self.core = decode_snapshot(number, &bytes, self.rules)?;
            self.number = number;
            self.due_at = number.saturating_add(self.every.records);
            self.bytes = 0;
            self.metrics.folded_record.store(number, Relaxed);
        }
        Ok(())
    }

    fn snapshot(&mut self) {
        self.due_at = self.number.saturating_add(self.every.records);
        self.bytes = 0;
        if !self.duty.is_ours(&self.core) {
            return;
        }
        let began = self.clock.monotonic();
        let bytes = encode_snapshot(&self.core);
        let saved = self.duty.store().save_snapshot(self.number, &bytes, &self.retention);
        let took_ms = self.clock.monotonic().since_ms(began);
        match saved {
            Ok(()) => {
                self.metrics.snapshots_written.fetch_add(1, Relaxed);
                self.metrics.snapshot_record.store(self.number, Relaxed);
                tracing::info!(record = self.number, bytes = bytes.len(), took_ms, "snapshot written");
            }
            Err(error) => {
                self.metrics.snapshots_failed.fetch_add(1, Relaxed);
                self.due_at = self.number + RECORDS_PER_STEP.min(self.every.records);
                tracing::error!(%error, record = self.number, "no snapshot was written; tried again soon");
            }
        }
    }

    /// Compares this hub's state with that of the hubs that share the log.
    fn compare(&mut self) {
        let (core, number) = (&self.core, self.number);
        let exchanged = self.duty.exchange_digests(core, || digest(number, &encode_snapshot(core)));
        let Some((own, received)) = exchanged else { return };
        for record in self.digests.compare(own, received) {
            self.metrics.divergences.fetch_add(1, Relaxed);
            tracing::error!(
                record,
                "this hub's state differs from another's: stop all hubs, keep the stream, and report it"
            );
        }
    }
}

/// How a step of the worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Done,
    Retry,
}

/// Waits for `pause`; `true` as soon as the thread is to end.
fn is_stopped_within(woken: &Receiver<()>, pause: Duration) -> bool {
    let began = Instant::now();
    loop {
        let rest = pause.saturating_sub(began.elapsed());
        match woken.recv_timeout(rest) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::super::clock::WallClock;
    use super::super::codec::GroupBytes;
    use super::super::membership::OwnIncarnation;
    use super::*;
    use crate::log::{AppendError, Digest, History, LogAge, OwnSnapshots, SharedSnapshots, SnapshotStore, Stored};
    use deskbell_core::entry::{Entry, Input, Joiner};
    use deskbell_core::rules::RULES;
    use deskbell_core::{Incarnation, Timestamp};

    /// The plan of a test for its store, and the state of the store.
    #[derive(Debug, Default)]
    struct Plan {
        records: RecordNumber,
        /// Record 7 is another one than that of the other hub.
        differs: bool,
        /// A snapshot to load, if it was saved.
        saved: Vec<(RecordNumber, Vec<u8>)>,
        read_errors: VecDeque<LogError>,
        save_errors: VecDeque<AppendError>,
        age: Option<LogAge>,
        trims: u64,
    }

    #[derive(Debug, Clone)]
    struct Store(Arc<Mutex<Plan>>, Arc<Mutex<Vec<Digest>>>);

    impl History for Store {
        fn snapshot(&mut self) -> Result<Option<(RecordNumber, Vec<u8>)>, LogError> {
            Ok(self.0.lock().unwrap().saved.last().cloned())
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
            let mut plan = self.0.lock().unwrap();
            if let Some(error) = plan.read_errors.pop_front() {
                return Err(error);
            }
            let next = number + 1;
            let input = match next {
                1 | 2 => Input::started(1, RULES.newest),
                7 if plan.differs => Input::Join { connection: 1, client: Joiner::Observer },
                _ => Input::Tick,
            };
            let mut group = GroupBytes::new(&Core::default());
            group.push(&Entry { workspace: "default".into(), input });
            let hub = Incarnation(1 + next % 2);
            let there = next <= plan.records;
            Ok(there.then(|| Stored::new(next, group.seal(hub, next.div_ceil(2), Timestamp(next)))))
        }
    }

    impl SnapshotStore for Store {
        fn save_snapshot(&mut self, number: RecordNumber, bytes: &[u8], _: &Retention) -> Result<(), AppendError> {
            let mut plan = self.0.lock().unwrap();
            if let Some(error) = plan.save_errors.pop_front() {
                return Err(error);
            }
            plan.saved.push((number, bytes.to_vec()));
            Ok(())
        }
    }

    impl OwnSnapshots for Store {
        fn age(&self) -> Option<LogAge> {
            self.0.lock().unwrap().age
        }

        fn trim(&mut self, _: &Retention) {
            self.0.lock().unwrap().trims += 1;
        }
    }

    impl SharedSnapshots for Store {
        fn exchange_digests(&mut self, own: Digest) -> Vec<Digest> {
            let mut subject = self.1.lock().unwrap();
            subject.push(own);
            subject.clone()
        }
    }

    const NO_HISTORY: Retention = Retention { history_ms: 0, history_bytes: 0 };

    fn store(plan: Plan) -> Store {
        Store(Arc::new(Mutex::new(plan)), Arc::default())
    }

    fn worker(duty: SnapshotDuty, records: u64, bytes: u64) -> SnapshotWorker {
        let every = SnapshotInterval { records, bytes };
        SnapshotWorker::new(duty, NO_HISTORY, every, RULES, Arc::new(WallClock), Arc::default())
    }

    fn sole(store: &Store, records: u64) -> SnapshotWorker {
        worker(SnapshotDuty::Sole(Box::new(store.clone())), records, u64::MAX)
    }

    fn step(worker: &mut SnapshotWorker) -> Result<Step, HubError> {
        let (_wake, woken) = sync_channel(1);
        worker.step(None, &woken)
    }

    fn saved(store: &Store) -> Vec<RecordNumber> {
        store.0.lock().unwrap().saved.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn a_snapshot_is_made_each_time_so_many_records_or_bytes_were_applied() {
        let by_records = store(Plan { records: 1_050, ..Plan::default() });
        step(&mut sole(&by_records, 300)).unwrap();
        assert_eq!(saved(&by_records), [300, 600, 900]);
        let by_bytes = store(Plan { records: 1_050, ..Plan::default() });
        let mut worker = worker(SnapshotDuty::Sole(Box::new(by_bytes.clone())), u64::MAX, 3_000);
        step(&mut worker).unwrap();
        assert!(saved(&by_bytes).len() > 1, "{:?}", saved(&by_bytes));
    }

    #[test]
    fn after_a_snapshot_was_loaded_the_next_one_is_due_as_many_records_later() {
        let store = store(Plan { records: 250, ..Plan::default() });
        step(&mut sole(&store, 200)).unwrap();
        assert_eq!(saved(&store), [200]);
        store.0.lock().unwrap().records = 1_000;
        // A new start of the hub.
        let mut again = sole(&store, 300);
        step(&mut again).unwrap();
        assert_eq!(saved(&store), [200, 500, 800]);
        assert_eq!(again.metrics.folded_record.load(Relaxed), 1_000);
    }

    #[test]
    fn a_snapshot_that_cannot_be_written_is_counted_and_tried_again_soon() {
        let store = store(Plan { records: 1_000, ..Plan::default() });
        store.0.lock().unwrap().save_errors.push_back(AppendError::full("simulated"));
        let mut worker = sole(&store, 600);
        step(&mut worker).unwrap();
        assert_eq!(saved(&store), [600 + RECORDS_PER_STEP]);
        assert_eq!(worker.metrics.snapshots(), (1, 1));
    }

    #[test]
    fn a_passing_failure_to_read_is_counted_and_tried_again_and_only_damage_ends_the_thread() {
        let store = store(Plan { records: 100, ..Plan::default() });
        let passing = || LogError::device("no descriptors");
        store.0.lock().unwrap().read_errors.extend([passing(), passing()]);
        let mut worker = sole(&store, 100);
        assert_eq!(step(&mut worker).unwrap(), Step::Retry);
        assert_eq!(step(&mut worker).unwrap(), Step::Retry);
        assert_eq!(step(&mut worker).unwrap(), Step::Done);
        assert_eq!((saved(&store), worker.metrics.snapshots()), (vec![100], (1, 2)));
        store.0.lock().unwrap().read_errors.push_back(LogError::damaged("a byte"));
        assert!(matches!(step(&mut worker), Err(HubError::Log(LogError::Damaged(_)))));
    }

    #[test]
    fn of_the_hubs_of_a_shared_log_the_one_with_the_lowest_incarnation_makes_the_snapshots() {
        for (own, expected) in [(1, vec![50, 100]), (2, Vec::new())] {
            let store = store(Plan { records: 100, ..Plan::default() });
            let duty = SnapshotDuty::Lowest(Box::new(store.clone()), OwnIncarnation::new(Incarnation(own)));
            step(&mut worker(duty, 50, u64::MAX)).unwrap();
            assert_eq!(saved(&store), expected, "incarnation {own}");
        }
    }

    #[test]
    fn age_asks_for_a_snapshot_and_for_a_record_if_too_old_a_snapshot_holds_old_records() {
        let age =
            LogAge { newest: 10, snapshot: 4, older_snapshot: 0, snapshot_ms: 0, next_to_go: 3, next_to_go_ms: 0 };
        let store = store(Plan { records: 10, age: Some(age), ..Plan::default() });
        let mut worker = sole(&store, u64::MAX);
        assert_eq!(worker.aged(), Some(Aged { snapshot: true, held: true }));
        let (_wake, woken) = sync_channel(1);
        worker.step(worker.aged(), &woken).unwrap();
        assert_eq!(saved(&store), [10]);
        assert!(worker.wants_record.swap(false, Relaxed), "a record has to follow");
        // Everything is in snapshots: what is old is deleted, and nothing is waited for.
        let age = LogAge { snapshot: 10, older_snapshot: 9, ..age };
        store.0.lock().unwrap().age = Some(age);
        assert_eq!(worker.aged(), Some(Aged { snapshot: false, held: false }));
        worker.step(worker.aged(), &woken).unwrap();
        assert_eq!((saved(&store).len(), store.0.lock().unwrap().trims), (1, 1));
        assert!(!worker.wants_record.load(Relaxed));
        // Nothing is old: nothing is asked for.
        let young = LogAge { snapshot_ms: u64::MAX, next_to_go_ms: u64::MAX, ..age };
        store.0.lock().unwrap().age = Some(young);
        assert_eq!(worker.aged(), None);
    }

    fn divergences(differ: [bool; 2]) -> u64 {
        let subject: Arc<Mutex<Vec<Digest>>> = Arc::default();
        let mut found = 0;
        for (hub, differs) in differ.into_iter().enumerate() {
            let own = OwnIncarnation::new(Incarnation(hub as u64 + 1));
            let plan = Plan { records: RECORDS_PER_DIGEST, differs, ..Plan::default() };
            let store = Store(Arc::new(Mutex::new(plan)), Arc::clone(&subject));
            let mut worker = worker(SnapshotDuty::Lowest(Box::new(store), own), u64::MAX, u64::MAX);
            step(&mut worker).unwrap();
            found += worker.metrics.divergences();
        }
        found
    }

    #[test]
    fn hubs_whose_states_differ_find_out_and_those_that_agree_find_nothing() {
        assert_eq!(divergences([false, false]), 0);
        assert_eq!(divergences([false, true]), 1);
    }
}
