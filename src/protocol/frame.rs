//! WebSocket frames from the hub. A server's frames are not masked, so a frame is encoded once and its bytes are the same for
//! every connection (RFC 6455, section 5.2).

use bytes::Bytes;

use crate::close::Close;
use crate::outbound::{Encode, append};
use crate::size::CLOSE_REASON_BYTES_MAX;

/// The longest header: two bytes and a length of eight bytes.
const HEADER_BYTES_MAX: usize = 10;
/// The frame is the last of its message. The hub does not fragment messages.
const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;

/// The message as one text frame. The JSON is written behind the space for the header and not copied.
#[must_use]
pub fn text(message: &impl Encode) -> Bytes {
    let mut buffer = Vec::with_capacity(512);
    buffer.resize(HEADER_BYTES_MAX, 0);
    append(message, &mut buffer);
    with_header(buffer, TEXT)
}

/// A close frame with its code and reason.
#[must_use]
pub fn close(why: Close) -> Bytes {
    close_with(why.code(), why.reason())
}

/// A close frame with any code. A longer reason than [`CLOSE_REASON_BYTES_MAX`] is cut at a character.
#[must_use]
pub fn close_with(code: u16, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)];
    let mut buffer = vec![0; HEADER_BYTES_MAX];
    buffer.extend_from_slice(&code.to_be_bytes());
    buffer.extend_from_slice(reason.as_bytes());
    with_header(buffer, CLOSE)
}

/// A frame of the hub, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A text message.
    Text(&'a [u8]),
    /// A close with its code, or 0 without one.
    Close(u16),
    /// A ping or pong.
    Other,
}

/// Parses the first frame and returns it with the data behind it; `None` while it is incomplete. Only for the hub's frames, which are
/// neither masked nor fragmented.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match second {
        126 => rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest))?,
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
        length => (u64::from(length), rest),
    };
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let frame = match first & 0x0f {
        TEXT => Frame::Text(payload),
        CLOSE => Frame::Close(payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code))),
        _ => Frame::Other,
    };
    Some((frame, rest))
}

/// Puts the header right before the payload, which begins at [`HEADER_BYTES_MAX`], and cuts off the unused space before it.
fn with_header(mut buffer: Vec<u8>, opcode: u8) -> Bytes {
    let length = (buffer.len() - HEADER_BYTES_MAX) as u64;
    let start = match length {
        0..=125 => {
            buffer[9] = length as u8;
            8
        }
        126..=0xffff => {
            buffer[7] = 126;
            buffer[8..10].copy_from_slice(&(length as u16).to_be_bytes());
            6
        }
        _ => {
            buffer[1] = 127;
            buffer[2..10].copy_from_slice(&length.to_be_bytes());
            0
        }
    };
    buffer[start] = FIN | opcode;
    Bytes::from(buffer).slice(start..)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
    use tokio_tungstenite::tungstenite::{Error, Message};

    use super::*;
    use crate::close::CLOSES;
    use crate::envelope::Envelope;
    use crate::error::ErrorCode;
    use crate::outbound::ErrorReply;
    use crate::outbound::encode;

    fn read_back(bytes: &[u8]) -> Result<Message, Error> {
        let config = WebSocketConfig::default().max_frame_size(None).max_message_size(None);
        WebSocket::from_raw_socket(Cursor::new(bytes.to_vec()), Role::Client, Some(config)).read()
    }

    fn error(detail: &str) -> ErrorReply<'_> {
        ErrorReply::new(Envelope::default(), None, ErrorCode::Limit, detail)
    }

    #[test]
    fn a_text_frame_is_read_back_at_every_length_of_its_header() {
        let around = encode(&error("")).len();
        for length in [around, 125, 126, 127, 65_535, 65_536, 1_000_000] {
            let detail = "x".repeat(length - around);
            let frame = text(&error(&detail));
            let header = match length {
                0..=125 => 2,
                126..=65_535 => 4,
                _ => 10,
            };
            assert_eq!(frame.len(), header + length);
            match read_back(&frame) {
                Ok(Message::Text(text)) => assert_eq!(text.as_bytes(), encode(&error(&detail))),
                other => panic!("{length}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_close_frame_is_read_back_with_its_code_and_reason() {
        for row in CLOSES {
            match read_back(&close(row.close)) {
                Ok(Message::Close(Some(frame))) => {
                    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (row.code, row.reason));
                }
                other => panic!("{row:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn frames_are_read_back_one_by_one() {
        for length in [0, 10, 100, 60_000, 70_000] {
            let detail = "x".repeat(length);
            let bytes = [text(&error(&detail)), close(Close::GoingAway)].concat();
            let (frame, rest) = read(&bytes).unwrap();
            assert_eq!(frame, Frame::Text(&encode(&error(&detail))));
            assert_eq!(read(rest), Some((Frame::Close(1001), &[][..])));
            assert_eq!(read(&bytes[..bytes.len() - rest.len() - 1]), None, "{length}");
        }
        assert_eq!(read(&[0x89, 0]), Some((Frame::Other, &[][..])));
        assert_eq!(read(&[0x88, 0]), Some((Frame::Close(0), &[][..])));
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let frame = close_with(4400, &"é".repeat(100));
        assert_eq!(frame.len(), 2 + 2 + 122);
        assert!(matches!(read_back(&frame), Ok(Message::Close(Some(_)))));
    }
}
