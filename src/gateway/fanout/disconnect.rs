//! Closes connections from any thread: the shards do it on their own threads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::gateway::fanout::shard_batch::{ShardBatch, ShardSenders};
use crate::gateway::shared::bounds::EXPIRY_SLEEP_MAX;
use crate::gateway::shared::state::GatewayState;
use crate::protocol::Close;

/// Closes connections by their serials.
#[derive(Debug, Clone)]
pub(crate) struct Disconnector(ShardSenders);

impl Disconnector {
    pub(crate) fn new(shards: ShardSenders) -> Self {
        Self(shards)
    }

    /// Closes those of these connections that are still there. Waits while a shard is behind.
    pub(crate) async fn close(&self, serials: &[u64], why: Close) {
        let mut batches: BTreeMap<usize, ShardBatch> = BTreeMap::new();
        for serial in serials {
            batches.entry(self.0.index_of(*serial)).or_default().closes.push((*serial, why));
        }
        for (index, batch) in batches {
            self.0.send(index, batch).await;
        }
    }
}

/// Closes every connection when its token expires. Never ends.
pub(crate) async fn close_expired(state: Arc<GatewayState>, disconnector: Disconnector) {
    loop {
        let due = state.token_expiries.take_due(state.wall_ms());
        disconnector.close(&due, Close::BadToken).await;
        let next = state.token_expiries.next_in_ms(state.wall_ms()).map_or(EXPIRY_SLEEP_MAX, Duration::from_millis);
        tokio::select! {
            () = tokio::time::sleep(next.min(EXPIRY_SLEEP_MAX)) => {}
            () = state.token_expiries.earlier() => {}
        }
    }
}
