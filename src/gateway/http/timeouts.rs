//! The time limits of an HTTP connection: for the head of a request, between requests, and for reading a response.
//!
//! The HTTP library has one timer for the head of a request, which also runs between requests. Proxies keep idle connections for
//! a minute and longer, so the two need separate limits.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpTimeouts {
    /// The time for the head of a request from its first byte. For the first request it begins with the connection.
    pub(crate) head: Duration,
    /// The time between two requests.
    pub(crate) idle: Duration,
    /// The time for which the client may read nothing of a response.
    pub(crate) write: Duration,
}

/// The limit that a connection has exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expired {
    Head,
    Idle,
    Write,
}

/// What a connection does at the moment, and since when.
#[derive(Debug)]
pub(crate) struct Activity(Mutex<ActivityState>);

#[derive(Debug, Clone, Copy)]
struct ActivityState {
    phase: HttpPhase,
    /// The time since which the socket accepts nothing.
    blocked_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
enum HttpPhase {
    /// The head of a request has been arriving since this time.
    Head(Instant),
    /// A request is being served.
    Serving,
    /// The connection has been idle since this time.
    Idle(Instant),
}

impl Activity {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(ActivityState { phase: HttpPhase::Head(now), blocked_since: None }))
    }

    /// Notes that the head of a request is complete.
    pub(crate) fn begin_request(&self) {
        self.lock().phase = HttpPhase::Serving;
    }

    /// Notes that the response is ready.
    pub(crate) fn end_request(&self, now: Instant) {
        self.lock().phase = HttpPhase::Idle(now);
    }

    /// Whether a request is being served.
    pub(crate) fn is_serving(&self) -> bool {
        matches!(self.lock().phase, HttpPhase::Serving)
    }

    /// The time until the next limit, if there is one.
    ///
    /// # Errors
    /// The limit that the connection has exceeded.
    pub(crate) fn check(&self, now: Instant, timeouts: HttpTimeouts) -> Result<Option<Duration>, Expired> {
        let ActivityState { phase, blocked_since } = *self.lock();
        let phase = match phase {
            HttpPhase::Head(since) => Some((since + timeouts.head, Expired::Head)),
            HttpPhase::Idle(since) => Some((since + timeouts.idle, Expired::Idle)),
            HttpPhase::Serving => None,
        };
        let blocked = blocked_since.map(|since| (since + timeouts.write, Expired::Write));
        let Some((deadline, expired)) = blocked.or(phase) else { return Ok(None) };
        if deadline <= now { Err(expired) } else { Ok(Some(deadline - now)) }
    }

    fn note_read(&self) {
        let mut state = self.lock();
        if let HttpPhase::Idle(_) = state.phase {
            state.phase = HttpPhase::Head(Instant::now());
        }
    }

    fn note_written(&self, is_blocked: bool) {
        let mut state = self.lock();
        if is_blocked {
            state.blocked_since.get_or_insert_with(Instant::now);
            return;
        }
        state.blocked_since = None;
        if let HttpPhase::Idle(since) = &mut state.phase {
            *since = Instant::now();
        }
    }

    fn lock(&self) -> MutexGuard<'_, ActivityState> {
        // The state is complete after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that notes what happens on it.
#[derive(Debug)]
pub(crate) struct WatchedStream<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> WatchedStream<S> {
    pub(crate) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.note_read();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.activity.note_written(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.activity.note_written(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: HttpTimeouts =
        HttpTimeouts { head: Duration::from_secs(10), idle: Duration::from_secs(75), write: Duration::from_secs(60) };

    #[test]
    fn each_phase_has_its_own_limit() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let activity = Activity::new(start);
        assert_eq!(activity.check(at(9), TIMEOUTS), Ok(Some(Duration::from_secs(1))));
        assert_eq!(activity.check(at(10), TIMEOUTS), Err(Expired::Head));
        activity.begin_request();
        assert_eq!(activity.check(at(1_000), TIMEOUTS), Ok(None), "the request has limits of its own");
        activity.end_request(at(1_000));
        assert_eq!(activity.check(at(1_074), TIMEOUTS), Ok(Some(Duration::from_secs(1))));
        assert_eq!(activity.check(at(1_075), TIMEOUTS), Err(Expired::Idle));
    }

    #[test]
    fn a_client_that_reads_nothing_exceeds_the_write_limit_and_a_slow_one_does_not() {
        let activity = Activity::new(Instant::now());
        activity.begin_request();
        activity.note_written(true);
        activity.note_written(true);
        let much_later = Instant::now() + Duration::from_secs(61);
        assert_eq!(activity.check(much_later, TIMEOUTS), Err(Expired::Write));
        activity.note_written(false);
        assert_eq!(activity.check(much_later, TIMEOUTS), Ok(None));
    }
}
