//! From a message to its JSON.

use serde::Serialize;

use super::message::{
    Ack, Activity, AnswerResult, CancelResult, Closed, DoneResult, ErrorReply, Kpi, Notification, NotifyResult, Pong,
    PresenceUpdate, Refreshed, Session, SessionEnded,
};
use super::observer::{Event, Stats};
use super::welcome::Welcome;

/// A whole message of the hub, as against a part of one.
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
    Event,
    Kpi,
    Notification,
    NotifyResult,
    Pong,
    PresenceUpdate,
    Refreshed,
    Session,
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
pub(in super::super) fn append(message: &impl Encode, buffer: &mut Vec<u8>) {
    // JSON fails on a writer that fails and on keys that are no strings; a Vec does not, and we have none of these.
    let written = serde_json::to_writer(buffer, message);
    debug_assert!(written.is_ok(), "{written:?}");
}

#[cfg(test)]
mod tests;
