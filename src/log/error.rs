//! The errors of every kind of log. Callers decide by the variant; the cause has the details.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::{RECORD_BYTES_MAX, RecordNumber};

/// The error of one kind of log, with its own sources. A clone is cheap: a log that failed reports the cause again for
/// each later call.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    /// Wraps an error, or a text in tests.
    #[must_use]
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }

    /// The error, if it is an `E`.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// An append did not happen, or may not have happened.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// There is no room. Nothing was written, and a later append may succeed.
    #[error("the log has no room: {0}")]
    Full(#[source] Cause),
    /// The device failed, and nobody knows whether the record is on it.
    #[error("the log's device failed: {0}")]
    Broken(#[source] Cause),
}

impl AppendError {
    /// There is no room.
    pub fn full(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Full(Cause::new(cause))
    }

    /// The device failed.
    pub fn broken(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Broken(Cause::new(cause))
    }
}

/// The log cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log contains something else than was written. The cause names the place, and what the operator can do.
    #[error(transparent)]
    Damaged(Cause),
    /// The record was deleted, because it was older than what is kept (see [`Retention`](super::Retention)).
    #[error("record {0} is no longer kept")]
    Trimmed(RecordNumber),
    /// Another hub uses the log.
    #[error(transparent)]
    InUse(Cause),
    /// A newer version wrote the log.
    #[error(transparent)]
    Newer(Cause),
    /// The device, its permissions or the servers refuse access, or the settings do.
    #[error(transparent)]
    Device(Cause),
}

impl LogError {
    /// The log contains something else than was written.
    pub fn damaged(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Damaged(Cause::new(cause))
    }

    /// The log cannot be accessed.
    pub fn device(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Device(Cause::new(cause))
    }
}

/// A record is larger than [`RECORD_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of {bytes} bytes, the most are {RECORD_BYTES_MAX}")]
pub(super) struct RecordTooLarge {
    bytes: usize,
}

impl RecordTooLarge {
    /// Checks the size of a record before it is appended.
    pub(super) fn check(record: &[u8]) -> Result<(), AppendError> {
        let bytes = record.len();
        if bytes > RECORD_BYTES_MAX { Err(AppendError::full(Self { bytes })) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_error_says_everything_in_its_text_and_keeps_its_source() {
        let device = || io::Error::from(io::ErrorKind::StorageFull);
        let error = AppendError::full(device());
        assert_eq!(error.to_string(), format!("the log has no room: {}", device()));
        let AppendError::Full(cause) = error else { panic!("{error}") };
        assert_eq!(cause.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::StorageFull);
        let error = LogError::device("a text");
        assert_eq!(error.to_string(), "a text");
    }
}
