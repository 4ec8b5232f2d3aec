//! Handles the messages of a client that has joined: each becomes an input for the hub, an immediate reply, or an error.

use std::sync::Arc;
use std::time::Duration;

use deskbell_core::entry::Input;

use crate::gateway::connection::handle::ConnectionHandle;
use crate::gateway::connection::socket::Socket;
use crate::gateway::session::admission;
use crate::gateway::session::from_wire::{self, Intent};
use crate::gateway::session::rate_limits::RateLimits;
use crate::gateway::session::reader::SessionEnd;
use crate::gateway::shared::bounds::REFRESHES_PER_SECOND;
use crate::gateway::shared::state::whole_ms;
use crate::protocol::inbound::{Body, ClientMessage, DecodeError, decode};
use crate::protocol::outbound::{ErrorReply, Pong, Refreshed};
use crate::protocol::size::SMALL_MESSAGE_BYTES_MAX;
use crate::protocol::{CallName, Close, Envelope, ErrorCode, Role};

/// Handles one message of a client with the role `role`. Returns the input for the hub, if there is one.
///
/// # Errors
/// The session ends: the token has expired, or the client sends far too much.
pub(crate) fn handle<S: Socket>(
    connection: &Arc<ConnectionHandle<S>>,
    role: Role,
    limits: &mut RateLimits,
    text: &str,
) -> Result<Option<Input>, SessionEnd> {
    if connection.client().is_some_and(|client| client.is_expired()) {
        return Err(SessionEnd::Close(Close::BadToken));
    }
    let now = connection.state().uptime();
    let in_rate = limits.take_message(now);
    let message = match decode(text) {
        Ok(message) => message,
        Err(error) => {
            let error = match in_rate {
                Ok(()) => error,
                Err(wait) => return over_rate(connection, limits, error.envelope, error.call, wait),
            };
            connection.send_error(&error.reply());
            return Ok(None);
        }
    };
    if let Err(wait) = in_rate {
        let call = message.body.call();
        return over_rate(connection, limits, message.envelope, call, wait);
    }
    if let Body::Refresh { .. } = message.body
        && let Err(wait) = limits.take_refresh(now)
    {
        let detail = format!("more than {REFRESHES_PER_SECOND} refreshes per second");
        let error = DecodeError { envelope: message.envelope, call: None, code: ErrorCode::RateLimited, detail };
        connection.send_error(&error.reply().retry_after_ms(whole_ms(wait).max(1)));
        return Ok(None);
    }
    Ok(answer(connection, role, &message))
}

/// Sends an error about a message.
pub(crate) fn refuse<S: Socket>(
    connection: &Arc<ConnectionHandle<S>>,
    message: &ClientMessage<'_>,
    code: ErrorCode,
    detail: &str,
) {
    let mut ids = message.envelope.reply();
    if matches!(message.body, Body::Accept { .. } | Body::Reject { .. }) {
        // The reply to an answer carries the notification's correlationId or none, never the message's own.
        ids.correlation_id = None;
    }
    connection.send_error(&ErrorReply::new(ids, message.body.call(), code, detail));
}

/// The largest message of a client with that role, in bytes; `provider_max` is the configured one.
pub(crate) fn message_bytes_max(role: Option<Role>, provider_max: usize) -> usize {
    match role {
        Some(Role::Provider) => provider_max,
        _ => provider_max.min(SMALL_MESSAGE_BYTES_MAX),
    }
}

/// The error about a message that is over the rate.
pub(crate) fn over_rate_error<'a>(
    messages_per_second: u32,
    envelope: Envelope<'a>,
    call: Option<CallName>,
) -> DecodeError<'a> {
    let detail = format!("more than {messages_per_second} messages per second");
    DecodeError { envelope, call, code: ErrorCode::RateLimited, detail }
}

fn answer<S: Socket>(connection: &Arc<ConnectionHandle<S>>, role: Role, message: &ClientMessage<'_>) -> Option<Input> {
    if !message.body.is_for(role) {
        let detail = format!("a client of role {} may not send {}", role.as_str(), message.body.type_name());
        refuse(connection, message, ErrorCode::NotAllowed, &detail);
        return None;
    }
    match from_wire::intent(role, message, &connection.state().backend.templates) {
        Intent::Call(call) => return Some(Input::Call { connection: connection.serial, call }),
        Intent::NoSuchNotification => refuse(connection, message, ErrorCode::NotFound, "no such notification"),
        Intent::Ignore => {}
        Intent::NotACall => match message.body {
            Body::Hello(_) => refuse(
                connection,
                message,
                ErrorCode::NotAllowed,
                "the hello must be the first message, and there is only one",
            ),
            Body::Refresh { ref token } => match admission::refresh(connection, token) {
                Ok(()) => connection.send_message(&Refreshed { ids: message.envelope.reply() }),
                Err((code, detail)) => refuse(connection, message, code, &detail),
            },
            _ => connection.send_message(&Pong { ids: message.envelope.reply() }),
        },
    }
    None
}

fn over_rate<S: Socket>(
    connection: &Arc<ConnectionHandle<S>>,
    limits: &RateLimits,
    envelope: Envelope<'_>,
    call: Option<CallName>,
    wait: Duration,
) -> Result<Option<Input>, SessionEnd> {
    let error = over_rate_error(connection.state().settings.messages_per_second, envelope, call);
    connection.send_error(&error.reply().retry_after_ms(whole_ms(wait).max(1)));
    if limits.is_flood() { Err(SessionEnd::Close(Close::TooManyMessages)) } else { Ok(None) }
}
