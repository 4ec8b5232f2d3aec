//! WebSocket frames without a buffer per connection: a complete frame is used in the read buffer. The headers are
//! tungstenite's.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

pub(crate) const TEXT: OpCode = OpCode::Data(Data::Text);
pub(crate) const CLOSE: OpCode = OpCode::Control(Control::Close);
pub(crate) const PING: OpCode = OpCode::Control(Control::Ping);
pub(crate) const PONG: OpCode = OpCode::Control(Control::Pong);

/// A longer frame is an error. The longest that a hub sends is a welcome.
const FRAME_BYTES_MAX: u64 = 64 << 20;

/// The result of reading a frame from the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// A complete frame; `bytes` is its length with the header.
    Frame { opcode: OpCode, payload: &'a [u8], bytes: usize },
    /// Only a part of a frame.
    Incomplete,
    /// A frame that no hub sends: it is masked, fragmented or too long, or its header is not valid.
    Invalid,
}

/// Reads one frame of a hub.
pub(crate) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let mut cursor = Cursor::new(bytes);
    let (header, length) = match FrameHeader::parse(&mut cursor) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => return Parsed::Incomplete,
        Err(_) => return Parsed::Invalid,
    };
    let reserved = header.rsv1 || header.rsv2 || header.rsv3;
    if !header.is_final || reserved || header.mask.is_some() || length > FRAME_BYTES_MAX {
        return Parsed::Invalid;
    }
    let start = cursor.position() as usize;
    let end = start + length as usize;
    match bytes.get(start..end) {
        Some(payload) => Parsed::Frame { opcode: header.opcode, payload, bytes: end },
        None => Parsed::Incomplete,
    }
}

/// Appends a frame of a client, masked with `key`.
pub(crate) fn append(buffer: &mut Vec<u8>, opcode: OpCode, payload: &[u8], key: [u8; 4]) {
    let header = FrameHeader { is_final: true, opcode, mask: Some(key), ..FrameHeader::default() };
    // Writing to a Vec cannot fail.
    let written = header.format(payload.len() as u64, buffer);
    debug_assert!(written.is_ok(), "{written:?}");
    buffer.extend(payload.iter().zip(key.into_iter().cycle()).map(|(byte, key)| byte ^ key));
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

    use super::*;

    #[test]
    fn a_server_reads_an_appended_frame() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
            let text = "x".repeat(length);
            let mut bytes = Vec::new();
            append(&mut bytes, TEXT, text.as_bytes(), [0xde, 0xad, 0xbe, 0xef]);
            let read = WebSocket::from_raw_socket(Cursor::new(bytes), Role::Server, None).read().unwrap();
            assert_eq!(read, Message::text(text));
        }
    }

    #[test]
    fn a_whole_frame_of_a_server_is_parsed_and_a_part_is_incomplete() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let text = "x".repeat(length);
            let mut server = WebSocket::from_raw_socket(Cursor::new(Vec::new()), Role::Server, None);
            server.send(Message::text(text.clone())).unwrap();
            let bytes = server.into_inner().into_inner();
            assert_eq!(parse(&bytes), Parsed::Frame { opcode: TEXT, payload: text.as_bytes(), bytes: bytes.len() });
            for cut in [0, 1, 2, 3, 9, bytes.len() - 1] {
                assert_eq!(parse(&bytes[..cut.min(bytes.len() - 1)]), Parsed::Incomplete);
            }
        }
    }

    #[test]
    fn a_frame_that_no_hub_sends_is_invalid() {
        let too_long = [&[0x81, 127][..], &u64::MAX.to_be_bytes()].concat();
        for bytes in [&[0x01, 0][..], &[0xc1, 0], &[0x81, 0x80, 0, 0, 0, 0], &[0x83, 0], &too_long] {
            assert_eq!(parse(bytes), Parsed::Invalid, "{bytes:?}");
        }
    }
}
