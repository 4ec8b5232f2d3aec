//! Shared by the log's writer and the readers of its history: the list of files, and how far they are durable.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Options;
use super::directory::Lock;
use super::files::Files;
use super::recovery::{Recovered, SnapshotFile};
use super::segment::Segment;
use crate::log::RecordNumber;

/// One log's directory, locked while any part of the hub uses it.
#[derive(Debug)]
pub(super) struct DiskShared {
    pub(super) directory: PathBuf,
    pub(super) id: u64,
    pub(super) files: Files,
    pub(super) now_ms: fn() -> u64,
    pub(super) segment_bytes: u64,
    /// Held while files are created or deleted other than by appending: when a snapshot is stored or the log is reopened.
    pub(super) housekeeping: Mutex<()>,
    /// Asks the writer to begin a new segment, so that the old one can be trimmed in time.
    pub(super) begin_segment: AtomicBool,
    state: Mutex<LogFiles>,
    _lock: Lock,
}

/// The lock on this is never held during slow operations.
#[derive(Debug)]
pub(super) struct LogFiles {
    /// Never empty; everything listed here is durable.
    pub(super) segments: VecDeque<Segment>,
    /// Oldest first: the newest two, and those from which explanations start.
    pub(super) snapshots: Vec<SnapshotFile>,
    /// Files that the next snapshot replaces.
    pub(super) useless: Vec<PathBuf>,
}

/// The position of a record.
#[derive(Debug, Clone, Copy)]
pub(super) enum Location {
    In(Segment),
    NotYet,
    Trimmed,
}

impl DiskShared {
    pub(super) fn new(options: &Options, lock: Lock, recovered: Recovered) -> Self {
        Self {
            directory: options.directory.clone(),
            id: recovered.id,
            files: options.files.clone(),
            now_ms: options.now_ms,
            segment_bytes: options.segment_bytes,
            housekeeping: Mutex::new(()),
            begin_segment: AtomicBool::new(false),
            state: Mutex::new(LogFiles::new(recovered)),
            _lock: lock,
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn state(&self) -> MutexGuard<'_, LogFiles> {
        // Every change is a push, a pop or an assignment, so a panic cannot leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn housekeeping(&self) -> MutexGuard<'_, ()> {
        self.housekeeping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last record that is durable.
    pub(super) fn durable(&self) -> RecordNumber {
        self.state().durable()
    }

    pub(super) fn place(&self, number: RecordNumber) -> Location {
        let state = self.state();
        if number > state.durable() {
            return Location::NotYet;
        }
        let behind = state.segments.partition_point(|segment| segment.first <= number);
        match behind.checked_sub(1).and_then(|index| state.segments.get(index)) {
            Some(segment) => Location::In(*segment),
            None => Location::Trimmed,
        }
    }
}

impl LogFiles {
    pub(super) fn new(recovered: Recovered) -> Self {
        let Recovered { segments, snapshots, useless, .. } = recovered;
        let mut state = Self { segments, snapshots: Vec::new(), useless };
        let dated = snapshots.into_iter().map(|kept| SnapshotFile { state_ms: state.state_ms(kept.number), ..kept });
        state.snapshots = dated.collect();
        state
    }

    pub(super) fn durable(&self) -> RecordNumber {
        self.segments.back().map_or(0, |segment| segment.last)
    }

    pub(super) fn oldest(&self) -> RecordNumber {
        self.segments.front().map_or(1, |segment| segment.first)
    }

    /// The record of the newest snapshot; 0 if there is none.
    pub(super) fn newest_snapshot(&self) -> RecordNumber {
        self.snapshots.last().map_or(0, |kept| kept.number)
    }

    pub(super) fn bytes(&self) -> u64 {
        let segments: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        segments + self.snapshots.iter().map(|kept| kept.bytes).sum::<u64>()
    }
}
