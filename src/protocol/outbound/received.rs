//! What the hub says, as a client reads it: one type per message, its texts owned. What the hub writes is in
//! the files beside this one; fields that a client does not know are skipped, and so
//! are messages of a type that it does not know.

use serde::de::{Deserialize, Deserializer, Error, Unexpected};

use super::super::error::{ERRORS, ErrorCode};
use super::super::name::{CallName, Presence, Role};
use super::super::outcome::Outcome;

/// One message of the hub.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
#[non_exhaustive]
pub enum HubMessage {
    /// The reply to the hello.
    Welcome(Box<Welcome>),
    /// The hub holds a notification.
    Ack(Ack),
    /// A call's result; which one, its [`call`](CallResult::call) and its id tell.
    Result(Box<CallResult>),
    /// A call was refused.
    Error(Refusal),
    /// A notification is on the desk.
    Notification(Box<Notification>),
    /// A notification is off the desk.
    Closed(Closed),
    /// A session is at the desk.
    Session(Session),
    /// A session is over, or moved away.
    SessionEnded(SessionEnded),
    /// A mark is set or cleared.
    Kpi(Kpi),
    /// A session's unread count.
    Activity(Activity),
    /// The agent's presence.
    Presence(PresenceUpdate),
    /// The reply to a fresh token.
    Refreshed(Reply),
    /// The reply to a ping.
    Pong(Reply),
    /// A type that this client does not know.
    #[serde(other)]
    Unknown,
}

/// Reads one message of the hub.
///
/// # Errors
/// What is wrong with it, for people: no JSON object, or a field is missing or of the wrong type.
pub fn decode(text: &[u8]) -> Result<HubMessage, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// The whole state that a client starts from.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// As what this client is in.
    pub role: Role,
    /// Of a provider: its name.
    pub provider_id: Option<String>,
    /// Of an agent: its name.
    pub agent_id: Option<String>,
    /// Of an agent.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Of an agent.
    pub presence: Option<Presence>,
    /// The workspace.
    pub workspace: String,
    /// The connection.
    pub connection_id: String,
    /// How often the hub pings, in ms.
    pub ping_interval_ms: u64,
    /// The hub's clock, RFC 3339.
    pub server_time: String,
    /// What a client should know of the hub's limits.
    pub limits: Limits,
    /// Of a provider: its notifications without an outcome.
    #[serde(default)]
    pub open: Vec<Open>,
    /// Of a provider: some outcomes since its position are forgotten.
    #[serde(default)]
    pub missed: bool,
    /// Of an agent: what is displayed.
    #[serde(default)]
    pub notifications: Vec<Notification>,
    /// Of an agent: its open sessions.
    #[serde(default)]
    pub sessions: Vec<Session>,
    /// Of an agent: the marks that stand.
    #[serde(default)]
    pub kpi: Vec<Kpi>,
}

/// Limits that a client should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// The longest message, in bytes.
    pub max_message_bytes: usize,
    /// Notifications displayed on one desk at once.
    pub display_limit: u32,
    /// Notifications waiting behind them.
    pub queue_limit: u32,
}

/// A provider's notification that has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// The notification.
    pub notification_id: String,
    /// The notify's `id`.
    pub id: Option<String>,
    /// The notify's, or the one minted for it.
    pub correlation_id: String,
    /// The notify's.
    pub cancellation_token: Option<String>,
}

/// The hub holds a notification, and will answer it with exactly one result.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ack {
    /// The notify's.
    pub id: Option<String>,
    /// The notify's, or the one minted for it.
    pub correlation_id: Option<String>,
    /// The notification; of a repeat, the first one's.
    pub notification_id: String,
    /// The hub had it already.
    pub duplicate: bool,
}

/// How far a notification came among the agents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Reach {
    /// Agents it was displayed to.
    pub displayed: u32,
    /// Agents whose page reported it seen.
    pub seen: u32,
    /// Agents who rejected it.
    pub rejected: u32,
}

/// A call's result. Which fields there are depends on the call.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallResult {
    /// The call's.
    pub id: Option<String>,
    /// The call's, or the notification's.
    pub correlation_id: Option<String>,
    /// Of a provider's calls (`endSession` has none).
    #[serde(rename = "msdyn_name")]
    pub call: Option<CallName>,
    /// Of `notify`, `cancel`, `accept` and `reject`.
    pub notification_id: Option<String>,
    /// The notification's outcome, where the call is about one that has one.
    pub value: Option<Outcome>,
    /// Whose answer settled it, or for whom it was accepted.
    pub agent_id: Option<String>,
    /// Of `accept` and `reject`: whether this agent's answer settled it.
    pub won: Option<bool>,
    /// Of `notify`: the reason that was given with the reject that settled it.
    pub decline_reason: Option<String>,
    /// Of an accepted `notify`: the session that starts.
    pub session_id: Option<String>,
    /// Of `notify` and `cancel`.
    pub cancellation_token: Option<String>,
    /// Of `notify`: from arrival until settled.
    pub elapsed_ms: Option<u64>,
    /// Of `notify`.
    pub reach: Option<Reach>,
    /// Of `notify`: where to resume from.
    pub position: Option<String>,
}

/// Nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The message's.
    pub id: Option<String>,
    /// The message's.
    pub correlation_id: Option<String>,
    /// The call, where one could be read that has a name.
    #[serde(rename = "msdyn_name")]
    pub call: Option<CallName>,
    /// Why, in the words of the Channel Integration Framework.
    pub message: String,
    /// Why, for programs.
    pub code: ErrorCode,
    /// Why, for people.
    #[serde(default)]
    pub detail: String,
    /// With [`ErrorCode::RateLimited`] and [`ErrorCode::Unavailable`]: when the same may do better, in ms.
    pub retry_after_ms: Option<u64>,
}

/// A notification on a desk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// The notification.
    pub notification_id: String,
    /// The notify's, or the one minted for it.
    pub correlation_id: String,
    /// Its template.
    pub template_name: String,
    /// The card's title.
    pub title: String,
    /// The icon's name.
    pub icon: Option<String>,
    /// The card's lines.
    pub fields: Vec<Field>,
    /// The words on the buttons.
    pub buttons: Buttons,
    /// Who raised it.
    pub provider_id: String,
    /// The session it is about.
    pub session_id: String,
    /// When it arrived, RFC 3339.
    pub notified_at: String,
    /// Its display time.
    pub timeout_ms: u64,
    /// What remained of it when this was sent.
    pub remaining_ms: u64,
    /// Whether pages show the countdown.
    pub show_timeout: bool,
}

/// One line of a card.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Field {
    /// What it is.
    pub label: String,
    /// Its value.
    pub value: String,
}

/// The words on a card's buttons.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Buttons {
    /// On the accept button.
    pub accept: String,
    /// On the reject button.
    pub reject: String,
}

/// A notification is off this desk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closed {
    /// The notification.
    pub notification_id: String,
    /// The notification's.
    pub correlation_id: String,
    /// What settled it; `None`: it is still open elsewhere.
    pub value: Option<Outcome>,
    /// Whose answer settled it, or for whom it was accepted.
    pub agent_id: Option<String>,
}

/// A session at this agent's desk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The session.
    pub session_id: String,
    /// The notification that was accepted for it last.
    pub notification_id: String,
    /// That notification's.
    pub correlation_id: String,
    /// The title of the notification that began it.
    pub title: String,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// Whether it is marked as in breach.
    pub breached: bool,
    /// Its unread count.
    pub unread: u32,
}

/// A session is over, or moved to another desk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionEnded {
    /// The session.
    pub session_id: String,
    /// That of the call that caused it.
    pub correlation_id: Option<String>,
}

/// A mark on a session.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kpi {
    /// The session.
    pub session_id: String,
    /// Whether the mark stands now.
    pub breached: bool,
    /// What is breached, for people.
    pub details: Option<String>,
    /// That of the call that caused it.
    pub correlation_id: Option<String>,
    /// Since when it stands, or stood, RFC 3339.
    pub since: Option<String>,
}

/// A session's unread count.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// The session.
    pub session_id: String,
    /// How many.
    pub count: u32,
    /// That of the call that caused it.
    pub correlation_id: Option<String>,
}

/// An agent's presence.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PresenceUpdate {
    /// The message's, on the connection that asked.
    pub id: Option<String>,
    /// As it is now.
    pub presence: Presence,
}

/// A reply that says no more than that.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Reply {
    /// The message's.
    pub id: Option<String>,
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            response_reason: String,
        }
        let reason = Wire::deserialize(deserializer)?.response_reason;
        Self::of_reason(&reason).ok_or_else(|| Error::invalid_value(Unexpected::Str(&reason), &"a responseReason"))
    }
}

impl Outcome {
    /// The outcome with that `responseReason`.
    #[must_use]
    pub fn of_reason(reason: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.response_reason() == reason)
    }
}

/// Reads one of a closed vocabulary's words.
fn word<'de, D: Deserializer<'de>, T: Copy>(
    deserializer: D,
    words: impl IntoIterator<Item = (&'static str, T)>,
    expected: &'static str,
) -> Result<T, D::Error> {
    let found = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    let value = words.into_iter().find(|(word, _)| *word == found);
    value.map(|(_, value)| value).ok_or_else(|| Error::invalid_value(Unexpected::Str(&found), &expected))
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, Self::ALL.map(|role| (role.as_str(), role)), "a role")
    }
}

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = [Self::Available, Self::Away];
        word(deserializer, all.map(|presence| (presence.as_str(), presence)), "a presence")
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, ERRORS.map(|row| (row.name, row.code)), "an error code")
    }
}

impl<'de> Deserialize<'de> for CallName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = [
            ("NotifyEvent", Self::NotifyEvent),
            ("CancelEvent", Self::CancelEvent),
            ("NotifyKpiBreach", Self::NotifyKpiBreach),
            ("NotifyNewActivity", Self::NotifyNewActivity),
        ];
        word(deserializer, all, "a call's name")
    }
}

#[cfg(test)]
mod tests;
