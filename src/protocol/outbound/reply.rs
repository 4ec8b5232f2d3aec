//! Replies to a client's message. A field that is `None` is left out, except where the contract writes `"value":null`.

use std::borrow::Cow;

use deskbell_core::{NotificationId, Outcome, Reach};
use serde::{Deserialize, Serialize};

use crate::envelope::Envelope;
use crate::error::ErrorCode;
use crate::vocabulary::CallName;

/// The reply to `refresh`: the hub uses the new token from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "refreshed")]
pub struct Refreshed<'a> {
    /// The ids of the `refresh`.
    #[serde(flatten)]
    pub ids: Envelope<'a>,
}

/// The reply to `ping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "pong")]
pub struct Pong<'a> {
    /// The ids of the `ping`.
    #[serde(flatten)]
    pub ids: Envelope<'a>,
}

/// The first reply to `notify`: the hub has stored the notification and will send exactly one result for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "ack", rename_all = "camelCase")]
pub struct Ack<'a> {
    /// The ids of the `notify`.
    #[serde(flatten)]
    pub ids: Envelope<'a>,
    /// Always `NotifyEvent`.
    #[serde(rename = "msdyn_name")]
    pub call: CallName,
    /// The new notification; of a duplicate, the first one.
    pub notification_id: NotificationId,
    /// Whether the hub already had this notification.
    pub duplicate: bool,
    /// The parameters that no placeholder of the template takes: `templateParameters.custmerName`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unused: Vec<Cow<'a, str>>,
    /// The agents in `to` that the hub has never seen in the workspace, or forgotten: `to.agents.Ada`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Cow<'a, str>>,
}

/// The second reply to `notify`: the outcome of the notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "result", rename_all = "camelCase")]
pub struct NotifyResult<'a> {
    /// The ids of the `notify`.
    #[serde(flatten)]
    pub ids: Envelope<'a>,
    /// Always `NotifyEvent`.
    #[serde(rename = "msdyn_name")]
    pub call: CallName,
    /// The notification that is settled.
    pub notification_id: NotificationId,
    /// The outcome of the notification.
    pub value: Outcome,
    /// The agent that settled it, or that the hub accepted it for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<Cow<'a, str>>,
    /// The `reason` of the reject that settled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_reason: Option<Cow<'a, str>>,
    /// The session that starts. Only an accept has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Cow<'a, str>>,
    /// The cancellationToken of the `notify`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation_token: Option<Cow<'a, str>>,
    /// Milliseconds from the notification's arrival until it was settled.
    pub elapsed_ms: u64,
    /// How many agents had it displayed, saw it and rejected it.
    pub reach: Reach,
    /// Where to resume from. Clients send it back and do not look into it.
    pub position: Cow<'a, str>,
}

/// The reply to `cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "result", rename_all = "camelCase")]
pub struct CancelResult<'a> {
    /// The ids of the `cancel`.
    #[serde(flatten)]
    pub ids: Envelope<'a>,
    /// Always `CancelEvent`.
    #[serde(rename = "msdyn_name")]
    pub call: CallName,
    /// The token that the `cancel` named.
    pub cancellation_token: Cow<'a, str>,
    /// The notification with that token.
    pub notification_id: NotificationId,
    /// The outcome of that notification, which may have been settled before.
    pub value: Outcome,
}

/// The reply to `kpi`, `activity` and `endSession`: the hub has done it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "result", rename_all = "camelCase")]
pub struct DoneResult<'a> {
    /// The ids of the call.
    #[serde(flatten)]
    pub ids: Envelope<'a>,
    /// The call's name; `endSession` has none.
    #[serde(rename = "msdyn_name", skip_serializing_if = "Option::is_none")]
    pub call: Option<CallName>,
    /// Always `null`.
    pub value: (),
}

/// The reply to `accept` and `reject`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "result", rename_all = "camelCase")]
pub struct AnswerResult<'a> {
    /// The id of the answer and the correlationId of the notification.
    #[serde(flatten)]
    pub ids: Envelope<'a>,
    /// The notification that was answered.
    pub notification_id: NotificationId,
    /// The outcome of the notification; `null` if it is still open on other desks.
    pub value: Option<Outcome>,
    /// The agent that settled it, or that the hub accepted it for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<Cow<'a, str>>,
    /// Whether this answer settled the notification.
    pub won: bool,
}

/// The reply to a message that the hub refused. The hub did nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "error", rename_all = "camelCase")]
pub struct ErrorReply<'a> {
    /// The ids of the message, as far as they could be read.
    #[serde(flatten)]
    pub ids: Envelope<'a>,
    /// The call, if one could be read that has a name.
    #[serde(rename = "msdyn_name", skip_serializing_if = "Option::is_none")]
    pub call: Option<CallName>,
    /// The error in the vocabulary of the Channel Integration Framework. It follows from `code`.
    pub message: Cow<'a, str>,
    /// The error, for programs.
    pub code: ErrorCode,
    /// The error, for people.
    #[serde(default)]
    pub detail: Cow<'a, str>,
    /// After how many milliseconds the same message may succeed; with `rateLimited` and `unavailable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl<'a> ErrorReply<'a> {
    /// An error reply with the `message` that belongs to `code`.
    pub fn new(ids: Envelope<'a>, call: Option<CallName>, code: ErrorCode, detail: impl Into<Cow<'a, str>>) -> Self {
        let (message, detail) = (code.message().into(), detail.into());
        Self { ids, call, message, code, detail, retry_after_ms: None }
    }

    /// The same reply with this `retryAfterMs`.
    #[must_use]
    pub fn retry_after_ms(self, ms: impl Into<Option<u64>>) -> Self {
        Self { retry_after_ms: ms.into(), ..self }
    }
}
