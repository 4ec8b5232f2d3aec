//! The connections of one thread, and what is done to many of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::house::House;
use super::link::Link;
use super::outbox::Weight;
use super::settings::{BATCHES_PER_SHARD_MAX, CONNECTIONS_PER_TURN, STOP_SPREAD};
use super::slab::Slab;
use super::socket::Socket;
use crate::protocol::Close;

/// Frames staged between two yields: staging costs a hundredth of writing.
const STAGED_PER_TURN: usize = 16 * CONNECTIONS_PER_TURN;
/// Rounds of the heartbeat over a shard's connections within the shorter of its two times.
const ROUNDS_PER_TIMEOUT: u32 = 4;
/// Steps of one round, so that pings go out evenly.
const STEPS_PER_ROUND: u32 = 16;
/// The longest round: how late an idle peer may be dropped.
const ROUND_MAX: Duration = Duration::from_secs(1);

/// What one group of entries gives one shard to do.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In order.
    pub(super) sendings: Vec<Sending>,
    /// Connections to close, after that.
    pub(super) closes: Vec<(u64, Close)>,
    /// All that are there then are closed.
    pub(super) close_all: Option<Close>,
}

/// One frame for many.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) frame: Bytes,
    pub(super) kind: Kind,
    /// The serials of this shard's connections.
    pub(super) targets: Vec<u64>,
}

/// What a frame is to the connection that gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its welcome.
    Welcome,
    /// A result that it asked to have again.
    Replayed,
    /// Anything else.
    News,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.sendings.is_empty() && self.closes.is_empty() && self.close_all.is_none()
    }
}

impl Kind {
    fn weight(self) -> Weight {
        match self {
            Self::Welcome | Self::Replayed => Weight::Free,
            Self::News => Weight::Counted,
        }
    }
}

/// The connections of one thread.
#[derive(Debug)]
pub(super) struct Shard<S> {
    pub(super) house: Arc<House>,
    links: Mutex<Slab<Arc<Link<S>>>>,
}

impl<S: Socket> Shard<S> {
    pub(super) fn new(house: Arc<House>, number: u8) -> Self {
        Self { house, links: Mutex::new(Slab::new(number)) }
    }

    /// Takes in a new connection; `None`: there is no number left for it.
    pub(super) fn admit(&self, socket: S) -> Option<Arc<Link<S>>> {
        let make = |serial| Arc::new(Link::new(Arc::clone(&self.house), serial, socket));
        self.lock().insert(make).map(Arc::clone)
    }

    /// Forgets a connection.
    pub(super) fn dismiss(&self, serial: u64) {
        self.lock().remove(serial);
    }

    /// Carries out what the hub sends, until there is no hub any more.
    pub(super) async fn deliver(&self, mut batches: mpsc::Receiver<Batch>) {
        let mut gathered = Vec::new();
        while batches.recv_many(&mut gathered, BATCHES_PER_SHARD_MAX).await > 0 {
            self.carry_out(&gathered).await;
            gathered.clear();
        }
    }

    /// Pings, and drops who is silent, all the time.
    pub(super) async fn keep_alive(&self) {
        let settings = &self.house.settings;
        let round = (settings.ping_interval.min(settings.idle_timeout) / ROUNDS_PER_TIMEOUT).min(ROUND_MAX);
        let mut steps = tokio::time::interval((round / STEPS_PER_ROUND).max(Duration::from_millis(1)));
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for step in (0..STEPS_PER_ROUND as usize).cycle() {
            steps.tick().await;
            let now_ms = self.house.now_ms();
            let slots = self.lock().slots();
            for (at, slot) in (step..slots).step_by(STEPS_PER_ROUND as usize).enumerate() {
                let link = self.lock().at(slot).map(Arc::clone);
                if let Some(link) = link {
                    link.keep_alive(now_ms);
                }
                yield_every(CONNECTIONS_PER_TURN, at).await;
            }
        }
    }

    /// Closes all connections with 1001, spread over a short time, and waits until they have ended, at most until
    /// `deadline`.
    pub(super) async fn stop(&self, deadline: Instant) {
        let slots = self.lock().slots();
        let turns = u32::try_from(slots.div_ceil(CONNECTIONS_PER_TURN)).unwrap_or(u32::MAX);
        for slot in 0..slots {
            let link = self.lock().at(slot).map(Arc::clone);
            if let Some(link) = link {
                link.close(Close::GoingAway);
            }
            if slot % CONNECTIONS_PER_TURN == CONNECTIONS_PER_TURN - 1 {
                tokio::time::sleep(STOP_SPREAD / turns.max(1)).await;
            }
        }
        // Connections end one by one and tell nobody; a stop happens once.
        let all_ended = async {
            while self.house.counters.seats() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout_at(deadline, all_ended).await;
    }

    async fn carry_out(&self, batches: &[Batch]) {
        let mut sendings = batches.iter().flat_map(|batch| &batch.sendings);
        match (sendings.next(), sendings.next()) {
            (Some(only), None) => self.send(only).await,
            (None, _) => {}
            _ => self.send_together(batches).await,
        }
        for (serial, why) in batches.iter().flat_map(|batch| &batch.closes) {
            if let Some(link) = self.find(*serial) {
                link.close(*why);
            }
        }
        if let Some(why) = batches.iter().find_map(|batch| batch.close_all) {
            self.close_all(why).await;
        }
    }

    async fn close_all(&self, why: Close) {
        let slots = self.lock().slots();
        for slot in 0..slots {
            let link = self.lock().at(slot).map(Arc::clone);
            if let Some(link) = link {
                link.close(why);
            }
            yield_every(CONNECTIONS_PER_TURN, slot).await;
        }
    }

    /// One frame: written directly.
    async fn send(&self, sending: &Sending) {
        for (at, serial) in sending.targets.iter().enumerate() {
            if let Some(link) = self.find(*serial) {
                link.send(&sending.frame, sending.kind.weight());
                if sending.kind == Kind::Welcome {
                    link.welcome();
                }
            }
            yield_every(CONNECTIONS_PER_TURN, at).await;
        }
    }

    /// Several frames: gathered per connection, then one write for each.
    async fn send_together(&self, batches: &[Batch]) {
        let mut touched = Vec::new();
        let mut staged = 0;
        for sending in batches.iter().flat_map(|batch| &batch.sendings) {
            for serial in &sending.targets {
                if let Some(link) = self.find(*serial) {
                    let first = link.stage(sending.frame.clone(), sending.kind.weight());
                    if sending.kind == Kind::Welcome {
                        link.welcome();
                    }
                    if first {
                        touched.push(link);
                    }
                }
                staged += 1;
                yield_every(STAGED_PER_TURN, staged).await;
            }
        }
        for (at, link) in touched.into_iter().enumerate() {
            link.flush();
            yield_every(CONNECTIONS_PER_TURN, at).await;
        }
    }

    fn find(&self, serial: u64) -> Option<Arc<Link<S>>> {
        self.lock().get(serial).map(Arc::clone)
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Arc<Link<S>>>> {
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
