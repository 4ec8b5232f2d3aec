//! Raw bytes on a socket, for data that no correct client would send.

#[path = "../support/frames.rs"]
mod frames;

pub(crate) use frames::frame;
use frames::take_frame;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::harness::{PATIENCE, Side, document};

pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;

/// What a browser sends to become a WebSocket.
pub(crate) fn upgrade(port: u16, more: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// A socket, and the bytes read from it but not yet parsed.
pub(crate) struct Raw {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl From<TcpStream> for Raw {
    fn from(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }
}

impl Raw {
    pub(crate) async fn connect(port: u16) -> Self {
        Self { stream: TcpStream::connect(("127.0.0.1", port)).await.unwrap(), unread: Vec::new() }
    }

    /// A connection with small kernel buffers, which fill quickly while the test does not read.
    pub(crate) async fn with_small_window(port: u16) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
        Self { stream, unread: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // The hub may already have closed; only its answer counts.
        let _ = timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("the hub reads");
    }

    /// Ends the connection by a reset (RST), as a machine that restarted would.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Sends the upgrade and the hello in one write, and reads the welcome.
    pub(crate) async fn join(&mut self, port: u16, hello: &Value) -> Value {
        let mut bytes = upgrade(port, "").into_bytes();
        bytes.extend(frame(TEXT, true, hello.to_string().as_bytes()));
        self.send(&bytes).await;
        let head = self.head().await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        let welcome = self.message().await;
        assert!(document().find(Side::Hub, &welcome).is_ok(), "{welcome}");
        welcome
    }

    /// The next message. The hub's pings are passed over: when the first one comes is chance.
    pub(crate) async fn message(&mut self) -> Value {
        loop {
            let (opcode, payload) = self.frame().await.expect("a message");
            if opcode == TEXT {
                return serde_json::from_slice(&payload).unwrap();
            }
        }
    }

    /// The head of an HTTP response (or what there was before the end).
    pub(crate) async fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = self.unread.drain(..at + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            if !self.read_more().await {
                return String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned();
            }
        }
    }

    /// The next frame of the hub; `None` at the end of the connection.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = take_frame(&mut self.unread) {
                return Some(frame);
            }
            if !self.read_more().await {
                return None;
            }
        }
    }

    /// Everything until the hub ends the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.read_more().await {}
        std::mem::take(&mut self.unread)
    }

    /// The close code that the hub sends before it ends the connection, if any.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some((opcode, payload)) = self.frame().await {
            if opcode == CLOSE {
                code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            }
        }
        code
    }

    async fn read_more(&mut self) -> bool {
        let mut buffer = [0; 8192];
        match timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("the hub answers or closes") {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.unread.extend(&buffer[..n]);
                true
            }
        }
    }
}

/// One HTTP request over its own connection.
pub(crate) async fn http(port: u16, request: &str) -> String {
    let mut raw = Raw::connect(port).await;
    raw.send(request.as_bytes()).await;
    String::from_utf8_lossy(&raw.rest().await).into_owned()
}

pub(crate) async fn get(port: u16, path: &str) -> String {
    http(port, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")).await
}

/// The status of an HTTP response.
pub(crate) fn status(response: &str) -> u16 {
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no HTTP response: {response:?}"))
}

/// The status with which a request to upgrade is answered.
pub(crate) async fn upgrade_status(port: u16, request: &str) -> u16 {
    let mut raw = Raw::connect(port).await;
    raw.send(request.as_bytes()).await;
    status(&raw.head().await)
}
