//! What the hub says: one type per message, its texts borrowed. Field names and order are the contract's; an optional
//! that is `None` is left out, except where the contract writes `"value":null`.

use serde::{Serialize, Serializer};

use super::super::error::ErrorCode;
use super::super::name::{CallName, Presence};
use super::super::outcome::Outcome;
use super::super::position::Position;
use super::super::time::Time;

/// A notificationId: written as a hyphenated lower-case UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uuid(pub u128);

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let places = (0..36).filter(|at| ![8, 13, 18, 23].contains(at));
        for (digit, place) in places.enumerate() {
            text[place] = DIGITS[(self.0 >> (124 - 4 * digit) & 0xf) as usize];
        }
        serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// What a direct reply carries back.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplyIds<'a> {
    /// The message's `id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// The message's correlationId, or the notification's where the message is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

/// The reply to `refresh`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "refreshed")]
pub struct Refreshed<'a> {
    /// The message's.
    #[serde(flatten)]
    pub ids: ReplyIds<'a>,
}

/// The reply to `ping`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "pong")]
pub struct Pong<'a> {
    /// The message's.
    #[serde(flatten)]
    pub ids: ReplyIds<'a>,
}

/// The first reply to `notify`: the hub holds it.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "ack", rename_all = "camelCase")]
pub struct Ack<'a> {
    /// The message's.
    #[serde(flatten)]
    pub ids: ReplyIds<'a>,
    /// Always `NotifyEvent`.
    #[serde(rename = "msdyn_name")]
    pub call: CallName,
    /// The notification; of a duplicate, the first one's.
    pub notification_id: Uuid,
    /// It is a repeat of one that the hub has.
    pub duplicate: bool,
}

/// The second reply to `notify`: how it ended.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "result", rename_all = "camelCase")]
pub struct NotifyResult<'a> {
    /// The notify's.
    #[serde(flatten)]
    pub ids: ReplyIds<'a>,
    /// Always `NotifyEvent`.
    #[serde(rename = "msdyn_name")]
    pub call: CallName,
    /// The notification.
    pub notification_id: Uuid,
    /// How it ended.
    pub value: Outcome,
    /// Who settled it; absent if nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<&'a str>,
    /// The `reason` of the reject that settled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_reason: Option<&'a str>,
    /// The session that starts; to be given for an accept only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<&'a str>,
    /// The notify's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation_token: Option<&'a str>,
    /// From arrival until settled.
    pub elapsed_ms: u64,
    /// How far it came.
    pub reach: Reach,
    /// Where to resume from.
    pub position: Position,
}

/// How far a notification came among the agents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// Agents it was displayed to.
    pub displayed: u32,
    /// Agents whose page reported it seen.
    pub seen: u32,
    /// Agents who rejected it.
    pub rejected: u32,
}

/// The reply to `cancel`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "result", rename_all = "camelCase")]
pub struct CancelResult<'a> {
    /// The cancel's.
    #[serde(flatten)]
    pub ids: ReplyIds<'a>,
    /// Always `CancelEvent`.
    #[serde(rename = "msdyn_name")]
    pub call: CallName,
    /// The token that it named.
    pub cancellation_token: &'a str,
    /// The notification that bears it.
    pub notification_id: Uuid,
    /// That notification's outcome, whoever settled it.
    pub value: Outcome,
}

/// The reply to `kpi`, `activity` and `endSession`: done.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "result", rename_all = "camelCase")]
pub struct DoneResult<'a> {
    /// The message's.
    #[serde(flatten)]
    pub ids: ReplyIds<'a>,
    /// The call's name; `endSession` has none.
    #[serde(rename = "msdyn_name", skip_serializing_if = "Option::is_none")]
    pub call: Option<CallName>,
    /// Always `null`.
    pub value: (),
}

/// The reply to `accept` and `reject`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "result", rename_all = "camelCase")]
pub struct AnswerResult<'a> {
    /// The message's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// The notification.
    pub notification_id: Uuid,
    /// The notification's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
    /// What settled it; `None` is written as `null`: it is still open elsewhere.
    pub value: Option<Outcome>,
    /// Whose answer settled it, or for whom it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<&'a str>,
    /// Whether this agent's answer settled it.
    pub won: bool,
}

/// Nothing was done. Its `message` follows from its `code`.
#[derive(Debug, Clone)]
pub struct ErrorReply<'a> {
    /// The message's.
    pub ids: ReplyIds<'a>,
    /// The call, where one could be read that has a name.
    pub call: Option<CallName>,
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub detail: &'a str,
    /// When the same message may do better; with `rateLimited` and `unavailable`.
    pub retry_after_ms: Option<u64>,
}

impl Serialize for ErrorReply<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(tag = "type", rename = "error", rename_all = "camelCase")]
        struct Wire<'a> {
            #[serde(flatten)]
            ids: ReplyIds<'a>,
            #[serde(rename = "msdyn_name", skip_serializing_if = "Option::is_none")]
            call: Option<CallName>,
            message: &'static str,
            code: ErrorCode,
            detail: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            retry_after_ms: Option<u64>,
        }
        let Self { ids, call, code, detail, retry_after_ms } = *self;
        Wire { ids, call, message: code.message(), code, detail, retry_after_ms }.serialize(serializer)
    }
}

/// Puts a notification on a desk.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "notification", rename_all = "camelCase")]
pub struct Notification<'a> {
    /// The notification.
    pub notification_id: Uuid,
    /// The notify's, or the one minted for it.
    pub correlation_id: &'a str,
    /// Its template.
    pub template_name: &'a str,
    /// The card's title.
    pub title: &'a str,
    /// The icon's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<&'a str>,
    /// The card's lines.
    pub fields: Vec<Field<'a>>,
    /// The words on the buttons.
    pub buttons: Buttons<'a>,
    /// Who raised it.
    pub provider_id: &'a str,
    /// The session it is about.
    pub session_id: &'a str,
    /// When it arrived.
    pub notified_at: Time,
    /// Its display time.
    pub timeout_ms: u64,
    /// What remains of it.
    pub remaining_ms: u64,
    /// Whether pages show the countdown.
    pub show_timeout: bool,
}

/// One line of a card.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Field<'a> {
    /// What it is.
    pub label: &'a str,
    /// Its value.
    pub value: &'a str,
}

/// The words on a card's buttons.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Buttons<'a> {
    /// On the accept button.
    pub accept: &'a str,
    /// On the reject button.
    pub reject: &'a str,
}

/// Takes a notification off a desk.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "closed", rename_all = "camelCase")]
pub struct Closed<'a> {
    /// The notification.
    pub notification_id: Uuid,
    /// The notification's.
    pub correlation_id: &'a str,
    /// What settled it; `None` is written as `null`: it is still open elsewhere.
    pub value: Option<Outcome>,
    /// Whose answer settled it, or for whom it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<&'a str>,
}

/// A session starts at this agent's desk, or is moved here.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "session", rename_all = "camelCase")]
pub struct Session<'a> {
    /// The session.
    pub session_id: &'a str,
    /// The notification that was accepted for it last.
    pub notification_id: Uuid,
    /// That notification's.
    pub correlation_id: &'a str,
    /// The title of the notification that began it.
    pub title: &'a str,
    /// When it began.
    pub started_at: Time,
    /// Whether it is marked as in breach.
    pub breached: bool,
    /// Its unread count.
    pub unread: u32,
}

/// A session is over, or moved away.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "sessionEnded", rename_all = "camelCase")]
pub struct SessionEnded<'a> {
    /// The session.
    pub session_id: &'a str,
    /// That of the call that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

/// A KPI mark is set or cleared.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "kpi", rename_all = "camelCase")]
pub struct Kpi<'a> {
    /// The session.
    pub session_id: &'a str,
    /// Whether the mark stands now.
    pub breached: bool,
    /// What is breached, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<&'a str>,
    /// That of the call that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
    /// Since when it stands, or stood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// A session's unread count.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "activity", rename_all = "camelCase")]
pub struct Activity<'a> {
    /// The session.
    pub session_id: &'a str,
    /// How many.
    pub count: u32,
    /// That of the call that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
}

/// An agent's presence: the reply to the one that set it, and the news to the agent's other connections.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "presence")]
pub struct PresenceUpdate<'a> {
    /// The message's, on the connection that asked; none elsewhere.
    #[serde(flatten)]
    pub ids: ReplyIds<'a>,
    /// As it is now.
    pub presence: Presence,
}
