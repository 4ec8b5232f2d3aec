//! The rules of the sending side, on a socket that takes only what a test grants.

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
    state: Mutex<Taking>,
    granted: Notify,
}

#[derive(Debug, Default)]
struct Taking {
    /// Bytes that it still takes.
    room: usize,
    taken: Vec<u8>,
    /// Calls of `try_write`.
    writes: usize,
}

impl Grudging {
    fn grant(&self, bytes: usize) {
        self.state.lock().unwrap().room += bytes;
        self.granted.notify_one();
    }

    fn taken(&self) -> Vec<u8> {
        self.state.lock().unwrap().taken.clone()
    }

    fn writes(&self) -> usize {
        self.state.lock().unwrap().writes
    }
}

impl Socket for Grudging {
    fn poll_read(&self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap();
        state.writes += 1;
        if state.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut written = 0;
        for slice in slices {
            let part = slice.len().min(state.room);
            state.room -= part;
            written += part;
            state.taken.extend_from_slice(&slice[..part]);
        }
        Ok(written)
    }

    async fn writable(&self) -> io::Result<()> {
        while self.state.lock().unwrap().room == 0 {
            self.granted.notified().await;
        }
        Ok(())
    }

    fn finish(&self) {}
}

fn outbox(bytes: usize, frames: usize) -> Outbox<Grudging> {
    Outbox::new(Grudging::default(), OutboxBounds { bytes, frames })
}

fn send_all(outbox: &Outbox<Grudging>, frames: &[Bytes], joined: bool) -> AfterSend {
    let joined = if joined { frames.concat() } else { Vec::new() };
    outbox.send_all(&joined, frames.iter().map(|frame| (frame, Weight::Counted)))
}

/// Lets the drain go as far as it gets; whether it has ended.
fn drain(outbox: &Outbox<Grudging>) -> bool {
    pin!(outbox.drain()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

const NOTHING: AfterSend = AfterSend { drain: false, overflowed: false };
const DRAIN: AfterSend = AfterSend { drain: true, overflowed: false };

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
    assert_eq!(send_all(&outbox, &frames, true), AfterSend { drain: false, overflowed: true });
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
    assert_eq!(outbox.send(&text(b"13 bytes here"), Weight::Counted), AfterSend { drain: false, overflowed: true });
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
