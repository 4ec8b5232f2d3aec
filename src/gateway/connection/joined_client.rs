//! A client that has joined the hub: its identity, the expiry of its token, and its way into the hub's input queue.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use deskbell_core::Name;
use deskbell_core::entry::{Input, Joiner};

use crate::gateway::shared::state::GatewayState;
use crate::gateway::shared::trace_log;
use crate::hub::{InputSender, Permit, Stopping};
use crate::protocol::Role;
use crate::protocol::outbound::ErrorReply;

/// The expiry of a client without a token.
const NEVER: u64 = u64::MAX;

/// A client that may join: the result of admission.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) workspace: Name,
    pub(crate) role: Role,
    /// The agentId or providerId. An observer has one only if its token names it.
    pub(crate) name: Option<Name>,
    pub(crate) client: Joiner,
    /// When the token expires, in milliseconds since 1970.
    pub(crate) expires_ms: Option<u64>,
    /// When the token was issued, in milliseconds since 1970, if the token says so.
    pub(crate) issued_ms: Option<u64>,
    /// The issuer of the token; `None`: the keys of `[auth]`, or no token.
    pub(crate) issuer: Option<Name>,
}

/// A client that has joined. Each WebSocket has one after its hello; so has each provider that calls over HTTP.
#[derive(Debug)]
pub(crate) struct JoinedClient {
    state: Arc<GatewayState>,
    inputs: InputSender,
    /// The number of the connection in this gateway.
    pub(crate) serial: u64,
    /// The partition of the workspace.
    pub(crate) partition: usize,
    pub(crate) workspace: Name,
    pub(crate) role: Role,
    /// See [`Identity::name`].
    pub(crate) name: Option<Name>,
    pub(crate) address: IpAddr,
    /// See [`Identity::issuer`].
    pub(crate) issuer: Option<Name>,
    /// When the latest token was issued, in milliseconds since 1970; 0 if the token does not say so.
    issued_ms: AtomicU64,
    /// When the latest token expires, in milliseconds since 1970, or [`NEVER`].
    expires_ms: AtomicU64,
    /// Whether the hub knows that the client is gone.
    left: AtomicBool,
}

/// The input of [`JoinedClient::join`]. There is one for each client, so it joins once.
#[derive(Debug)]
pub(crate) struct JoinTicket {
    permit: Permit,
    client: Joiner,
    expires_ms: Option<u64>,
}

impl JoinedClient {
    /// A client that is about to [join](Self::join). The two steps are apart because the connection must hold its
    /// client before the hub can answer.
    pub(crate) fn new(
        state: Arc<GatewayState>,
        serial: u64,
        address: IpAddr,
        identity: Identity,
    ) -> (Self, JoinTicket) {
        let Identity { workspace, role, name, client, expires_ms, issued_ms, issuer } = identity;
        let (partition, hub) = state.hub_of(&workspace);
        let (inputs, permit) = InputSender::new(Arc::clone(&hub.inputs), serial);
        let (expires_ms_now, left) = (AtomicU64::new(NEVER), AtomicBool::new(false));
        let joined = Self {
            state,
            inputs,
            serial,
            partition,
            workspace,
            role,
            name,
            address,
            issuer,
            issued_ms: AtomicU64::new(issued_ms.unwrap_or(0)),
            expires_ms: expires_ms_now,
            left,
        };
        (joined, JoinTicket { permit, client, expires_ms })
    }

    /// Joins: the hub knows the connection from here on.
    ///
    /// # Errors
    /// [`Stopping`]: the hub takes no more inputs.
    pub(crate) fn join(&self, ticket: JoinTicket) -> Result<(), Stopping> {
        self.state.metrics.count_joined(self.role);
        self.trace("joined");
        if let Some(expires_ms) = ticket.expires_ms {
            // The first token is never too late.
            let _ = self.extend_until(expires_ms);
        }
        self.submit(ticket.permit, Input::Join { connection: self.serial, client: ticket.client })
    }

    /// Informs the hub, once, that the client is gone.
    pub(crate) fn leave(&self) {
        if self.left.swap(true, Relaxed) {
            return;
        }
        self.state.metrics.count_left(self.role);
        self.trace("left");
        if let Some(expires_ms) = self.expires_ms() {
            self.state.token_expiries.remove(self.serial, expires_ms);
        }
        // Clients that are connected when the hub stops are expected back: the next start must find their desks.
        if !self.state.is_stopping() {
            self.inputs.leave(Name::clone(&self.workspace));
        }
    }

    /// Waits while too many inputs of this client are under way.
    ///
    /// # Errors
    /// [`Stopping`], as for [`submit`](Self::submit).
    pub(crate) async fn permit(&self) -> Result<Permit, Stopping> {
        self.inputs.permit().await
    }

    /// Hands an input to the hub.
    ///
    /// # Errors
    /// [`Stopping`]: the hub takes no more inputs, or the client has left.
    pub(crate) fn submit(&self, permit: Permit, input: Input) -> Result<(), Stopping> {
        if self.left.load(Relaxed) {
            return Err(Stopping);
        }
        self.inputs.submit(permit, Name::clone(&self.workspace), input)
    }

    /// Keeps the client connected until a fresh token expires, in milliseconds since 1970. An earlier expiry than the
    /// present one changes nothing. Returns `false` if the present one has passed: the connection is being closed.
    #[must_use]
    pub(crate) fn extend_until(&self, expires_ms: u64) -> bool {
        let before_ms = self.expires_ms.load(Relaxed);
        let is_later = before_ms == NEVER || before_ms < expires_ms;
        let before = Some(before_ms).filter(|ms| *ms != NEVER);
        if is_later && !self.state.token_expiries.set(self.serial, before, expires_ms) {
            return false;
        }
        if is_later {
            self.expires_ms.store(expires_ms, Relaxed);
        }
        true
    }

    /// When the latest token was issued, in milliseconds since 1970, if the token says so.
    pub(crate) fn issued_ms(&self) -> Option<u64> {
        Some(self.issued_ms.load(Relaxed)).filter(|ms| *ms != 0)
    }

    /// Notes when a fresh token was issued.
    pub(crate) fn set_issued_ms(&self, issued_ms: Option<u64>) {
        self.issued_ms.store(issued_ms.unwrap_or(0), Relaxed);
    }

    /// When the latest token expires, in milliseconds since 1970.
    pub(crate) fn expires_ms(&self) -> Option<u64> {
        Some(self.expires_ms.load(Relaxed)).filter(|ms| *ms != NEVER)
    }

    /// Whether the latest token has expired.
    pub(crate) fn is_expired(&self) -> bool {
        self.expires_ms().is_some_and(|expires_ms| expires_ms <= self.state.wall_ms())
    }

    /// Counts and traces a message that is refused before it reaches the hub.
    pub(crate) fn note_refused(&self, reply: &ErrorReply<'_>) {
        self.state.metrics.count_refused(reply.code);
        trace_log::refused_before_the_hub(self.serial, &self.workspace, self.name.as_deref(), self.address, reply);
    }

    fn trace(&self, what: &str) {
        trace_log::client(what, self.serial, &self.workspace, self.role, self.name.as_deref(), self.address);
    }
}
