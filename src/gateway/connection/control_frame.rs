//! WebSocket control frames: ping and close.

use bytes::Bytes;

const FINAL: u8 = 0x80;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;

/// A ping without payload.
pub(crate) const PING_FRAME: Bytes = Bytes::from_static(&[FINAL | PING, 0]);

/// Whether an encoded frame is a close frame: nothing may follow it.
pub(crate) fn is_close(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 0x0f == CLOSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Close, frame};

    #[test]
    fn a_close_frame_is_recognized() {
        assert!(is_close(&frame::close(Close::TooSlow)));
        assert!(!is_close(&PING_FRAME));
        assert!(!is_close(&[]));
    }
}
