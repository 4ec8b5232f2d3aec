//! What a connection needs of its stream. A trait, so that TLS can stand in for TCP, and a script for both in tests.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::net::TcpStream;

/// A stream that is read by one task and written, without ever waiting, by whoever holds its outbox.
pub(super) trait Socket: Send + Sync + 'static {
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
            [one] => Self::try_write(self, one),
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
