//! The second fold: snapshots made in the background, from the last snapshot and the log, never by stopping the live
//! one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use deskbell_core::{Core, Incarnation, Timestamp};
use sha1::{Digest as _, Sha1};

use super::clock::Clock;
use super::codec::{decode_record, decode_snapshot, encode_snapshot};
use super::metrics::Metrics;
use super::partition::HubError;
use crate::log::{Digest, History, LogError, RecordNumber, Retention};

/// Records after which a new snapshot is made.
const RECORDS_PER_SNAPSHOT: u64 = 50_000;

/// Bytes of records after which a new snapshot is made: one segment of the log on disk. What a start has to fold, and
/// what the directory holds besides its two snapshots, is about twice that; a full workspace's snapshot is some 30 MiB.
const BYTES_PER_SNAPSHOT: u64 = 8 * 1024 * 1024;

/// How far the log may run ahead before the fold follows. A busy hub's records have some ten thousand bytes.
const RECORDS_PER_STEP: u64 = 100;

/// Records after which the hubs of a shared log compare what their states came to: at the same ones everywhere.
const RECORDS_PER_DIGEST: u64 = 10_000;

/// Digests that wait for their counterpart.
const DIGESTS_MAX: usize = 64;

/// How often the log's age is looked at, at most and at least.
const LOOK_MIN: Duration = Duration::from_secs(1);
const LOOK_MAX: Duration = Duration::from_secs(300);

/// How long a stop waits for the fold of a shared log, and how often it looks.
const STOP_MAX: Duration = Duration::from_secs(3);
const STOP_LOOK: Duration = Duration::from_millis(5);

/// As which incarnation this hub runs now; clones tell the same.
#[derive(Debug, Clone)]
pub(super) struct OwnIncarnation(Arc<AtomicU64>);

impl OwnIncarnation {
    pub(super) fn new(own: Incarnation) -> Self {
        Self(Arc::new(AtomicU64::new(own.0)))
    }

    pub(super) fn get(&self) -> Incarnation {
        Incarnation(self.0.load(Relaxed))
    }

    /// The hub came back as another one.
    pub(super) fn set(&self, own: Incarnation) {
        self.0.store(own.0, Relaxed);
    }
}

/// The thread that folds the log a second time.
#[derive(Debug)]
pub(super) struct Snapshotter {
    news: SyncSender<()>,
    /// The record of which the thread was told last.
    told: RecordNumber,
    shared: bool,
    /// The fold wants one more record, so that what is old can go though nothing happens.
    wants_record: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Snapshotter {
    /// `shared`: the log is shared with other hubs, of whom the one with the lowest incarnation makes the snapshots.
    pub(super) fn start(
        history: Box<dyn History>,
        retention: Retention,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        shared: Option<OwnIncarnation>,
    ) -> Self {
        // One place: a fold that is busy needs to know only that there is more.
        let (news, heard) = sync_channel(1);
        let is_shared = shared.is_some();
        let wants_record: Arc<AtomicBool> = Arc::default();
        let wants = Arc::clone(&wants_record);
        let span = tracing::Span::current();
        let thread = thread::spawn(move || {
            let _within = span.enter();
            if let Err(error) = (SnapshotWorker {
                history,
                retention,
                clock,
                metrics,
                wants_record: wants,
                core: Core::default(),
                number: 0,
                due_at: RECORDS_PER_SNAPSHOT,
                bytes: 0,
                shared,
                told: VecDeque::new(),
                heard: VecDeque::new(),
            })
            .run(&heard)
            {
                tracing::error!(%error, "no snapshots are made until the next start; the log grows");
            }
        });
        Self { news, told: 0, shared: is_shared, wants_record, thread }
    }

    /// The live fold has applied record `number`.
    pub(super) fn reached(&mut self, number: RecordNumber) {
        // A full channel means that the fold is at work and will hear of a later record.
        if number >= self.told + RECORDS_PER_STEP && self.news.try_send(()).is_ok() {
            self.told = number;
        }
    }

    /// Whether a record is to be appended though nothing happened; says so once.
    pub(super) fn wants_record(&self) -> bool {
        self.wants_record.swap(false, Relaxed)
    }

    /// Ends the thread, after the snapshot that it may be writing. The servers of a shared log may be away: then it is
    /// left to itself, and what it was writing is none.
    pub(super) fn stop(self) {
        drop(self.news);
        let began = Instant::now();
        while self.shared && !self.thread.is_finished() {
            if began.elapsed() > STOP_MAX {
                return tracing::warn!("the background fold waits for the log's servers; it is not waited for");
            }
            thread::sleep(STOP_LOOK);
        }
        let _ = self.thread.join();
    }
}

struct SnapshotWorker {
    history: Box<dyn History>,
    retention: Retention,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    wants_record: Arc<AtomicBool>,
    core: Core,
    number: RecordNumber,
    /// The record at which the next snapshot is made, if not for the bytes before.
    due_at: RecordNumber,
    /// Bytes of records folded since.
    bytes: u64,
    shared: Option<OwnIncarnation>,
    /// This hub's last digests, and those of others that are not compared yet; at most [`DIGESTS_MAX`] each.
    told: VecDeque<Digest>,
    heard: VecDeque<Digest>,
}

/// What time asks for.
#[derive(Debug, Clone, Copy)]
struct Old {
    /// A snapshot, if there is anything new.
    snapshot: bool,
    /// What should be gone is held by too old a snapshot.
    held: bool,
}

impl SnapshotWorker {
    fn run(mut self, news: &Receiver<()>) -> Result<(), HubError> {
        let look_every = Duration::from_millis(self.retention.spacing_ms() / 4).clamp(LOOK_MIN, LOOK_MAX);
        loop {
            let old = match news.recv_timeout(look_every) {
                Ok(()) => None,
                Err(RecvTimeoutError::Timeout) => match self.is_old() {
                    Some(old) => Some(old),
                    None => continue,
                },
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            if self.number == 0 {
                self.load()?;
            }
            match self.follow(news) {
                Ok(()) => {}
                // The hub with the lowest incarnation was faster, and trimmed the log.
                Err(HubError::Log(LogError::Trimmed(_))) if self.shared.is_some() => self.load()?,
                Err(HubError::Log(error)) if self.shared.is_some() => {
                    tracing::warn!(%error, "the background fold goes on later");
                }
                Err(error) => return Err(error),
            }
            if let Some(old) = old {
                self.age(old);
            }
        }
    }

    /// Whether time asks for something where nothing else does: a snapshot now and then, with which explanations can
    /// begin, and that what is older than the history goes though the hub is quiet.
    fn is_old(&self) -> Option<Old> {
        let (ages, now, spacing) = (self.history.age()?, self.clock.now().0, self.retention.spacing_ms());
        let unsaved = ages.newest > ages.snapshot && ages.snapshot_ms.saturating_add(spacing) <= now;
        let kept_for = self.retention.history_ms.saturating_add(spacing);
        let overdue = ages.next_to_go_ms.saturating_add(kept_for) <= now;
        // Two snapshots have to be newer than what goes.
        let held = overdue && ages.next_to_go > ages.older_snapshot;
        (unsaved || overdue).then_some(Old { snapshot: unsaved || held, held })
    }

    fn age(&mut self, old: Old) {
        let saved = self.history.age().map_or(0, |ages| ages.snapshot);
        if old.snapshot && self.number > saved {
            self.snapshot();
        } else {
            self.history.trim(&self.retention);
        }
        if old.held {
            self.wants_record.store(true, Relaxed);
        }
    }

    /// Folds what the log has.
    fn follow(&mut self, news: &Receiver<()>) -> Result<(), HubError> {
        while let Some(stored) = self.history.after(self.number)? {
            let mut record = decode_record(stored.number, &stored.bytes)?;
            if let Some(ms) = stored.time_ms {
                record.time = Timestamp(ms);
            }
            self.core.apply(&record, |_, _| {});
            self.number = stored.number;
            self.bytes += stored.bytes.len() as u64;
            self.metrics.folded_record.store(self.number, Relaxed);
            if matches!(news.try_recv(), Err(TryRecvError::Disconnected)) {
                return Ok(());
            }
            if self.shared.is_some() && self.number.is_multiple_of(RECORDS_PER_DIGEST) {
                self.compare();
            }
            // Here and not after the loop: under a monotonic load the log's end may never be reached.
            if self.number >= self.due_at || self.bytes >= BYTES_PER_SNAPSHOT {
                self.snapshot();
            }
        }
        Ok(())
    }

    fn load(&mut self) -> Result<(), HubError> {
        if let Some((number, bytes)) = self.history.snapshot()? {
            self.core = decode_snapshot(number, &bytes)?;
            self.number = number;
            self.due_at = number + RECORDS_PER_SNAPSHOT;
            self.bytes = 0;
            self.metrics.folded_record.store(number, Relaxed);
        }
        Ok(())
    }

    fn snapshot(&mut self) {
        self.due_at = self.number + RECORDS_PER_SNAPSHOT;
        self.bytes = 0;
        if !self.is_first() {
            return;
        }
        let began = self.clock.now();
        let bytes = encode_snapshot(&self.core);
        let kept = self.history.save_snapshot(self.number, &bytes, &self.retention);
        let took_ms = self.clock.now().since_ms(began);
        match kept {
            Ok(()) => {
                self.metrics.snapshots_written.fetch_add(1, Relaxed);
                self.metrics.snapshot_record.store(self.number, Relaxed);
                tracing::info!(record = self.number, bytes = bytes.len(), took_ms, "snapshot written");
            }
            Err(error) => {
                self.metrics.snapshots_failed.fetch_add(1, Relaxed);
                self.due_at = self.number + RECORDS_PER_STEP;
                tracing::error!(%error, record = self.number, "no snapshot was written; tried again soon");
            }
        }
    }

    /// Whether the snapshots are this hub's to make: of several, the one with the lowest incarnation as the log has it
    /// at this record. All hubs come to the same answer, since they fold the same.
    fn is_first(&self) -> bool {
        self.shared.as_ref().is_none_or(|own| self.core.incarnations().next() == Some(own.get()))
    }

    /// Holds what the state came to against what it came to at the other hubs.
    fn compare(&mut self) {
        if self.core.incarnations().nth(1).is_none() {
            return;
        }
        let own = Digest { number: self.number, value: digest(&encode_snapshot(&self.core)) };
        self.heard.extend(self.history.compare(own));
        self.told.push_back(own);
        for theirs in &self.heard {
            if let Some(own) = self.told.iter().find(|own| own.number == theirs.number)
                && own.value != theirs.value
            {
                self.metrics.divergences.fetch_add(1, Relaxed);
                tracing::error!(
                    record = own.number,
                    "this hub's state differs from another's: stop all hubs, keep the stream, and report it"
                );
            }
        }
        let told = &self.told;
        self.heard.retain(|theirs| told.iter().all(|own| own.number != theirs.number));
        for digests in [&mut self.told, &mut self.heard] {
            let over = digests.len().saturating_sub(DIGESTS_MAX);
            digests.drain(..over);
        }
    }
}

/// 64 bits over a state.
fn digest(state: &[u8]) -> u64 {
    let hash = Sha1::digest(state);
    hash.iter().take(8).fold(0, |value, &byte| value << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::clock::WallClock;
    use super::super::codec::GroupBytes;
    use super::*;
    use crate::log::{AppendError, Stored};
    use deskbell_core::entry::{Entry, Input, Joiner};

    /// A history made up, and the subject on which hubs tell their digests.
    #[derive(Debug)]
    struct Told {
        other: bool,
        subject: Arc<Mutex<Vec<Digest>>>,
    }

    impl History for Told {
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
            let next = number + 1;
            let input = match next {
                1 | 2 => Input::Started { epoch: 1 },
                7 if self.other => Input::Join { connection: 1, client: Joiner::Observer },
                _ => Input::Tick,
            };
            let mut group = GroupBytes::default();
            group.push(&Entry { workspace: "default".into(), input });
            let hub = Incarnation(1 + next % 2);
            let there = next <= RECORDS_PER_DIGEST;
            Ok(there.then(|| Stored::new(next, group.seal(hub, next.div_ceil(2), Timestamp(next)))))
        }

        fn save_snapshot(&mut self, _: RecordNumber, _: &[u8], _: &Retention) -> Result<(), AppendError> {
            Ok(())
        }

        fn compare(&mut self, own: Digest) -> Vec<Digest> {
            let mut subject = self.subject.lock().unwrap();
            subject.push(own);
            subject.clone()
        }
    }

    fn divergences(others: [bool; 2]) -> u64 {
        let subject = Arc::default();
        let mut found = 0;
        for (hub, other) in others.into_iter().enumerate() {
            let own = OwnIncarnation::new(Incarnation(hub as u64 + 1));
            let metrics: Arc<Metrics> = Arc::default();
            let mut folder = SnapshotWorker {
                history: Box::new(Told { other, subject: Arc::clone(&subject) }),
                retention: Retention { history_ms: 0, history_bytes: 0 },
                clock: Arc::new(WallClock),
                metrics: Arc::clone(&metrics),
                wants_record: Arc::default(),
                core: Core::default(),
                number: 0,
                due_at: RECORDS_PER_SNAPSHOT,
                bytes: 0,
                shared: Some(own),
                told: VecDeque::new(),
                heard: VecDeque::new(),
            };
            let (_news, heard) = sync_channel(1);
            folder.follow(&heard).unwrap();
            found += metrics.divergences();
        }
        found
    }

    #[test]
    fn hubs_whose_states_differ_find_out_and_those_that_agree_find_nothing() {
        assert_eq!(divergences([false, false]), 0);
        assert_eq!(divergences([false, true]), 1);
    }
}
