//! The first 64 bytes of every file. Their first 16 stay as they are in every version to come.

/// The version of the format that this code writes, and the newest that it reads.
pub(super) const VERSION: u32 = 1;

/// Bytes of a file's header.
pub(super) const HEADER_BYTES: usize = 64;

const MAGIC: &[u8; 8] = b"deskbell";

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Format,
    Segment,
    Snapshot,
}

/// The contents of a file's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: FileKind,
    /// The log that the file belongs to.
    pub(super) id: u64,
    /// Segment: its first record. Snapshot: the last record that it contains.
    pub(super) number: u64,
    /// Snapshot: bytes of its contents.
    pub(super) length: u64,
    /// Snapshot: the oldest record that was to be kept beside it.
    pub(super) oldest: u64,
}

/// Why a header cannot be believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// At this byte it is not what was written.
    Damaged(u64, &'static str),
    /// A later version wrote it.
    Newer(u32),
}

impl FileKind {
    fn tag(self) -> &'static [u8; 4] {
        match self {
            Self::Format => b"FORM",
            Self::Segment => b"SEGM",
            Self::Snapshot => b"SNAP",
        }
    }
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..12]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes[16..20].copy_from_slice(self.kind.tag());
        bytes[24..32].copy_from_slice(&self.id.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.number.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.length.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.oldest.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of a file that should be of `kind`.
    pub(super) fn decode(kind: FileKind, bytes: &[u8]) -> Result<Self, HeaderFault> {
        let Some((bytes, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(HeaderFault::Damaged(bytes.len() as u64, "the file ends within its header"));
        };
        if &bytes[0..8] != MAGIC || u32_at(bytes, 12) != crc32c::crc32c(&bytes[..12]) {
            return Err(HeaderFault::Damaged(0, "the file does not begin as a deskbell file does"));
        }
        let version = u32_at(bytes, 8);
        if version > VERSION {
            return Err(HeaderFault::Newer(version));
        }
        if version != VERSION || u32_at(bytes, 60) != crc32c::crc32c(&bytes[..60]) {
            return Err(HeaderFault::Damaged(16, "the header's checksum is wrong"));
        }
        if &bytes[16..20] != kind.tag() {
            return Err(HeaderFault::Damaged(16, "the file is not what its name says"));
        }
        let (id, number) = (u64_at(bytes, 24), u64_at(bytes, 32));
        Ok(Self { kind, id, number, length: u64_at(bytes, 40), oldest: u64_at(bytes, 48) })
    }
}

/// The little-endian number at byte `at`, which is within `bytes`.
pub(super) fn u32_at<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The little-endian number at byte `at`, which is within `bytes`.
pub(super) fn u64_at<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Header = Header { kind: FileKind::Snapshot, id: 7, number: 42, length: 3, oldest: 9 };

    #[test]
    fn a_header_comes_back_as_it_was_and_no_flipped_bit_passes() {
        let bytes = SAMPLE.encode();
        assert_eq!(Header::decode(FileKind::Snapshot, &bytes), Ok(SAMPLE));
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let fault = Header::decode(FileKind::Snapshot, &flipped).unwrap_err();
            assert!(matches!(fault, HeaderFault::Damaged(..)), "bit {bit}: {fault:?}");
        }
    }

    #[test]
    fn a_later_version_is_recognised_whatever_follows_its_first_16_bytes() {
        let mut bytes = [0xee; HEADER_BYTES];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&2u32.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..12]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Header::decode(FileKind::Format, &bytes), Err(HeaderFault::Newer(2)));
    }
}
