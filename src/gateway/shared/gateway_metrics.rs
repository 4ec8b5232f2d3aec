//! The metrics of the gateway: clients, deliveries, and refusals.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::auth::TokenRefusal;
use crate::metrics::{Kind, Text};
use crate::protocol::{ErrorCode, Role, error};

/// The counters of the gateway. The text of `/metrics` contains them.
#[derive(Debug, Default)]
pub(crate) struct GatewayMetrics {
    connections: [AtomicU64; Role::ALL.len()],
    /// Frames handed to connections.
    pub(crate) deliveries: AtomicU64,
    /// Notifies that were acknowledged for the first time, at any hub of the cluster.
    pub(crate) notifies: AtomicU64,
    /// Clients that were closed with 1013 because they read too slowly.
    pub(crate) slow_clients: AtomicU64,
    refused: [AtomicU64; error::ERRORS.len()],
    turned_away: [AtomicU64; TurnedAway::LABELS.len()],
    tokens_refused: [AtomicU64; TokenRefusal::LABELS.len()],
}

/// The reason for which a connection or a request is refused before the hub sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// The hub has `maxConnections`.
    Full,
    /// As many WebSockets as `pendingConnections` have not completed their hello.
    Pending,
    /// The address has `connectionsPerAddress`.
    Address,
    /// The page has an origin or a host name that may not be used.
    Origin,
    /// The TLS handshake or the head of a request took longer than `handshakeTimeout`.
    Slow,
    /// The TLS handshake failed.
    Tls,
}

impl TurnedAway {
    /// In the order of declaration.
    const LABELS: [&str; 6] = ["full", "pending", "address", "origin", "handshakeTimeout", "tls"];
}

impl GatewayMetrics {
    pub(crate) fn count_joined(&self, role: Role) {
        self.connections[role as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn count_left(&self, role: Role) {
        self.connections[role as usize].fetch_sub(1, Relaxed);
    }

    pub(crate) fn count_refused(&self, code: ErrorCode) {
        self.refused[code as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn count_turned_away(&self, why: TurnedAway) {
        self.turned_away[why as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn count_token_refused(&self, why: &TokenRefusal) {
        self.tokens_refused[why.label()].fetch_add(1, Relaxed);
    }

    /// Writes all families. `pending` is the number of WebSockets that have not completed their hello.
    pub(crate) fn write(&self, text: &mut Text, pending: usize) {
        let roles = Role::ALL.map(|role| (role.as_str(), self.connections[role as usize].load(Relaxed)));
        text.by(
            "deskbell_connections",
            Kind::Gauge,
            "Clients that have completed their hello, by role.",
            "role",
            roles,
        );
        text.one(
            "deskbell_pending_connections",
            Kind::Gauge,
            "WebSockets that have not completed their hello.",
            pending as u64,
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
        let tokens = TokenRefusal::LABELS.into_iter().zip(counts(&self.tokens_refused));
        let help = "Tokens that were refused, by reason.";
        text.by("deskbell_tokens_refused_total", Kind::Counter, help, "reason", tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_every_role_and_every_code() {
        let metrics = GatewayMetrics::default();
        metrics.count_joined(Role::Agent);
        metrics.count_refused(ErrorCode::NotFound);
        metrics.count_turned_away(TurnedAway::Address);
        metrics.count_token_refused(&TokenRefusal::Revoked);
        let mut text = Text::default();
        metrics.write(&mut text, 0);
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
