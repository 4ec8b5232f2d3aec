//! The ordered log: what was appended, in order, and nothing else.
//!
//! Files here may use those above them: `error`, `memory`, `disk`, `jetstream`.

pub mod disk;
mod error;
#[cfg(feature = "cluster")]
pub mod jetstream;
mod memory;
#[cfg(test)]
mod tests;

use std::fmt;

pub use disk::Disk;
use error::RecordTooLarge;
pub use error::{AppendError, Cause, LogError};
#[cfg(feature = "cluster")]
pub use jetstream::JetStream;
pub use memory::Memory;

/// The number of a record in its log: the first is 1, and there are no gaps.
pub type RecordNumber = u64;

/// One ordered log of records. Records are opaque bytes here; the hub's codec knows their contents.
///
/// # Contract
///
/// - **One order.** Every record has one [`RecordNumber`], the same for every reader, forever.
/// - **Done means read back.** A record is in the log when [`next`](Log::next) has returned it. The result of
///   [`append`](Log::append) reports errors only: after `Ok` the record comes back sooner or later (memory and disk: at
///   the next call), unless another error is reported first.
/// - **Durable.** A record that `next` returned survives as this kind of log promises: in memory not at all, on disk a
///   crash of the process and a loss of power.
/// - **Whole.** A record comes back as it was appended, or the log reports [`LogError::Damaged`]. No record comes back
///   in part, and none is left out.
/// - **A refused append leaves no trace.** After [`AppendError::Full`] the record is not in the log and will not come
///   back; the same record may be appended again.
/// - **Reading clears up an unclear append.** After [`AppendError::Broken`] the record may be in the log or not: the log
///   has to be reopened and read again. A failed fsync is never just repeated.
///
/// One owner calls it, from one thread. `append` may block for as long as the device takes.
pub trait Log: Send + fmt::Debug {
    /// Appends one record (at most [`RECORD_BYTES_MAX`]; a larger one is refused as [`AppendError::Full`]).
    ///
    /// # Errors
    /// See the contract.
    fn append(&mut self, record: &[u8]) -> Result<(), AppendError>;

    /// The record after the last one returned, if it is there; does not wait. A fresh log starts after its newest
    /// snapshot (see [`History::snapshot`]). A shared log that was just opened or [restarted](SharedLog::restart)
    /// returns everything that was in it at that moment: it waits for it, for a bounded time.
    ///
    /// # Errors
    /// [`LogError`]: the following records cannot be read. It stays so until the log is reopened.
    fn next(&mut self) -> Result<Option<Stored>, LogError>;

    /// A reader of the log's past for another thread; `None` if the log keeps nothing.
    fn history(&self) -> Option<Box<dyn History>>;

    /// How many bytes the log occupies on its device, snapshots included.
    fn bytes(&self) -> u64;

    /// Reads what is really there, after [`AppendError::Broken`] or an error of [`next`](Log::next), without letting
    /// another hub take the log in between. After `Ok`, `next` continues after the last record that it returned: if the
    /// unclear record is in the log it comes next; if `next` returns `None` it is not and never will be. Existing
    /// [`History`] handles stay valid.
    ///
    /// # Errors
    /// [`LogError`], as when the log is opened. The log stays broken; `reopen` may be called again.
    fn reopen(&mut self) -> Result<(), LogError>;

    /// Closes the log in a way that makes the next start simpler. A log that is only dropped loses nothing either. The owner
    /// saves a snapshot before, if it wants one.
    ///
    /// # Errors
    /// As [`append`](Log::append); nothing is lost.
    fn close(self: Box<Self>) -> Result<(), AppendError>;
}

/// A log that one hub has to itself.
pub trait OwnLog: Log {
    /// The log's past and its snapshots; `None` if the log keeps nothing.
    fn snapshots(&self) -> Option<Box<dyn OwnSnapshots>>;
}

/// A log that several hubs append to and read. Records of other hubs arrive at any time; the log calls the waker that it
/// was given when it has something new. An append may be lost without notice, or arrive late, or twice: the hub appends
/// the same bytes again until it has read them back.
pub trait SharedLog: Log {
    /// The reason if the last append is now known to have been refused for want of room; reported once. The record left
    /// no trace and will not come back. (An append without an answer is not reported.)
    fn take_refusal(&mut self) -> Option<Cause>;

    /// Continues with the records after the newest snapshot, after [`LogError::Trimmed`]: other hubs trimmed the log
    /// while this hub was away.
    ///
    /// # Errors
    /// As when the log is opened; may be tried again.
    fn restart(&mut self) -> Result<(), LogError>;

    /// The log's past and its snapshots.
    fn snapshots(&self) -> Box<dyn SharedSnapshots>;
}

/// Either kind of log, as it is handed to a hub.
#[derive(Debug)]
pub enum AnyLog {
    /// The hub has the log to itself.
    Own(Box<dyn OwnLog>),
    /// Other hubs use the log too.
    Shared(Box<dyn SharedLog>),
}

impl AnyLog {
    /// What both kinds can do.
    #[must_use]
    pub fn log(&self) -> &(dyn Log + 'static) {
        match self {
            Self::Own(log) => &**log,
            Self::Shared(log) => &**log,
        }
    }
}

impl<L: OwnLog + 'static> From<Box<L>> for AnyLog {
    fn from(log: Box<L>) -> Self {
        Self::Own(log)
    }
}

/// The log's past: its snapshots and the records after them. Used beside the log's owner, from another thread.
pub trait History: Send + fmt::Debug {
    /// The newest whole snapshot: the last record that it contains, and its bytes.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if there is one that cannot be read and the records before it are gone.
    fn snapshot(&mut self) -> Result<Option<(RecordNumber, Vec<u8>)>, LogError>;

    /// States from which the records can be applied again, oldest first, each by the last record in it: snapshots, and 0
    /// for the empty state. All records after them are kept. What happened before the first of them cannot be explained.
    ///
    /// # Errors
    /// [`LogError`].
    fn replay_points(&mut self) -> Result<Vec<RecordNumber>, LogError>;

    /// The snapshot of record `number`, one of [`replay_points`](Self::replay_points).
    ///
    /// # Errors
    /// [`LogError`], also if it was deleted since.
    fn snapshot_at(&mut self, number: RecordNumber) -> Result<Vec<u8>, LogError>;

    /// The oldest record that is kept; if there is none yet, the number that the next one will have.
    fn oldest(&self) -> RecordNumber;

    /// The record after `number`, if it is in the log already. Quick if called with one number after the other.
    ///
    /// # Errors
    /// As [`Log::next`]; [`LogError::Trimmed`] before [`oldest`](History::oldest).
    fn after(&mut self, number: RecordNumber) -> Result<Option<Stored>, LogError>;
}

/// Where snapshots are saved.
pub trait SnapshotStore: History {
    /// Saves `snapshot`, which contains everything up to and including record `number`, durably and whole or not at all;
    /// then deletes records that no start needs any more, oldest first, but keeps those that `retention` asks for. A
    /// snapshot older than the newest one is not written.
    ///
    /// # Errors
    /// [`AppendError::Full`] or [`AppendError::Broken`]; the log is as it was before and stays usable (here `Broken`
    /// concerns the snapshot only), and the same snapshot may be tried again. Also `Broken` if record `number` is not in
    /// the log yet.
    fn save_snapshot(
        &mut self,
        number: RecordNumber,
        snapshot: &[u8],
        retention: &Retention,
    ) -> Result<(), AppendError>;
}

/// The snapshots of a log that one hub has to itself.
pub trait OwnSnapshots: SnapshotStore {
    /// How old the kept records and snapshots are; `None` while there are none.
    fn age(&self) -> Option<LogAge>;

    /// Deletes what [`save_snapshot`](SnapshotStore::save_snapshot) would delete, without a snapshot.
    fn trim(&mut self, retention: &Retention);
}

/// The snapshots of a log that several hubs share.
pub trait SharedSnapshots: SnapshotStore {
    /// Sends the digest of this hub's state to the other hubs, and returns the digests that they have sent. Nothing
    /// depends on them, so nothing is promised: a digest may be lost.
    fn exchange_digests(&mut self, own: Digest) -> Vec<Digest>;
}

/// How old a log is. Times are in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogAge {
    /// The last record.
    pub newest: RecordNumber,
    /// The last record in the newest snapshot; 0 if there is none.
    pub snapshot: RecordNumber,
    /// The last record in the snapshot before that; 0 if there is none. What follows it cannot be trimmed.
    pub older_snapshot: RecordNumber,
    /// When the state was as in the newest snapshot (where there is none: when the oldest record was written).
    pub snapshot_ms: u64,
    /// The last record of what would be trimmed next, and when it was written.
    pub next_to_go: RecordNumber,
    /// See above.
    pub next_to_go_ms: u64,
}

impl Retention {
    /// Between states from which explanations can begin; what is to be trimmed is kept up to thrice as much longer.
    #[must_use]
    pub fn spacing_ms(&self) -> u64 {
        (self.history_ms / 8).max(SPACING_MIN_MS)
    }
}

/// However short the history: a snapshot costs something.
const SPACING_MIN_MS: u64 = 10_000;

/// A digest of the state after a record. Hubs that applied the same records have the same state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// The last record that was applied.
    pub number: RecordNumber,
    /// A hash of the state then.
    pub value: u64,
}

/// A record in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the order.
    pub number: RecordNumber,
    /// The log's own stamp, in milliseconds since 1970, where the log has a clock of its own: then it is the time of the
    /// record, and the clock of its writer does not count.
    pub time_ms: Option<u64>,
    /// The bytes that were appended.
    pub bytes: Vec<u8>,
}

impl Stored {
    /// A record of a log without a clock.
    #[must_use]
    pub fn new(number: RecordNumber, bytes: Vec<u8>) -> Self {
        Self { number, time_ms: None, bytes }
    }

    /// The record without its stamp.
    #[must_use]
    pub fn record(self) -> (RecordNumber, Vec<u8>) {
        (self.number, self.bytes)
    }
}

/// How many of the records before a snapshot are kept for explanations (`[log] history`, `historyBytes`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Records written within so many milliseconds before now are kept …
    pub history_ms: u64,
    /// … as long as they fit into so many bytes.
    pub history_bytes: u64,
}

/// The largest record: twice the hub's largest group (512 KiB), since one entry may follow the group's last byte.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;
