//! What the log and its histories have in common: the connection, the stream, the thread that serves them.

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

use super::stream::Names;
use crate::log::RecordNumber;

/// One partition's stream, open.
pub(super) struct StreamShared {
    pub(super) handle: Handle,
    pub(super) client: Client,
    pub(super) context: Context,
    pub(super) stream: Stream,
    /// The same, for those who read on.
    pub(super) ahead: Stream,
    pub(super) snapshots: ObjectStore,
    pub(super) names: Names,
    /// The last record that was read from the stream.
    seen: AtomicU64,
    bytes: AtomicU64,
    /// Of how many servers the hub knows.
    pub(super) servers: usize,
    /// Appends whose answer is not here yet.
    pub(super) outstanding: AtomicUsize,
    /// Appends that were answered: taken, or refused for want of room.
    pub(super) answers: AtomicU64,
    /// The last append that the servers refused, and what they said.
    pub(super) refused: Mutex<Option<(u64, String)>>,
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

    /// A record was read.
    pub(super) fn see(&self, number: RecordNumber) {
        self.seen.fetch_max(number, Relaxed);
    }

    /// Changes whenever the servers show that they carry on: an append was answered, a record came, or another server
    /// took the hub, which has to have its chance.
    pub(super) fn signs_of_life(&self) -> u64 {
        let connects = self.client.statistics().connects.load(Relaxed);
        self.seen().wrapping_add(self.answers.load(Relaxed)).wrapping_add(connects)
    }

    /// Bytes that the stream holds, as last heard.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(super) fn hold(&self, bytes: u64) {
        self.bytes.store(bytes, Relaxed);
    }

    pub(super) fn grow(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Waits, on a thread that is not the log's own, at most `most`.
    pub(super) fn wait<T>(&self, most: Duration, what: impl Future<Output = T>) -> Result<T, String> {
        let bounded = async { tokio::time::timeout(most, what).await };
        self.handle
            .block_on(bounded)
            .map_err(|_| format!("the NATS servers did not answer within {} s", most.as_secs()))
    }
}
