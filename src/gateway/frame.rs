//! WebSocket frames as a server sends them: unmasked, so that one encoding serves every connection.

use bytes::{BufMut, Bytes, BytesMut};

const FINAL: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
/// What a control frame may carry, from RFC 6455.
const CONTROL_BYTES_MAX: usize = 125;

/// One text frame with `payload`, header included.
pub(super) fn text(payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + 10);
    frame.put_u8(FINAL | TEXT);
    match payload.len() {
        short @ 0..=125 => frame.put_u8(low_byte(short)),
        medium @ 126..=0xffff => {
            frame.put_u8(126);
            frame.put_u16(u16::try_from(medium).unwrap_or(u16::MAX));
        }
        long => {
            frame.put_u8(127);
            frame.put_u64(long as u64);
        }
    }
    frame.put_slice(payload);
    frame.freeze()
}

/// A close frame. A `reason` that does not fit is cut at a character's end.
pub(super) fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(CONTROL_BYTES_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut frame = BytesMut::with_capacity(4 + end);
    frame.put_u8(FINAL | CLOSE);
    frame.put_u8(low_byte(2 + end));
    frame.put_u16(code);
    frame.put_slice(&reason.as_bytes()[..end]);
    frame.freeze()
}

/// A ping without payload.
pub(super) const fn ping() -> Bytes {
    Bytes::from_static(&[FINAL | PING, 0])
}

/// Whether an encoded frame is a close frame: nothing may follow it.
pub(super) fn is_close(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 0x0f == CLOSE)
}

fn low_byte(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_frames_header_follows_its_length() {
        assert_eq!(&text(b"hi")[..], b"\x81\x02hi");
        assert_eq!(&text(&[b'x'; 126])[..4], b"\x81\x7e\x00\x7e");
        assert_eq!(&text(&[b'x'; 65_536])[..10], b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00");
    }

    #[test]
    fn a_close_frame_bears_its_code_and_as_much_of_the_reason_as_fits() {
        assert_eq!(&close(1013, "slow")[..], b"\x88\x06\x03\xf5slow");
        let cut = close(4400, &"é".repeat(100));
        assert_eq!((cut.len(), cut[1]), (2 + 2 + 122, 124), "123 bytes would split a character");
        assert!(is_close(&cut) && !is_close(&text(b"")) && !is_close(&[]));
    }
}
