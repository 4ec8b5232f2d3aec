//! WebSocket frames as a client that holds thousands of connections reads and writes them (RFC 6455, section 5): no
//! buffer of its own per connection, a frame that is whole in what was read is looked at where it lies.

/// The last (and here only) frame of its message.
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
pub(super) const TEXT: u8 = 0x1;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;

/// A longer frame than this is taken for nonsense: the longest that a hub sends is a welcome.
const FRAME_BYTES_MAX: u64 = 64 << 20;

/// What the beginning of some bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// A frame, so many bytes with its header.
    Frame { opcode: u8, payload: &'a [u8], bytes: usize },
    /// Not all of a frame is there yet.
    Incomplete,
    /// No frame that this client takes: masked, in several parts, or too long.
    Bad,
}

/// Looks for one frame of a server.
pub(super) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let [first, second, rest @ ..] = bytes else { return Parsed::Incomplete };
    if first & FIN == 0 || first & 0x70 != 0 || second & MASKED != 0 {
        return Parsed::Bad;
    }
    let (length, header) = match second & 0x7f {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 4),
            None => return Parsed::Incomplete,
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (u64::from_be_bytes(*length), 10),
            None => return Parsed::Incomplete,
        },
        length => (u64::from(length), 2),
    };
    if length > FRAME_BYTES_MAX {
        return Parsed::Bad;
    }
    let end = header + length as usize;
    match bytes.get(header..end) {
        Some(payload) => Parsed::Frame { opcode: first & 0xf, payload, bytes: end },
        None => Parsed::Incomplete,
    }
}

/// Appends a frame of a client, masked with `key`.
pub(super) fn append(buffer: &mut Vec<u8>, opcode: u8, payload: &[u8], key: u32) {
    buffer.push(FIN | opcode);
    match payload.len() {
        length @ 0..=125 => buffer.push(MASKED | length as u8),
        length @ 126..=0xffff => {
            buffer.push(MASKED | 126);
            buffer.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            buffer.push(MASKED | 127);
            buffer.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let key = key.to_be_bytes();
    buffer.extend_from_slice(&key);
    buffer.extend(payload.iter().zip(key.into_iter().cycle()).map(|(byte, key)| byte ^ key));
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

    use super::*;

    #[test]
    fn a_server_reads_what_is_appended() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
            let text = "x".repeat(length);
            let mut bytes = Vec::new();
            append(&mut bytes, TEXT, text.as_bytes(), 0xdead_beef);
            let read = WebSocket::from_raw_socket(Cursor::new(bytes), Role::Server, None).read().unwrap();
            assert_eq!(read, Message::text(text));
        }
    }

    #[test]
    fn what_a_server_writes_is_parsed_and_no_part_of_it() {
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
    fn what_no_hub_sends_is_bad() {
        let too_long = [&[FIN | TEXT, 127][..], &u64::MAX.to_be_bytes()].concat();
        for bytes in [&[TEXT, 0][..], &[FIN | 0x40 | TEXT, 0], &[FIN | TEXT, MASKED], &too_long] {
            assert_eq!(parse(bytes), Parsed::Bad);
        }
    }
}
