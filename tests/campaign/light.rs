//! A client that costs little, so that one process can be ten thousand: a socket and the bytes not yet understood.

#[path = "../support/frames.rs"]
mod frames;

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// A WebSocket without a library.
pub(crate) struct Light {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

/// The head of an upgrade.
pub(crate) fn upgrade(port: u16) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A whole text.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    frames::frame(1, true, text.as_bytes())
}

impl Light {
    /// Connects, with a receive buffer of so many bytes if given.
    pub(crate) async fn connect(port: u16, receive: Option<u32>) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = receive {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(([127, 0, 0, 1], port).into()).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// Upgrades, sends the hello and reads the welcome.
    pub(crate) async fn join(port: u16, hello: &Value, receive: Option<u32>) -> io::Result<(Self, Value)> {
        let joined = async {
            let mut light = Self::connect(port, receive).await?;
            let mut bytes = upgrade(port).into_bytes();
            bytes.extend(frame(&hello.to_string()));
            light.stream.write_all(&bytes).await?;
            light.head().await?;
            let welcome = light.next().await?;
            if welcome["type"] == "welcome" { Ok((light, welcome)) } else { Err(io::Error::other(welcome.to_string())) }
        };
        timeout(PATIENCE, joined).await.map_err(|_| io::Error::other("no welcome in time"))?
    }

    pub(crate) async fn send(&mut self, message: &Value) -> io::Result<()> {
        self.stream.write_all(&frame(&message.to_string())).await
    }

    /// The next message; answers the hub's pings.
    pub(crate) async fn next(&mut self) -> io::Result<Value> {
        loop {
            if let Some((opcode, payload)) = frames::take_frame(&mut self.unread) {
                match opcode {
                    1 => return serde_json::from_slice(&payload).map_err(io::Error::other),
                    9 => self.stream.write_all(&frames::frame(10, true, &payload)).await?,
                    _ => return Err(io::Error::other("closed")),
                }
                continue;
            }
            self.read_more().await?;
        }
    }

    /// The next message that fits; others are dropped.
    pub(crate) async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> io::Result<Value> {
        loop {
            let message = self.next().await?;
            if fits(&message) {
                return Ok(message);
            }
        }
    }

    async fn head(&mut self) -> io::Result<()> {
        loop {
            if let Some(at) = self.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..at + 4).collect();
                if head.starts_with(b"HTTP/1.1 101") {
                    return Ok(());
                }
                return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.unread.extend(&buffer[..n]);
                Ok(())
            }
        }
    }
}
