//! The log's past, read and trimmed beside its owner.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cursor::Cursor;
use super::directory::{segment_path, snapshot_path};
use super::error::{DiskError, append_error};
use super::recovery::SnapshotFile;
use super::segment::Segment;
use super::shared::{DiskShared, LogFiles};
use super::snapshot;
use crate::log::{
    AppendError, History, LogAge, LogError, OwnSnapshots, RecordNumber, Retention, SnapshotStore, Stored,
};

/// Snapshots that are kept for starts. Two, with all records after the older one: then one that went bad costs no
/// restart, since the older one and the records give the same state. Further ones are kept as long as the records behind
/// them are history: explanations begin with them.
const SNAPSHOTS: usize = 2;

/// A segment is closed once its first record is older than this part of the history that is kept, so that what is to
/// be trimmed does not wait for a quiet log's segment to fill.
const HISTORY_PARTS: u64 = 8;

/// A reader of a log on disk.
#[derive(Debug)]
pub(super) struct DiskHistory {
    shared: Arc<DiskShared>,
    cursor: Cursor,
}

impl DiskHistory {
    pub(super) fn new(shared: Arc<DiskShared>) -> Self {
        Self { cursor: Cursor::new(Arc::clone(&shared)), shared }
    }
}

impl History for DiskHistory {
    fn snapshot(&mut self) -> Result<Option<(RecordNumber, Vec<u8>)>, LogError> {
        let newest = self.shared.state().newest_snapshot();
        match newest {
            0 => Ok(None),
            number => snapshot::read(self.shared.directory(), number).map(|contents| Some((number, contents))),
        }
    }

    fn replay_points(&mut self) -> Result<Vec<RecordNumber>, LogError> {
        let state = self.shared.state();
        let oldest = state.oldest();
        let empty = (oldest == 1).then_some(0);
        let snapshots = state.snapshots.iter().map(|kept| kept.number).filter(|number| *number + 1 >= oldest);
        Ok(empty.into_iter().chain(snapshots).collect())
    }

    fn snapshot_at(&mut self, number: RecordNumber) -> Result<Vec<u8>, LogError> {
        snapshot::read(self.shared.directory(), number)
    }

    fn oldest(&self) -> RecordNumber {
        self.shared.state().oldest()
    }

    fn after(&mut self, number: RecordNumber) -> Result<Option<Stored>, LogError> {
        let Some(next) = number.checked_add(1) else { return Ok(None) };
        Ok(self.cursor.read(next)?.map(|payload| Stored::new(next, payload)))
    }
}

impl SnapshotStore for DiskHistory {
    fn save_snapshot(
        &mut self,
        number: RecordNumber,
        snapshot: &[u8],
        retention: &Retention,
    ) -> Result<(), AppendError> {
        let shared = Arc::clone(&self.shared);
        let _alone = shared.housekeeping();
        let (durable, newest) = {
            let state = shared.state();
            (state.durable(), state.newest_snapshot())
        };
        if number > durable {
            return Err(AppendError::broken(DiskError::SnapshotAhead { number, last: durable }));
        }
        if number > 0 && number >= newest {
            self.write_snapshot(number, snapshot, retention)?;
        }
        self.trim_now(retention);
        Ok(())
    }
}

impl OwnSnapshots for DiskHistory {
    fn age(&self) -> Option<LogAge> {
        let state = self.shared.state();
        let front = state.segments.front().filter(|segment| !segment.is_empty())?;
        Some(LogAge {
            newest: state.durable(),
            snapshot: state.newest_snapshot(),
            older_snapshot: LogFiles::needed_after(&state.snapshots),
            snapshot_ms: state.snapshots.last().map_or(front.oldest_ms, |kept| kept.state_ms),
            next_to_go: front.last,
            next_to_go_ms: front.newest_ms,
        })
    }

    fn trim(&mut self, retention: &Retention) {
        let shared = Arc::clone(&self.shared);
        let _alone = shared.housekeeping();
        self.trim_now(retention);
    }
}

impl DiskHistory {
    fn write_snapshot(&self, number: RecordNumber, contents: &[u8], retention: &Retention) -> Result<(), AppendError> {
        let shared = &self.shared;
        let with_new = |state: &LogFiles| {
            let mut snapshots = state.snapshots.clone();
            snapshots.retain(|kept| kept.number != number);
            snapshots.push(SnapshotFile { number, bytes: 0, state_ms: state.state_ms(number) });
            snapshots
        };
        let oldest = {
            let state = shared.state();
            let trimmed = trimmable(&state, &with_new(&state), retention, (shared.now_ms)());
            state.segments.get(trimmed).map_or(1, |segment| segment.first)
        };
        let path = snapshot_path(shared.directory(), number);
        let written = snapshot::write(&shared.files, shared.directory(), shared.id, number, oldest, contents);
        let bytes = written.map_err(|error| append_error(&path, "cannot be written", error))?;
        let mut state = shared.state();
        state.snapshots = with_new(&state);
        if let Some(kept) = state.snapshots.last_mut() {
            kept.bytes = bytes;
        }
        state.useless.retain(|useless| *useless != path);
        Ok(())
    }

    /// Deletes what no start needs and `keep` does not ask for, oldest first. An error or a crash in the middle leaves
    /// the rest to the next time.
    fn trim_now(&self, retention: &Retention) {
        let now_ms = (self.shared.now_ms)();
        if let Err(error) = self.trim_files(retention, now_ms) {
            tracing::warn!(%error, "what is no longer needed could not be deleted; tried again with the next snapshot");
        }
        let state = self.shared.state();
        if let Some(last) =
            state.segments.back().filter(|last| !last.is_empty() && last.last <= state.newest_snapshot())
            && last.oldest_ms.saturating_add(retention.history_ms / HISTORY_PARTS) <= now_ms
        {
            self.shared.begin_segment.store(true, Ordering::Relaxed);
        }
    }

    fn trim_files(&self, retention: &Retention, now_ms: u64) -> Result<(), AppendError> {
        let shared = &self.shared;
        let directory = shared.directory();
        let useless = shared.state().useless.clone();
        for path in useless {
            self.remove(&path)?;
            shared.state().useless.retain(|other| *other != path);
        }
        loop {
            let surplus = shared.state().surplus_snapshots(retention, now_ms);
            for number in surplus {
                self.remove(&snapshot_path(directory, number))?;
                shared.state().snapshots.retain(|kept| kept.number != number);
            }
            // Out of the state first, so that no reader goes there any more.
            let oldest = shared.state().take_trimmable(retention, now_ms);
            let Some(segment) = oldest else { return Ok(()) };
            if let Err(error) = self.remove(&segment_path(directory, segment.first)) {
                shared.state().segments.push_front(segment);
                return Err(error);
            }
        }
    }

    /// One at a time, each durably: after a crash what is left has no gap.
    fn remove(&self, path: &Path) -> Result<(), AppendError> {
        let files = &self.shared.files;
        let removed = files.remove(path).and_then(|()| files.sync_directory(self.shared.directory()));
        removed.map_err(|error| append_error(path, "cannot be removed", error))
    }
}

impl LogFiles {
    /// The older of the newest two snapshots: a start needs all that follows it.
    fn needed_after(snapshots: &[SnapshotFile]) -> RecordNumber {
        snapshots.len().checked_sub(SNAPSHOTS).map_or(0, |index| snapshots[index].number)
    }

    /// The state from which the kept history can be explained. Segments that it contains can be deleted when they are old.
    /// The newest one that is older than the history, else the oldest that there is.
    fn base(&self, snapshots: &[SnapshotFile], retention: &Retention, now_ms: u64) -> RecordNumber {
        let needed_after = Self::needed_after(snapshots);
        if retention.history_ms == 0 {
            return needed_after;
        }
        let oldest = self.oldest();
        let empty = (oldest == 1).then_some((0, 0));
        let usable = snapshots.iter().filter(|kept| kept.number + 1 >= oldest && kept.number <= needed_after);
        let starts: Vec<_> = empty.into_iter().chain(usable.map(|kept| (kept.number, kept.state_ms))).collect();
        let old = |state_ms: u64| state_ms.saturating_add(retention.history_ms) <= now_ms;
        let base = starts.iter().rfind(|(_, state_ms)| old(*state_ms)).or(starts.first());
        base.map_or(needed_after, |(number, _)| *number)
    }

    /// Snapshots that neither a start nor an explanation needs.
    fn surplus_snapshots(&self, retention: &Retention, now_ms: u64) -> Vec<RecordNumber> {
        let extra = &self.snapshots[..self.snapshots.len().saturating_sub(SNAPSHOTS)];
        let (oldest, base) = (self.oldest(), self.base(&self.snapshots, retention, now_ms));
        let mut surplus = Vec::new();
        // The start before, from which the next one should be some way off.
        let mut before = (oldest == 1).then(|| (0, self.segments.front().map_or(0, |segment| segment.oldest_ms)));
        for kept in extra {
            let far = before.is_none_or(|(number, state_ms)| {
                kept.state_ms >= state_ms.saturating_add(retention.spacing_ms())
                    || self.bytes_between(number, kept.number) >= retention.history_bytes / HISTORY_PARTS
            });
            let wanted = retention.history_ms > 0 && retention.history_bytes > 0;
            if wanted && far && kept.number + 1 >= oldest && kept.number >= base {
                before = Some((kept.number, kept.state_ms));
            } else {
                surplus.push(kept.number);
            }
        }
        surplus
    }

    /// Bytes of the segments that begin between two records.
    fn bytes_between(&self, from: RecordNumber, to: RecordNumber) -> u64 {
        self.segments
            .iter()
            .filter(|segment| (from + 1..=to).contains(&segment.first))
            .map(|segment| segment.bytes)
            .sum()
    }

    fn take_trimmable(&mut self, retention: &Retention, now_ms: u64) -> Option<Segment> {
        if trimmable(self, &self.snapshots, retention, now_ms) == 0 { None } else { self.segments.pop_front() }
    }

    /// When the state was as after record `number`, or a little later.
    pub(super) fn state_ms(&self, number: RecordNumber) -> u64 {
        let behind = self.segments.partition_point(|segment| segment.first <= number);
        behind.checked_sub(1).and_then(|index| self.segments.get(index)).map_or(0, |segment| segment.newest_ms)
    }
}

/// How many of the oldest segments may go: no start needs them, and they are too old or too much.
fn trimmable(state: &LogFiles, snapshots: &[SnapshotFile], retention: &Retention, now_ms: u64) -> usize {
    let newest = snapshots.last().map_or(0, |kept| kept.number);
    let needed_after = LogFiles::needed_after(snapshots);
    let base = state.base(snapshots, retention, now_ms);
    let finished = state.segments.len().saturating_sub(1);
    let history = |segment: &&Segment| segment.last <= newest;
    let extra = snapshots.iter().take(snapshots.len().saturating_sub(SNAPSHOTS)).map(|kept| kept.bytes);
    let mut bytes: u64 = state.segments.iter().take(finished).filter(history).map(|segment| segment.bytes).sum();
    bytes += extra.sum::<u64>();
    let mut count = 0;
    for segment in state.segments.iter().take(finished) {
        let too_old = segment.last <= base && segment.newest_ms.saturating_add(retention.history_ms) < now_ms;
        if segment.last > needed_after || !(too_old || bytes > retention.history_bytes) {
            break;
        }
        bytes -= segment.bytes;
        count += 1;
    }
    count
}
