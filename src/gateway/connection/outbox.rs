//! The sending side of one socket. Nothing else writes to it.
//!
//! # Rules
//!
//! - A frame is written directly only while nothing waits. Data that the socket does not accept waits in order. A frame
//!   that is partly written stays at the head, so frames never interleave.
//! - The waiting data is bounded ([`OutboxBounds`]). Above the bound the partly written head stays, everything behind it is dropped,
//!   a close frame with 1013 follows, and the outbox is sealed.
//! - After a close frame the outbox accepts no more frames.
//! - It never waits: if the socket accepts nothing more, [`Outbox::drain`] writes the rest in a task of its own.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::iter;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::gateway::connection::control_frame::is_close;
use crate::gateway::connection::socket::Socket;
use crate::protocol::{Close, frame};

/// The most slices of one write: enough for the frames of one record, and few enough to be kept on the stack.
const SLICES_PER_WRITE: usize = 32;
/// A queue that once held more frames than this frees its memory when it is empty.
const FRAMES_KEPT_ALLOCATED: usize = 4;

/// The bounds of one outbox. The welcome and replayed results do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutboxBounds {
    /// The most bytes, including WebSocket headers.
    pub(crate) bytes: usize,
    /// The most frames.
    pub(crate) frames: usize,
}

/// Whether a frame counts towards [`OutboxBounds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// The frame counts.
    Counted,
    /// The frame belongs to the join and does not count: the welcome, or a result that the client asked to receive again.
    Free,
}

/// The action that the caller must take after adding frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
pub(crate) struct AfterSend {
    /// The socket is full: run [`Outbox::drain`]. Returned once until the drain has ended.
    pub(crate) drain: bool,
    /// The bound is exceeded and the outbox sealed: the client counts as disconnected. Returned once.
    pub(crate) overflowed: bool,
}

/// One socket and the data that waits for it.
#[derive(Debug)]
pub(crate) struct Outbox<S> {
    socket: S,
    bounds: OutboxBounds,
    state: Mutex<State>,
    /// Notified when a drain must end early.
    killed: Notify,
    /// Notified when a closing outbox has nothing left to write.
    emptied: Notify,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<QueuedFrame>,
    /// The bytes of the head that are already written.
    torn: usize,
    /// The counted bytes that wait.
    bytes: usize,
    /// The counted frames that wait.
    frames: usize,
    /// The socket accepts nothing at the moment, and a drain runs or is about to run.
    blocked: bool,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// A close frame was added: waiting data is still written, and no more is added.
    Closing,
    /// The socket failed, or the connection was abandoned.
    Dead,
}

#[derive(Debug)]
struct QueuedFrame {
    frame: Bytes,
    weight: Weight,
}

impl<S: Socket> Outbox<S> {
    pub(crate) fn new(socket: S, bounds: OutboxBounds) -> Self {
        let state = State { queue: VecDeque::new(), torn: 0, bytes: 0, frames: 0, blocked: false, phase: Phase::Open };
        Self { socket, bounds, state: Mutex::new(state), killed: Notify::new(), emptied: Notify::new() }
    }

    pub(crate) fn socket(&self) -> &S {
        &self.socket
    }

    /// Sends one frame, at once if nothing waits and the socket accepts it.
    pub(crate) fn send(&self, frame: &Bytes, weight: Weight) -> AfterSend {
        self.send_all(frame, iter::once((frame, weight)))
    }

    /// Sends frames in order. `joined` has their bytes one after the other, so that a single write sends them if
    /// nothing waits and the socket accepts them; or it is empty. A close frame comes alone.
    pub(crate) fn send_all<'f>(&self, joined: &[u8], frames: impl Iterator<Item = (&'f Bytes, Weight)>) -> AfterSend {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return AfterSend::default();
        }
        let (mut written, mut drain) = (0, false);
        if !joined.is_empty() && state.queue.is_empty() && !state.blocked {
            match self.socket.try_write(&[IoSlice::new(joined)]) {
                Ok(all) if all == joined.len() => return self.written_whole(&mut state, joined),
                Ok(part) => written = part,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    drain = true;
                    state.blocked = true;
                }
                Err(_) => return self.failed(&mut state),
            }
        }
        for (frame, weight) in frames {
            state.add(frame, weight);
        }
        state.advance(written);
        let after = self.write_out(&mut state);
        AfterSend { drain: drain || after.drain, ..after }
    }

    /// Adds a close frame behind the waiting data and seals the outbox. Has no effect on a sealed outbox.
    pub(crate) fn close(&self, frame: &Bytes) -> AfterSend {
        debug_assert!(is_close(frame));
        self.send(frame, Weight::Free)
    }

    /// Abandons the connection: drops the waiting data and writes nothing more.
    pub(crate) fn kill(&self) {
        let _ = self.failed(&mut self.lock());
    }

    /// Writes whenever the socket accepts data, until nothing waits or the outbox is dead.
    pub(crate) async fn drain(&self) {
        loop {
            let ready = tokio::select! {
                ready = self.socket.writable() => ready.is_ok(),
                () = self.killed.notified() => return,
            };
            let mut state = self.lock();
            if !ready {
                let _ = self.failed(&mut state);
                return;
            }
            state.blocked = false;
            let _ = self.write_out(&mut state);
            if !state.blocked {
                return;
            }
        }
    }

    /// Waits until a closing outbox has written everything, or is dead.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.is_finished() {
                return;
            }
            emptied.await;
        }
    }

    /// Whether it accepts no more frames.
    pub(crate) fn is_sealed(&self) -> bool {
        self.lock().phase != Phase::Open
    }

    /// Whether the connection was abandoned.
    pub(crate) fn is_dead(&self) -> bool {
        self.lock().phase == Phase::Dead
    }

    fn is_finished(&self) -> bool {
        let state = self.lock();
        match state.phase {
            Phase::Open => false,
            Phase::Closing => state.queue.is_empty() && !state.blocked,
            Phase::Dead => true,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Under the lock, only the socket's own code can panic, and the state is consistent after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_out(&self, state: &mut State) -> AfterSend {
        while !state.queue.is_empty() && !state.blocked {
            match self.socket.try_write(&state.slices()[..state.queue.len().min(SLICES_PER_WRITE)]) {
                Ok(written) => state.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.blocked(state),
                Err(_) => return self.failed(state),
            }
        }
        if state.queue.is_empty() && !state.blocked {
            return self.flush(state);
        }
        AfterSend { drain: false, overflowed: self.seal_if_over(state) }
    }

    /// Nothing waits here any more; flushes the data that the socket has accepted.
    fn flush(&self, state: &mut State) -> AfterSend {
        match self.socket.try_flush() {
            Ok(()) => {
                self.all_written(state);
                AfterSend::default()
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked(state),
            Err(_) => self.failed(state),
        }
    }

    fn blocked(&self, state: &mut State) -> AfterSend {
        state.blocked = true;
        AfterSend { drain: true, overflowed: self.seal_if_over(state) }
    }

    fn failed(&self, state: &mut State) -> AfterSend {
        state.phase = Phase::Dead;
        state.clear();
        self.killed.notify_one();
        self.emptied.notify_waiters();
        AfterSend::default()
    }

    fn written_whole(&self, state: &mut State, frame: &[u8]) -> AfterSend {
        if is_close(frame) {
            state.phase = Phase::Closing;
        }
        self.flush(state)
    }

    fn all_written(&self, state: &mut State) {
        if state.queue.capacity() > FRAMES_KEPT_ALLOCATED {
            state.queue = VecDeque::new();
        }
        if state.phase == Phase::Closing {
            self.emptied.notify_waiters();
        }
    }

    fn seal_if_over(&self, state: &mut State) -> bool {
        let over = state.bytes > self.bounds.bytes || state.frames > self.bounds.frames;
        if !over || state.phase != Phase::Open {
            return false;
        }
        state.drop_behind_torn_head();
        state.add(&frame::close(Close::TooSlow), Weight::Free);
        true
    }
}

impl State {
    fn add(&mut self, frame: &Bytes, weight: Weight) {
        if weight == Weight::Counted {
            self.bytes += frame.len();
            self.frames += 1;
        }
        if is_close(frame) {
            self.phase = Phase::Closing;
        }
        self.queue.push_back(QueuedFrame { frame: frame.clone(), weight });
    }

    /// The next bytes to write, in order.
    fn slices(&self) -> [IoSlice<'_>; SLICES_PER_WRITE] {
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        for (at, (slice, waiting)) in slices.iter_mut().zip(&self.queue).enumerate() {
            let skip = if at == 0 { self.torn } else { 0 };
            *slice = IoSlice::new(&waiting.frame[skip..]);
        }
        slices
    }

    /// `written` more bytes are on the socket.
    fn advance(&mut self, mut written: usize) {
        while let Some(head) = self.queue.front() {
            let rest = head.frame.len() - self.torn;
            let counted = head.weight == Weight::Counted;
            let part = rest.min(written);
            if counted {
                self.bytes -= part;
            }
            if written < rest {
                self.torn += written;
                return;
            }
            written -= rest;
            self.torn = 0;
            self.frames -= usize::from(counted);
            self.queue.pop_front();
            if written == 0 {
                return;
            }
        }
    }

    fn drop_behind_torn_head(&mut self) {
        self.queue.truncate(usize::from(self.torn > 0));
        let head = self.queue.front().filter(|head| head.weight == Weight::Counted);
        self.bytes = head.map_or(0, |head| head.frame.len() - self.torn);
        self.frames = usize::from(head.is_some());
    }

    fn clear(&mut self) {
        self.queue = VecDeque::new();
        (self.torn, self.bytes, self.frames) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests;
