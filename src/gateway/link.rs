//! A connection as the rest of the gateway sees it: what one can do to it from outside its own task.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::Notify;

use super::house::{House, whole_ms};
use super::outbox::{After, Bounds, Outbox, Weight};
use super::socket::Socket;
use crate::hub::{Port, Room, Stopping};
use crate::protocol::server::ErrorReply;
use crate::protocol::{Close, Encode, Role, frame};
use crate::workspace::Name;
use crate::workspace::entry::{Client, Input};

/// One connection. Its own task reads; everybody who has the link may send. Used on its shard's thread.
#[derive(Debug)]
pub(super) struct Link<S> {
    pub(super) serial: u64,
    house: Arc<House>,
    outbox: Outbox<S>,
    /// When the peer last sent something, in the house's milliseconds.
    heard_ms: AtomicU64,
    /// When the next ping is due.
    ping_at_ms: AtomicU64,
    /// As what it joined; set by its hello.
    member: OnceLock<Member>,
    /// The hub was told that it is gone.
    left: AtomicBool,
    /// Told when the welcome is on its way.
    welcomed: Notify,
    /// Told when the connection was ended from outside.
    cut: Notify,
}

/// A connection that has said hello.
#[derive(Debug)]
struct Member {
    port: Port,
    workspace: Name,
    role: Role,
}

impl<S: Socket> Link<S> {
    pub(super) fn new(house: Arc<House>, serial: u64, socket: S) -> Self {
        let settings = &house.settings;
        let bounds = Bounds { bytes: settings.outbound_bytes, frames: settings.outbound_frames };
        let now_ms = house.now_ms();
        // The first pings of clients that came together are spread over the interval by their serials.
        let interval_ms = whole_ms(settings.ping_interval).max(1);
        let first_ping_ms = 1 + serial.wrapping_mul(0x9e37_79b9_7f4a_7c15) % interval_ms;
        Self {
            serial,
            outbox: Outbox::new(socket, bounds),
            heard_ms: AtomicU64::new(now_ms),
            ping_at_ms: AtomicU64::new(now_ms + first_ping_ms),
            member: OnceLock::new(),
            left: AtomicBool::new(false),
            welcomed: Notify::new(),
            cut: Notify::new(),
            house,
        }
    }

    pub(super) fn outbox(&self) -> &Outbox<S> {
        &self.outbox
    }

    pub(super) fn house(&self) -> &Arc<House> {
        &self.house
    }

    /// Sends a message.
    pub(super) fn say(self: &Arc<Self>, message: &impl Encode) {
        self.send(&frame::text(message), Weight::Counted);
    }

    /// Sends an error.
    pub(super) fn refuse(self: &Arc<Self>, reply: &ErrorReply<'_>) {
        self.house.counters.refused(reply.code);
        self.say(reply);
    }

    /// Sends a frame, at once if nothing waits.
    pub(super) fn send(self: &Arc<Self>, frame: &Bytes, weight: Weight) {
        let after = self.outbox.send(frame, weight);
        self.see_to(after);
    }

    /// Sends frames together; see [`Outbox::send_all`].
    pub(super) fn send_all<'f>(self: &Arc<Self>, joined: &[u8], frames: impl Iterator<Item = (&'f Bytes, Weight)>) {
        let after = self.outbox.send_all(joined, frames);
        self.see_to(after);
    }

    /// Ends the connection with a close frame, behind what waits. It counts as gone from now on.
    pub(super) fn close(self: &Arc<Self>, why: Close) {
        self.close_with(&frame::close(why));
        self.end();
    }

    /// Adds a close frame; its own task uses it when it has come to its end.
    pub(super) fn close_with(self: &Arc<Self>, frame: &Bytes) {
        let after = self.outbox.close(frame);
        self.see_to(after);
    }

    /// Ends the connection without a word.
    pub(super) fn abandon(&self) {
        self.outbox.kill();
        self.end();
    }

    /// Tells the hub, once, that the client is gone.
    pub(super) fn leave(&self) {
        let Some(member) = self.member.get() else { return };
        if self.left.swap(true, Relaxed) {
            return;
        }
        self.house.counters.left(member.role);
        // Those who are there when the hub stops are expected back: their desks must not be found dissolved.
        if !self.house.is_stopping() {
            member.port.leave(Name::clone(&member.workspace));
        }
    }

    /// Joins `workspace` as `client`: from now on the hub knows the connection.
    ///
    /// # Errors
    /// [`Stopping`]: the hub takes no more.
    pub(super) fn join(&self, workspace: Name, role: Role, client: Client) -> Result<(), Stopping> {
        let (port, room) = Port::new(Arc::clone(&self.house.behind.intake), self.serial);
        if self.member.set(Member { port, workspace, role }).is_ok() {
            self.house.counters.joined(role);
        }
        self.submit(room, Input::Join { connection: self.serial, client })
    }

    /// Waits while too many inputs of this connection are under way.
    ///
    /// # Errors
    /// [`Stopping`], as of [`submit`](Self::submit).
    pub(super) async fn room(&self) -> Result<Room, Stopping> {
        self.member.get().ok_or(Stopping)?.port.room().await
    }

    /// Hands an input to the hub.
    ///
    /// # Errors
    /// [`Stopping`]: the hub takes no more, or not from this connection, which has left.
    pub(super) fn submit(&self, room: Room, input: Input) -> Result<(), Stopping> {
        let member = self.member.get().filter(|_| !self.left.load(Relaxed)).ok_or(Stopping)?;
        member.port.submit(room, Name::clone(&member.workspace), input)
    }

    /// The welcome is on its way: the client may speak on.
    pub(super) fn welcome(&self) {
        self.welcomed.notify_one();
    }

    /// Waits for [`welcome`](Self::welcome). For the connection's own task.
    pub(super) async fn welcomed(&self) {
        self.welcomed.notified().await;
    }

    /// Waits until the connection is ended from outside. For the connection's own task.
    pub(super) async fn cut(&self) {
        self.cut.notified().await;
    }

    /// The peer sent something.
    pub(super) fn heard(&self) {
        self.heard_ms.store(self.house.now_ms(), Relaxed);
    }

    /// Drops a peer that has been silent for too long, pings one whose ping is due.
    pub(super) fn keep_alive(self: &Arc<Self>, now_ms: u64) {
        let settings = &self.house.settings;
        if self.outbox.is_sealed() {
            return;
        }
        if now_ms.saturating_sub(self.heard_ms.load(Relaxed)) >= whole_ms(settings.idle_timeout) {
            self.abandon();
        } else if now_ms >= self.ping_at_ms.load(Relaxed) {
            self.ping_at_ms.store(now_ms + whole_ms(settings.ping_interval).max(1), Relaxed);
            self.send(&super::frame::PING_FRAME, Weight::Counted);
        }
    }

    fn see_to(self: &Arc<Self>, after: After) {
        if after.drain {
            let link = Arc::clone(self);
            tokio::spawn(async move { link.outbox.drain().await });
        }
        if after.overflowed {
            self.house.counters.slow_clients.fetch_add(1, Relaxed);
            self.end();
        }
    }

    fn end(&self) {
        self.leave();
        self.cut.notify_one();
    }
}
