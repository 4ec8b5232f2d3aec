//! Shared by the log and its histories: the connection, the stream, and the thread that serves them.

use std::fmt;
use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::Context;
use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream::Stream;
use tokio::runtime::Handle;

use super::error::StreamError;
use super::stream::Names;
use crate::log::{Cause, RecordNumber};

/// One partition's open stream.
pub(super) struct StreamShared {
    pub(super) handle: Handle,
    pub(super) client: Client,
    pub(super) context: Context,
    pub(super) stream: Stream,
    /// Notifies readers of the same number.
    pub(super) ahead: Stream,
    pub(super) snapshots: ObjectStore,
    pub(super) names: Names,
    /// The last record that was read from the stream.
    seen: AtomicU64,
    bytes: AtomicU64,
    /// The number of servers that the hub knows.
    pub(super) servers: usize,
    /// Appends without an answer so far.
    pub(super) outstanding: AtomicUsize,
    /// Answered appends: accepted, or refused because the stream is full.
    pub(super) answers: AtomicU64,
    /// The last append that the servers refused, and their reason.
    pub(super) refused: Mutex<Option<(u64, Cause)>>,
}

impl fmt::Debug for StreamShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamShared").field("names", &self.names).field("seen", &self.seen()).finish_non_exhaustive()
    }
}

impl StreamShared {
    pub(super) fn new(
        handle: Handle,
        context: Context,
        stream: Stream,
        ahead: Stream,
        snapshots: ObjectStore,
        names: Names,
        servers: usize,
    ) -> Self {
        let bytes = stream.cached_info().state.bytes;
        Self {
            handle,
            client: context.client(),
            context,
            stream,
            ahead,
            snapshots,
            names,
            seen: AtomicU64::new(0),
            bytes: AtomicU64::new(bytes),
            servers,
            outstanding: AtomicUsize::new(0),
            answers: AtomicU64::new(0),
            refused: Mutex::new(None),
        }
    }

    /// The last record that was read.
    pub(super) fn seen(&self) -> RecordNumber {
        self.seen.load(Relaxed)
    }

    /// Notes that a record was read.
    pub(super) fn see(&self, number: RecordNumber) {
        self.seen.fetch_max(number, Relaxed);
    }

    /// Changes whenever the servers show progress: an append was answered, a record arrived, or another server
    /// accepted the hub's connection, which then gets time to answer.
    pub(super) fn signs_of_life(&self) -> u64 {
        let connects = self.client.statistics().connects.load(Relaxed);
        self.seen().wrapping_add(self.answers.load(Relaxed)).wrapping_add(connects)
    }

    /// The stream's size in bytes, according to the last report.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(super) fn hold(&self, bytes: u64) {
        self.bytes.store(bytes, Relaxed);
    }

    pub(super) fn grow(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Waits for at most `most`, on a thread other than the log's own.
    pub(super) fn wait<T>(&self, most: Duration, what: impl Future<Output = T>) -> Result<T, StreamError> {
        let bounded = async { tokio::time::timeout(most, what).await };
        self.handle.block_on(bounded).map_err(|_| StreamError::NoAnswer(most))
    }
}
