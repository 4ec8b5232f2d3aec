//! What the gateway counts. A value that is passed around, no global.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::auth::Refused;
use crate::metrics::{Kind, Text};
use crate::protocol::{ErrorCode, Role, error};

/// The gateway's counters, in Prometheus' words.
#[derive(Debug, Default)]
pub(super) struct Counters {
    connections: [AtomicU64; Role::ALL.len()],
    /// Frames handed to connections.
    pub(super) deliveries: AtomicU64,
    /// Notifies acknowledged for the first time, at whichever hub.
    pub(super) notifies: AtomicU64,
    /// Clients cut off because they read too slowly.
    pub(super) slow_clients: AtomicU64,
    refused: [AtomicU64; error::ERRORS.len()],
    turned_away: [AtomicU64; Turned::LABELS.len()],
    tokens_refused: [AtomicU64; Refused::LABELS.len()],
    /// WebSockets, from the upgrade until the socket is closed.
    seats: AtomicUsize,
    /// Those of them that have not got in yet.
    pending: AtomicUsize,
    /// HTTP connections that have asked for something that the hub does.
    callers: AtomicUsize,
}

/// Why a connection did not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// `maxConnections`.
    Full,
    /// `pendingConnections`.
    Pending,
    /// `connectionsPerAddress`.
    Address,
    /// A page from elsewhere.
    Origin,
    /// `handshakeTimeout`: its TLS handshake, or the head of a request.
    Slow,
    /// Its TLS handshake failed.
    Tls,
}

impl Turned {
    /// In the order of declaration.
    const LABELS: [&str; 6] = ["full", "pending", "address", "origin", "handshakeTimeout", "tls"];
}

impl Counters {
    pub(super) fn joined(&self, role: Role) {
        self.connections[role as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn left(&self, role: Role) {
        self.connections[role as usize].fetch_sub(1, Relaxed);
    }

    pub(super) fn refused(&self, code: ErrorCode) {
        self.refused[code as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn turned_away(&self, why: Turned) {
        self.turned_away[why as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn token_refused(&self, why: &Refused) {
        self.tokens_refused[why.label()].fetch_add(1, Relaxed);
    }

    /// How many seats are taken.
    pub(super) fn seats(&self) -> usize {
        self.seats.load(Relaxed)
    }

    /// How many callers there are.
    pub(super) fn callers(&self) -> usize {
        self.callers.load(Relaxed)
    }

    /// The gateway's families.
    pub(super) fn write(&self, text: &mut Text) {
        let roles = Role::ALL.map(|role| (role.as_str(), self.connections[role as usize].load(Relaxed)));
        text.by("deskbell_connections", Kind::Gauge, "Clients that have said hello, by role.", "role", roles);
        let pending = self.pending.load(Relaxed) as u64;
        text.one("deskbell_pending_connections", Kind::Gauge, "WebSockets that have not got in yet.", pending);
        let deliveries = self.deliveries.load(Relaxed);
        text.one("deskbell_deliveries_total", Kind::Counter, "Messages handed to connections.", deliveries);
        let slow = self.slow_clients.load(Relaxed);
        let help = "Clients closed with 1013 for reading too slowly.";
        text.one("deskbell_slow_clients_total", Kind::Counter, help, slow);
        let refused = error::ERRORS.iter().map(|row| (row.name, self.refused[row.code as usize].load(Relaxed)));
        let help = "Messages answered with an error, by code.";
        text.by("deskbell_refused_total", Kind::Counter, help, "code", refused);
        let counts = |counts: &[AtomicU64]| -> Vec<u64> { counts.iter().map(|count| count.load(Relaxed)).collect() };
        let away = Turned::LABELS.into_iter().zip(counts(&self.turned_away));
        let help = "Connections that did not become WebSockets, by reason.";
        text.by("deskbell_turned_away_total", Kind::Counter, help, "reason", away);
        let tokens = Refused::LABELS.into_iter().zip(counts(&self.tokens_refused));
        let help = "Tokens that were not taken, by reason.";
        text.by("deskbell_tokens_refused_total", Kind::Counter, help, "reason", tokens);
    }
}

/// One of `maxConnections`; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat(Arc<Counters>);

impl Seat {
    /// Takes a seat, if fewer than `max` are taken.
    pub(super) fn take(counters: &Arc<Counters>, max: usize) -> Option<Self> {
        let free = |taken: usize| (taken < max).then_some(taken + 1);
        counters.seats.fetch_update(Relaxed, Relaxed, free).ok()?;
        Some(Self(Arc::clone(counters)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seats.fetch_sub(1, Relaxed);
    }
}

/// An HTTP connection that has asked for something that the hub does: a stop waits for its answer. Until it is dropped.
#[derive(Debug)]
pub(super) struct Caller(Arc<Counters>);

impl Caller {
    pub(super) fn enter(counters: &Arc<Counters>) -> Self {
        counters.callers.fetch_add(1, Relaxed);
        Self(Arc::clone(counters))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.callers.fetch_sub(1, Relaxed);
    }
}

/// One of `pendingConnections`; given back when dropped.
#[derive(Debug)]
pub(super) struct Pending(Arc<Counters>);

impl Pending {
    /// Takes one, if fewer than `max` are taken.
    pub(super) fn take(counters: &Arc<Counters>, max: usize) -> Option<Self> {
        let free = |taken: usize| (taken < max).then_some(taken + 1);
        counters.pending.fetch_update(Relaxed, Relaxed, free).ok()?;
        Some(Self(Arc::clone(counters)))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_bounded_and_given_back() {
        let counters = Arc::new(Counters::default());
        let first = Seat::take(&counters, 2);
        let second = Seat::take(&counters, 2);
        assert!(first.is_some() && second.is_some() && Seat::take(&counters, 2).is_none());
        drop(first);
        assert!(Seat::take(&counters, 2).is_some());
        assert_eq!(counters.seats(), 1);
    }

    #[test]
    fn the_text_names_every_role_and_every_code() {
        let counters = Counters::default();
        counters.joined(Role::Agent);
        counters.refused(ErrorCode::NotFound);
        counters.turned_away(Turned::Address);
        counters.token_refused(&Refused::Revoked);
        let mut text = Text::default();
        counters.write(&mut text);
        let text = text.finish();
        for line in [
            "deskbell_connections{role=\"agent\"} 1",
            "deskbell_connections{role=\"observer\"} 0",
            "deskbell_deliveries_total 0",
            "deskbell_refused_total{code=\"notFound\"} 1",
            "deskbell_turned_away_total{reason=\"address\"} 1",
            "deskbell_tokens_refused_total{reason=\"revoked\"} 1",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}");
        }
    }
}
