//! The rules of the sending side, on a socket that accepts only as many bytes as a test allows.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

/// A text frame with a payload of less than 126 bytes.
fn text(word: &[u8]) -> Bytes {
    [&[0x81, u8::try_from(word.len()).unwrap()], word].concat().into()
}

/// A socket that accepts only as many bytes as a test has allowed.
#[derive(Debug, Default)]
struct Grudging {
    state: Mutex<Taking>,
    granted: Notify,
}

#[derive(Debug, Default)]
struct Taking {
    /// The number of bytes that it still accepts.
    room: usize,
    taken: Vec<u8>,
    /// The number of calls of `try_write`.
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

/// Runs the drain until the socket accepts nothing more, and returns whether it has ended.
fn drain(outbox: &Outbox<Grudging>) -> bool {
    pin!(outbox.drain()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

const NOTHING: AfterSend = AfterSend { drain: false, overflowed: false };
const DRAIN: AfterSend = AfterSend { drain: true, overflowed: false };

#[test]
fn a_frame_is_written_at_once_if_the_socket_accepts_it() {
    let outbox = outbox(100, 10);
    outbox.socket.grant(100);
    assert_eq!(outbox.send(&text(b"one"), Weight::Counted), NOTHING);
    assert_eq!((outbox.socket.taken(), outbox.socket.writes()), (text(b"one").to_vec(), 1));
}

#[test]
fn a_partly_written_frame_is_finished_before_anything_else_is_written() {
    let outbox = outbox(100, 10);
    outbox.socket.grant(3);
    assert_eq!(outbox.send(&text(b"first"), Weight::Counted), DRAIN, "the caller learns once that a drain is due");
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
fn frames_that_are_sent_together_need_one_write() {
    let outbox = outbox(100, 10);
    outbox.socket.grant(100);
    let frames = [text(b"a"), text(b"b"), text(b"c")];
    let all = b"\x81\x01a\x81\x01b\x81\x01c".to_vec();
    assert_eq!(send_all(&outbox, &frames, true), NOTHING);
    assert_eq!((outbox.socket.taken(), outbox.socket.writes()), (all.clone(), 1));
    assert_eq!(send_all(&outbox, &frames, false), NOTHING, "their bytes are not joined, so they are written as slices");
    assert_eq!((outbox.socket.taken(), outbox.socket.writes()), ([all.clone(), all].concat(), 2));
}

#[test]
fn frames_that_are_sent_together_and_not_accepted_wait_one_by_one() {
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
fn above_the_bound_the_partly_written_head_and_a_close_with_1013_remain() {
    let outbox = outbox(20, 10);
    outbox.socket.grant(4);
    assert_eq!(outbox.send(&text(b"torn head"), Weight::Counted), DRAIN);
    assert_eq!(outbox.send(&text(b"13 bytes here"), Weight::Counted), AfterSend { drain: false, overflowed: true });
    assert_eq!(
        outbox.send(&text(b"late"), Weight::Counted),
        NOTHING,
        "it is sealed, and the overflow is reported once"
    );
    assert!(outbox.is_sealed() && !outbox.is_dead());
    outbox.socket.grant(1000);
    assert!(drain(&outbox));
    assert_eq!(outbox.socket.taken(), [text(b"torn head"), frame::close(Close::TooSlow)].concat());
}

#[test]
fn as_much_as_the_bounds_allow_may_wait() {
    let by_frames = outbox(1000, 3);
    let overflowed: Vec<_> = (0..4).map(|_| by_frames.send(&text(b""), Weight::Counted).overflowed).collect();
    assert_eq!(overflowed, [false, false, false, true]);
    let by_bytes = outbox(10, 100);
    let overflowed: Vec<_> = (0..3).map(|_| by_bytes.send(&text(b"abc"), Weight::Counted).overflowed).collect();
    assert_eq!(overflowed, [false, false, true]);
}

#[test]
fn a_welcome_and_repeated_results_do_not_count() {
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
fn a_burst_over_the_bound_is_accepted_if_the_socket_accepts_it() {
    let outbox = outbox(10, 2);
    outbox.socket.grant(100_000);
    let burst = vec![text(b"burst"); 1000];
    assert_eq!(send_all(&outbox, &burst, false), NOTHING);
    assert_eq!(outbox.socket.taken().len(), 7000);
}

#[test]
fn a_close_frame_waits_for_its_turn_and_nothing_follows_it() {
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
fn killing_the_outbox_ends_the_drain_and_drops_the_waiting_data() {
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

/// However much the socket accepts and when, the received bytes are a prefix of the sent ones.
#[test]
fn sockets_that_accept_random_amounts_receive_whole_frames_in_order() {
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
