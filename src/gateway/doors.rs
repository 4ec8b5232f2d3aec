//! Shows connections out, from whatever thread: what the shards are told is done on their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::house::House;
use super::round::Batch;
use super::serial::Serial;
use super::settings::EXPIRY_SLEEP_MAX;
use crate::protocol::Close;

/// The way to every shard.
#[derive(Debug, Clone)]
pub(super) struct Doors(Vec<mpsc::Sender<Batch>>);

impl Doors {
    pub(super) fn new(shards: Vec<mpsc::Sender<Batch>>) -> Self {
        Self(shards)
    }

    /// Closes these connections, as far as they are there. Waits while a shard is behind.
    pub(super) async fn close(&self, serials: &[u64], why: Close) {
        let mut batches: BTreeMap<usize, Batch> = BTreeMap::new();
        for serial in serials {
            let shard = usize::from(Serial::unpack(*serial).shard);
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
pub(super) async fn close_what_is_over(house: Arc<House>, doors: Doors) {
    loop {
        let due = house.expiries.take_due(house.wall_ms());
        doors.close(&due, Close::BadToken).await;
        let next = house.expiries.next_in_ms(house.wall_ms()).map_or(EXPIRY_SLEEP_MAX, Duration::from_millis);
        tokio::select! {
            () = tokio::time::sleep(next.min(EXPIRY_SLEEP_MAX)) => {}
            () = house.expiries.sooner() => {}
        }
    }
}
