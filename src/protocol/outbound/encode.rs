//! Writes a message of the hub as JSON.

use serde::Serialize;

use super::desk::{Activity, Closed, Kpi, Notification, PresenceUpdate, Session, SessionContext, SessionEnded};
use super::observer::{ObserverEvent, Stats};
use super::reply::{Ack, AnswerResult, CancelResult, DoneResult, ErrorReply, NotifyResult, Pong, Refreshed};
use super::welcome::Welcome;

/// A whole message of the hub, in contrast to a part of one.
pub trait Encode: Serialize {}

macro_rules! messages {
    ($($name:ident),*) => { $(impl Encode for $name<'_> {})* };
}

messages!(
    Ack,
    Activity,
    AnswerResult,
    CancelResult,
    Closed,
    DoneResult,
    ErrorReply,
    ObserverEvent,
    Kpi,
    Notification,
    NotifyResult,
    Pong,
    PresenceUpdate,
    Refreshed,
    Session,
    SessionContext,
    SessionEnded,
    Stats,
    Welcome
);

/// The message's JSON.
#[must_use]
pub fn encode(message: &impl Encode) -> Vec<u8> {
    let mut json = Vec::with_capacity(512);
    append(message, &mut json);
    json
}

/// Appends the message's JSON to `buffer`.
pub(crate) fn append(message: &impl Encode, buffer: &mut Vec<u8>) {
    // JSON fails on a writer that fails and on keys that are not strings; neither is possible here.
    let written = serde_json::to_writer(buffer, message);
    debug_assert!(written.is_ok(), "{written:?}");
}

#[cfg(test)]
mod tests;
