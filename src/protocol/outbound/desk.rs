//! Messages to an agent's desk.

use std::borrow::Cow;

use deskbell_core::entry::{Field, Presence, Sound};
use deskbell_core::{NotificationId, Outcome, Timestamp};
use serde::{Deserialize, Serialize};

use crate::envelope::Envelope;
use crate::raw_json::RawJson;

/// Puts a notification on a desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "notification", rename_all = "camelCase")]
pub struct Notification<'a> {
    /// The new notification.
    pub notification_id: NotificationId,
    /// The correlationId of the notify, or the one that the hub minted.
    pub correlation_id: Cow<'a, str>,
    /// The name of the notification's template.
    pub template_name: Cow<'a, str>,
    /// The card's title.
    pub title: Cow<'a, str>,
    /// The icon's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<Cow<'a, str>>,
    /// The card's lines.
    pub fields: Cow<'a, [Field]>,
    /// The labels of the card's buttons.
    pub buttons: Buttons<'a>,
    /// The provider that raised it.
    pub provider_id: Cow<'a, str>,
    /// The session that an accept starts or moves.
    pub session_id: Cow<'a, str>,
    /// When the notification arrived at the hub.
    pub notified_at: Timestamp,
    /// The display time.
    pub timeout_ms: u64,
    /// How much of the display time remained when the hub sent this.
    pub remaining_ms: u64,
    /// Whether pages show the countdown.
    pub show_timeout: bool,
    /// The notification's priority, 0 to 9.
    #[serde(default)]
    pub priority: u8,
    /// The address of the customer's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Cow<'a, str>>,
    /// The sound with which it rings; absent: the page chooses one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<Sound>,
}

/// The labels of a card's buttons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buttons<'a> {
    /// The label of the accept button.
    pub accept: Cow<'a, str>,
    /// The label of the reject button.
    pub reject: Cow<'a, str>,
}

/// Takes a notification off a desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "closed", rename_all = "camelCase")]
pub struct Closed<'a> {
    /// The notification to take off.
    pub notification_id: NotificationId,
    /// The correlationId of the notification.
    pub correlation_id: Cow<'a, str>,
    /// The outcome of the notification; `null` if it is still open on other desks.
    pub value: Option<Outcome>,
    /// The agent that settled it, or that the hub accepted it for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<Cow<'a, str>>,
}

/// A session starts at this desk, or moves here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "session", rename_all = "camelCase")]
pub struct Session<'a> {
    /// The session's id.
    pub session_id: Cow<'a, str>,
    /// The notification that was accepted last for this session.
    pub notification_id: NotificationId,
    /// The correlationId of that notification.
    pub correlation_id: Cow<'a, str>,
    /// The title of the notification that started the session.
    pub title: Cow<'a, str>,
    /// When the session started.
    pub started_at: Timestamp,
    /// Whether the session is marked as in breach.
    pub breached: bool,
    /// The session's unread count.
    pub unread: u32,
    /// The icon's name, of the notification that started the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<Cow<'a, str>>,
    /// The card's lines, of that notification.
    #[serde(default)]
    pub fields: Cow<'a, [Field]>,
    /// The address of the customer's page, of that notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Cow<'a, str>>,
    /// What the provider tells the agent, exactly as it wrote it. A welcome has `has_context` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<RawJson<'a>>,
    /// In a welcome: whether the session has a context, which `getContext` returns.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_context: bool,
}

/// The reply to `getContext`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "context", rename_all = "camelCase")]
pub struct SessionContext<'a> {
    /// The ids of the `getContext`.
    #[serde(flatten)]
    pub ids: Envelope<'a>,
    /// The session's id.
    pub session_id: Cow<'a, str>,
    /// Its context, exactly as the provider wrote it.
    pub context: RawJson<'a>,
}

/// A session ended, or moved to another desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "sessionEnded", rename_all = "camelCase")]
pub struct SessionEnded<'a> {
    /// The session's id.
    pub session_id: Cow<'a, str>,
    /// The correlationId of the call that ended it; absent if time did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Cow<'a, str>>,
}

/// The KPI mark of a session was set or cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "kpi", rename_all = "camelCase")]
pub struct Kpi<'a> {
    /// The session's id.
    pub session_id: Cow<'a, str>,
    /// Whether the session is in breach now.
    pub breached: bool,
    /// A description of the breach, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Cow<'a, str>>,
    /// The correlationId of the call that caused it; absent if time did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Cow<'a, str>>,
    /// When the mark was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// The unread count of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "activity", rename_all = "camelCase")]
pub struct Activity<'a> {
    /// The session's id.
    pub session_id: Cow<'a, str>,
    /// The number of unread messages.
    pub count: u32,
    /// The correlationId of the call that set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Cow<'a, str>>,
}

/// An agent's presence: the reply to the connection that set it, and news for the agent's other connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "presence")]
pub struct PresenceUpdate<'a> {
    /// The ids of the message that set it; other connections receive no `id`.
    #[serde(flatten)]
    pub ids: Envelope<'a>,
    /// The presence from now on.
    pub presence: Presence,
}
