//! Snapshots while the hub runs: a thread applies the records of the log a second time, from the last snapshot on, so
//! that the live state never has to stand still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use deskbell_core::{Core, Timestamp};

use super::clock::Clock;
use super::codec::{decode_record, decode_snapshot, encode_snapshot};
use super::divergence::{DigestComparison, RECORDS_PER_DIGEST, digest};
use super::membership::SnapshotDuty;
use super::metrics::Metrics;
use super::partition::HubError;
use crate::log::{LogError, RecordNumber, Retention};

/// How often a snapshot is made: as soon as either number is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotInterval {
    /// Records since the last snapshot.
    pub records: u64,
    /// Bytes of records since the last snapshot.
    pub bytes: u64,
}

impl Default for SnapshotInterval {
    /// 50 000 records, or 8 MiB, which is one segment of the log on disk. What a start has to apply, and what the
    /// directory holds besides its two snapshots, is about twice that; the snapshot of a full workspace has some 30 MiB.
    fn default() -> Self {
        Self { records: 50_000, bytes: 8 * 1024 * 1024 }
    }
}

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
    /// The thread wants one more record, so that old records can go although nothing happens.
    wants_record: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Snapshotter {
    pub(super) fn start(
        duty: SnapshotDuty,
        retention: Retention,
        every: SnapshotInterval,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        // One place: a busy thread needs to know only that there is more.
        let (wake, woken) = sync_channel(1);
        let is_shared = duty.is_shared();
        let worker = SnapshotWorker::new(duty, retention, every, clock, metrics);
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

/// What the age of the log asks for.
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
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            duty,
            retention,
            every,
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

    /// Whether `error` may pass by itself. Whatever a shared log's servers report may be their state during an election.
    fn may_pass(&self, error: &LogError) -> bool {
        self.duty.is_shared() || matches!(error, LogError::Device(_))
    }

    fn catch_up(&mut self, woken: &Receiver<()>) -> Result<(), HubError> {
        if self.number == 0 {
            self.load()?;
        }
        match self.follow(woken) {
            // The hub whose duty it is was faster, and trimmed the log.
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
            let mut record = decode_record(stored.number, &stored.bytes)?;
            if let Some(ms) = stored.time_ms {
                record.time = Timestamp(ms);
            }
            self.core.apply(&record, |_, _| {});
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
            self.core = decode_snapshot(number, &bytes)?;
            self.number = number;
            self.due_at = number + self.every.records;
            self.bytes = 0;
            self.metrics.folded_record.store(number, Relaxed);
        }
        Ok(())
    }

    fn snapshot(&mut self) {
        self.due_at = self.number + self.every.records;
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
