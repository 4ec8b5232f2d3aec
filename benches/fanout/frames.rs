//! The minimum of WebSocket that is needed to count messages cheaply. The headers are tungstenite's.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// A client's text frame with a mask of zero, so that it contains the text unchanged.
pub(crate) fn masked(text: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    let header = FrameHeader { opcode: OpCode::Data(Data::Text), mask: Some([0; 4]), ..FrameHeader::default() };
    header.format(text.len() as u64, &mut frame).expect("a Vec takes every write");
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// Finds the ends of a server's frames in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    head: Vec<u8>,
    /// The missing bytes of the current frame's payload.
    rest: usize,
}

/// The end of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Whether it is a message and not a ping.
    pub(crate) is_text: bool,
    /// The size of header and payload.
    pub(crate) bytes: usize,
}

impl Cutter {
    /// Calls `each` for each frame that ends in `bytes`.
    pub(crate) fn cut(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame)) {
        while let Some(&first) = bytes.first() {
            if self.rest == 0 {
                self.head.push(first);
                bytes = &bytes[1..];
                match payload_bytes(&self.head) {
                    Some(0) => self.end(0, &mut each),
                    Some(length) => self.rest = length,
                    None => {}
                }
                continue;
            }
            let part = self.rest.min(bytes.len());
            self.rest -= part;
            bytes = &bytes[part..];
            if self.rest == 0 {
                let length = payload_bytes(&self.head).unwrap_or(0);
                self.end(length, &mut each);
            }
        }
    }

    fn end(&mut self, length: usize, each: &mut impl FnMut(Frame)) {
        each(Frame { is_text: self.head[0] & 0x0f == 1, bytes: self.head.len() + length });
        self.head.clear();
    }
}

/// The payload length in a header; `None` while the header is incomplete.
fn payload_bytes(head: &[u8]) -> Option<usize> {
    let (_, length) = FrameHeader::parse(&mut Cursor::new(head)).ok()??;
    usize::try_from(length).ok()
}
