//! The log on disk: append-only segment files, snapshots beside them, one `fdatasync` per append.
//!
//! Files here may use those above them: `files`, `header`, `record`, `error`, `directory`, `segment`, `snapshot`, `recovery`,
//! `shared`, `cursor`, `writer`, `history`, `read_only`.
//!
//! # Format, version 1
//!
//! All numbers are little-endian. `crc` is CRC-32C. The directory is 0700, its files 0600.
//!
//! | file | what it is |
//! |---|---|
//! | `LOCK` | locked (flock) by the hub that uses the directory; the text in it is that process's number, for people |
//! | `FORMAT` | a header only, written last when a log is founded: that there is a log here |
//! | `log-<20 digits>` | a segment: header, records, and once it is finished a seal; named by its first record |
//! | `snapshot-<20 digits>` | header, contents, crc of the contents; named by the last record that it contains |
//! | `….tmp` | one of these before it is whole; the next start removes it |
//!
//! Header of every file, 64 bytes: `"deskbell"`, version u32, crc u32 of these 12 bytes (so far for all versions to come);
//! kind `"FORM"`, `"SEGM"` or `"SNAP"`, 4 zeros, the log's own id u64, number u64 (that of the name), length u64 of a
//! snapshot's contents, oldest u64 (snapshot: the first record that was to be kept), 4 zeros, crc u32 of the first 60 bytes.
//!
//! Record, at a multiple of 32 bytes: length u32 of the payload, crc u32 of payload and padding, number u64, written-at u64
//! (ms since 1970), sparse u16 (see `record`), `"re"`, crc u32 of these 28 bytes seeded with the id; payload; padding, 2 to
//! 33 bytes 0xa5. Records are numbered from 1 without a gap, within and across segments. Seal, 32 bytes: the same header
//! with `"se"`, number = first record of the next segment, the rest 0. A record is at most
//! [`RECORD_BYTES_MAX`](super::RECORD_BYTES_MAX), a segment takes no more records from 8 MiB on.
//!
//! # How it stays complete
//!
//! - *Append*: one write behind the last record, one `fdatasync`. If there is no room the file is cut back.
//! - *Next segment*: it is created under another name, synced and renamed, and the directory is synced. Then the old segment
//!   is sealed. Only then a record goes into the new one. So if the last segment is sealed, another one is missing.
//! - *Snapshot*: it is also written under another name first. Two snapshots are kept, with all records after the older one.
//!   Older files are deleted afterwards, oldest first.
//! - *Start*: every byte of every file is read. An incomplete last record of the last segment is dropped and reported. It is
//!   incomplete if the file ends before the record does, or if a whole sector of it reads as zeros. The header of a record has
//!   its own checksum, so a damaged length is noticed. A header never spans two sectors, so it is there as a whole or not at
//!   all. It contains the number of sectors with (almost) only zeros, so that a changed byte cannot look like a sector that
//!   was never written. Other faults are repaired if nothing is lost by that: a seal, `FORMAT`, or a snapshot if an older one
//!   and all records after it exist. Otherwise [`LogError::Damaged`] names the file and the byte.
//! - *Snapshots prove records*: a log that ends before the newest snapshot is damaged, not incomplete. After [`Log::close`]
//!   the log ends with an empty segment, so that nothing looks like an incomplete write.
//! - *After a failed `fdatasync`* the kernel may treat pages as clean that never reached the device. So nothing more is
//!   written, and the next opening (also [`Log::reopen`]) writes the last complete record again before it trusts it.
//!
//! One kind of damage cannot be noticed: if somebody truncates the last segment, the missing part looks as if it had never
//! been written completely.

mod cursor;
mod directory;
mod error;
mod files;
mod header;
mod history;
mod read_only;
mod record;
mod recovery;
mod segment;
mod shared;
mod snapshot;
mod writer;

#[cfg(test)]
pub(in crate::log) mod tests;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use error::DiskError;
pub use read_only::ReadOnlyLog;
pub use recovery::{Dropped, RecoveryReport};

use super::{AppendError, History, Log, LogError, OwnLog, OwnSnapshots, RecordNumber, Stored};
use cursor::Cursor;
use files::Files;
use history::DiskHistory;
use shared::{DiskShared, LogFiles};
use writer::Writer;

/// Bytes of records just appended that are kept for [`Log::next`]; what is more is read from the files.
const READ_BACK_BYTES_MAX: usize = 4 * super::RECORD_BYTES_MAX;

/// How to open a log on disk.
#[derive(Debug, Clone)]
pub struct Options {
    directory: PathBuf,
    wait_lock: Duration,
    now_ms: fn() -> u64,
    new_id: Option<u64>,
    segment_bytes: u64,
    files: Files,
}

impl Options {
    /// The log in `directory`; `now_ms` returns the time in milliseconds since 1970. It is written beside each record, and
    /// only decides when a record is trimmed.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, now_ms: fn() -> u64) -> Self {
        Self {
            directory: directory.into(),
            wait_lock: Duration::ZERO,
            now_ms,
            new_id: None,
            segment_bytes: segment::SEGMENT_BYTES,
            files: Files::default(),
        }
    }

    /// How long to wait until another hub releases the directory (`--wait-lock`). The default is no wait.
    #[must_use]
    pub fn wait_lock(mut self, wait: Duration) -> Self {
        self.wait_lock = wait;
        self
    }

    /// The id of the log, if this founds it; default: a random one.
    #[must_use]
    pub fn new_id(mut self, id: u64) -> Self {
        self.new_id = Some(id);
        self
    }
}

/// The log on disk, locked for as long as it or one of its [`History`] handles lives.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<DiskShared>,
    writer: Writer,
    cursor: Cursor,
    returned: RecordNumber,
    /// Appended and not yet returned: the records that end with the log's last, or nothing.
    read_back: ReadBack,
}

impl Disk {
    /// Opens the log, or creates it. Faults that were found and repaired are logged, and listed in the [`RecoveryReport`].
    ///
    /// # Errors
    /// [`LogError::InUse`], `Newer`, `Damaged` or `Device`, with what to do about it. Then nothing was changed but
    /// permissions, and `LOCK`.
    pub fn open(options: &Options) -> Result<(Self, RecoveryReport), LogError> {
        directory::prepare(&options.directory)?;
        let lock = directory::lock(&options.directory, options.wait_lock)?;
        let new_id = options.new_id.unwrap_or_else(random_id);
        let recovered = recovery::recover(&options.files, &options.directory, new_id)?;
        let report = recovered.report.clone();
        tell(&report);
        let shared = Arc::new(DiskShared::new(options, lock, recovered));
        let writer = Writer::open(Arc::clone(&shared))?;
        let cursor = Cursor::new(Arc::clone(&shared));
        let returned = report.snapshot.unwrap_or(0);
        Ok((Self { shared, writer, cursor, returned, read_back: ReadBack::default() }, report))
    }

    /// The log's own number: drawn when it was founded, the same for ever, and in every copy of it.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.shared.id
    }
}

fn random_id() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high ^ low
}

fn tell(report: &RecoveryReport) {
    if let Some(dropped) = &report.dropped {
        tracing::warn!(
            file = %dropped.file.display(), byte = dropped.byte, bytes = dropped.bytes, record = dropped.number,
            "dropped an incomplete last record that was never acknowledged: {}", dropped.what
        );
    }
    for what in &report.repaired {
        tracing::warn!("put right without loss: {what}");
    }
}

impl Log for Disk {
    fn append(&mut self, record: &[u8]) -> Result<(), AppendError> {
        let number = self.writer.append(record)?;
        self.read_back.push(number, self.returned, record);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Stored>, LogError> {
        let number = self.returned + 1;
        let record = match self.read_back.pop(number) {
            Some(record) => Some(record),
            None => self.cursor.read(number)?,
        };
        Ok(record.map(|record| {
            self.returned = number;
            Stored::new(number, record)
        }))
    }

    fn history(&self) -> Option<Box<dyn History>> {
        Some(Box::new(DiskHistory::new(Arc::clone(&self.shared))))
    }

    fn bytes(&self) -> u64 {
        self.shared.state().bytes()
    }

    fn reopen(&mut self) -> Result<(), LogError> {
        let shared = Arc::clone(&self.shared);
        let _alone = shared.housekeeping();
        let durable = shared.durable();
        let recovered = recovery::recover(&shared.files, shared.directory(), shared.id)?;
        if recovered.id != shared.id || recovered.report.last < durable {
            let path = shared.directory();
            return Err(error::damaged(path, 0, format_args!("records up to {durable} were there and are not now")));
        }
        tell(&recovered.report);
        *shared.state() = LogFiles::new(recovered);
        self.writer = Writer::open(Arc::clone(&shared))?;
        self.cursor = Cursor::new(Arc::clone(&shared));
        self.read_back = ReadBack::default();
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<(), AppendError> {
        self.writer.finish_segment()
    }
}

impl OwnLog for Disk {
    fn snapshots(&self) -> Option<Box<dyn OwnSnapshots>> {
        Some(Box::new(DiskHistory::new(Arc::clone(&self.shared))))
    }
}

/// Records that were just appended, so that reading them back costs no read.
#[derive(Debug, Default)]
struct ReadBack {
    records: VecDeque<(RecordNumber, Vec<u8>)>,
    bytes: usize,
}

impl ReadBack {
    /// Remembers a record if it follows what is remembered (or what was returned), and there is room.
    fn push(&mut self, number: RecordNumber, returned: RecordNumber, record: &[u8]) {
        let last = self.records.back().map_or(returned, |(last, _)| *last);
        let bytes = self.bytes + record.len() + size_of::<(RecordNumber, Vec<u8>)>();
        if number == last + 1 && bytes <= READ_BACK_BYTES_MAX {
            self.records.push_back((number, record.to_vec()));
            self.bytes = bytes;
        }
    }

    fn pop(&mut self, number: RecordNumber) -> Option<Vec<u8>> {
        let (_, record) = self.records.pop_front_if(|(first, _)| *first == number)?;
        self.bytes -= record.len() + size_of::<(RecordNumber, Vec<u8>)>();
        Some(record)
    }
}
