//! A log that keeps nothing: records wait here until they are read back, and are gone then.

use std::collections::VecDeque;

use super::{
    AppendError, History, Log, LogError, OwnLog, OwnSnapshots, RECORD_BYTES_MAX, RecordNumber, RecordTooLarge, Stored,
};

/// Bytes that may wait to be read back.
const UNREAD_BYTES_MAX: usize = 16 * RECORD_BYTES_MAX;

/// Too many records wait to be read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes wait to be read back")]
struct UnreadFull {
    bytes: usize,
}

/// The log without a device (`--memory`): ordered, and trimmed with the process. At most 16 MiB of records wait to
/// be read back; past that [`AppendError::Full`].
#[derive(Debug, Default)]
pub struct Memory {
    returned: RecordNumber,
    unread: VecDeque<Vec<u8>>,
    unread_bytes: usize,
}

impl Memory {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Log for Memory {
    fn append(&mut self, record: &[u8]) -> Result<(), AppendError> {
        RecordTooLarge::check(record)?;
        // An empty record takes memory too.
        let bytes = self.unread_bytes + record.len() + size_of::<Vec<u8>>();
        if bytes > UNREAD_BYTES_MAX {
            return Err(AppendError::full(UnreadFull { bytes: self.unread_bytes }));
        }
        self.unread_bytes = bytes;
        self.unread.push_back(record.to_vec());
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Stored>, LogError> {
        let Some(record) = self.unread.pop_front() else { return Ok(None) };
        self.unread_bytes -= record.len() + size_of::<Vec<u8>>();
        self.returned += 1;
        Ok(Some(Stored::new(self.returned, record)))
    }

    fn history(&self) -> Option<Box<dyn History>> {
        None
    }

    fn bytes(&self) -> u64 {
        0
    }

    fn reopen(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), AppendError> {
        Ok(())
    }
}

impl OwnLog for Memory {
    fn snapshots(&self) -> Option<Box<dyn OwnSnapshots>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_back_is_bounded_and_reading_makes_room() {
        let mut log = Memory::new();
        let record = vec![7; RECORD_BYTES_MAX];
        let taken = std::iter::repeat_with(|| log.append(&record)).take_while(Result::is_ok).count();
        assert_eq!(taken, 15);
        assert!(log.unread_bytes <= UNREAD_BYTES_MAX);
        assert!(log.next().unwrap().is_some());
        log.append(&record).unwrap();
        while log.next().unwrap().is_some() {}
        assert_eq!((log.unread_bytes, log.unread.len()), (0, 0));
    }
}
