//! The ordered log: what was appended, in order, and nothing else.
//!
//! Files here may use those above them: `memory`, `disk`, `jetstream`.

pub mod disk;
#[cfg(feature = "cluster")]
pub mod jetstream;
mod memory;
#[cfg(test)]
mod tests;

use std::fmt;

pub use disk::Disk;
#[cfg(feature = "cluster")]
pub use jetstream::JetStream;
pub use memory::Memory;

/// The number of a record in its log: the first is 1, and there are no gaps.
pub type RecordNumber = u64;

/// One ordered log of records (opaque bytes here; the hub's codec knows what is in them).
///
/// # Contract
///
/// - **One order.** Every record has one [`RecordNumber`], the same for every reader, for ever.
/// - **Done is read back.** A record is in the log when [`next`](Log::next) has returned it. What
///   [`append`](Log::append) answers only tells of errors: after `Ok` the record comes back sooner or later
///   (memory and disk: at the next call), unless another error says otherwise first.
/// - **Durable.** What `next` returned survives whatever the kind of log promises to survive: memory nothing,
///   disk the loss of the process and of power.
/// - **Whole.** A record comes back as it was appended, or the log says [`LogError::Damaged`]. It never comes back
///   in part, and none is left out.
/// - **A refused append leaves no trace**: after [`AppendError::Full`] the record is not in the log and will not
///   come back; the same record may be appended again.
/// - **An unclear append is cleared by reading.** After [`AppendError::Broken`] the record may be in the log or not:
///   the log has to be re-opened and re-read. An fsync that failed is never just repeated.
///
/// One owner calls it, from one thread. `append` may block for as long as the device takes.
pub trait Log: Send + fmt::Debug {
    /// Appends one record (at most [`RECORD_BYTES_MAX`]; a larger one is refused as [`AppendError::Full`]).
    ///
    /// # Errors
    /// See the contract.
    fn append(&mut self, record: &[u8]) -> Result<(), AppendError>;

    /// The next record after the last one returned, if it is there; does not wait. A fresh log starts after its
    /// newest snapshot (see [`History::snapshot`]). A shared log that was just opened or [restarted](Log::restart) has
    /// everything there that was in it at that moment: it waits for it, a bounded time.
    ///
    /// # Errors
    /// [`LogError`], where the records that follow cannot be had. It stays so until the log is re-opened.
    fn next(&mut self) -> Result<Option<Stored>, LogError>;

    /// A second way into the same log, for a fold in the background; `None` if the log keeps nothing.
    fn history(&self) -> Option<Box<dyn History>>;

    /// How many bytes it holds on its device, snapshots included.
    fn bytes(&self) -> u64;

    /// Reads anew what is really there, after [`AppendError::Broken`] or an error of [`next`](Log::next), without
    /// letting another hub in between. After `Ok`, `next` goes on after the last record that it returned: if the
    /// unclear record is in the log it comes next, if `next` returns `None` it is not and never will be. Existing
    /// [`History`] handles stay good.
    ///
    /// # Errors
    /// [`LogError`]: as at the start. The log stays as broken as it was; `reopen` may be called again.
    fn reopen(&mut self) -> Result<(), LogError>;

    /// Whether other hubs write to it too. A shared log brings others' records at any time, and calls the waker that it
    /// was given when it has something new; an append may be lost without a word, or come back late, or twice: whoever
    /// appended appends the same again until it is read back. It needs no [`reopen`](Log::reopen): it heals itself.
    fn is_shared(&self) -> bool {
        false
    }

    /// What has become clear of the last append to a shared log, once: it was refused for want of room, has left no
    /// trace and will not come back. (The log has to be sure of that: an append whose answer is missing is not refused.)
    fn refused(&mut self) -> Option<String> {
        None
    }

    /// Begins anew with what follows the newest snapshot, after [`LogError::Trimmed`]: a shared log was trimmed while
    /// this hub was away.
    ///
    /// # Errors
    /// As at the start; may be tried again.
    fn restart(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    /// The orderly end: whatever makes the next start simpler. Not needed for safety: a log that is merely dropped
    /// loses nothing either. A snapshot of everything is the owner's to keep before ([`History::keep`]).
    ///
    /// # Errors
    /// As [`append`](Log::append); nothing is lost.
    fn close(self: Box<Self>) -> Result<(), AppendError>;
}

/// The log's past: its snapshots and the records that follow them. Used beside the log's owner, from another thread.
pub trait History: Send + fmt::Debug {
    /// The newest whole snapshot: the last record that it contains, and its bytes.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if there is one that cannot be read and the records that it stood for are gone.
    fn snapshot(&mut self) -> Result<Option<(RecordNumber, Vec<u8>)>, LogError>;

    /// States from which the log can be folded anew, oldest first, each by the last record in it, all records behind it
    /// being kept: snapshots, and 0 for the empty state. What was before the first of them cannot be explained.
    ///
    /// # Errors
    /// [`LogError`].
    fn replay_points(&mut self) -> Result<Vec<RecordNumber>, LogError>;

    /// The snapshot of record `number`, one of [`replay_points`](Self::replay_points).
    ///
    /// # Errors
    /// [`LogError`], also where it has gone since.
    fn snapshot_at(&mut self, number: RecordNumber) -> Result<Vec<u8>, LogError>;

    /// How old what is kept is; `None` if the log does not say, and is trimmed by what comes anyway.
    fn age(&self) -> Option<LogAge> {
        None
    }

    /// Forgets what [`save_snapshot`](Self::save_snapshot) would, without a snapshot.
    fn trim(&mut self, _keep: &Retention) {}

    /// The oldest record that is kept; where there is none yet, the number that the next one will have.
    fn oldest(&self) -> RecordNumber;

    /// The record after `number`, if it is in the log already. Quick if called with one number after the other.
    ///
    /// # Errors
    /// As [`Log::next`]; [`LogError::Trimmed`] before [`oldest`](History::oldest).
    fn after(&mut self, number: RecordNumber) -> Result<Option<Stored>, LogError>;

    /// Keeps `snapshot`, which contains everything up to and including record `number`, durably and whole or not at
    /// all; after that, forgets records that no start needs any more, oldest first, but keeps what `keep` asks for.
    /// A snapshot of less than the newest kept one is not written.
    ///
    /// # Errors
    /// [`AppendError::Full`] or [`AppendError::Broken`]; the log is as it was before and may be used on (here `Broken`
    /// is about the snapshot only), and the same snapshot may be tried again. `Broken` also where `number` is not in the
    /// log yet.
    fn save_snapshot(
        &mut self,
        number: RecordNumber,
        snapshot: &[u8],
        retention: &Retention,
    ) -> Result<(), AppendError>;

    /// Tells the other hubs of a shared log what the state came to at a record, and asks what it came to with them.
    /// Nothing depends on it, so nothing is promised: what is told may get lost.
    fn compare(&mut self, _own: Digest) -> Vec<Digest> {
        Vec::new()
    }
}

/// How old a log is, in milliseconds since 1970.
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

/// What the state came to after a record: hubs that folded the same have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// The last record folded.
    pub number: RecordNumber,
    /// A hash of the state then.
    pub value: u64,
}

/// A record as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the order.
    pub number: RecordNumber,
    /// The log's own stamp, in milliseconds since 1970, where the log has a clock of its own: then it is the time of the
    /// record, whatever its writer's clock said.
    pub time_ms: Option<u64>,
    /// What was appended.
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

/// What of the records before a snapshot is kept for explanations (`[log] history`, `historyBytes`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Records written within so many milliseconds before now are kept …
    pub history_ms: u64,
    /// … as long as they fit into so many bytes.
    pub history_bytes: u64,
}

/// The largest record: twice the hub's largest group (512 KiB), since one entry may follow the group's last byte.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// An append did not happen, or may not have happened.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// No room. Nothing was written; it may go better later.
    #[error("the log has no room: {0}")]
    Full(String),
    /// The device failed, and nobody knows what is on it.
    #[error("the log's device failed: {0}")]
    Broken(String),
}

/// The log cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// What is there is not what was written. Says where and how to go on.
    #[error("{0}")]
    Damaged(String),
    /// The record was there and is no longer kept (see [`Retention`]).
    #[error("record {0} is no longer kept")]
    Trimmed(RecordNumber),
    /// Another hub has it.
    #[error("{0}")]
    InUse(String),
    /// A newer version wrote it.
    #[error("{0}")]
    Newer(String),
    /// The device or its permissions.
    #[error("{0}")]
    Device(String),
}
