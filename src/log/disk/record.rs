//! The format of a record in a segment, and how recovery classifies a broken one: was its write cut short, or
//! has it changed since?
//!
//! The answer rests on two facts. A record's header lies within one sector of the device, so it arrived or did not. And
//! what never arrived reads as zeros, sector by sector, while the record says how many of its sectors are (almost) all
//! zeros of its own accord; so a changed byte cannot pass for a sector that is missing.

use super::header::{u32_at, u64_at};
use crate::log::RECORD_BYTES_MAX;

/// Records begin at multiples of this, so a header never lies across two sectors.
pub(super) const ALIGN: usize = 32;

/// Bytes of a record's header.
pub(super) const RECORD_HEADER_BYTES: usize = 32;

/// The smallest unit that a device writes whole.
const SECTOR: usize = 512;

/// The padding of a record up to the next multiple of [`ALIGN`]. It is not zero, so that the last sector is never all zeros.
const PADDING: u8 = 0xa5;
const PADDING_MIN: usize = 2;

/// The maximum size of a record in its segment.
pub(super) const FRAME_BYTES_MAX: usize = frame_bytes(RECORD_BYTES_MAX);

const RECORD: &[u8; 2] = b"re";
const SEAL: &[u8; 2] = b"se";

/// A complete record, or the other data that can be in its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Record(Record<'a>),
    /// The segment is finished; the next one begins with this record.
    Seal(u64),
    /// The segment ends here.
    End,
    Broken(Broken),
}

/// A complete record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// When it was written, in milliseconds since 1970.
    pub(super) written_at_ms: u64,
    pub(super) payload: &'a [u8],
    /// Its size in the segment, in bytes.
    pub(super) frame_bytes: usize,
}

/// Data that is not a complete record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// The fault, as text for people.
    pub(super) what: &'static str,
    /// Whether a write that was cut short leaves such data.
    pub(super) unfinished: bool,
}

/// A valid header of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordHeader {
    pub(super) length: u32,
    body_crc: u32,
    pub(super) number: u64,
    written_at_ms: u64,
    /// The number of its sectors with at most one byte that is not zero.
    sparse: u16,
    seal: bool,
}

/// The size of a record with a payload of `length` bytes in its segment.
pub(super) const fn frame_bytes(length: usize) -> usize {
    (RECORD_HEADER_BYTES + length + PADDING_MIN).next_multiple_of(ALIGN)
}

/// Builds in `frame` the bytes of a record at byte `at` of a segment of log `id`.
pub(super) fn encode(frame: &mut Vec<u8>, id: u64, at: u64, number: u64, written_at_ms: u64, payload: &[u8]) {
    frame.clear();
    frame.resize(RECORD_HEADER_BYTES, 0);
    frame.extend_from_slice(payload);
    frame.resize(frame_bytes(payload.len()), PADDING);
    let (head, body) = frame.split_at(RECORD_HEADER_BYTES);
    debug_assert_eq!(head.len(), RECORD_HEADER_BYTES);
    let header = RecordHeader {
        length: payload.len() as u32,
        body_crc: crc32c::crc32c(body),
        number,
        written_at_ms,
        // The first sector, with the header, does not count.
        sparse: parts(frame, at).skip(1).filter(|part| is_sparse(part)).count() as u16,
        seal: false,
    };
    frame[..RECORD_HEADER_BYTES].copy_from_slice(&header.encode(id));
}

/// The seal behind the last record of a finished segment of log `id`.
pub(super) fn encode_seal(id: u64, next: u64) -> [u8; RECORD_HEADER_BYTES] {
    RecordHeader { length: 0, body_crc: 0, number: next, written_at_ms: 0, sparse: 0, seal: true }.encode(id)
}

/// Reads byte `at` of the segment `data` of log `id`, where record `expected` could begin.
pub(super) fn inspect(data: &[u8], at: usize, id: u64, expected: u64) -> Found<'_> {
    let broken = |what, unfinished| Found::Broken(Broken { what, unfinished });
    let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) else { return Found::End };
    let Some((head, _)) = rest.split_first_chunk::<RECORD_HEADER_BYTES>() else {
        return broken("the file ends within a record's header", true);
    };
    let Some(header) = RecordHeader::decode(id, head) else {
        return broken("the checksum of a record's header is wrong", never_arrived(data, at, id));
    };
    if header.number != expected {
        return broken("a record's number is not the next one", false);
    }
    if header.seal {
        return Found::Seal(header.number);
    }
    let frame_bytes = frame_bytes(header.length as usize);
    let Some(frame) = rest.get(..frame_bytes) else {
        return broken("the file ends before its last record does", true);
    };
    if header.body_crc != crc32c::crc32c(&frame[RECORD_HEADER_BYTES..]) {
        let empty = parts(frame, at as u64).filter(|part| is_zero(part)).count();
        let unfinished = rest.len() == frame.len() && empty > usize::from(header.sparse);
        return broken("a record's checksum is wrong", unfinished);
    }
    let payload = &frame[RECORD_HEADER_BYTES..][..header.length as usize];
    Found::Record(Record { written_at_ms: header.written_at_ms, payload, frame_bytes })
}

/// Whether the sector with the header at byte `at` reads as zeros, and no data behind it shows that the header once existed.
fn never_arrived(data: &[u8], at: usize, id: u64) -> bool {
    let rest = &data[at..];
    let sector_ends = (SECTOR - at % SECTOR).min(rest.len());
    let another_follows = || {
        let mut places = rest.chunks_exact(ALIGN).filter_map(|chunk| chunk.first_chunk::<RECORD_HEADER_BYTES>());
        places.any(|place| RecordHeader::decode(id, place).is_some())
    };
    is_zero(&rest[..sector_ends]) && rest.len() <= FRAME_BYTES_MAX && !another_follows()
}

/// The parts of a frame at byte `at` of its file, split at the device's sectors.
fn parts(frame: &[u8], at: u64) -> impl Iterator<Item = &[u8]> {
    let first = (SECTOR - at as usize % SECTOR).min(frame.len());
    let (first, rest) = frame.split_at(first);
    std::iter::once(first).chain(rest.chunks(SECTOR))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn is_sparse(bytes: &[u8]) -> bool {
    bytes.iter().filter(|byte| **byte != 0).take(2).count() < 2
}

impl RecordHeader {
    fn encode(self, id: u64) -> [u8; RECORD_HEADER_BYTES] {
        let mut bytes = [0; RECORD_HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.body_crc.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.written_at_ms.to_le_bytes());
        bytes[24..26].copy_from_slice(&self.sparse.to_le_bytes());
        bytes[26..28].copy_from_slice(if self.seal { SEAL } else { RECORD });
        let crc = header_crc(id, &bytes);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` if it is not a header of log `id`.
    pub(super) fn decode(id: u64, bytes: &[u8; RECORD_HEADER_BYTES]) -> Option<Self> {
        let kind = [bytes[26], bytes[27]];
        let length = u32_at(bytes, 0);
        let good = u32_at(bytes, 28) == header_crc(id, bytes)
            && (&kind == RECORD || &kind == SEAL)
            && length as usize <= RECORD_BYTES_MAX;
        good.then(|| Self {
            length,
            body_crc: u32_at(bytes, 4),
            number: u64_at(bytes, 8),
            written_at_ms: u64_at(bytes, 16),
            sparse: u16::from_le_bytes([bytes[24], bytes[25]]),
            seal: &kind == SEAL,
        })
    }
}

/// The checksum is seeded with the log's id, so that no record of another log, and no bytes from a client, pass for a header of this log.
fn header_crc(id: u64, bytes: &[u8; RECORD_HEADER_BYTES]) -> u32 {
    crc32c::crc32c_append((id ^ (id >> 32)) as u32, &bytes[..28])
}

#[cfg(test)]
mod tests {
    use super::is_sparse;

    #[test]
    fn a_part_with_at_most_one_byte_that_is_not_zero_is_sparse() {
        assert!(is_sparse(&[0; 512]) && is_sparse(&[0, 7, 0]));
        assert!(!is_sparse(&[7, 0, 7]) && !is_sparse(&[1, 2, 3]));
    }
}
