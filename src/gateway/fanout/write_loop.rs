//! The write loop of a shard: takes batches from the hub and writes them to the connections.
//!
//! A light batch (a result, say) overtakes a heavy plan (KPI marks for thousands), so it does not wait for all those
//! writes. A connection that receives both first receives everything that came before, so each connection keeps its
//! order. Nothing overtakes a plan that closes connections.

use std::ops::Range;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::gateway::connection::shard::Shard;
use crate::gateway::connection::socket::Socket;
use crate::gateway::fanout::shard_batch::{FrameKind, ShardBatch};
use crate::gateway::fanout::write_plan::{JoinedFrames, WritePlan};
use crate::gateway::shared::bounds::{BATCHES_PER_SHARD_MAX, CONNECTIONS_PER_TURN};

/// Carries out the batches of a shard.
#[derive(Debug)]
pub(crate) struct WriteLoop {
    batches: mpsc::Receiver<ShardBatch>,
    /// Collects batches for the next plan.
    next: WritePlan,
    /// The one batch that overtakes; empty otherwise.
    light: WritePlan,
}

impl WriteLoop {
    pub(crate) fn new(batches: mpsc::Receiver<ShardBatch>) -> Self {
        Self { batches, next: WritePlan::default(), light: WritePlan::default() }
    }

    /// Runs until the hub is gone.
    pub(crate) async fn run<S: Socket>(mut self, shard: &Shard<S>) {
        let mut plan = WritePlan::default();
        loop {
            if self.next.is_empty() {
                let Some(batch) = self.batches.recv().await else { return };
                self.next.add(batch);
            }
            self.gather(shard, None);
            std::mem::swap(&mut plan, &mut self.next);
            self.carry_out(shard, &mut plan).await;
        }
    }

    /// Takes the batches that are there into the next plan, up to its bound. A light batch goes out at once if the next
    /// plan is heavy or a plan is `under_way` (with the number of its targets that are done).
    fn gather<S: Socket>(&mut self, shard: &Shard<S>, mut under_way: Option<(&mut WritePlan, usize)>) {
        // No more batches at once than the hub can have under way: then the rest of the plan has its turn.
        for _ in 0..BATCHES_PER_SHARD_MAX {
            if self.next.is_full() {
                return;
            }
            let Ok(batch) = self.batches.try_recv() else { return };
            if !overtakes(&batch, &self.next, under_way.as_ref().map(|(plan, _)| &**plan)) {
                self.next.add(batch);
                continue;
            }
            for serial in batch.broadcasts.iter().flat_map(|broadcast| &broadcast.targets) {
                let mut before = Vec::new();
                if let Some((plan, done)) = &mut under_way {
                    before = plan.take_ahead(*serial, *done);
                }
                before.extend(self.next.take_ahead(*serial, 0));
                send_ahead(shard, *serial, &before);
            }
            self.light.add(batch);
            sort(shard, &mut self.light);
            send(shard, &self.light, 0..self.light.targets(), &mut JoinedFrames::default());
            self.light.clear();
        }
    }

    /// Writes a plan. Batches that come meanwhile go into the next plan or overtake.
    async fn carry_out<S: Socket>(&mut self, shard: &Shard<S>, plan: &mut WritePlan) {
        sort(shard, plan);
        let mut joined = JoinedFrames::default();
        for begin in (0..plan.targets()).step_by(CONNECTIONS_PER_TURN) {
            let end = plan.targets().min(begin + CONNECTIONS_PER_TURN);
            send(shard, plan, begin..end, &mut joined);
            // Other threads of the machine run first: a write is work of the kernel, and hundreds in a row take
            // milliseconds in which the hub's thread, and local clients, would not run.
            std::thread::yield_now();
            tokio::task::yield_now().await;
            if end < plan.targets() {
                self.gather(shard, Some((plan, end)));
            }
        }
        for (serial, why) in plan.closes() {
            if let Some(connection) = shard.find(*serial) {
                connection.close(*why);
            }
        }
        for (partition, why) in plan.close_all() {
            shard.close_partition(*partition, *why).await;
        }
        plan.clear();
    }
}

/// Whether a batch goes out before the `next` plan and the rest of the plan under way.
fn overtakes(batch: &ShardBatch, next: &WritePlan, under_way: Option<&WritePlan>) -> bool {
    let would_wait = under_way.is_some() || next.is_heavy();
    let follows_a_close = next.closes_any() || under_way.is_some_and(WritePlan::closes_any);
    would_wait && !follows_a_close && batch.is_light()
}

fn sort<S: Socket>(shard: &Shard<S>, plan: &mut WritePlan) {
    let connections = shard.lock();
    plan.sort(|serial| connections.get(serial).is_some());
}

/// Sends the frames that a connection must receive before a batch that overtakes.
fn send_ahead<S: Socket>(shard: &Shard<S>, serial: u64, frames: &[(Bytes, FrameKind)]) {
    if let Some(connection) = shard.find(serial).filter(|_| !frames.is_empty()) {
        connection.send_all(&[], frames.iter().map(|(frame, kind)| (frame, kind.weight())));
        if frames.iter().any(|(_, kind)| *kind == FrameKind::Welcome) {
            connection.note_welcomed();
        }
    }
}

/// Sends the frames of the targets numbered `targets`.
fn send<S: Socket>(shard: &Shard<S>, plan: &WritePlan, targets: Range<usize>, joined: &mut JoinedFrames) {
    let connections = shard.lock();
    for (serial, frames) in plan.frames(targets) {
        // It may have ended since the plan was sorted.
        let Some(connection) = connections.get(serial) else { continue };
        connection.send_all(joined.of(frames), frames.frames());
        if frames.has_welcome() {
            connection.note_welcomed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fanout::shard_batch::{Broadcast, OVERTAKING_MAX};
    use crate::protocol::Close;

    fn batch(deliveries: usize) -> ShardBatch {
        let targets = (0..deliveries as u64).collect();
        let frame = Bytes::from_static(b"frame");
        ShardBatch { broadcasts: vec![Broadcast { frame, kind: FrameKind::Regular, targets }], ..ShardBatch::default() }
    }

    fn plan(batches: impl IntoIterator<Item = ShardBatch>) -> WritePlan {
        let mut plan = WritePlan::default();
        batches.into_iter().for_each(|batch| plan.add(batch));
        plan
    }

    fn closing() -> ShardBatch {
        ShardBatch { closes: vec![(1, Close::GoingAway)], ..batch(0) }
    }

    #[test]
    fn a_light_batch_overtakes_only_where_it_would_wait() {
        assert!(!overtakes(&batch(1), &plan([]), None), "nothing to wait for");
        assert!(!overtakes(&batch(1), &plan([batch(10)]), None), "the next plan is light");
        assert!(overtakes(&batch(1), &plan([batch(1_000)]), None), "the next plan is heavy");
        assert!(overtakes(&batch(1), &plan([]), Some(&plan([batch(20)]))), "a plan is under way");
    }

    #[test]
    fn a_heavy_batch_overtakes_nothing() {
        let heavy = plan([batch(1_000)]);
        assert!(overtakes(&batch(OVERTAKING_MAX), &plan([]), Some(&heavy)));
        assert!(!overtakes(&batch(OVERTAKING_MAX + 1), &plan([]), Some(&heavy)));
        assert!(!overtakes(&batch(OVERTAKING_MAX + 1), &heavy, None));
    }

    #[test]
    fn nothing_overtakes_a_close_and_no_close_overtakes() {
        let heavy = || plan([batch(1_000)]);
        assert!(!overtakes(&batch(1), &plan([batch(1_000), closing()]), None), "a close in the next plan");
        assert!(!overtakes(&batch(1), &plan([]), Some(&plan([batch(1_000), closing()]))), "a close under way");
        assert!(!overtakes(&closing(), &heavy(), None) && !overtakes(&closing(), &plan([]), Some(&heavy())));
        let all = ShardBatch { close_all: Some((0, Close::LogSilent)), ..batch(0) };
        assert!(!overtakes(&all, &heavy(), None));
    }
}
