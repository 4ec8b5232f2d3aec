//! The life of one connection, from the upgrade until its socket is dropped.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::auth::Claims;
use crate::gateway::fanout::connection::ConnectionHandle;
use crate::gateway::fanout::shard::Shard;
use crate::gateway::fanout::socket::Socket;
use crate::gateway::limits::quota::QuotaGuard;
use crate::gateway::limits::token_bucket::TokenBucket;
use crate::gateway::session::admission;
use crate::gateway::session::from_wire::{self, Intent};
use crate::gateway::session::reader::{Reader, SessionEnd};
use crate::gateway::shared::counters::{ConnectionPermit, HandshakePermit};
use crate::gateway::shared::hello_ids::HelloIds;
use crate::gateway::shared::settings::{
    CLOSING_READ, CLOSING_WRITE, CONTROL_FRAMES_PER_SECOND, DISCARD_PAUSE, DISCARDED_AT_ONCE, MESSAGES_PER_TURN,
    OVER_RATE_MAX, REFRESHES_PER_SECOND,
};
use crate::gateway::shared::state::whole_ms;
use crate::hub::Stopping;
use crate::protocol::Envelope;
use crate::protocol::inbound::{Body, ClientMessage, Text};
use crate::protocol::outbound::{ErrorReply, Pong, Refreshed};
use crate::protocol::{CallName, Close, DecodeError, ErrorCode, Role, decode, frame};
use deskbell_core::entry::{Call, Input, ProviderAction};
use deskbell_core::{Name, NotificationId};

/// The close code of RFC 6455 for frames that are no WebSocket.
const PROTOCOL_ERROR: u16 = 1002;

/// What is known of a client before its hello.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) address: IpAddr,
    /// What the token said that came with the upgrade. Boxed: whatever is on its way in is kept in the connection's
    /// task several times over, for as long as the connection lasts.
    pub(crate) bearer: Option<Box<Claims>>,
    /// Its places among all WebSockets, among those of its address, and, until it is in, among those that are not.
    pub(crate) seat: ConnectionPermit,
    pub(crate) spot: QuotaGuard<IpAddr>,
    pub(crate) pending: HandshakePermit,
}

/// Serves one connection. `early` is what the client sent together with the handshake.
pub(crate) async fn run<S: Socket>(shard: Arc<Shard<S>>, socket: S, early: Vec<u8>, visitor: Handshake) {
    let Handshake { address, bearer, seat, spot, pending } = visitor;
    let Some(link) = shard.admit(socket, address) else { return };
    let end = listen(&link, early, (bearer, pending)).await;
    link.leave();
    shard.state.hellos.take(link.serial);
    shut(&link, end).await;
    shard.dismiss(link.serial);
    drop((seat, spot));
}

/// What is used up by coming in.
type HandshakeRest = (Option<Box<Claims>>, HandshakePermit);

async fn listen<S: Socket>(link: &Arc<ConnectionHandle<S>>, early: Vec<u8>, ticket: HandshakeRest) -> SessionEnd {
    if link.state().is_stopping() {
        return SessionEnd::Close(Close::GoingAway);
    }
    let mut reader = Reader::new(early, from_wire::message_bytes_max(None, link.state().settings.max_message_bytes));
    tokio::select! {
        biased;
        () = link.cut() => SessionEnd::Cut,
        end = converse(link, &mut reader, ticket) => end,
    }
}

async fn converse<S: Socket>(
    link: &Arc<ConnectionHandle<S>>,
    reader: &mut Reader,
    ticket: HandshakeRest,
) -> SessionEnd {
    let hello_timeout = link.state().settings.hello_timeout;
    let first = match timeout(hello_timeout, first_text(link, reader)).await {
        Ok(Ok(text)) => text,
        Ok(Err(end)) => return end,
        Err(_) => return SessionEnd::Close(Close::HelloTimeout),
    };
    match join_and_talk(link, reader, first, ticket).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

async fn first_text<S: Socket>(link: &Arc<ConnectionHandle<S>>, reader: &mut Reader) -> Result<Utf8Bytes, SessionEnd> {
    let mut limits = RateLimits::new(link);
    let mut turn = Turn::default();
    loop {
        turn.heard().await;
        match reader.next(link).await? {
            Some(text) => return Ok(text),
            None => limits.count_control(link)?,
        }
    }
}

async fn join_and_talk<S: Socket>(
    link: &Arc<ConnectionHandle<S>>,
    reader: &mut Reader,
    hello: Utf8Bytes,
    (bearer, pending): HandshakeRest,
) -> Result<Infallible, SessionEnd> {
    wait_for_keys(link, &hello).await;
    let role = join(link, &hello, bearer)?;
    drop((hello, pending));
    // What the client asks before it knows the state would be answered before it knows the state.
    link.welcomed().await;
    reader.limit(from_wire::message_bytes_max(Some(role), link.state().settings.max_message_bytes));
    let mut limits = RateLimits::new(link);
    let mut turn = Turn::default();
    loop {
        turn.heard().await;
        let Some(text) = reader.next(link).await? else {
            limits.count_control(link)?;
            continue;
        };
        if text.contains("refresh") {
            wait_for_keys(link, &text).await;
        }
        // Before it is understood: what it comes to is larger, and every connection has room for what is held while
        // it waits.
        let permit = link.permit().await.map_err(going_away)?;
        if let Some(input) = hear(link, role, &mut limits, &text)? {
            link.submit(permit, input).map_err(going_away)?;
        }
    }
}

/// Waits for the keys that the token of a hello or refresh needs, if they must be fetched first.
async fn wait_for_keys<S: Socket>(link: &Arc<ConnectionHandle<S>>, text: &str) {
    let Some(verifier) = &link.state().backend.verifier else { return };
    let token = match decode(text) {
        Ok(ClientMessage { body: Body::Hello(hello), .. }) => hello.token,
        Ok(ClientMessage { body: Body::Refresh { token }, .. }) => Some(token),
        _ => None,
    };
    if let Some(token) = token {
        verifier.wait_for_key_of(&token).await;
    }
}

fn join<S: Socket>(
    link: &Arc<ConnectionHandle<S>>,
    text: &str,
    bearer: Option<Box<Claims>>,
) -> Result<Role, SessionEnd> {
    let admitted = match decode(text) {
        Ok(ClientMessage { envelope, body: Body::Hello(hello) }) => {
            let bearer = bearer.map(|claims| *claims);
            let admitted =
                admission::admit(link.state(), &hello, bearer, link.address()).map_err(SessionEnd::AdmissionError)?;
            let name = |text: &Text<'_>| Name::from(&**text);
            let (id, correlation_id) = (envelope.id.as_ref().map(name), envelope.correlation_id.as_ref().map(name));
            link.state().hellos.put(link.serial, HelloIds { id, correlation_id });
            admitted
        }
        Ok(other) => {
            refuse(link, &other, ErrorCode::NotAllowed, "the first message must be a hello");
            return Err(SessionEnd::Close(Close::BadHello));
        }
        Err(fault) => {
            link.refuse(&fault.reply());
            return Err(SessionEnd::Close(Close::BadHello));
        }
    };
    let (role, issued_ms) = (admitted.role, admitted.issued_ms);
    link.join(admitted).map_err(going_away)?;
    if admission::is_revoked(link, issued_ms) {
        return Err(SessionEnd::Close(Close::BadToken));
    }
    Ok(role)
}

/// What a client of `role` said comes to this input, if any; what needs no hub is answered here.
pub(crate) fn hear<S: Socket>(
    link: &Arc<ConnectionHandle<S>>,
    role: Role,
    limits: &mut RateLimits,
    text: &str,
) -> Result<Option<Input>, SessionEnd> {
    if link.is_over() {
        return Err(SessionEnd::Close(Close::BadToken));
    }
    let in_time = limits.take(link);
    let message = match decode(text) {
        Ok(message) => message,
        Err(fault) => {
            let fault = match in_time {
                Ok(()) => fault,
                Err(wait) => return over_rate(link, limits, fault.envelope, fault.call, wait),
            };
            link.refuse(&fault.reply());
            return Ok(None);
        }
    };
    if let Err(wait) = in_time {
        let call = message.body.call();
        return over_rate(link, limits, message.envelope, call, wait);
    }
    if let Body::Refresh { .. } = message.body
        && let Err(wait) = limits.refreshes.take(link.state().now())
    {
        let detail = format!("more than {REFRESHES_PER_SECOND} refreshes per second");
        let fault = DecodeError { envelope: message.envelope, call: None, code: ErrorCode::RateLimited, detail };
        link.refuse(&fault.reply().retry_after_ms(whole_ms(wait).max(1)));
        return Ok(None);
    }
    Ok(answer(link, role, &message))
}

/// What a provider's question about a notification comes to, if it is not one too many.
pub(crate) fn recall<S: Socket>(
    link: &Arc<ConnectionHandle<S>>,
    limits: &mut RateLimits,
    notification_id: NotificationId,
) -> Result<Option<Input>, SessionEnd> {
    if link.is_over() {
        return Err(SessionEnd::Close(Close::BadToken));
    }
    if let Err(wait) = limits.take(link) {
        return over_rate(link, limits, Envelope::default(), Some(CallName::NotifyEvent), wait);
    }
    let call = Call { id: None, correlation_id: None, action: ProviderAction::Lookup { notification_id }.into() };
    Ok(Some(Input::Call { connection: link.serial, call }))
}

fn answer<S: Socket>(link: &Arc<ConnectionHandle<S>>, role: Role, message: &ClientMessage<'_>) -> Option<Input> {
    if !message.body.is_for(role) {
        let detail = format!("a client of role {} may not send {}", role.as_str(), message.body.type_name());
        refuse(link, message, ErrorCode::NotAllowed, &detail);
        return None;
    }
    match from_wire::meaning(role, message, &link.state().backend.templates) {
        Intent::Call(call) => return Some(Input::Call { connection: link.serial, call }),
        Intent::NoSuchNotification => refuse(link, message, ErrorCode::NotFound, "no such notification"),
        Intent::Nothing => {}
        Intent::NoCall => match message.body {
            Body::Hello(_) => refuse(link, message, ErrorCode::NotAllowed, "hello comes once, and first"),
            Body::Refresh { ref token } => match admission::refresh(link, token) {
                Ok(()) => link.say(&Refreshed { ids: message.envelope.reply() }),
                Err((code, detail)) => refuse(link, message, code, &detail),
            },
            _ => link.say(&Pong { ids: message.envelope.reply() }),
        },
    }
    None
}

fn over_rate<S: Socket>(
    link: &Arc<ConnectionHandle<S>>,
    limits: &RateLimits,
    envelope: Envelope<'_>,
    call: Option<CallName>,
    wait: Duration,
) -> Result<Option<Input>, SessionEnd> {
    let detail = format!("more than {} messages per second", link.state().settings.messages_per_second);
    let fault = DecodeError { envelope, call, code: ErrorCode::RateLimited, detail };
    link.refuse(&fault.reply().retry_after_ms(whole_ms(wait).max(1)));
    limits.verdict().map(|()| None)
}

fn refuse<S: Socket>(link: &Arc<ConnectionHandle<S>>, message: &ClientMessage<'_>, code: ErrorCode, detail: &str) {
    let mut ids = message.envelope.reply();
    if matches!(message.body, Body::Accept { .. } | Body::Reject { .. }) {
        // Checked and not used: such a reply bears the notification's, if anything's.
        ids.correlation_id = None;
    }
    link.refuse(&ErrorReply::new(ids, message.body.call(), code, detail));
}

fn going_away(_: Stopping) -> SessionEnd {
    SessionEnd::Close(Close::GoingAway)
}

/// One connection's turn among those of its thread.
#[derive(Debug, Default)]
struct Turn(usize);

impl Turn {
    /// Before each message: however many there are to read, the others are heard in between.
    async fn heard(&mut self) {
        self.0 += 1;
        if self.0 > MESSAGES_PER_TURN {
            self.0 = 1;
            yield_now().await;
        }
    }
}

/// How often a client speaks, and for how long it has gone on after it was told that this is too often.
#[derive(Debug)]
pub(crate) struct RateLimits {
    messages: Counted,
    /// Pings, and pongs to ours: apart, so that answering the hub costs nobody a message.
    controls: Counted,
    /// Each costs a signature or several.
    refreshes: TokenBucket,
}

#[derive(Debug)]
struct Counted {
    rate: TokenBucket,
    over_in_a_row: u32,
}

impl RateLimits {
    pub(crate) fn new<S: Socket>(link: &ConnectionHandle<S>) -> Self {
        let counted = |per_second| Counted { rate: TokenBucket::new(per_second), over_in_a_row: 0 };
        let messages_per_second = link.state().settings.messages_per_second;
        Self {
            messages: counted(messages_per_second),
            controls: counted(CONTROL_FRAMES_PER_SECOND),
            refreshes: TokenBucket::new(REFRESHES_PER_SECOND),
        }
    }

    /// Counts one message.
    ///
    /// # Errors
    /// It is one too many: when the next one would do.
    fn take<S: Socket>(&mut self, link: &ConnectionHandle<S>) -> Result<(), Duration> {
        self.messages.take(link.state().now())
    }

    /// Counts a control frame, to which there is no error reply.
    fn count_control<S: Socket>(&mut self, link: &ConnectionHandle<S>) -> Result<(), SessionEnd> {
        let _ = self.controls.take(link.state().now());
        self.verdict()
    }

    fn verdict(&self) -> Result<(), SessionEnd> {
        let over = self.messages.over_in_a_row.max(self.controls.over_in_a_row);
        if over > OVER_RATE_MAX { Err(SessionEnd::Close(Close::TooManyMessages)) } else { Ok(()) }
    }
}

impl Counted {
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let taken = self.rate.take(now);
        self.over_in_a_row = if taken.is_ok() { 0 } else { self.over_in_a_row + 1 };
        taken
    }
}

/// Says what there is to say, lets it arrive, and ends.
async fn shut<S: Socket>(link: &Arc<ConnectionHandle<S>>, end: SessionEnd) {
    match end {
        SessionEnd::Close(why) => link.close_with(&frame::close(why)),
        SessionEnd::AdmissionError(why) => {
            if let Some((code, detail)) = why.error() {
                link.refuse(&ErrorReply::new(Envelope::default(), None, code, detail));
            }
            let (close, reason) = why.close();
            link.close_with(&frame::close_with(close.code(), &reason));
        }
        SessionEnd::NoWebSocket => link.close_with(&frame::close_with(PROTOCOL_ERROR, "not a WebSocket frame")),
        SessionEnd::Gone => link.abandon(),
        SessionEnd::ByPeer | SessionEnd::Cut => {}
    }
    if link.outbox().is_dead() {
        return;
    }
    // What the peer still sends is read and thrown away: a socket that is dropped with something unread resets
    // the connection, and the close frame would be lost.
    let deadline = Instant::now() + CLOSING_WRITE;
    let mut peer_finished = false;
    tokio::select! {
        biased;
        _ = timeout_at(deadline, link.outbox().emptied()) => {}
        () = discard(link) => peer_finished = true,
    }
    if peer_finished {
        let _ = timeout_at(deadline, link.outbox().emptied()).await;
    }
    link.outbox().socket().finish();
    if !peer_finished {
        let _ = timeout(CLOSING_READ, discard(link)).await;
    }
    link.outbox().kill();
}

/// Reads to the end, no faster than is good for the others: the peer may have much to say yet.
async fn discard<S: Socket>(link: &ConnectionHandle<S>) {
    let mut buffer = vec![0; 4096];
    loop {
        let mut left = DISCARDED_AT_ONCE;
        let ended = poll_fn(|cx| {
            while left > 0 {
                match ready!(link.outbox().socket().poll_read(cx, &mut buffer)) {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[tokio::test]
    async fn who_says_much_lets_the_others_of_its_thread_be_heard_in_between() {
        let others = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&others);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Relaxed);
                yield_now().await;
            }
        });
        let mut turn = Turn::default();
        for _ in 0..100 * MESSAGES_PER_TURN {
            turn.heard().await;
        }
        assert!(others.load(Relaxed) >= 98, "{others:?}");
        other.abort();
    }
}
