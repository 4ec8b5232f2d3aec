//! The stream of a connection. It is a trait, so that TCP, TLS and a script in tests can implement it.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use rustix::net::{SendFlags, send};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// A stream that one task reads, and that the holder of its outbox writes without ever waiting.
pub(crate) trait Socket: Send + Sync + 'static {
    /// Reads available data into `buffer`; 0 bytes mean that the peer has finished sending.
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes as much as the stream accepts, or returns [`io::ErrorKind::WouldBlock`].
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Flushes data that it has accepted and not written yet, or returns [`io::ErrorKind::WouldBlock`].
    fn try_flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Waits until a write may succeed again.
    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Shuts down the sending side.
    fn finish(&self);
}

impl Socket for TcpStream {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(cx))?;
            let mut read = 0;
            let done = self.try_io(Interest::READABLE, || {
                read = rustix::io::read(self, &mut *buffer)?;
                // A read that does not fill the buffer has emptied the socket; no second read is needed.
                if 0 < read && read < buffer.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(read) }
            });
            match done {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && read == 0 => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Ready(Ok(read)),
                done => return Poll::Ready(done),
            }
        }
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            // This writes to the socket itself without checking tokio's readiness, which is elsewhere in memory: with thousands of
            // sockets the check costs more than it saves. If the socket accepts nothing, tokio must be informed, so that it
            // waits for readiness.
            [one] => match send_now(self, one) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.try_io(Interest::WRITABLE, || send_now(self, one))
                }
                done => done,
            },
            several => self.try_write_vectored(several),
        }
    }

    async fn writable(&self) -> io::Result<()> {
        Self::writable(self).await
    }

    fn finish(&self) {
        // tokio shuts down only through `&mut`; a second descriptor of the same socket does it through `&`.
        // If no descriptor is available, the drop that follows closes the connection anyway.
        if let Ok(socket) = self.as_fd().try_clone_to_owned() {
            let _ = std::net::TcpStream::from(socket).shutdown(Shutdown::Write);
        }
    }
}

fn send_now(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?)
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Waker;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, far)
    }

    #[tokio::test]
    async fn a_full_socket_reports_it_and_becomes_writable_again() {
        let (near, mut far) = pair().await;
        let sent = fill(&near);
        assert!(pin!(Socket::writable(&near)).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let mut received = vec![0; sent];
        far.read_exact(&mut received).await.unwrap();
        Socket::writable(&near).await.unwrap();
        assert_eq!(Socket::try_write(&near, &[IoSlice::new(b"more")]).unwrap(), 4);
        far.read_exact(&mut received[..4]).await.unwrap();
        assert_eq!(&received[..4], b"more");
    }

    /// Writes until the socket accepts nothing more, and returns the number of bytes.
    fn fill(socket: &TcpStream) -> usize {
        let (bytes, mut sent) = (vec![7; 64 * 1024], 0);
        loop {
            match Socket::try_write(socket, &[IoSlice::new(&bytes)]) {
                Ok(written) => sent += written,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    return sent;
                }
            }
        }
    }

    #[tokio::test]
    async fn data_after_a_short_read_is_noticed() {
        let (near, mut far) = pair().await;
        let mut buffer = [0; 8];
        for word in [b"one", b"two"] {
            far.write_all(word).await.unwrap();
            let read = poll_fn(|cx| Socket::poll_read(&near, cx, &mut buffer)).await.unwrap();
            assert_eq!(&buffer[..read], word);
            assert!(Socket::poll_read(&near, &mut Context::from_waker(Waker::noop()), &mut buffer).is_pending());
        }
        drop(far);
        assert_eq!(poll_fn(|cx| Socket::poll_read(&near, cx, &mut buffer)).await.unwrap(), 0);
    }
}
