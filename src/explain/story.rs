//! The data of an explanation. Its JSON form is the output of `--json` and of the admin listener.

use serde::Serialize;

use crate::telemetry::escape;
use deskbell_core::Timestamp;

/// The most stories in one answer; any number of calls may share a correlationId.
pub(super) const STORIES_MAX: usize = 100;

/// The most events in one story, and the most names in one event.
pub(super) const EVENTS_MAX: usize = 10_000;
pub(super) const NAMES_MAX: usize = 1_000;

/// The approximate limit on the bytes of events in one answer. Each event counts as [`EVENT_BYTES`], plus its names and reasons.
pub(super) const EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;
pub(super) const EVENT_BYTES: usize = 200;

/// The most desks examined for one answer, to find out where the notification waits. An agent that keeps joining and leaving, or
/// changing its presence, causes thousands of desks to be examined each time.
pub(super) const DESKS_MAX: u64 = if cfg!(test) { 200_000 } else { 10_000_000 };

/// The answer to a question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The requested id, as the user wrote it.
    pub asked: String,
    /// The time at which the kept log begins; absent if it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The notifications with that id, in the order of arrival.
    pub notifications: Vec<Story>,
    /// The refused calls with that correlationId.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// True if some notifications or refused calls were left out because the answer is full.
    pub cut: bool,
}

impl Explained {
    /// True if the log does not contain the id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.notifications.is_empty() && self.refused.is_empty()
    }

    /// Adds the explanation of the same question from another partition's log. `since` comes from the log that contains the id.
    pub(super) fn add(&mut self, other: Self) {
        self.since = match (self.is_empty(), other.is_empty()) {
            (false, true) => self.since,
            (true, false) => other.since,
            _ => self.since.max(other.since),
        };
        self.notifications.extend(other.notifications);
        self.notifications.sort_by_key(|story| story.notified_at);
        self.refused.extend(other.refused);
        self.cut |= other.cut || self.notifications.len() > STORIES_MAX || self.refused.len() > STORIES_MAX;
        self.notifications.truncate(STORIES_MAX);
        self.refused.truncate(STORIES_MAX);
    }

    /// The explanation as one JSON object, with a line end after it.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        // Serializing strings and numbers into memory cannot fail.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        // Control characters can occur in strings only, and `escape` writes them as JSON does.
        json.lines().flat_map(|line| [escape(line), "\n".to_owned()]).collect::<String>().into_bytes()
    }
}

/// The history of one notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// The notificationId.
    pub notification_id: String,
    /// The correlationId of the notify.
    pub correlation_id: String,
    /// The `id` that the provider gave the notify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The notification's workspace.
    pub workspace: String,
    /// The provider that raised it.
    pub provider_id: String,
    /// The session that an accept starts.
    pub session_id: String,
    /// The template's name; absent if the log no longer contains the notify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_name: Option<String>,
    /// The rendered title; absent if the log no longer contains the notify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The agents named in `to`. If neither agents nor groups are named, the audience is everybody. Absent if the log no longer
    /// contains the notify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_agents: Option<Vec<String>>,
    /// The groups named in `to`; absent if the log no longer contains the notify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_groups: Option<Vec<String>>,
    /// When it arrived.
    pub notified_at: Timestamp,
    /// True if the log still contains the notify. Otherwise the events before [`Explained::since`] are missing.
    pub whole: bool,
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// The outcome; absent while the notification is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// True if some events or names were left out because the answer is full.
    pub cut: bool,
}

/// The outcome of a notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// The time at which it was settled.
    pub at: Timestamp,
    /// Milliseconds from its arrival until then.
    pub elapsed_ms: u64,
    /// The outcome's `actionName`.
    pub action_name: &'static str,
    /// The outcome's `responseReason`.
    pub response_reason: &'static str,
    /// The agent with the answer that settled it, or for which it was accepted automatically.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The reason given with the reject that settled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_reason: Option<String>,
    /// The number of agents to which it was displayed.
    pub displayed: u32,
    /// The number of agents that reported it seen.
    pub seen: u32,
    /// The number of agents that rejected it.
    pub rejected: u32,
}

/// One event in the history of a notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The time of the event.
    pub at: Timestamp,
    /// Milliseconds from the notification's arrival until the event.
    pub after_ms: u64,
    /// The kind of event.
    pub event: Happened,
    /// The agents concerned, at most 1 000 names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// The number of agents concerned, including those left out of `agents`.
    pub count: usize,
    /// For an answer or a cancel: whether it settled the notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub won: Option<bool>,
    /// For an answer or a cancel that came too late: milliseconds since the notification was settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_ms: Option<u64>,
    /// For a reject: the reason that the agent gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Happened {
    /// The notification arrived.
    Notified,
    /// Its provider repeated the notify.
    Repeated,
    /// No agent was eligible; it waits for one.
    NobodyThere,
    /// It was displayed to these agents before the kept log begins.
    DisplayedBefore,
    /// These agents had seen it before the kept log begins.
    SeenBefore,
    /// It was displayed to these agents.
    Displayed,
    /// It waits behind other notifications on the desks of these agents.
    Waits,
    /// This agent reported it seen.
    Seen,
    /// An agent accepted.
    Accepted,
    /// An agent rejected.
    Rejected,
    /// An agent answered although it was never displayed to that agent; the answer was an error.
    NotTheirs,
    /// Its provider sent a cancel.
    CancelAsked,
    /// It was settled.
    Settled,
    /// Its session started at this agent, or moved to it.
    Session,
}

/// A call that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The time of the call.
    pub at: Timestamp,
    /// The provider's workspace.
    pub workspace: String,
    /// The provider, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// The `code` of the error.
    pub code: &'static str,
}
