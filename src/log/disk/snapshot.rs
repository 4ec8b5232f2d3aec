//! Snapshots: header, contents, checksum. A snapshot with a wrong checksum counts as missing.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::directory::snapshot_path;
use super::error::{damaged, device, header_fault};
use super::files::Files;
use super::header::{FileKind, HEADER_BYTES, Header};
use super::segment::write_whole;
use crate::log::{LogError, RecordNumber};

/// The size of the checksum behind the contents.
const CHECKSUM_BYTES: usize = 4;

/// The size of the pieces in which a snapshot is checked without loading it.
const CHUNK_BYTES: u64 = 1024 * 1024;

/// Writes a snapshot durably, completely or not at all, and returns the size of its file.
pub(super) fn write(
    files: &Files,
    directory: &Path,
    id: u64,
    number: RecordNumber,
    oldest: RecordNumber,
    contents: &[u8],
) -> io::Result<u64> {
    let header = Header { kind: FileKind::Snapshot, id, number, length: contents.len() as u64, oldest };
    let checksum = crc32c::crc32c(contents).to_le_bytes();
    write_whole(files, &snapshot_path(directory, number), &[&header.encode(), contents, &checksum])?;
    files.sync_directory(directory)?;
    Ok(file_bytes(header.length))
}

/// Checks the snapshot of record `number` without loading it into memory, and returns the size of its file.
pub(super) fn check(directory: &Path, number: RecordNumber) -> Result<(Header, u64), LogError> {
    let path = snapshot_path(directory, number);
    let (header, file) = open(&path, number)?;
    let mut contents = (&file).take(header.length);
    let (mut crc, mut chunk) = (0, Vec::new());
    loop {
        chunk.clear();
        let read = (&mut contents).take(CHUNK_BYTES).read_to_end(&mut chunk);
        if read.map_err(|error| device(&path, "cannot be read", error))? == 0 {
            break;
        }
        crc = crc32c::crc32c_append(crc, &chunk);
    }
    verify(&path, file, &header, crc)?;
    Ok((header, file_bytes(header.length)))
}

/// The contents of the snapshot of record `number`.
pub(super) fn read(directory: &Path, number: RecordNumber) -> Result<Vec<u8>, LogError> {
    let path = snapshot_path(directory, number);
    let (header, file) = open(&path, number)?;
    let mut contents = Vec::new();
    let read = (&file).take(header.length).read_to_end(&mut contents);
    read.map_err(|error| device(&path, "cannot be read", error))?;
    verify(&path, file, &header, crc32c::crc32c(&contents))?;
    Ok(contents)
}

fn open(path: &Path, number: RecordNumber) -> Result<(Header, File), LogError> {
    let unreadable = |error: io::Error| device(path, "cannot be read", error);
    let file = File::open(path).map_err(unreadable)?;
    let mut head = Vec::new();
    (&file).take(HEADER_BYTES as u64).read_to_end(&mut head).map_err(unreadable)?;
    let header = Header::decode(FileKind::Snapshot, &head).map_err(|fault| header_fault(path, &fault))?;
    if header.number != number {
        return Err(damaged(
            path,
            32,
            format_args!("it belongs to record {}, which contradicts its name", header.number),
        ));
    }
    let bytes = file.metadata().map_err(unreadable)?.len();
    if bytes != file_bytes(header.length) {
        return Err(damaged(path, bytes, format_args!("the file should have {} bytes", file_bytes(header.length))));
    }
    Ok((header, file))
}

/// `file` has been read up to its checksum; `crc` is that of the contents.
fn verify(path: &Path, mut file: File, header: &Header, crc: u32) -> Result<(), LogError> {
    let mut checksum = [0; CHECKSUM_BYTES];
    let read = file.read_exact(&mut checksum);
    if read.is_err() || checksum != crc.to_le_bytes() {
        let at = HEADER_BYTES as u64;
        return Err(damaged(
            path,
            at,
            format_args!("the checksum of its {} bytes of contents is wrong", header.length),
        ));
    }
    Ok(())
}

fn file_bytes(length: u64) -> u64 {
    length.saturating_add((HEADER_BYTES + CHECKSUM_BYTES) as u64)
}
