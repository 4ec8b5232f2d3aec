//! The end of a connection: the close frame, the last frames before it, and the socket.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};

use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::gateway::connection::handle::ConnectionHandle;
use crate::gateway::connection::socket::Socket;
use crate::gateway::session::reader::SessionEnd;
use crate::gateway::shared::bounds::{CLOSING_READ, CLOSING_WRITE, DISCARD_PAUSE, DISCARDED_AT_ONCE};
use crate::protocol::outbound::ErrorReply;
use crate::protocol::{Envelope, frame};

/// The close code of RFC 6455 for frames that violate the WebSocket protocol.
const PROTOCOL_ERROR: u16 = 1002;

/// Sends the close frame that belongs to `end`, waits a bounded time for it to arrive, and closes the socket.
pub(crate) async fn close<S: Socket>(connection: &Arc<ConnectionHandle<S>>, end: SessionEnd) {
    match end {
        SessionEnd::Close(why) => connection.send_close_frame(&frame::close(why)),
        SessionEnd::Refused(why) => {
            if let Some((code, detail)) = why.error() {
                connection.send_error(&ErrorReply::new(Envelope::default(), None, code, detail));
            }
            let (close, reason) = why.close();
            connection.send_close_frame(&frame::close_with(close.code(), &reason));
        }
        SessionEnd::InvalidFrame => {
            connection.send_close_frame(&frame::close_with(PROTOCOL_ERROR, "not a WebSocket frame"));
        }
        SessionEnd::PeerGone => connection.abandon(),
        SessionEnd::ClosedByPeer | SessionEnd::ClosedFromOutside => {}
    }
    if connection.outbox().is_dead() {
        return;
    }
    // The hub reads and discards what the peer still sends: a socket that is dropped with unread data resets the
    // connection, and the close frame would be lost.
    let deadline = Instant::now() + CLOSING_WRITE;
    let mut peer_finished = false;
    tokio::select! {
        biased;
        _ = timeout_at(deadline, connection.outbox().emptied()) => {}
        () = discard(connection) => peer_finished = true,
    }
    if peer_finished {
        let _ = timeout_at(deadline, connection.outbox().emptied()).await;
    }
    connection.outbox().socket().finish();
    if !peer_finished {
        let _ = timeout(CLOSING_READ, discard(connection)).await;
    }
    connection.outbox().kill();
}

/// Reads and discards until the peer has finished, with pauses: the peer may still have much to send.
async fn discard<S: Socket>(connection: &ConnectionHandle<S>) {
    let mut buffer = vec![0; 4096];
    loop {
        let mut left = DISCARDED_AT_ONCE;
        let ended = poll_fn(|cx| {
            while left > 0 {
                match ready!(connection.outbox().socket().poll_read(cx, &mut buffer)) {
                    Ok(0) | Err(_) => return Poll::Ready(true),
                    Ok(read) => left = left.saturating_sub(read),
                }
            }
            Poll::Ready(false)
        });
        if ended.await {
            return;
        }
        sleep(DISCARD_PAUSE).await;
    }
}
