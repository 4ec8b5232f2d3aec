//! What the gateway counts. A value that is passed around, no global.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::auth::TokenRefusal;
use crate::gateway::limits::permit::PermitPool;
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
    tokens_refused: [AtomicU64; TokenRefusal::LABELS.len()],
    /// WebSockets, from the upgrade until the socket is closed, and HTTP providers (`maxConnections`).
    pub(crate) websockets: PermitPool,
    /// WebSockets that have not joined yet (`pendingConnections`).
    pub(crate) handshakes: PermitPool,
    /// HTTP connections that have made a call: a stop waits for their answers.
    pub(crate) http_callers: PermitPool,
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

    /// The reason as the metrics name it.
    pub(crate) fn label(self) -> &'static str {
        Self::LABELS[self as usize]
    }

    /// What happened, and what an operator can do about it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Full => "the hub has as many connections as [limits] maxConnections allows",
            Self::Pending => "as many connections as [limits] pendingConnections allows have sent no hello",
            Self::Address => {
                "its address has as many connections as [limits] connectionsPerAddress allows; if the address is a \
                 proxy's, name it in [server] trustedProxies"
            }
            Self::Origin => {
                "its page has an origin that may not connect, or it used a name that may not be used; if the page is \
                 yours, name its origin in [server] allowedOrigins"
            }
            Self::Slow => "it took longer for a handshake or the head of a request than [server] handshakeTimeout",
            Self::Tls => "its TLS handshake failed; it may not trust the certificate, or does not speak TLS",
        }
    }
}

impl Counters {
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
        let pending = self.handshakes.taken() as u64;
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
        let tokens = TokenRefusal::LABELS.into_iter().zip(counts(&self.tokens_refused));
        let help = "Tokens that were refused, by reason.";
        text.by("deskbell_tokens_refused_total", Kind::Counter, help, "reason", tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_every_role_and_every_code() {
        let counters = Counters::default();
        counters.count_joined(Role::Agent);
        counters.count_refused(ErrorCode::NotFound);
        counters.count_turned_away(TurnedAway::Address);
        counters.count_token_refused(&TokenRefusal::Revoked);
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
