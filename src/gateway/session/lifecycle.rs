//! The life of one WebSocket session, from the upgrade to the closed socket.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use deskbell_core::Name;
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::auth::Claims;
use crate::gateway::connection::handle::ConnectionHandle;
use crate::gateway::connection::shard::Shard;
use crate::gateway::connection::socket::Socket;
use crate::gateway::limits::permit::PoolPermit;
use crate::gateway::limits::quota::QuotaGuard;
use crate::gateway::session::messages::{self, message_bytes_max};
use crate::gateway::session::rate_limits::RateLimits;
use crate::gateway::session::reader::{Reader, SessionEnd};
use crate::gateway::session::{admission, closing};
use crate::gateway::shared::bounds::MESSAGES_PER_TURN;
use crate::gateway::shared::hello_ids::HelloIds;
use crate::hub::Stopping;
use crate::protocol::inbound::{Body, ClientMessage, Text, decode};
use crate::protocol::{Close, ErrorCode, Role};

/// A client before its hello: its address, its token, and its permits.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) address: IpAddr,
    /// The claims of the token that came with the upgrade. Boxed, since the task of the connection holds its arguments
    /// several times over for as long as the connection lasts.
    pub(crate) bearer: Option<Box<Claims>>,
    /// The connection's place among all WebSockets.
    pub(crate) websocket: PoolPermit,
    /// Its place among those of its address.
    pub(crate) by_address: QuotaGuard<IpAddr>,
    /// Its place among those that have not joined.
    pub(crate) unjoined: PoolPermit,
}

/// Serves one connection. `early` is what the client sent together with the handshake.
pub(crate) async fn run<S: Socket>(shard: Arc<Shard<S>>, socket: S, early: Vec<u8>, handshake: Handshake) {
    let Handshake { address, bearer, websocket, by_address, unjoined } = handshake;
    let Some(connection) = shard.add(socket, address) else { return };
    let end = read_until_end(&connection, early, (bearer, unjoined)).await;
    connection.leave();
    shard.state.hello_ids.take(connection.serial);
    closing::close(&connection, end).await;
    shard.remove(connection.serial);
    drop((websocket, by_address));
}

/// The parts of a handshake that are used up by joining.
type Unjoined = (Option<Box<Claims>>, PoolPermit);

async fn read_until_end<S: Socket>(
    connection: &Arc<ConnectionHandle<S>>,
    early: Vec<u8>,
    unjoined: Unjoined,
) -> SessionEnd {
    let state = connection.state();
    if state.is_stopping() {
        return SessionEnd::Close(Close::GoingAway);
    }
    let mut reader = Reader::new(early, message_bytes_max(None, state.settings.max_message_bytes));
    tokio::select! {
        biased;
        () = connection.closed() => SessionEnd::ClosedFromOutside,
        end = converse(connection, &mut reader, unjoined) => end,
    }
}

async fn converse<S: Socket>(
    connection: &Arc<ConnectionHandle<S>>,
    reader: &mut Reader,
    unjoined: Unjoined,
) -> SessionEnd {
    let hello_timeout = connection.state().settings.hello_timeout;
    let first = match timeout(hello_timeout, first_message(connection, reader)).await {
        Ok(Ok(text)) => text,
        Ok(Err(end)) => return end,
        Err(_) => return SessionEnd::Close(Close::HelloTimeout),
    };
    match join_and_read(connection, reader, first, unjoined).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

async fn first_message<S: Socket>(
    connection: &Arc<ConnectionHandle<S>>,
    reader: &mut Reader,
) -> Result<Utf8Bytes, SessionEnd> {
    let mut limits = RateLimits::new(connection.state().settings.messages_per_second);
    let mut turn = FairTurn::default();
    loop {
        turn.before_message().await;
        match reader.next(connection).await? {
            Some(text) => return Ok(text),
            None => count_control_frame(connection, &mut limits)?,
        }
    }
}

async fn join_and_read<S: Socket>(
    connection: &Arc<ConnectionHandle<S>>,
    reader: &mut Reader,
    hello: Utf8Bytes,
    (bearer, unjoined): Unjoined,
) -> Result<Infallible, SessionEnd> {
    wait_for_keys(connection, &hello).await;
    let role = join(connection, &hello, bearer)?;
    drop((hello, unjoined));
    // A reply to the client's next message must not come before its welcome.
    connection.welcomed().await;
    let settings = &connection.state().settings;
    reader.limit(message_bytes_max(Some(role), settings.max_message_bytes));
    let mut limits = RateLimits::new(settings.messages_per_second);
    let mut turn = FairTurn::default();
    loop {
        turn.before_message().await;
        let Some(text) = reader.next(connection).await? else {
            count_control_frame(connection, &mut limits)?;
            continue;
        };
        if text.contains("refresh") {
            wait_for_keys(connection, &text).await;
        }
        // The permit comes before decoding: a decoded message is larger than its text, and a connection that waits must
        // not hold more than the text.
        let permit = connection.permit().await.map_err(going_away)?;
        if let Some(input) = messages::handle(connection, role, &mut limits, &text)? {
            connection.submit(permit, input).map_err(going_away)?;
        }
    }
}

/// Waits for the keys that the token of a hello or refresh needs, if they must be fetched first.
async fn wait_for_keys<S: Socket>(connection: &Arc<ConnectionHandle<S>>, text: &str) {
    let Some(verifier) = &connection.state().backend.verifier else { return };
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
    connection: &Arc<ConnectionHandle<S>>,
    text: &str,
    bearer: Option<Box<Claims>>,
) -> Result<Role, SessionEnd> {
    let state = connection.state();
    let identity = match decode(text) {
        Ok(ClientMessage { envelope, body: Body::Hello(hello) }) => {
            let bearer = bearer.map(|claims| *claims);
            let identity =
                admission::admit(state, &hello, bearer, connection.address()).map_err(SessionEnd::Refused)?;
            let name = |text: &Text<'_>| Name::from(&**text);
            let (id, correlation_id) = (envelope.id.as_ref().map(name), envelope.correlation_id.as_ref().map(name));
            state.hello_ids.put(connection.serial, HelloIds { id, correlation_id });
            identity
        }
        Ok(other) => {
            messages::refuse(connection, &other, ErrorCode::NotAllowed, "the first message must be a hello");
            return Err(SessionEnd::Close(Close::BadHello));
        }
        Err(error) => {
            connection.send_error(&error.reply());
            return Err(SessionEnd::Close(Close::BadHello));
        }
    };
    let role = identity.role;
    let client = connection.join(identity).map_err(going_away)?;
    if admission::is_revoked(state, client) {
        return Err(SessionEnd::Close(Close::BadToken));
    }
    Ok(role)
}

fn count_control_frame<S: Socket>(connection: &ConnectionHandle<S>, limits: &mut RateLimits) -> Result<(), SessionEnd> {
    limits.take_control_frame(connection.state().uptime());
    if limits.is_flood() { Err(SessionEnd::Close(Close::TooManyMessages)) } else { Ok(()) }
}

fn going_away(_: Stopping) -> SessionEnd {
    SessionEnd::Close(Close::GoingAway)
}

/// Yields to the other connections of the thread after some messages, however much one client sends.
#[derive(Debug, Default)]
struct FairTurn(usize);

impl FairTurn {
    /// To be called before each message.
    async fn before_message(&mut self) {
        self.0 += 1;
        if self.0 > MESSAGES_PER_TURN {
            self.0 = 1;
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[tokio::test]
    async fn a_client_that_sends_a_lot_does_not_delay_the_others_of_its_thread() {
        let others = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&others);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Relaxed);
                yield_now().await;
            }
        });
        let mut turn = FairTurn::default();
        for _ in 0..100 * MESSAGES_PER_TURN {
            turn.before_message().await;
        }
        assert!(others.load(Relaxed) >= 98, "{others:?}");
        other.abort();
    }
}
