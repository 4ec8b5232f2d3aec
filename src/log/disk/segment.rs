//! Segments: creating them, and reading and checking a complete one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use super::directory::{segment_path, unfinished_path};
use super::error::{damaged, device, header_fault};
use super::files::Files;
use super::header::{FileKind, HEADER_BYTES, Header};
use super::record::{Broken, FRAME_BYTES_MAX, Found, inspect};
use crate::log::{LogError, RecordNumber};

/// A segment of at least this size gets no more records. Trimming removes whole segments.
pub(super) const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;

/// No segment is longer than this (header, records up to [`SEGMENT_BYTES`], one more, a seal).
pub(super) const SEGMENT_BYTES_MAX: u64 = SEGMENT_BYTES + (HEADER_BYTES + 2 * FRAME_BYTES_MAX) as u64;

/// The state of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) first: RecordNumber,
    /// Its last record; `first - 1` while it has none.
    pub(super) last: RecordNumber,
    /// The position of the end of its last record.
    pub(super) end: u64,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// The write times of its oldest and newest record.
    pub(super) oldest_ms: u64,
    pub(super) newest_ms: u64,
}

impl Segment {
    pub(super) fn empty(first: RecordNumber) -> Self {
        let header = HEADER_BYTES as u64;
        Self { first, last: first - 1, end: header, bytes: header, oldest_ms: u64::MAX, newest_ms: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.last < self.first
    }

    /// Notes one more record.
    pub(super) fn grow(&mut self, frame_bytes: u64, written_at_ms: u64) {
        self.last += 1;
        self.end += frame_bytes;
        self.bytes = self.end;
        self.oldest_ms = self.oldest_ms.min(written_at_ms);
        self.newest_ms = self.newest_ms.max(written_at_ms);
    }
}

/// The reason why a new segment was not created.
#[derive(Debug)]
pub(super) enum CreateError {
    /// The directory is unchanged.
    Nothing(io::Error),
    /// It is unknown whether the new segment exists.
    Unclear(io::Error),
}

/// Creates an empty segment, durably.
pub(super) fn create(files: &Files, directory: &Path, id: u64, first: RecordNumber) -> Result<File, CreateError> {
    let header = Header { kind: FileKind::Segment, id, number: first, length: 0, oldest: 0 };
    let path = segment_path(directory, first);
    let file = write_whole(files, &path, &[&header.encode()]).map_err(CreateError::Nothing)?;
    files.sync_directory(directory).map_err(CreateError::Unclear)?;
    Ok(file)
}

/// Writes a file under a temporary name and renames it when it is complete. The caller syncs the directory.
pub(super) fn write_whole(files: &Files, path: &Path, contents: &[&[u8]]) -> io::Result<File> {
    let unfinished = unfinished_path(path);
    let written = write_new(files, &unfinished, contents);
    let named = written.and_then(|file| files.rename(&unfinished, path).map(|()| file));
    if named.is_err() {
        // If this fails, the next start removes the file.
        let _ = files.remove(&unfinished);
    }
    named
}

/// A long file is synced in steps of this many bytes, so that the log's own syncs never wait for all of it.
const SYNC_EVERY: usize = 1024 * 1024;

fn write_new(files: &Files, path: &Path, contents: &[&[u8]]) -> io::Result<File> {
    files.remove(path)?;
    let file = files.create(path)?;
    let mut at = 0;
    for chunk in contents.iter().flat_map(|part| part.chunks(SYNC_EVERY)) {
        files.write(&file, path, chunk, at)?;
        if chunk.len() == SYNC_EVERY {
            files.sync(&file, path)?;
        }
        at += chunk.len() as u64;
    }
    files.sync(&file, path)?;
    Ok(file)
}

/// A segment that was read completely.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) segment: Segment,
    pub(super) id: u64,
    /// The position of its last record; `None` if it has none.
    pub(super) last_record_at: Option<u64>,
    /// The data behind its last record.
    pub(super) stop: ScanEnd,
}

/// The reason why a scan ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ScanEnd {
    End,
    /// The seal, with the number of the next segment's first record, and no data behind it.
    Seal(RecordNumber),
    Broken(Broken),
}

/// Reads the segment that begins with record `first` into `data` and checks every byte.
pub(super) fn scan(directory: &Path, first: RecordNumber, data: &mut Vec<u8>) -> Result<Scan, LogError> {
    let path = segment_path(directory, first);
    read(&path, data)?;
    let header = Header::decode(FileKind::Segment, data).map_err(|fault| header_fault(&path, &fault))?;
    if header.number != first {
        return Err(damaged(
            &path,
            32,
            format_args!("it begins with record {}, which contradicts its name", header.number),
        ));
    }
    Ok(records(data, &header))
}

fn read(path: &Path, data: &mut Vec<u8>) -> Result<(), LogError> {
    data.clear();
    let unreadable = |error: io::Error| device(path, "cannot be read", error);
    let file = open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    if bytes > SEGMENT_BYTES_MAX {
        return Err(damaged(path, SEGMENT_BYTES_MAX, "the file is longer than any that was written"));
    }
    file.take(SEGMENT_BYTES_MAX).read_to_end(data).map_err(unreadable)?;
    Ok(())
}

/// A segment's file; changes go through [`Files`].
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

fn records(data: &[u8], header: &Header) -> Scan {
    let mut segment = Segment::empty(header.number);
    let mut last_record_at = None;
    let stop = loop {
        let at = segment.end as usize;
        match inspect(data, at, header.id, segment.last + 1) {
            Found::Record(record) => {
                last_record_at = Some(segment.end);
                segment.grow(record.frame_bytes as u64, record.written_at_ms);
            }
            Found::Seal(next) if data.len() == at + super::record::RECORD_HEADER_BYTES => break ScanEnd::Seal(next),
            Found::Seal(_) => {
                break ScanEnd::Broken(Broken { what: "something follows the end of the segment", unfinished: false });
            }
            Found::End => break ScanEnd::End,
            Found::Broken(broken) => break ScanEnd::Broken(broken),
        }
    };
    segment.bytes = data.len() as u64;
    Scan { segment, id: header.id, last_record_at, stop }
}
