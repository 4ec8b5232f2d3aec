//! A shard: the connections that one thread serves.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::gateway::connection::handle::ConnectionHandle;
use crate::gateway::connection::slab::ConnectionSlab;
use crate::gateway::connection::socket::Socket;
use crate::gateway::shared::bounds::{CONNECTIONS_PER_TURN, STOP_SPREAD, STOP_STEPS};
use crate::gateway::shared::state::GatewayState;
use crate::protocol::Close;

/// The connections of one thread.
#[derive(Debug)]
pub(crate) struct Shard<S> {
    pub(crate) state: Arc<GatewayState>,
    connections: Mutex<Connections<S>>,
}

/// The slots of a shard.
pub(crate) type Connections<S> = ConnectionSlab<Arc<ConnectionHandle<S>>>;

impl<S: Socket> Shard<S> {
    pub(crate) fn new(state: Arc<GatewayState>, number: u8) -> Self {
        Self { state, connections: Mutex::new(ConnectionSlab::new(number)) }
    }

    /// Adds a connection; `None` if all numbers are in use.
    pub(crate) fn add(&self, socket: S, address: IpAddr) -> Option<Arc<ConnectionHandle<S>>> {
        let make = |serial| Arc::new(ConnectionHandle::new(Arc::clone(&self.state), serial, socket, address));
        self.lock().insert(make).map(Arc::clone)
    }

    pub(crate) fn remove(&self, serial: u64) {
        self.lock().remove(serial);
    }

    /// The connection with this serial, if it is still here.
    pub(crate) fn find(&self, serial: u64) -> Option<Arc<ConnectionHandle<S>>> {
        self.lock().get(serial).map(Arc::clone)
    }

    /// The connections from the slot `from` on, each with its slot.
    pub(crate) fn connections(&self, from: usize) -> impl Iterator<Item = (usize, Arc<ConnectionHandle<S>>)> {
        // Locked for each connection anew, so that a long list does not hold up the shard.
        (from..self.slots()).filter_map(|slot| Some((slot, self.in_slot(slot)?)))
    }

    /// Closes all connections of a partition.
    pub(crate) async fn close_partition(&self, partition: usize, why: Close) {
        for slot in 0..self.slots() {
            let is_of = |connection: &Arc<ConnectionHandle<S>>| {
                connection.client().is_some_and(|client| client.partition == partition)
            };
            if let Some(connection) = self.in_slot(slot).filter(is_of) {
                connection.close(why);
            }
            yield_every(CONNECTIONS_PER_TURN, slot).await;
        }
    }

    /// Closes all connections with 1001, spread over a short time, and waits until they have ended, at most until
    /// `deadline`.
    pub(crate) async fn stop(&self, deadline: Instant) {
        let slots = self.slots();
        let per_step = slots.div_ceil(STOP_STEPS as usize).max(1);
        for slot in 0..slots {
            if slot > 0 && slot % per_step == 0 {
                tokio::time::sleep(STOP_SPREAD / STOP_STEPS).await;
            }
            if let Some(connection) = self.in_slot(slot) {
                connection.close(Close::GoingAway);
            }
        }
        // A stop happens once: connections do not announce their end, so this looks again and again.
        let all_ended = async {
            while self.state.websockets.taken() + self.state.http_callers.taken() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout_at(deadline, all_ended).await;
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Connections<S>> {
        // Every change of a slab is complete before anything in it could panic.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One past the last slot that was ever used.
    pub(crate) fn slots(&self) -> usize {
        self.lock().slots()
    }

    /// The connection in a slot, if the slot is in use.
    pub(crate) fn in_slot(&self, slot: usize) -> Option<Arc<ConnectionHandle<S>>> {
        self.lock().at(slot).map(Arc::clone)
    }
}

/// Lets the other tasks of the thread run after every `turn`th step.
pub(crate) async fn yield_every(turn: usize, step: usize) {
    if step % turn == turn - 1 {
        tokio::task::yield_now().await;
    }
}
