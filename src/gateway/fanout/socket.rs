//! What a connection needs of its stream. A trait, so that TLS can stand in for TCP, and a script for both in tests.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use rustix::net::{SendFlags, send};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// A stream that is read by one task and written, without ever waiting, by whoever holds its outbox.
pub(crate) trait Socket: Send + Sync + 'static {
    /// Reads what is there into `buffer`; 0 bytes: the peer has finished sending.
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes as much as fits, or says [`io::ErrorKind::WouldBlock`].
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Passes on what it has taken and not passed on yet, or says [`io::ErrorKind::WouldBlock`].
    fn try_flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Waits until a write may succeed again.
    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Tells the peer that nothing more comes.
    fn finish(&self);
}

impl Socket for TcpStream {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(cx))?;
            let mut read = 0;
            let done = self.try_io(Interest::READABLE, || {
                read = rustix::io::read(self, &mut *buffer)?;
                // What does not fill the buffer is all there was: no second look is needed to know it.
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
            // The socket itself is asked, not tokio's note of it, which lies elsewhere in memory: with thousands of
            // sockets that costs more than it tells. Where the socket takes nothing tokio has to know, so that it
            // waits.
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
        // If there is none to be had, the drop that follows says the same, less gently.
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
    async fn a_full_socket_says_so_and_is_waited_for() {
        let (near, mut far) = pair().await;
        let sent = fill(&near);
        assert!(pin!(Socket::writable(&near)).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let mut heard = vec![0; sent];
        far.read_exact(&mut heard).await.unwrap();
        Socket::writable(&near).await.unwrap();
        assert_eq!(Socket::try_write(&near, &[IoSlice::new(b"more")]).unwrap(), 4);
        far.read_exact(&mut heard[..4]).await.unwrap();
        assert_eq!(&heard[..4], b"more");
    }

    /// Writes until the socket takes nothing more; how many bytes that was.
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
    async fn what_comes_after_a_short_read_is_told() {
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
