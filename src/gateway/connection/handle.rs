//! The handle of one WebSocket connection: everything that other tasks may do to it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use deskbell_core::entry::Input;
use tokio::sync::Notify;

use crate::gateway::connection::control_frame::PING_FRAME;
use crate::gateway::connection::joined_client::{Identity, JoinedClient};
use crate::gateway::connection::outbox::{AfterSend, Outbox, OutboxBounds, Weight};
use crate::gateway::connection::socket::Socket;
use crate::gateway::shared::state::{GatewayState, whole_ms};
use crate::gateway::shared::trace_log;
use crate::hub::{Permit, Stopping};
use crate::protocol::outbound::ErrorReply;
use crate::protocol::{Close, Encode, frame};

/// One connection. Its own task reads from it; every holder of the handle may send. It is used on its shard's thread.
#[derive(Debug)]
pub(crate) struct ConnectionHandle<S> {
    pub(crate) serial: u64,
    state: Arc<GatewayState>,
    outbox: Outbox<S>,
    /// When the peer last sent something, as [`GatewayState::uptime_ms`].
    received_ms: AtomicU64,
    /// When the next ping is due, as [`GatewayState::uptime_ms`].
    ping_at_ms: AtomicU64,
    /// Set by the hello.
    client: OnceLock<JoinedClient>,
    address: IpAddr,
    /// Notified when the welcome is on its way.
    welcomed: Notify,
    /// Notified when the connection was closed from outside its own task.
    closed: Notify,
}

impl<S: Socket> ConnectionHandle<S> {
    pub(crate) fn new(state: Arc<GatewayState>, serial: u64, socket: S, address: IpAddr) -> Self {
        let settings = &state.settings;
        let bounds = OutboxBounds { bytes: settings.outbound_bytes, frames: settings.outbound_frames };
        let now_ms = state.uptime_ms();
        // The first pings of clients that connected together are spread over the interval by their serials.
        let interval_ms = whole_ms(settings.ping_interval).max(1);
        let first_ping_ms = 1 + serial.wrapping_mul(0x9e37_79b9_7f4a_7c15) % interval_ms;
        Self {
            serial,
            outbox: Outbox::new(socket, bounds),
            received_ms: AtomicU64::new(now_ms),
            ping_at_ms: AtomicU64::new(now_ms + first_ping_ms),
            client: OnceLock::new(),
            address,
            welcomed: Notify::new(),
            closed: Notify::new(),
            state,
        }
    }

    pub(crate) fn outbox(&self) -> &Outbox<S> {
        &self.outbox
    }

    pub(crate) fn state(&self) -> &Arc<GatewayState> {
        &self.state
    }

    /// The address of the client, behind trusted proxies.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// The client, once it has sent its hello.
    pub(crate) fn client(&self) -> Option<&JoinedClient> {
        self.client.get()
    }

    /// Joins: the hub knows the connection from here on.
    ///
    /// # Errors
    /// [`Stopping`]: the hub takes no more inputs, or the connection has joined already.
    pub(crate) fn join(&self, identity: Identity) -> Result<&JoinedClient, Stopping> {
        let (client, ticket) = JoinedClient::new(Arc::clone(&self.state), self.serial, self.address, identity);
        self.client.set(client).map_err(|_| Stopping)?;
        let client = self.client.get().ok_or(Stopping)?;
        client.join(ticket).map(|()| client)
    }

    /// Informs the hub, once, that the client is gone.
    pub(crate) fn leave(&self) {
        if let Some(client) = self.client.get() {
            client.leave();
        }
    }

    /// Waits while too many inputs of this connection are under way.
    ///
    /// # Errors
    /// [`Stopping`]: the hub takes no more inputs.
    pub(crate) async fn permit(&self) -> Result<Permit, Stopping> {
        self.client.get().ok_or(Stopping)?.permit().await
    }

    /// Hands an input to the hub.
    ///
    /// # Errors
    /// [`Stopping`]: the hub takes no more inputs, or the client has left.
    pub(crate) fn submit(&self, permit: Permit, input: Input) -> Result<(), Stopping> {
        self.client.get().ok_or(Stopping)?.submit(permit, input)
    }

    /// Sends a message.
    pub(crate) fn send_message(self: &Arc<Self>, message: &impl Encode) {
        self.send(&frame::text(message), Weight::Counted);
    }

    /// Counts, traces and sends an error.
    pub(crate) fn send_error(self: &Arc<Self>, reply: &ErrorReply<'_>) {
        match self.client.get() {
            Some(client) => client.note_refused(reply),
            None => {
                self.state.metrics.count_refused(reply.code);
                trace_log::refused_before_the_hub(self.serial, "", None, self.address, reply);
            }
        }
        self.send_message(reply);
    }

    /// Sends a frame, at once if nothing waits.
    pub(crate) fn send(self: &Arc<Self>, frame: &Bytes, weight: Weight) {
        let after = self.outbox.send(frame, weight);
        self.finish_send(after);
    }

    /// Sends frames together; see [`Outbox::send_all`].
    pub(crate) fn send_all<'f>(self: &Arc<Self>, joined: &[u8], frames: impl Iterator<Item = (&'f Bytes, Weight)>) {
        let after = self.outbox.send_all(joined, frames);
        self.finish_send(after);
    }

    /// Closes the connection with a close frame, behind the frames that wait. The client counts as gone from here on.
    pub(crate) fn close(self: &Arc<Self>, why: Close) {
        self.send_close_frame(&frame::close(why));
        self.end();
    }

    /// Sends a close frame, without ending the connection's task: that task calls this at its own end.
    pub(crate) fn send_close_frame(self: &Arc<Self>, frame: &Bytes) {
        let after = self.outbox.close(frame);
        self.finish_send(after);
    }

    /// Ends the connection without a close frame.
    pub(crate) fn abandon(&self) {
        self.outbox.kill();
        self.end();
    }

    /// Notes that the welcome is on its way: the client's next message may be read.
    pub(crate) fn note_welcomed(&self) {
        self.welcomed.notify_one();
    }

    /// Waits for the welcome. For the connection's own task.
    pub(crate) async fn welcomed(&self) {
        self.welcomed.notified().await;
    }

    /// Waits until the connection is closed from outside its own task. For that task.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// Notes that the peer sent something.
    pub(crate) fn note_received(&self) {
        self.received_ms.store(self.state.uptime_ms(), Relaxed);
    }

    /// For how long the peer has sent nothing, in milliseconds.
    pub(crate) fn silent_ms(&self) -> u64 {
        self.state.uptime_ms().saturating_sub(self.received_ms.load(Relaxed))
    }

    /// Ends the connection if the peer was silent for the idle timeout, and otherwise sends a ping if one is due.
    pub(crate) fn keep_alive(self: &Arc<Self>, now_ms: u64) {
        let settings = &self.state.settings;
        if self.outbox.is_sealed() {
            return;
        }
        if now_ms.saturating_sub(self.received_ms.load(Relaxed)) >= whole_ms(settings.idle_timeout) {
            self.abandon();
        } else if now_ms >= self.ping_at_ms.load(Relaxed) {
            self.ping_at_ms.store(now_ms + whole_ms(settings.ping_interval).max(1), Relaxed);
            self.send(&PING_FRAME, Weight::Counted);
        }
    }

    fn finish_send(self: &Arc<Self>, after: AfterSend) {
        if after.drain {
            let connection = Arc::clone(self);
            tokio::spawn(async move { connection.outbox.drain().await });
        }
        if after.overflowed {
            self.state.metrics.slow_clients.fetch_add(1, Relaxed);
            self.end();
        }
    }

    fn end(&self) {
        self.leave();
        self.closed.notify_one();
    }
}
