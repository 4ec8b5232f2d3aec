//! What the gateway counts. A value that is passed around, no global.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::auth::Refused;
use crate::metrics::{Kind, Text};
use crate::protocol::{ErrorCode, Role, error};

/// The gateway's counters, in Prometheus' words.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    connections: [AtomicU64; Role::ALL.len()],
    /// Frames handed to connections.
    pub(crate) deliveries: AtomicU64,
    /// Notifies acknowledged for the first time, at whichever hub.
    pub(crate) notifies: AtomicU64,
    /// Clients cut off because they read too slowly.
    pub(crate) slow_clients: AtomicU64,
    refused: [AtomicU64; error::ERRORS.len()],
    turned_away: [AtomicU64; TurnedAway::LABELS.len()],
    tokens_refused: [AtomicU64; Refused::LABELS.len()],
    /// WebSockets, from the upgrade until the socket is closed.
    websockets: AtomicUsize,
    /// Those of them that have not got in yet.
    pending: AtomicUsize,
    /// HTTP connections that have asked for something that the hub does.
    callers: AtomicUsize,
}

/// Why a connection did not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TurnedAway {
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

impl TurnedAway {
    /// In the order of declaration.
    const LABELS: [&str; 6] = ["full", "pending", "address", "origin", "handshakeTimeout", "tls"];
}

impl Counters {
    pub(crate) fn joined(&self, role: Role) {
        self.connections[role as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn left(&self, role: Role) {
        self.connections[role as usize].fetch_sub(1, Relaxed);
    }

    pub(crate) fn refused(&self, code: ErrorCode) {
        self.refused[code as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn count_turned_away(&self, why: TurnedAway) {
        self.turned_away[why as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn token_refused(&self, why: &Refused) {
        self.tokens_refused[why.label()].fetch_add(1, Relaxed);
    }

    /// How many websockets are taken.
    pub(crate) fn websockets(&self) -> usize {
        self.websockets.load(Relaxed)
    }

    /// How many callers there are.
    pub(crate) fn callers(&self) -> usize {
        self.callers.load(Relaxed)
    }

    /// The gateway's families.
    pub(crate) fn write(&self, text: &mut Text) {
        let roles = Role::ALL.map(|role| (role.as_str(), self.connections[role as usize].load(Relaxed)));
        text.by(
            "deskbell_connections",
            Kind::Gauge,
            "Clients that have completed their hello, by role.",
            "role",
            roles,
        );
        let pending = self.pending.load(Relaxed) as u64;
        text.one(
            "deskbell_pending_connections",
            Kind::Gauge,
            "WebSockets that have not completed their hello.",
            pending,
        );
        let deliveries = self.deliveries.load(Relaxed);
        text.one("deskbell_deliveries_total", Kind::Counter, "Messages handed to connections.", deliveries);
        let slow = self.slow_clients.load(Relaxed);
        let help = "Clients closed with 1013 for reading too slowly.";
        text.one("deskbell_slow_clients_total", Kind::Counter, help, slow);
        let refused = error::ERRORS.iter().map(|row| (row.name, self.refused[row.code as usize].load(Relaxed)));
        let help = "Messages answered with an error, by code.";
        text.by("deskbell_refused_total", Kind::Counter, help, "code", refused);
        let counts = |counts: &[AtomicU64]| -> Vec<u64> { counts.iter().map(|count| count.load(Relaxed)).collect() };
        let away = TurnedAway::LABELS.into_iter().zip(counts(&self.turned_away));
        let help = "Connections that were refused before they became WebSockets, by reason.";
        text.by("deskbell_turned_away_total", Kind::Counter, help, "reason", away);
        let tokens = Refused::LABELS.into_iter().zip(counts(&self.tokens_refused));
        let help = "Tokens that were refused, by reason.";
        text.by("deskbell_tokens_refused_total", Kind::Counter, help, "reason", tokens);
    }
}

/// One of `maxConnections`; given back when dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit(Arc<Counters>);

impl ConnectionPermit {
    /// Takes a seat, if fewer than `max` are taken.
    pub(crate) fn take(counters: &Arc<Counters>, max: usize) -> Option<Self> {
        let free = |taken: usize| (taken < max).then_some(taken + 1);
        counters.websockets.fetch_update(Relaxed, Relaxed, free).ok()?;
        Some(Self(Arc::clone(counters)))
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.websockets.fetch_sub(1, Relaxed);
    }
}

/// An HTTP connection that has asked for something that the hub does: a stop waits for its answer. Until it is dropped.
#[derive(Debug)]
pub(crate) struct HttpCaller(Arc<Counters>);

impl HttpCaller {
    pub(crate) fn enter(counters: &Arc<Counters>) -> Self {
        counters.callers.fetch_add(1, Relaxed);
        Self(Arc::clone(counters))
    }
}

impl Drop for HttpCaller {
    fn drop(&mut self) {
        self.0.callers.fetch_sub(1, Relaxed);
    }
}

/// One of `pendingConnections`; given back when dropped.
#[derive(Debug)]
pub(crate) struct HandshakePermit(Arc<Counters>);

impl HandshakePermit {
    /// Takes one, if fewer than `max` are taken.
    pub(crate) fn take(counters: &Arc<Counters>, max: usize) -> Option<Self> {
        let free = |taken: usize| (taken < max).then_some(taken + 1);
        counters.pending.fetch_update(Relaxed, Relaxed, free).ok()?;
        Some(Self(Arc::clone(counters)))
    }
}

impl Drop for HandshakePermit {
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
        let first = ConnectionPermit::take(&counters, 2);
        let second = ConnectionPermit::take(&counters, 2);
        assert!(first.is_some() && second.is_some() && ConnectionPermit::take(&counters, 2).is_none());
        drop(first);
        assert!(ConnectionPermit::take(&counters, 2).is_some());
        assert_eq!(counters.websockets(), 1);
    }

    #[test]
    fn the_text_names_every_role_and_every_code() {
        let counters = Counters::default();
        counters.joined(Role::Agent);
        counters.refused(ErrorCode::NotFound);
        counters.count_turned_away(TurnedAway::Address);
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
