//! Reads a data directory without taking it, changing it, or minding whether a hub uses it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::directory::{Listing, segment_path};
use super::error::{DiskError, damaged, device, header_fault, missing};
use super::header::{FileKind, HEADER_BYTES, Header};
use super::record::{Found, inspect};
use super::segment::SEGMENT_BYTES_MAX;
use super::snapshot;
use crate::log::{History, LogError, RecordNumber, Stored};

/// How often a segment is looked for that the hub has just removed.
const TRIES: usize = 3;

/// The past of a log that may be another process's. It ends with what is whole in the files: a record that is being
/// written right now is not seen. Needs the memory of one segment.
#[derive(Debug)]
pub struct ReadOnlyLog {
    directory: PathBuf,
    at: Option<At>,
}

/// Before a record of a segment that was read whole.
#[derive(Debug)]
struct At {
    first: RecordNumber,
    next: RecordNumber,
    id: u64,
    data: Vec<u8>,
    offset: usize,
}

/// The next item in a segment.
enum Next {
    Record(Stored),
    /// The end of the records. `Some`: a log that a hub uses cannot end in this way.
    End(Option<&'static str>),
}

impl ReadOnlyLog {
    /// Looks into `directory`.
    ///
    /// # Errors
    /// [`LogError::Device`] if it cannot be read, or holds no log.
    pub fn open(directory: &Path) -> Result<Self, LogError> {
        let read_only = Self { directory: directory.to_owned(), at: None };
        if read_only.list()?.segments.is_empty() {
            return Err(LogError::device(DiskError::NoLog(directory.to_owned())));
        }
        Ok(read_only)
    }

    fn list(&self) -> Result<Listing, LogError> {
        Listing::look(&self.directory)
    }

    /// Goes to where record `number` would be; `None`: it is not there yet.
    fn enter(&self, number: RecordNumber) -> Result<At, LogError> {
        for _ in 0..TRIES {
            let listing = self.list()?;
            let Some(&first) = listing.segments.iter().rfind(|first| **first <= number) else {
                return Err(LogError::Trimmed(number));
            };
            let path = segment_path(&self.directory, first);
            let mut data = Vec::new();
            let read = File::open(&path).and_then(|file| file.take(SEGMENT_BYTES_MAX).read_to_end(&mut data));
            match read {
                Ok(_) => {}
                // Trimmed between the look and now.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(device(&path, "cannot be read", error)),
            }
            let header = Header::decode(FileKind::Segment, &data).map_err(|fault| header_fault(&path, &fault))?;
            return Ok(At { first, next: first, id: header.id, data, offset: HEADER_BYTES });
        }
        Err(LogError::Trimmed(number))
    }
}

impl At {
    /// The next record, if it is wanted as number `wanted`; records before are passed over.
    fn step(&mut self, wanted: RecordNumber) -> Next {
        loop {
            match inspect(&self.data, self.offset, self.id, self.next) {
                Found::Record(record) => {
                    let number = self.next;
                    self.next += 1;
                    self.offset += record.frame_bytes;
                    if number == wanted {
                        return Next::Record(Stored::new(number, record.payload.to_vec()));
                    }
                }
                Found::Seal(_) | Found::End => return Next::End(None),
                Found::Broken(broken) => return Next::End(Some(broken.what)),
            }
        }
    }
}

impl History for ReadOnlyLog {
    fn snapshot(&mut self) -> Result<Option<(RecordNumber, Vec<u8>)>, LogError> {
        let newest = self.list()?.snapshots.last().copied();
        newest.map(|number| Ok((number, self.snapshot_at(number)?))).transpose()
    }

    fn replay_points(&mut self) -> Result<Vec<RecordNumber>, LogError> {
        let listing = self.list()?;
        let oldest = listing.segments.first().copied().unwrap_or(1);
        let empty = (oldest == 1).then_some(0);
        Ok(empty.into_iter().chain(listing.snapshots.into_iter().filter(|number| *number + 1 >= oldest)).collect())
    }

    fn snapshot_at(&mut self, number: RecordNumber) -> Result<Vec<u8>, LogError> {
        snapshot::read(&self.directory, number)
    }

    fn oldest(&self) -> RecordNumber {
        self.list().ok().and_then(|listing| listing.segments.first().copied()).unwrap_or(1)
    }

    fn after(&mut self, number: RecordNumber) -> Result<Option<Stored>, LogError> {
        let Some(wanted) = number.checked_add(1) else { return Ok(None) };
        let mut at = match self.at.take() {
            Some(at) if at.next <= wanted => at,
            _ => self.enter(wanted)?,
        };
        loop {
            let broken = match at.step(wanted) {
                Next::Record(record) => {
                    self.at = Some(at);
                    return Ok(Some(record));
                }
                Next::End(broken) => broken,
            };
            // Another segment follows, or this is where the log ends at the moment.
            let Some(&follower) = self.list()?.segments.iter().find(|first| **first > at.first) else {
                return Ok(None);
            };
            if broken.is_none() && follower == at.next {
                at = self.enter(wanted)?;
                continue;
            }
            // What was read may be older than the follower: then the rest is there now.
            let again = self.enter(at.next)?;
            if again.first == at.first && again.data.len() == at.data.len() {
                let path = segment_path(&self.directory, at.first);
                return Err(match broken {
                    Some(what) => damaged(&path, at.offset as u64, what),
                    None => missing(&segment_path(&self.directory, at.next), "its records are in no file"),
                });
            }
            at = again;
        }
    }
}
