//! A client's stream: TCP, or TLS over TCP.
//!
//! Writing TLS needs no task of its own: rustls takes plain bytes and returns encrypted bytes without waiting. The fan-out
//! therefore writes to both kinds of stream in the same way, and both have the outbox's bounds. At most [`TLS_BYTES_MAX`] bytes
//! are encrypted and not yet written; until the socket has accepted them, rustls takes no more.

use std::io::{self, IoSlice, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConnection;
use tokio_rustls::server::TlsStream;

use crate::gateway::connection::socket::Socket;

/// The most encrypted bytes that wait for one socket. This is a few TLS records, so that a large frame needs few writes.
pub(crate) const TLS_BYTES_MAX: usize = 32 * 1024;

/// A client's stream.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsSocket>),
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self::Plain(tcp)
    }
}

impl From<TlsStream<TcpStream>> for Stream {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        let (tcp, mut session) = stream.into_inner();
        session.set_buffer_limit(Some(TLS_BYTES_MAX));
        Self::Tls(Box::new(TlsSocket { tcp, session: Mutex::new(session) }))
    }
}

impl Socket for Stream {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => Socket::poll_read(tcp, cx, buffer),
            Self::Tls(tls) => tls.poll_read(cx, buffer),
        }
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => Socket::try_write(tcp, slices),
            Self::Tls(tls) => tls.try_write(slices),
        }
    }

    fn try_flush(&self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.push(&mut tls.lock()),
        }
    }

    async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.writable().await,
            Self::Tls(tls) => tls.tcp.writable().await,
        }
    }

    fn finish(&self) {
        match self {
            Self::Plain(tcp) => tcp.finish(),
            Self::Tls(tls) => tls.finish(),
        }
    }
}

/// A TLS session over TCP. Only the thread of its shard uses it, so the lock never waits.
#[derive(Debug)]
pub(crate) struct TlsSocket {
    tcp: TcpStream,
    session: Mutex<ServerConnection>,
}

impl TlsSocket {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.lock().reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            ready!(self.tcp.poll_read_ready(cx))?;
            match self.receive() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(()) => {}
            }
        }
    }

    /// Passes received bytes to the session.
    fn receive(&self) -> io::Result<()> {
        let mut session = self.lock();
        // 0 bytes mean that the peer has finished. The session's reader reports that next, and whether TLS was closed properly.
        session.read_tls(&mut Raw(&self.tcp))?;
        let processed =
            session.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
        // Sends a reply to the peer's TLS, or the alert about an error. If the socket accepts nothing now, it is sent before the
        // next frame.
        let _ = self.push(&mut session);
        processed.map(drop)
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut session = self.lock();
        self.push(&mut session)?;
        let taken = session.writer().write_vectored(slices)?;
        match self.push(&mut session) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ if taken == 0 => Err(io::ErrorKind::WriteZero.into()),
            _ => Ok(taken),
        }
    }

    /// Writes the encrypted bytes that wait.
    fn push(&self, session: &mut ServerConnection) -> io::Result<()> {
        while session.wants_write() {
            if session.write_tls(&mut Raw(&self.tcp))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    fn finish(&self) {
        let mut session = self.lock();
        session.send_close_notify();
        let _ = self.push(&mut session);
        drop(session);
        self.tcp.finish();
    }

    fn lock(&self) -> MutexGuard<'_, ServerConnection> {
        // After a panic in the middle of a step, only this session fails.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The socket as rustls reads and writes it.
struct Raw<'a>(&'a TcpStream);

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
