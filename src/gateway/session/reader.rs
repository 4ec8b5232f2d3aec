//! The receiving side of one connection: the WebSocket library reads the socket and writes into the outbox.
//!
//! This uses the library's context instead of its stream type, because the limit on message sizes changes with the hello, and
//! an idle connection needs less memory.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use crate::gateway::connection::handle::ConnectionHandle;
use crate::gateway::connection::outbox::Weight;
use crate::gateway::connection::socket::Socket;
use crate::gateway::session::admission::AdmissionError;
use crate::gateway::shared::bounds::READ_BUFFER_BYTES;
use crate::protocol::Close;

/// Why a session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// The hub closes it.
    Close(Close),
    /// The hello is refused.
    Refused(AdmissionError),
    /// The hub closes it because the peer's frames violate the WebSocket protocol.
    InvalidFrame,
    /// The peer closed it; the hub's close frame is in the outbox.
    ClosedByPeer,
    /// The peer is gone without a close.
    PeerGone,
    /// Another task closed the connection, and has sent the close frame.
    ClosedFromOutside,
}

/// Reads one connection.
#[derive(Debug)]
pub(crate) struct Reader {
    context: WebSocketContext,
}

impl Reader {
    /// A reader that begins with `early`, the bytes that came together with the handshake.
    pub(crate) fn new(early: Vec<u8>, message_bytes_max: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        Self { context: WebSocketContext::from_partially_read(early, Role::Server, Some(config)) }
    }

    /// Changes the limit on the size of messages, in bytes.
    pub(crate) fn limit(&mut self, message_bytes_max: usize) {
        self.context.set_config(|config| {
            config.max_message_size = Some(message_bytes_max);
            config.max_frame_size = Some(message_bytes_max);
        });
    }

    /// The next text message, or `None` for a control frame, which the library has handled. The future may be dropped and the
    /// call repeated.
    pub(crate) async fn next<S: Socket>(
        &mut self,
        connection: &Arc<ConnectionHandle<S>>,
    ) -> Result<Option<Utf8Bytes>, SessionEnd> {
        loop {
            return match poll_fn(|cx| self.poll(cx, connection)).await {
                Ok(Message::Text(text)) => Ok(Some(text)),
                Ok(Message::Binary(_)) => Err(SessionEnd::Close(Close::Binary)),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Ok(None),
                // The next read writes the reply to the close frame, and then reports the end.
                Ok(Message::Close(_)) => continue,
                Err(error) => Err(end_of(&error)),
            };
        }
    }

    fn poll<S: Socket>(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Arc<ConnectionHandle<S>>,
    ) -> Poll<Result<Message, tungstenite::Error>> {
        match self.context.read(&mut SocketAdapter { connection, cx }) {
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            done => Poll::Ready(done),
        }
    }
}

fn end_of(error: &tungstenite::Error) -> SessionEnd {
    use tungstenite::error::{Error, ProtocolError};
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => SessionEnd::ClosedByPeer,
        Error::Capacity(_) => SessionEnd::Close(Close::TooLarge),
        Error::Utf8(_) => SessionEnd::Close(Close::NotUtf8),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => SessionEnd::PeerGone,
        Error::Protocol(_) => SessionEnd::InvalidFrame,
        _ => SessionEnd::PeerGone,
    }
}

/// The socket and the outbox of a connection as one stream, which the library uses during one call.
struct SocketAdapter<'a, 'b, S> {
    connection: &'a Arc<ConnectionHandle<S>>,
    cx: &'a mut Context<'b>,
}

impl<S: Socket> Read for SocketAdapter<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.connection.outbox().socket().poll_read(self.cx, buffer) {
            Poll::Ready(done) => done.inspect(|_| self.connection.note_received()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl<S: Socket> Write for SocketAdapter<'_, '_, S> {
    /// Accepts everything: the library writes whole frames, and an outbox never blocks.
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        self.connection.send(&Bytes::copy_from_slice(frame), Weight::Counted);
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
