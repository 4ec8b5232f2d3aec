//! One connection of a load test: a non-blocking socket, the incomplete frame that was received, and the data that could not
//! be sent yet. It has no task, and buffers only when it has to.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use deskbell_protocol::SUBPROTOCOL;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode;

use super::frame;

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketState {
    /// There is no connection.
    Off,
    /// The TCP handshake is in progress.
    Connecting,
    /// The upgrade request is sent.
    Upgrading,
    /// The hello is sent.
    Hello,
    /// The welcome has arrived.
    Open,
}

/// The address of the hub.
#[derive(Debug, Clone)]
pub(crate) struct HubAddress {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    pub(crate) path: String,
}

/// A connection. The counters remain after a reconnect.
#[derive(Debug)]
pub(crate) struct LoadSocket {
    socket: Option<TcpStream>,
    pub(crate) state: SocketState,
    /// Received data that is not a whole frame yet.
    partial: Vec<u8>,
    /// Data that the socket did not take yet.
    unsent: Vec<u8>,
    /// Incremented with each connection, so that a timer of the previous one is recognised.
    pub(crate) generation: u32,
    /// Attempts in a row without a welcome.
    pub(crate) failures: u32,
    /// When data arrived last, or when the connection was started.
    pub(crate) received_at: u64,
}

/// The most unsent bytes. With more, the connection counts as lost.
const UNSENT_BYTES_MAX: usize = 1 << 20;
/// The most bytes in the answer to the upgrade.
const UPGRADE_BYTES_MAX: usize = 16 << 10;
/// The key of the upgrade request. It can be the same for each: it only proves that the server knows WebSocket.
const KEY: &str = "ZGVza2JlbGwtbG9hZC0tLQ==";

impl LoadSocket {
    pub(crate) fn new() -> Self {
        Self {
            socket: None,
            state: SocketState::Off,
            partial: Vec::new(),
            unsent: Vec::new(),
            generation: 0,
            failures: 0,
            received_at: 0,
        }
    }

    /// Starts a connection.
    ///
    /// # Errors
    /// An error of the socket, such as too many open files.
    pub(crate) fn start(&mut self, hub: &HubAddress, registry: &Registry, token: Token, now: u64) -> io::Result<()> {
        let mut socket = TcpStream::connect(hub.address)?;
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        self.socket = Some(socket);
        self.state = SocketState::Connecting;
        self.generation += 1;
        self.received_at = now;
        Ok(())
    }

    /// Sends waiting data after the socket became writable.
    pub(crate) fn writable(&mut self, hub: &HubAddress) -> io::Result<()> {
        let Some(socket) = &mut self.socket else { return Ok(()) };
        if self.state == SocketState::Connecting {
            if let Some(error) = socket.take_error()? {
                return Err(error);
            }
            match socket.peer_addr() {
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
                found => found?,
            };
            socket.set_nodelay(true)?;
            self.state = SocketState::Upgrading;
            self.unsent.extend_from_slice(upgrade(hub).as_bytes());
        }
        self.flush()
    }

    /// Sends a frame, or keeps the part that the socket does not take.
    pub(crate) fn send(&mut self, opcode: OpCode, payload: &[u8], key: [u8; 4]) -> io::Result<()> {
        frame::append(&mut self.unsent, opcode, payload, key);
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(socket) = &mut self.socket else {
            self.unsent.clear();
            return Ok(());
        };
        let mut written = 0;
        while written < self.unsent.len() {
            match socket.write(&self.unsent[written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unsent.drain(..written);
        if self.unsent.is_empty() {
            // Ten thousand connections would keep their largest buffers.
            self.unsent = Vec::new();
        }
        if self.unsent.len() > UNSENT_BYTES_MAX {
            return Err(io::Error::other("the hub takes nothing more"));
        }
        Ok(())
    }

    /// Reads into `buffer`. Returns the number of bytes, and whether there may be more.
    ///
    /// # Errors
    /// An error of the socket, or the end of the connection.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        let Some(socket) = &mut self.socket else { return Ok((0, false)) };
        loop {
            match socket.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                // A read that does not fill the buffer has emptied the socket. Further data causes a new event.
                Ok(bytes) => return Ok((bytes, bytes == buffer.len())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok((0, false)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The rest of the last read.
    pub(crate) fn take_partial(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.partial)
    }

    /// Keeps the rest of this read.
    pub(crate) fn keep_partial(&mut self, partial: Vec<u8>) {
        self.partial = partial;
    }

    /// Closes the socket without a close frame. Unsent data is lost.
    pub(crate) fn drop_socket(&mut self, registry: &Registry) {
        if let Some(mut socket) = self.socket.take() {
            // Closing the socket also removes it.
            let _ = registry.deregister(&mut socket);
        }
        self.state = SocketState::Off;
        self.partial = Vec::new();
        self.unsent = Vec::new();
    }
}

fn upgrade(hub: &HubAddress) -> String {
    let HubAddress { host, path, .. } = hub;
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: \
         13\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    )
}

/// Parses the answer to the upgrade: its length if it is complete, or an error if the hub refused.
pub(crate) fn upgraded(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > UPGRADE_BYTES_MAX { Err("no WebSocket server".to_owned()) } else { Ok(None) };
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status == "101" { Ok(Some(end + 4)) } else { Err(format!("HTTP {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upgrade_is_one_that_a_server_takes() {
        let hub = HubAddress { address: ([127, 0, 0, 1], 1).into(), host: "h:1".to_owned(), path: "/ws".to_owned() };
        let text = upgrade(&hub);
        assert!(text.starts_with("GET /ws HTTP/1.1\r\nHost: h:1\r\n") && text.ends_with("\r\n\r\n"));
        assert!(tokio_tungstenite::tungstenite::handshake::derive_accept_key(KEY.as_bytes()).len() == 28);
    }

    #[test]
    fn the_answer_is_read_when_it_is_whole() {
        let yes = b"HTTP/1.1 101 Switching Protocols\r\na: b\r\n\r\nrest";
        assert_eq!(upgraded(yes), Ok(Some(yes.len() - 4)));
        assert_eq!(upgraded(&yes[..20]), Ok(None));
        assert_eq!(upgraded(b"HTTP/1.1 503 Full\r\n\r\n"), Err("HTTP 503".to_owned()));
        assert!(upgraded(&vec![b'x'; UPGRADE_BYTES_MAX + 1]).is_err());
    }
}
