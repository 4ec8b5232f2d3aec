//! The batches that the hub's thread hands to the shards, and the channels to them.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::gateway::connection::connection_serial::ConnectionSerial;
use crate::gateway::connection::outbox::Weight;
use crate::protocol::Close;

/// A batch of at most this many deliveries overtakes a heavy write plan. A few results must not wait for thousands of KPI marks.
pub(crate) const OVERTAKING_MAX: usize = 16;

/// The messages and closes of one group of log entries for one shard.
#[derive(Debug, Default)]
pub(crate) struct ShardBatch {
    /// In the order in which they are sent.
    pub(crate) broadcasts: Vec<Broadcast>,
    /// Connections to close, after the broadcasts.
    pub(crate) closes: Vec<(u64, Close)>,
    /// Closes all connections of a partition, after the broadcasts.
    pub(crate) close_all: Option<(usize, Close)>,
}

/// One frame for any number of connections.
#[derive(Debug)]
pub(crate) struct Broadcast {
    pub(crate) frame: Bytes,
    pub(crate) kind: FrameKind,
    /// The serials of connections of one shard.
    pub(crate) targets: Vec<u64>,
}

/// The kind of a frame, as the connection that receives it treats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// The connection's welcome.
    Welcome,
    /// A result that the connection asked for again.
    Replayed,
    /// Any other message.
    Regular,
}

impl ShardBatch {
    pub(crate) fn is_empty(&self) -> bool {
        self.broadcasts.is_empty() && self.closes.is_empty() && self.close_all.is_none()
    }

    /// How many frames the batch delivers, each connection counted on its own.
    pub(crate) fn deliveries(&self) -> usize {
        self.broadcasts.iter().map(|broadcast| broadcast.targets.len()).sum()
    }

    /// Whether the batch is small and closes no connection.
    pub(crate) fn is_light(&self) -> bool {
        self.deliveries() <= OVERTAKING_MAX && self.closes.is_empty() && self.close_all.is_none()
    }
}

impl FrameKind {
    pub(crate) fn weight(self) -> Weight {
        match self {
            Self::Welcome | Self::Replayed => Weight::Free,
            Self::Regular => Weight::Counted,
        }
    }
}

/// The channels to all shards, and to the HTTP providers, which receive closes only.
#[derive(Debug, Clone)]
pub(crate) struct ShardSenders {
    /// The shards in their order, and behind them the HTTP providers.
    senders: Vec<mpsc::Sender<ShardBatch>>,
}

impl ShardSenders {
    pub(crate) fn new(shards: Vec<mpsc::Sender<ShardBatch>>, http: mpsc::Sender<ShardBatch>) -> Self {
        let mut senders = shards;
        senders.push(http);
        Self { senders }
    }

    /// How many channels there are.
    pub(crate) fn count(&self) -> usize {
        self.senders.len()
    }

    /// The channel of a connection, by index.
    pub(crate) fn index_of(&self, serial: u64) -> usize {
        if ConnectionSerial::is_http(serial) {
            return self.senders.len() - 1;
        }
        usize::from(ConnectionSerial::unpack(serial).shard)
    }

    /// Sends a batch from a thread that may block. If the shard is behind, this waits: no client makes a shard wait, so
    /// it catches up. A shard that has stopped needs no batch.
    pub(crate) fn send_blocking(&self, index: usize, batch: ShardBatch) {
        let Some(sender) = self.senders.get(index) else { return };
        if let Err(TrySendError::Full(batch)) = sender.try_send(batch) {
            let _ = sender.blocking_send(batch);
        }
    }

    /// Sends a batch from a task; waits while the shard is behind.
    pub(crate) async fn send(&self, index: usize, batch: ShardBatch) {
        if let Some(sender) = self.senders.get(index) {
            // A shard that has stopped has closed its connections.
            let _ = sender.send(batch).await;
        }
    }
}
