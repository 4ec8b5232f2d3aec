//! Shows connections out, from whatever thread: what the shards are told is done on their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::gateway::fanout::connection_serial::ConnectionSerial;
use crate::gateway::fanout::write_plan::ShardBatch;
use crate::gateway::shared::settings::EXPIRY_SLEEP_MAX;
use crate::gateway::shared::state::GatewayState;
use crate::protocol::Close;

/// The way to every shard.
#[derive(Debug, Clone)]
pub(crate) struct Disconnector(Vec<mpsc::Sender<ShardBatch>>);

impl Disconnector {
    pub(crate) fn new(shards: Vec<mpsc::Sender<ShardBatch>>) -> Self {
        Self(shards)
    }

    /// Closes these connections, as far as they are there. Waits while a shard is behind.
    pub(crate) async fn close(&self, serials: &[u64], why: Close) {
        let mut batches: BTreeMap<usize, ShardBatch> = BTreeMap::new();
        for serial in serials {
            let shard = usize::from(ConnectionSerial::unpack(*serial).shard);
            batches.entry(shard).or_default().closes.push((*serial, why));
        }
        for (shard, batch) in batches {
            if let Some(shard) = self.0.get(shard) {
                // A shard that has stopped has closed them.
                let _ = shard.send(batch).await;
            }
        }
    }
}

/// Closes every connection when its token ends, all the time.
pub(crate) async fn close_what_is_over(state: Arc<GatewayState>, disconnector: Disconnector) {
    loop {
        let due = state.expiries.take_due(state.wall_ms());
        disconnector.close(&due, Close::BadToken).await;
        let next = state.expiries.next_in_ms(state.wall_ms()).map_or(EXPIRY_SLEEP_MAX, Duration::from_millis);
        tokio::select! {
            () = tokio::time::sleep(next.min(EXPIRY_SLEEP_MAX)) => {}
            () = state.expiries.sooner() => {}
        }
    }
}
