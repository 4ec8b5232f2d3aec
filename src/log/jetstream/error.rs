//! What can be wrong with the stream, its servers or the access to them, with the advice for the operator.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::ConnectError;

use crate::log::{AppendError, LogError, RecordNumber};

/// A fault of a stream, of its servers or of the access to them.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The configuration names no servers.
    #[error("no NATS servers are configured")]
    NoServers,
    /// No server accepts the connection.
    #[error("no NATS server at {servers} takes this hub: {}", chain(.source))]
    Connect {
        /// The URLs of the servers, without passwords.
        servers: String,
        /// The error of the last server.
        source: ConnectError,
    },
    /// A file with credentials cannot be read.
    #[error("{}: {source}", .path.display())]
    CredentialsFile {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file with the password is empty.
    #[error("{}: its first line is empty", .0.display())]
    EmptyPasswordFile(PathBuf),
    /// The system refused a thread.
    #[error("no thread for the log: {0}")]
    Thread(#[source] io::Error),
    /// The servers did not answer in time.
    #[error("the NATS servers did not answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
    /// The servers refused a request.
    #[error("{}", chain(&**.0))]
    Request(#[source] Box<dyn Error + Send + Sync>),
    /// The stream can neither be opened nor created.
    #[error("the stream {name} cannot be had: {source}")]
    Stream {
        /// The name of the stream.
        name: String,
        /// The error of the last attempt.
        source: Box<Self>,
    },
    /// The object store for snapshots can neither be opened nor created.
    #[error("the object store {name} cannot be had: {source}")]
    ObjectStore {
        /// The name of the object store.
        name: String,
        /// The error of the last attempt.
        source: Box<Self>,
    },
    /// The servers accept only messages that are smaller than a record can be.
    #[error("the NATS servers take messages of {0} bytes only: set max_payload to 1MB or more")]
    PayloadTooSmall(usize),
    /// The stream was created for another number of partitions.
    #[error(
        "the stream {name} is one of {others}, and [cluster] partitions says {of}: the number holds for as long as there \
         are streams; set partitions = {others}, or begin with new ones in another NATS account"
    )]
    OtherPartitions {
        /// The name of the stream.
        name: String,
        /// The number for which it was created.
        others: u32,
        /// The number in the configuration.
        of: u32,
    },
    /// The stream has settings that could lose records or change their order.
    #[error(
        "the stream {name} has settings with which a hub must not run: {}; change them (nats stream edit {name}) or rename it",
        .faults.join("; ")
    )]
    Settings {
        /// The name of the stream.
        name: String,
        /// A description of each wrong setting.
        faults: Vec<&'static str>,
    },
    /// The stream has a different record at a position that was read before.
    #[error(
        "record {0} of the stream is another than was read: the stream was emptied or replaced, or its servers lost the end \
         of it; stop all hubs and start them again, they go on with what is there"
    )]
    Replaced(RecordNumber),
    /// The stream ends before a record that was read.
    #[error(
        "record {read} of the stream was read, and now it ends at {last}: it was emptied, replaced, or its servers lost what \
         they had not written to their disks yet (set sync_interval: always); stop all hubs and start them again, they go on \
         with what is there"
    )]
    Shortened {
        /// The last record that was read.
        read: RecordNumber,
        /// The last record of the stream.
        last: RecordNumber,
    },
    /// The stream does not have all records that were read yet. It may be electing a leader.
    #[error("the stream ends at {0}")]
    EndsAt(RecordNumber),
    /// The stream lacks its beginning, and there is no snapshot.
    #[error("the stream begins with record {0}, and there is no snapshot of what was before it")]
    NoBeginning(RecordNumber),
    /// No snapshot can be read, and the stream lacks its beginning.
    #[error("none of the snapshots can be read, and the records before them are gone")]
    NoSnapshot,
    /// The contents of a snapshot do not belong to its name.
    #[error("it is not what its name says")]
    WrongSnapshot,
    /// A snapshot contains records that were not read from the stream yet.
    #[error("a snapshot of record {number}, but the stream ends with {last}")]
    SnapshotAhead {
        /// The last record in the snapshot.
        number: RecordNumber,
        /// The last record that was read.
        last: RecordNumber,
    },
    /// The task that reads the stream has ended.
    #[error("the log's reader is gone")]
    NoReader,
}

impl StreamError {
    /// The servers refused a request.
    pub(super) fn request(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Request(Box::new(error))
    }
}

impl From<StreamError> for LogError {
    /// Most faults concern the access. A stream with other contents than were read is damaged.
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Replaced(_)
            | StreamError::Shortened { .. }
            | StreamError::NoBeginning(_)
            | StreamError::NoSnapshot => Self::damaged(error),
            _ => Self::device(error),
        }
    }
}

impl From<StreamError> for AppendError {
    fn from(error: StreamError) -> Self {
        Self::broken(error)
    }
}

/// The text of an error and of its sources. The errors of the NATS client leave the reason to their sources.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let part = cause.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        next = cause.source();
    }
    text
}
