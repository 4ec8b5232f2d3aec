//! The connections of one thread, and what is done to many of them.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::gateway::fanout::connection::ConnectionHandle;
use crate::gateway::fanout::slab::ConnectionSlab;
use crate::gateway::fanout::socket::Socket;
use crate::gateway::fanout::write_plan::{FrameKind, JoinedFrames, ShardBatch, WritePlan};
use crate::gateway::shared::settings::{BATCHES_PER_SHARD_MAX, CONNECTIONS_PER_TURN, STOP_SPREAD, STOP_STEPS};
use crate::gateway::shared::state::GatewayState;
use crate::protocol::Close;

/// Rounds of the heartbeat over a shard's connections within the shorter of its two times.
const ROUNDS_PER_TIMEOUT: u32 = 4;
/// Steps of one round, so that pings go out evenly.
const STEPS_PER_ROUND: u32 = 16;
/// The longest round: how late an idle peer may be dropped.
const ROUND_MAX: Duration = Duration::from_secs(1);

/// The connections of one thread.
#[derive(Debug)]
pub(crate) struct Shard<S> {
    pub(crate) state: Arc<GatewayState>,
    links: Mutex<ConnectionSlab<Arc<ConnectionHandle<S>>>>,
}

impl<S: Socket> Shard<S> {
    pub(crate) fn new(state: Arc<GatewayState>, number: u8) -> Self {
        Self { state, links: Mutex::new(ConnectionSlab::new(number)) }
    }

    /// Takes in a new connection; `None`: there is no number left for it.
    pub(crate) fn admit(&self, socket: S, address: IpAddr) -> Option<Arc<ConnectionHandle<S>>> {
        let make = |serial| Arc::new(ConnectionHandle::new(Arc::clone(&self.state), serial, socket, address));
        self.lock().insert(make).map(Arc::clone)
    }

    /// Forgets a connection.
    pub(crate) fn dismiss(&self, serial: u64) {
        self.lock().remove(serial);
    }

    /// The connections there are, from the slot `from` on.
    pub(crate) fn links(&self, from: usize) -> impl Iterator<Item = (usize, Arc<ConnectionHandle<S>>)> {
        let slots = self.lock().slots();
        // Locked for each anew: whoever looks must not keep the shard from its work.
        (from..slots).filter_map(|slot| Some((slot, self.link_in(slot)?)))
    }

    /// Carries out what the hub sends, until there is no hub any more.
    pub(crate) async fn deliver(&self, mut batches: mpsc::Receiver<ShardBatch>) {
        let (mut round, mut next, mut light) = (WritePlan::default(), WritePlan::default(), WritePlan::default());
        loop {
            if next.is_empty() {
                let Some(batch) = batches.recv().await else { return };
                next.add(batch);
            }
            self.gather(&mut batches, None, &mut next, &mut light);
            std::mem::swap(&mut round, &mut next);
            self.carry_out(&mut round, &mut next, &mut light, &mut batches).await;
        }
    }

    /// Takes what there is from the hub into the `next` round, up to its bound. What is little does not wait behind
    /// what is much (`next`, and of the round `under_way` what its first so many stops leave): it goes out at once.
    fn gather(
        &self,
        batches: &mut mpsc::Receiver<ShardBatch>,
        mut under_way: Option<(&mut WritePlan, usize)>,
        next: &mut WritePlan,
        light: &mut WritePlan,
    ) {
        // No more at once than the hub can have under way: the rest of the round has its turn.
        for _ in 0..BATCHES_PER_SHARD_MAX {
            if next.is_full() {
                return;
            }
            let Ok(batch) = batches.try_recv() else { return };
            let behind_much = under_way.is_some() || next.is_heavy();
            let behind_a_close = next.closes_any() || under_way.as_ref().is_some_and(|(round, _)| round.closes_any());
            if !behind_much || behind_a_close || !batch.is_light() {
                next.add(batch);
                continue;
            }
            for serial in batch.sendings.iter().flat_map(|sending| &sending.targets) {
                // Each connection gets everything in its order.
                let mut before = Vec::new();
                if let Some((round, done)) = &mut under_way {
                    before = round.take_ahead(*serial, *done);
                }
                before.extend(next.take_ahead(*serial, 0));
                self.send_before_its_turn(*serial, &before);
            }
            light.add(batch);
            self.sort(light);
            self.send(light, 0..light.stops(), &mut JoinedFrames::default());
            light.clear();
        }
    }

    /// Pings, and drops who is silent, all the time.
    pub(crate) async fn keep_alive(&self) {
        let settings = &self.state.settings;
        let round = (settings.ping_interval.min(settings.idle_timeout) / ROUNDS_PER_TIMEOUT).min(ROUND_MAX);
        let mut steps = tokio::time::interval((round / STEPS_PER_ROUND).max(Duration::from_millis(1)));
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for step in (0..STEPS_PER_ROUND as usize).cycle() {
            steps.tick().await;
            let now_ms = self.state.now_ms();
            let slots = self.lock().slots();
            for (at, slot) in (step..slots).step_by(STEPS_PER_ROUND as usize).enumerate() {
                if let Some(link) = self.link_in(slot) {
                    link.keep_alive(now_ms);
                }
                yield_every(CONNECTIONS_PER_TURN, at).await;
            }
        }
    }

    /// Closes all connections with 1001, spread over a short time, and waits until they have ended, at most until
    /// `deadline`.
    pub(crate) async fn stop(&self, deadline: Instant) {
        let slots = self.lock().slots();
        let at_once = slots.div_ceil(STOP_STEPS as usize).max(1);
        for slot in 0..slots {
            if slot > 0 && slot % at_once == 0 {
                tokio::time::sleep(STOP_SPREAD / STOP_STEPS).await;
            }
            if let Some(link) = self.link_in(slot) {
                link.close(Close::GoingAway);
            }
        }
        // Connections end one by one and tell nobody; a stop happens once.
        let all_ended = async {
            while self.state.counters.websockets() + self.state.counters.callers() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout_at(deadline, all_ended).await;
    }

    /// Carries a round out. What comes meanwhile goes into the `next` one, or is little and goes first, by `light`: a
    /// result is not held up by marks for ten thousand.
    async fn carry_out(
        &self,
        round: &mut WritePlan,
        next: &mut WritePlan,
        light: &mut WritePlan,
        batches: &mut mpsc::Receiver<ShardBatch>,
    ) {
        self.sort(round);
        let mut joined = JoinedFrames::default();
        for begin in (0..round.stops()).step_by(CONNECTIONS_PER_TURN) {
            let end = round.stops().min(begin + CONNECTIONS_PER_TURN);
            self.send(round, begin..end, &mut joined);
            // Whoever of this machine has waited meanwhile goes first: a write is the kernel's work, and hundreds in a
            // row are milliseconds in which the hub's own thread, and the clients beside it, would have none.
            std::thread::yield_now();
            tokio::task::yield_now().await;
            if end < round.stops() {
                self.gather(batches, Some((round, end)), next, light);
            }
        }
        for (serial, why) in round.closes() {
            if let Some(link) = self.find(*serial) {
                link.close(*why);
            }
        }
        for (partition, why) in round.close_all() {
            self.close_all(*partition, *why).await;
        }
        round.clear();
    }

    /// Closes all that have joined that partition; the others are not its business.
    async fn close_all(&self, partition: usize, why: Close) {
        let slots = self.lock().slots();
        for slot in 0..slots {
            let joined =
                |link: &Arc<ConnectionHandle<S>>| link.member().is_some_and(|member| member.partition == partition);
            if let Some(link) = self.link_in(slot).filter(joined) {
                link.close(why);
            }
            yield_every(CONNECTIONS_PER_TURN, slot).await;
        }
    }

    fn sort(&self, round: &mut WritePlan) {
        let links = self.lock();
        round.sort(|serial| links.get(serial).is_some());
    }

    fn send_before_its_turn(&self, serial: u64, frames: &[(Bytes, FrameKind)]) {
        if let Some(link) = self.find(serial).filter(|_| !frames.is_empty()) {
            link.send_all(&[], frames.iter().map(|(frame, kind)| (frame, kind.weight())));
            if frames.iter().any(|(_, kind)| *kind == FrameKind::Welcome) {
                link.welcome();
            }
        }
    }

    /// Gives the connections numbered `stops` what they get.
    fn send(&self, round: &WritePlan, stops: Range<usize>, joined: &mut JoinedFrames) {
        let links = self.lock();
        for (serial, parcel) in round.parcels(stops) {
            // Gone since the last yield.
            let Some(link) = links.get(serial) else { continue };
            link.send_all(joined.of(parcel), parcel.frames());
            if parcel.welcomes() {
                link.welcome();
            }
        }
    }

    /// The connection in a slot. The lock is not held after this.
    fn link_in(&self, slot: usize) -> Option<Arc<ConnectionHandle<S>>> {
        self.lock().at(slot).map(Arc::clone)
    }

    /// The connection with this serial, if it is still here.
    pub(crate) fn find(&self, serial: u64) -> Option<Arc<ConnectionHandle<S>>> {
        self.lock().get(serial).map(Arc::clone)
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionSlab<Arc<ConnectionHandle<S>>>> {
        // Every change of a slab is whole before anything in it could panic.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the others of this thread have a turn after every `turn`th step.
async fn yield_every(turn: usize, step: usize) {
    if step % turn == turn - 1 {
        tokio::task::yield_now().await;
    }
}
