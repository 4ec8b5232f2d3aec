//! The sending side of one socket. Nothing else writes to it.
//!
//! # Rules
//!
//! - A frame is written directly only while nothing waits; what the socket does not take waits in order. A frame
//!   of which a part is written stays at the head, so frames never interleave.
//! - What waits is bounded ([`Bounds`]). Past the bound the torn head stays, all behind it is dropped, a close frame
//!   with 1013 follows, and the outbox is sealed.
//! - After a close frame nothing goes in any more.
//! - It never waits: a socket that takes nothing more is drained by [`Outbox::drain`], in a task of its own.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::iter;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::frame::is_close;
use super::socket::Socket;
use crate::protocol::{Close, frame};

/// Slices that one write takes from the queue. Enough that a group's frames go out together; small enough for the stack.
const SLICES_PER_WRITE: usize = 32;
/// A queue that once held more than so many frames gives its memory back when it is empty.
const FRAMES_KEPT_ALLOCATED: usize = 4;

/// How much may wait in one outbox. The welcome and replayed results do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Bytes, WebSocket headers included.
    pub(super) bytes: usize,
    /// Frames.
    pub(super) frames: usize,
}

/// Whether a frame counts towards [`Bounds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// It does.
    Counted,
    /// It is part of what a client gets on joining: the welcome, or a result that it asked to have again.
    Free,
}

/// What the caller has to see to after something went in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
pub(super) struct After {
    /// The socket is full: run [`Outbox::drain`]. Said once until that has ended.
    pub(super) drain: bool,
    /// The bound is passed and the outbox sealed: the client counts as gone. Said once.
    pub(super) overflowed: bool,
}

/// One socket and what waits for it.
#[derive(Debug)]
pub(super) struct Outbox<S> {
    socket: S,
    bounds: Bounds,
    state: Mutex<State>,
    /// Told when a drain has to end early.
    killed: Notify,
    /// Told when a closing outbox has nothing left to write.
    emptied: Notify,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Waiting>,
    /// Bytes of the head that are written already.
    torn: usize,
    /// Counted bytes that wait.
    bytes: usize,
    /// Counted frames that wait.
    frames: usize,
    /// The socket takes nothing at the moment, and a drain runs (or is about to).
    blocked: bool,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// A close frame is in: what waits is still written, nothing is added.
    Closing,
    /// The socket failed, or the connection was given up.
    Dead,
}

#[derive(Debug)]
struct Waiting {
    frame: Bytes,
    weight: Weight,
}

impl<S: Socket> Outbox<S> {
    pub(super) fn new(socket: S, bounds: Bounds) -> Self {
        let state = State { queue: VecDeque::new(), torn: 0, bytes: 0, frames: 0, blocked: false, phase: Phase::Open };
        Self { socket, bounds, state: Mutex::new(state), killed: Notify::new(), emptied: Notify::new() }
    }

    pub(super) fn socket(&self) -> &S {
        &self.socket
    }

    /// Sends one frame: at once if nothing waits and the socket takes it.
    pub(super) fn send(&self, frame: &Bytes, weight: Weight) -> After {
        self.send_all(frame, iter::once((frame, weight)))
    }

    /// Sends frames, in order. `joined` is their bytes one after the other, so that they go out by one plain write if
    /// nothing waits and the socket takes them; or it is empty. A close frame comes alone.
    pub(super) fn send_all<'f>(&self, joined: &[u8], frames: impl Iterator<Item = (&'f Bytes, Weight)>) -> After {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return After::default();
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
        After { drain: drain || after.drain, ..after }
    }

    /// Adds a close frame behind what waits, and seals. Without effect once sealed.
    pub(super) fn close(&self, frame: &Bytes) -> After {
        debug_assert!(is_close(frame));
        self.send(frame, Weight::Free)
    }

    /// Gives up: what waits is dropped, nothing is written any more.
    pub(super) fn kill(&self) {
        let _ = self.failed(&mut self.lock());
    }

    /// Writes whenever the socket takes something, until nothing waits or the outbox is dead.
    pub(super) async fn drain(&self) {
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
    pub(super) async fn emptied(&self) {
        loop {
            let told = self.emptied.notified();
            if self.is_finished() {
                return;
            }
            told.await;
        }
    }

    /// Whether nothing goes in any more.
    pub(super) fn is_sealed(&self) -> bool {
        self.lock().phase != Phase::Open
    }

    /// Whether it gave up.
    pub(super) fn is_dead(&self) -> bool {
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
        // No code that can panic runs under the lock but the socket's own; its state is whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_out(&self, state: &mut State) -> After {
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
        After { drain: false, overflowed: self.seal_if_over(state) }
    }

    /// Nothing waits here any more; what the socket has taken is to go on its way.
    fn flush(&self, state: &mut State) -> After {
        match self.socket.try_flush() {
            Ok(()) => {
                self.all_written(state);
                After::default()
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked(state),
            Err(_) => self.failed(state),
        }
    }

    fn blocked(&self, state: &mut State) -> After {
        state.blocked = true;
        After { drain: true, overflowed: self.seal_if_over(state) }
    }

    fn failed(&self, state: &mut State) -> After {
        state.phase = Phase::Dead;
        state.clear();
        self.killed.notify_one();
        self.emptied.notify_waiters();
        After::default()
    }

    fn written_whole(&self, state: &mut State, frame: &[u8]) -> After {
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
        self.queue.push_back(Waiting { frame: frame.clone(), weight });
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
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// A text frame; the tests' words are shorter than 126 bytes.
    fn text(word: &[u8]) -> Bytes {
        [&[0x81, u8::try_from(word.len()).unwrap()], word].concat().into()
    }

    /// A socket that takes only so many bytes as a test has granted.
    #[derive(Debug, Default)]
    struct Grudging {
        state: Mutex<(usize, Vec<u8>, usize)>,
        granted: Notify,
    }

    impl Grudging {
        fn grant(&self, bytes: usize) {
            self.state.lock().unwrap().0 += bytes;
            self.granted.notify_one();
        }

        fn taken(&self) -> Vec<u8> {
            self.state.lock().unwrap().1.clone()
        }

        fn writes(&self) -> usize {
            self.state.lock().unwrap().2
        }
    }

    impl Socket for Grudging {
        fn poll_read(&self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let mut state = self.state.lock().unwrap();
            state.2 += 1;
            if state.0 == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let mut written = 0;
            for slice in slices {
                let part = slice.len().min(state.0);
                state.0 -= part;
                written += part;
                state.1.extend_from_slice(&slice[..part]);
            }
            Ok(written)
        }

        async fn writable(&self) -> io::Result<()> {
            while self.state.lock().unwrap().0 == 0 {
                self.granted.notified().await;
            }
            Ok(())
        }

        fn finish(&self) {}
    }

    fn outbox(bytes: usize, frames: usize) -> Outbox<Grudging> {
        Outbox::new(Grudging::default(), Bounds { bytes, frames })
    }

    fn send_all(outbox: &Outbox<Grudging>, frames: &[Bytes], joined: bool) -> After {
        let joined = if joined { frames.concat() } else { Vec::new() };
        outbox.send_all(&joined, frames.iter().map(|frame| (frame, Weight::Counted)))
    }

    /// Lets the drain go as far as it gets; whether it has ended.
    fn drain(outbox: &Outbox<Grudging>) -> bool {
        pin!(outbox.drain()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    const NOTHING: After = After { drain: false, overflowed: false };
    const DRAIN: After = After { drain: true, overflowed: false };

    #[test]
    fn a_frame_goes_straight_to_a_socket_that_takes_it() {
        let outbox = outbox(100, 10);
        outbox.socket.grant(100);
        assert_eq!(outbox.send(&text(b"one"), Weight::Counted), NOTHING);
        assert_eq!((outbox.socket.taken(), outbox.socket.writes()), (text(b"one").to_vec(), 1));
    }

    #[test]
    fn a_torn_frame_is_finished_before_anything_else_is_written() {
        let outbox = outbox(100, 10);
        outbox.socket.grant(3);
        assert_eq!(outbox.send(&text(b"first"), Weight::Counted), DRAIN, "the caller is told once that a drain is due");
        assert_eq!(outbox.send(&text(b"second"), Weight::Counted), NOTHING);
        outbox.socket.grant(2);
        assert!(!drain(&outbox));
        assert_eq!(outbox.socket.taken(), text(b"first")[..5]);
        outbox.socket.grant(100);
        assert!(drain(&outbox));
        assert_eq!(outbox.socket.taken(), [text(b"first"), text(b"second")].concat());
        let _ = outbox.send(&text(b"third"), Weight::Counted);
        assert!(outbox.socket.taken().ends_with(b"third"), "writing is direct again");
    }

    #[test]
    fn what_comes_together_goes_out_as_one_write() {
        let outbox = outbox(100, 10);
        outbox.socket.grant(100);
        let frames = [text(b"a"), text(b"b"), text(b"c")];
        let all = b"\x81\x01a\x81\x01b\x81\x01c".to_vec();
        assert_eq!(send_all(&outbox, &frames, true), NOTHING);
        assert_eq!((outbox.socket.taken(), outbox.socket.writes()), (all.clone(), 1));
        assert_eq!(send_all(&outbox, &frames, false), NOTHING, "nobody joined them: they are written as slices");
        assert_eq!((outbox.socket.taken(), outbox.socket.writes()), ([all.clone(), all].concat(), 2));
    }

    #[test]
    fn what_comes_together_and_is_not_taken_waits_frame_by_frame() {
        let outbox = outbox(9, 10);
        outbox.socket.grant(4);
        let frames = [text(b"a"), text(b"b"), text(b"c"), text(b"d")];
        assert_eq!(send_all(&outbox, &frames, true), DRAIN, "8 bytes wait");
        assert_eq!(send_all(&outbox, &frames, true), After { drain: false, overflowed: true });
        outbox.socket.grant(100);
        assert!(drain(&outbox));
        let torn_head = &b"\x81\x01a\x81\x01b"[..];
        assert_eq!(outbox.socket.taken(), [torn_head, &frame::close(Close::TooSlow)].concat());
    }

    #[test]
    fn past_its_bytes_it_keeps_the_torn_head_and_says_1013_and_nothing_more() {
        let outbox = outbox(20, 10);
        outbox.socket.grant(4);
        assert_eq!(outbox.send(&text(b"torn head"), Weight::Counted), DRAIN);
        assert_eq!(outbox.send(&text(b"13 bytes here"), Weight::Counted), After { drain: false, overflowed: true });
        assert_eq!(outbox.send(&text(b"late"), Weight::Counted), NOTHING, "sealed, and said once");
        assert!(outbox.is_sealed() && !outbox.is_dead());
        outbox.socket.grant(1000);
        assert!(drain(&outbox));
        assert_eq!(outbox.socket.taken(), [text(b"torn head"), frame::close(Close::TooSlow)].concat());
    }

    #[test]
    fn the_bounds_are_what_may_still_wait() {
        let by_frames = outbox(1000, 3);
        let said: Vec<_> = (0..4).map(|_| by_frames.send(&text(b""), Weight::Counted).overflowed).collect();
        assert_eq!(said, [false, false, false, true]);
        let by_bytes = outbox(10, 100);
        let said: Vec<_> = (0..3).map(|_| by_bytes.send(&text(b"abc"), Weight::Counted).overflowed).collect();
        assert_eq!(said, [false, false, true]);
    }

    #[test]
    fn a_welcome_and_what_follows_from_joining_do_not_count() {
        let outbox = outbox(10, 2);
        for _ in 0..100 {
            assert!(!outbox.send(&text(b"a long welcome"), Weight::Free).overflowed);
        }
        assert!(!outbox.send(&text(b"1"), Weight::Counted).overflowed);
        outbox.socket.grant(10_000);
        assert!(drain(&outbox));
        let state = outbox.lock();
        assert_eq!((state.bytes, state.frames, state.torn, state.queue.len()), (0, 0, 0, 0));
    }

    #[test]
    fn a_burst_over_the_bound_is_fine_for_a_socket_that_takes_it() {
        let outbox = outbox(10, 2);
        outbox.socket.grant(100_000);
        let burst = vec![text(b"burst"); 1000];
        assert_eq!(send_all(&outbox, &burst, false), NOTHING);
        assert_eq!(outbox.socket.taken().len(), 7000);
    }

    #[test]
    fn a_close_waits_its_turn_and_then_nothing_goes_in() {
        let outbox = outbox(100, 10);
        let _ = outbox.send(&text(b"before"), Weight::Counted);
        let _ = outbox.close(&frame::close(Close::BadHello));
        let _ = outbox.close(&frame::close(Close::GoingAway));
        let _ = outbox.send(&text(b"after"), Weight::Counted);
        assert!(pin!(outbox.emptied()).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        outbox.socket.grant(1000);
        assert!(drain(&outbox));
        assert_eq!(outbox.socket.taken(), [text(b"before"), frame::close(Close::BadHello)].concat());
        assert!(pin!(outbox.emptied()).poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }

    #[test]
    fn giving_up_ends_the_drain_and_frees_what_waits() {
        let outbox = outbox(100, 10);
        let _ = outbox.send(&text(b"never"), Weight::Counted);
        let mut draining = pin!(outbox.drain());
        let mut emptied = pin!(outbox.emptied());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(draining.as_mut().poll(&mut cx).is_pending());
        outbox.kill();
        assert!(draining.poll(&mut cx).is_ready());
        assert!(emptied.as_mut().poll(&mut cx).is_ready());
        assert!(outbox.is_dead() && outbox.lock().queue.is_empty());
    }

    /// Whatever the socket takes and when, what arrives is a prefix of what was sent.
    #[test]
    fn random_sockets_get_whole_frames_in_order() {
        use proptest::prelude::*;
        proptest!(|(steps in prop::collection::vec((0..40usize, 0..60usize, any::<bool>()), 1..200))| {
            let outbox = outbox(100_000, 1000);
            let mut sent = Vec::new();
            let mut draining = false;
            for (length, room, together) in steps {
                let frames = [length, length / 2].map(|length| text(&vec![u8::try_from(length).unwrap(); length]));
                sent.extend_from_slice(&frames.concat());
                if together {
                    draining |= send_all(&outbox, &frames, room % 2 == 0).drain;
                } else {
                    for frame in &frames {
                        draining |= outbox.send(frame, Weight::Counted).drain;
                    }
                }
                outbox.socket.grant(room);
                if draining && drain(&outbox) {
                    draining = false;
                }
                prop_assert!(sent.starts_with(&outbox.socket.taken()));
            }
            outbox.socket.grant(1_000_000);
            prop_assert!(!draining || drain(&outbox));
            prop_assert_eq!(outbox.socket.taken(), sent);
        });
    }
}
