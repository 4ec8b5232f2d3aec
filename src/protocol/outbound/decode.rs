//! Reads a message of the hub. Fields and message types that this version does not know are skipped.

use std::borrow::Cow;

use serde::Deserialize;

use super::desk::{Activity, Closed, Kpi, Notification, PresenceUpdate, Session, SessionContext, SessionEnded};
use super::reply::{Ack, AnswerResult, CancelResult, DoneResult, ErrorReply, NotifyResult, Pong, Refreshed};
use super::welcome::Welcome;

/// One message of the hub to a provider or an agent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
#[non_exhaustive]
pub enum HubMessage {
    /// The reply to the hello.
    Welcome(Box<Welcome<'static>>),
    /// The first reply to a notify.
    Ack(Ack<'static>),
    /// The result of a call.
    Result(Box<CallResult>),
    /// The hub refused a message.
    Error(ErrorReply<'static>),
    /// A notification is on the desk.
    Notification(Box<Notification<'static>>),
    /// A notification is off the desk.
    Closed(Closed<'static>),
    /// A session is at the desk. [`decode`] reads it, because a value as it was written cannot be read by way of this enum.
    #[serde(skip_deserializing)]
    Session(Session<'static>),
    /// The context of a session. Read like `Session`.
    #[serde(skip_deserializing)]
    Context(SessionContext<'static>),
    /// A session ended or moved away.
    SessionEnded(SessionEnded<'static>),
    /// A KPI mark was set or cleared.
    Kpi(Kpi<'static>),
    /// The unread count of a session.
    Activity(Activity<'static>),
    /// The agent's presence.
    Presence(PresenceUpdate<'static>),
    /// The reply to a fresh token.
    Refreshed(Refreshed<'static>),
    /// The reply to a ping.
    Pong(Pong<'static>),
    /// A type that this version does not know.
    #[serde(other)]
    Unknown,
}

/// The result of a call. The fields of the message tell which one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum CallResult {
    /// Of a `notify`.
    Notify(NotifyResult<'static>),
    /// Of a `cancel`.
    Cancel(CancelResult<'static>),
    /// Of an `accept` or a `reject`.
    Answer(AnswerResult<'static>),
    /// Of a `kpi`, an `activity` or an `endSession`.
    Done(DoneResult<'static>),
}

impl CallResult {
    /// The `id` of the call.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Notify(result) => result.ids.id.as_deref(),
            Self::Cancel(result) => result.ids.id.as_deref(),
            Self::Answer(result) => result.ids.id.as_deref(),
            Self::Done(result) => result.ids.id.as_deref(),
        }
    }
}

/// The type of a message.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// Reads one message of the hub.
///
/// # Errors
/// A text for people: the message is not a JSON object, or a field is missing or has the wrong type.
pub fn decode(text: &[u8]) -> Result<HubMessage, String> {
    let read = || match serde_json::from_slice::<Kind<'_>>(text)?.kind.as_ref() {
        "session" => serde_json::from_slice(text).map(HubMessage::Session),
        "context" => serde_json::from_slice(text).map(HubMessage::Context),
        _ => serde_json::from_slice(text),
    };
    read().map_err(|error: serde_json::Error| error.to_string())
}

#[cfg(test)]
mod tests;
