//! Reads records back from the files, one after the other, and only what is durable.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::directory::segment_path;
use super::error::{damaged, device};
use super::header::HEADER_BYTES;
use super::record::{Found, RECORD_HEADER_BYTES, RecordHeader, frame_bytes, inspect};
use super::segment::Segment;
use super::shared::{DiskShared, Location};
use crate::log::{LogError, RecordNumber};

/// Bytes that are read ahead. A cursor takes this much memory, or that of one record if it is larger.
const WINDOW_BYTES: u64 = 256 * 1024;

/// A position in the log.
#[derive(Debug)]
pub(super) struct Cursor {
    shared: Arc<DiskShared>,
    at: Option<At>,
}

/// A position before a record of a segment.
#[derive(Debug)]
struct At {
    path: PathBuf,
    file: File,
    first: RecordNumber,
    next: RecordNumber,
    offset: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl Cursor {
    pub(super) fn new(shared: Arc<DiskShared>) -> Self {
        Self { shared, at: None }
    }

    /// The payload of record `number`, if it is durable.
    pub(super) fn read(&mut self, number: RecordNumber) -> Result<Option<Vec<u8>>, LogError> {
        let segment = match self.shared.place(number) {
            Location::In(segment) => segment,
            Location::NotYet => return Ok(None),
            Location::Trimmed => return Err(LogError::Trimmed(number)),
        };
        let mut at = match self.at.take() {
            Some(at) if at.first == segment.first && at.next <= number => at,
            _ => self.enter(&segment)?,
        };
        while at.next < number {
            at.step(&self.shared, &segment, false)?;
        }
        let payload = at.step(&self.shared, &segment, true)?;
        self.at = Some(at);
        Ok(Some(payload))
    }

    fn enter(&self, segment: &Segment) -> Result<At, LogError> {
        let path = segment_path(self.shared.directory(), segment.first);
        let file = File::open(&path).map_err(|error| {
            // The log was trimmed after the state was read.
            if matches!(self.shared.place(segment.first), Location::Trimmed) {
                return LogError::Trimmed(segment.first);
            }
            device(&path, "cannot be opened", error)
        })?;
        let (first, offset) = (segment.first, HEADER_BYTES as u64);
        Ok(At { path, file, first, next: first, offset, window: Vec::new(), window_at: offset })
    }
}

impl At {
    /// Advances by one record and returns its payload only if it is `wanted`.
    fn step(&mut self, shared: &DiskShared, segment: &Segment, wanted: bool) -> Result<Vec<u8>, LogError> {
        let head = self.fetch(segment, RECORD_HEADER_BYTES)?.first_chunk();
        let Some(header) = head.and_then(|head| RecordHeader::decode(shared.id, head)) else {
            return Err(self.changed());
        };
        let bytes = frame_bytes(header.length as usize);
        let mut payload = Vec::new();
        if wanted {
            let next = self.next;
            match inspect(self.fetch(segment, bytes)?, 0, shared.id, next) {
                Found::Record(record) => payload.extend_from_slice(record.payload),
                _ => return Err(self.changed()),
            }
        }
        self.next += 1;
        self.offset += bytes as u64;
        Ok(payload)
    }

    fn changed(&self) -> LogError {
        damaged(&self.path, self.offset, "the record has changed since the start")
    }

    /// The next `bytes` of the file, by one read for many records.
    fn fetch(&mut self, segment: &Segment, bytes: usize) -> Result<&[u8], LogError> {
        let wanted = self.offset..self.offset + bytes as u64;
        let window_end = self.window_at + self.window.len() as u64;
        if wanted.start < self.window_at || wanted.end > window_end {
            let end = segment.end.min(wanted.start + WINDOW_BYTES).max(wanted.end);
            self.fill(wanted.start..end)?;
        }
        let from = (wanted.start - self.window_at) as usize;
        Ok(&self.window[from..from + bytes])
    }

    fn fill(&mut self, range: Range<u64>) -> Result<(), LogError> {
        self.window.resize((range.end - range.start) as usize, 0);
        self.window_at = range.start;
        self.file.read_exact_at(&mut self.window, range.start).map_err(|error| {
            self.window.clear();
            match error.kind() {
                ErrorKind::UnexpectedEof => damaged(&self.path, range.start, "the file has become shorter"),
                _ => device(&self.path, "cannot be read", error),
            }
        })
    }
}
