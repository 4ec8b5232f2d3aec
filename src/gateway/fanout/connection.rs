//! A connection as the rest of the gateway sees it: what one can do to it from outside its own task.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use deskbell_core::Name;
use deskbell_core::entry::{Input, Joiner};
use tokio::sync::Notify;

use crate::gateway::fanout::outbox::{AfterSend, Outbox, OutboxBounds, Weight};
use crate::gateway::fanout::socket::Socket;
use crate::gateway::fanout::trace;
use crate::gateway::shared::state::{GatewayState, whole_ms};
use crate::hub::{InputSender, Permit, Stopping};
use crate::protocol::outbound::ErrorReply;
use crate::protocol::{Close, Encode, Role, frame};

/// No token, so no end.
const NEVER: u64 = u64::MAX;

/// One connection. Its own task reads; everybody who has the link may send. Used on its shard's thread.
#[derive(Debug)]
pub(crate) struct ConnectionHandle<S> {
    pub(crate) serial: u64,
    state: Arc<GatewayState>,
    outbox: Outbox<S>,
    /// When the peer last sent something, in the state's milliseconds.
    heard_ms: AtomicU64,
    /// When the next ping is due.
    ping_at_ms: AtomicU64,
    /// As what it joined; set by its hello.
    member: OnceLock<Membership>,
    /// From when on its token is not good any more, in milliseconds since 1970.
    ends_ms: AtomicU64,
    /// Where the client is.
    address: IpAddr,
    /// The hub was told that it is gone.
    left: AtomicBool,
    /// Told when the welcome is on its way.
    welcomed: Notify,
    /// Told when the connection was ended from outside.
    cut: Notify,
}

/// A connection that has said hello.
#[derive(Debug)]
pub(crate) struct Membership {
    port: InputSender,
    /// In which its workspace is.
    pub(crate) partition: usize,
    pub(crate) workspace: Name,
    pub(crate) role: Role,
    /// Its agentId or providerId; of an observer, whom its token names.
    pub(crate) name: Option<Name>,
}

/// Somebody who may come in.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) workspace: Name,
    pub(crate) role: Role,
    /// See [`Membership`].
    pub(crate) name: Option<Name>,
    pub(crate) client: Joiner,
    /// When the token ends, in milliseconds since 1970.
    pub(crate) ends_ms: Option<u64>,
    /// When it was issued, likewise, if it says so.
    pub(crate) issued_ms: Option<u64>,
}

impl<S: Socket> ConnectionHandle<S> {
    pub(crate) fn new(state: Arc<GatewayState>, serial: u64, socket: S, address: IpAddr) -> Self {
        let settings = &state.settings;
        let bounds = OutboxBounds { bytes: settings.outbound_bytes, frames: settings.outbound_frames };
        let now_ms = state.now_ms();
        // The first pings of clients that came together are spread over the interval by their serials.
        let interval_ms = whole_ms(settings.ping_interval).max(1);
        let first_ping_ms = 1 + serial.wrapping_mul(0x9e37_79b9_7f4a_7c15) % interval_ms;
        Self {
            serial,
            outbox: Outbox::new(socket, bounds),
            heard_ms: AtomicU64::new(now_ms),
            ping_at_ms: AtomicU64::new(now_ms + first_ping_ms),
            member: OnceLock::new(),
            ends_ms: AtomicU64::new(NEVER),
            address,
            left: AtomicBool::new(false),
            welcomed: Notify::new(),
            cut: Notify::new(),
            state,
        }
    }

    pub(crate) fn outbox(&self) -> &Outbox<S> {
        &self.outbox
    }

    pub(crate) fn state(&self) -> &Arc<GatewayState> {
        &self.state
    }

    /// Sends a message.
    pub(crate) fn say(self: &Arc<Self>, message: &impl Encode) {
        self.send(&frame::text(message), Weight::Counted);
    }

    /// Sends an error.
    pub(crate) fn refuse(self: &Arc<Self>, reply: &ErrorReply<'_>) {
        self.state.counters.refused(reply.code);
        let (workspace, name) =
            self.member.get().map_or(("", None), |member| (&*member.workspace, member.name.as_deref()));
        trace::tell_refused(self.serial, workspace, name, self.address, reply);
        self.say(reply);
    }

    /// Sends a frame, at once if nothing waits.
    pub(crate) fn send(self: &Arc<Self>, frame: &Bytes, weight: Weight) {
        let after = self.outbox.send(frame, weight);
        self.see_to(after);
    }

    /// Sends frames together; see [`Outbox::send_all`].
    pub(crate) fn send_all<'f>(self: &Arc<Self>, joined: &[u8], frames: impl Iterator<Item = (&'f Bytes, Weight)>) {
        let after = self.outbox.send_all(joined, frames);
        self.see_to(after);
    }

    /// Ends the connection with a close frame, behind what waits. It counts as gone from now on.
    pub(crate) fn close(self: &Arc<Self>, why: Close) {
        self.close_with(&frame::close(why));
        self.end();
    }

    /// Adds a close frame; its own task uses it when it has come to its end.
    pub(crate) fn close_with(self: &Arc<Self>, frame: &Bytes) {
        let after = self.outbox.close(frame);
        self.see_to(after);
    }

    /// Ends the connection without a word.
    pub(crate) fn abandon(&self) {
        self.outbox.kill();
        self.end();
    }

    /// Tells the hub, once, that the client is gone.
    pub(crate) fn leave(&self) {
        let Some(member) = self.member.get() else { return };
        if self.left.swap(true, Relaxed) {
            return;
        }
        self.state.counters.left(member.role);
        self.tell("left", member);
        if let Some(ends_ms) = self.ends_ms() {
            self.state.expiries.forget(self.serial, ends_ms);
        }
        // Those who are there when the hub stops are expected back: their desks must not be found dissolved.
        if !self.state.is_stopping() {
            member.port.leave(Name::clone(&member.workspace));
        }
    }

    /// Joins: from now on the hub knows the connection.
    ///
    /// # Errors
    /// [`Stopping`]: the hub takes no more.
    pub(crate) fn join(&self, admitted: Identity) -> Result<(), Stopping> {
        let Identity { workspace, role, name, client, ends_ms, issued_ms: _ } = admitted;
        let (partition, hub) = self.state.hub_of(&workspace);
        let (port, permit) = InputSender::new(Arc::clone(&hub.inputs), self.serial);
        if self.member.set(Membership { port, partition, workspace, role, name }).is_ok() {
            self.state.counters.joined(role);
        }
        if let Some(member) = self.member.get() {
            self.tell("joined", member);
        }
        if let Some(ends_ms) = ends_ms {
            // The first one is never too late.
            let _ = self.last_until(ends_ms);
        }
        self.submit(permit, Input::Join { connection: self.serial, client })
    }

    fn tell(&self, what: &str, member: &Membership) {
        trace::tell_client(what, self.serial, &member.workspace, member.role, member.name.as_deref(), self.address);
    }

    /// As what it joined.
    pub(crate) fn member(&self) -> Option<&Membership> {
        self.member.get()
    }

    /// Where the client is.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// Its token is good until then, in milliseconds since 1970. A later one counts, an earlier one does not. `false`: it
    /// comes too late, as the connection is being closed.
    #[must_use]
    pub(crate) fn last_until(&self, ends_ms: u64) -> bool {
        let before_ms = self.ends_ms.load(Relaxed);
        let counts = before_ms == NEVER || before_ms < ends_ms;
        if counts && !self.state.expiries.set(self.serial, Some(before_ms).filter(|ms| *ms != NEVER), ends_ms) {
            return false;
        }
        if counts {
            self.ends_ms.store(ends_ms, Relaxed);
        }
        true
    }

    /// When its token ends, in milliseconds since 1970.
    pub(crate) fn ends_ms(&self) -> Option<u64> {
        Some(self.ends_ms.load(Relaxed)).filter(|ms| *ms != NEVER)
    }

    /// Whether its token has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.ends_ms().is_some_and(|ends_ms| ends_ms <= self.state.wall_ms())
    }

    /// For how long the client has been silent, in milliseconds.
    pub(crate) fn silent_ms(&self) -> u64 {
        self.state.now_ms().saturating_sub(self.heard_ms.load(Relaxed))
    }

    /// Waits while too many inputs of this connection are under way.
    ///
    /// # Errors
    /// [`Stopping`], as of [`submit`](Self::submit).
    pub(crate) async fn permit(&self) -> Result<Permit, Stopping> {
        self.member.get().ok_or(Stopping)?.port.permit().await
    }

    /// Hands an input to the hub.
    ///
    /// # Errors
    /// [`Stopping`]: the hub takes no more, or not from this connection, which has left.
    pub(crate) fn submit(&self, permit: Permit, input: Input) -> Result<(), Stopping> {
        let member = self.member.get().filter(|_| !self.left.load(Relaxed)).ok_or(Stopping)?;
        member.port.submit(permit, Name::clone(&member.workspace), input)
    }

    /// The welcome is on its way: the client may speak on.
    pub(crate) fn welcome(&self) {
        self.welcomed.notify_one();
    }

    /// Waits for [`welcome`](Self::welcome). For the connection's own task.
    pub(crate) async fn welcomed(&self) {
        self.welcomed.notified().await;
    }

    /// Waits until the connection is ended from outside. For the connection's own task.
    pub(crate) async fn cut(&self) {
        self.cut.notified().await;
    }

    /// The peer sent something.
    pub(crate) fn heard(&self) {
        self.heard_ms.store(self.state.now_ms(), Relaxed);
    }

    /// Drops a peer that has been silent for too long, pings one whose ping is due.
    pub(crate) fn keep_alive(self: &Arc<Self>, now_ms: u64) {
        let settings = &self.state.settings;
        if self.outbox.is_sealed() {
            return;
        }
        if now_ms.saturating_sub(self.heard_ms.load(Relaxed)) >= whole_ms(settings.idle_timeout) {
            self.abandon();
        } else if now_ms >= self.ping_at_ms.load(Relaxed) {
            self.ping_at_ms.store(now_ms + whole_ms(settings.ping_interval).max(1), Relaxed);
            self.send(&crate::gateway::fanout::control_frame::PING_FRAME, Weight::Counted);
        }
    }

    fn see_to(self: &Arc<Self>, after: AfterSend) {
        if after.drain {
            let link = Arc::clone(self);
            tokio::spawn(async move { link.outbox.drain().await });
        }
        if after.overflowed {
            self.state.counters.slow_clients.fetch_add(1, Relaxed);
            self.end();
        }
    }

    fn end(&self) {
        self.leave();
        self.cut.notify_one();
    }
}
