//! The connections of one thread, and what is done to many of them.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::house::House;
use super::link::Link;
use super::round::{Batch, Joined, Round};
use super::settings::{CONNECTIONS_PER_TURN, STOP_SPREAD, STOP_STEPS};
use super::slab::Slab;
use super::socket::Socket;
use crate::protocol::Close;

/// Rounds of the heartbeat over a shard's connections within the shorter of its two times.
const ROUNDS_PER_TIMEOUT: u32 = 4;
/// Steps of one round, so that pings go out evenly.
const STEPS_PER_ROUND: u32 = 16;
/// Connections whose memory is fetched before the first of them is written to. The kernel's work for each write pushes the
/// others' out of the caches; fetched together they come in the time of one.
const FETCHED_AHEAD: usize = 8;
/// The longest round: how late an idle peer may be dropped.
const ROUND_MAX: Duration = Duration::from_secs(1);

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
    pub(super) fn admit(&self, socket: S, address: IpAddr) -> Option<Arc<Link<S>>> {
        let make = |serial| Arc::new(Link::new(Arc::clone(&self.house), serial, socket, address));
        self.lock().insert(make).map(Arc::clone)
    }

    /// Forgets a connection.
    pub(super) fn dismiss(&self, serial: u64) {
        self.lock().remove(serial);
    }

    /// The connections there are, from the slot `from` on.
    pub(super) fn links(&self, from: usize) -> impl Iterator<Item = (usize, Arc<Link<S>>)> {
        let slots = self.lock().slots();
        // Locked for each anew: whoever looks must not keep the shard from its work.
        (from..slots).filter_map(|slot| Some((slot, self.lock().at(slot).map(Arc::clone)?)))
    }

    /// Carries out what the hub sends, until there is no hub any more.
    pub(super) async fn deliver(&self, mut batches: mpsc::Receiver<Batch>) {
        let (mut round, mut light) = (Round::default(), Round::default());
        // Came during a round and could not overtake it: the next one begins with it.
        let mut held_up = None;
        loop {
            let Some(batch) = (match held_up.take() {
                Some(batch) => Some(batch),
                None => batches.recv().await,
            }) else {
                return;
            };
            round.add(batch);
            while !round.is_full()
                && let Ok(batch) = batches.try_recv()
            {
                round.add(batch);
            }
            held_up = self.carry_out(&mut round, &mut light, &mut batches).await;
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
        let at_once = slots.div_ceil(STOP_STEPS as usize).max(1);
        for slot in 0..slots {
            if slot > 0 && slot % at_once == 0 {
                tokio::time::sleep(STOP_SPREAD / STOP_STEPS).await;
            }
            let link = self.lock().at(slot).map(Arc::clone);
            if let Some(link) = link {
                link.close(Close::GoingAway);
            }
        }
        // Connections end one by one and tell nobody; a stop happens once.
        let all_ended = async {
            while self.house.counters.seats() + self.house.counters.callers() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout_at(deadline, all_ended).await;
    }

    /// Carries a round out; the first batch that came meanwhile and has to wait for its end. What is little and concerns
    /// nobody who still waits goes first, by `light`: a result is not held up by marks for ten thousand others.
    async fn carry_out(
        &self,
        round: &mut Round,
        light: &mut Round,
        batches: &mut mpsc::Receiver<Batch>,
    ) -> Option<Batch> {
        let mut held_up = None;
        self.sort(round);
        let mut joined = Joined::default();
        for begin in (0..round.stops()).step_by(CONNECTIONS_PER_TURN) {
            let end = round.stops().min(begin + CONNECTIONS_PER_TURN);
            self.send(round, begin..end, &mut joined);
            tokio::task::yield_now().await;
            while held_up.is_none()
                && end < round.stops()
                && let Ok(batch) = batches.try_recv()
            {
                if round.lets_pass(&batch, end) {
                    light.add(batch);
                    self.sort(light);
                    self.send(light, 0..light.stops(), &mut Joined::default());
                    light.clear();
                } else {
                    held_up = Some(batch);
                }
            }
        }
        for (serial, why) in round.closes() {
            if let Some(link) = self.find(*serial) {
                link.close(*why);
            }
        }
        if let Some(why) = round.close_all() {
            self.close_all(why).await;
        }
        round.clear();
        held_up
    }

    async fn close_all(&self, why: Close) {
        let slots = self.lock().slots();
        for slot in 0..slots {
            let link = self.lock().at(slot).map(Arc::clone);
            if let Some(link) = link {
                link.close(why);
            }
            if slot % CONNECTIONS_PER_TURN == CONNECTIONS_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn sort(&self, round: &mut Round) {
        let links = self.lock();
        round.sort(|serial| links.get(serial).is_some());
    }

    /// Gives the connections numbered `stops` what they get.
    fn send(&self, round: &Round, stops: Range<usize>, joined: &mut Joined) {
        let links = self.lock();
        for begin in stops.clone().step_by(FETCHED_AHEAD) {
            let some = begin..stops.end.min(begin + FETCHED_AHEAD);
            for (serial, _) in round.parcels(some.clone()) {
                if let Some(link) = links.get(serial) {
                    link.fetch();
                }
            }
            for (serial, parcel) in round.parcels(some) {
                // Gone since the last yield.
                let Some(link) = links.get(serial) else { continue };
                link.send_all(joined.of(parcel), parcel.frames());
                if parcel.welcomes() {
                    link.welcome();
                }
            }
        }
    }

    pub(super) fn find(&self, serial: u64) -> Option<Arc<Link<S>>> {
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
