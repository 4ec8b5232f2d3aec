//! An explanation as data. As JSON it is the output of `--json` and of the admin listener.

use serde::Serialize;

use crate::telemetry::escape;
use deskbell_core::Timestamp;

/// Timelines in one explanation. A correlationId may belong to any number of calls.
pub(super) const TIMELINES_MAX: usize = 100;

/// Events in one timeline, and names in one event.
pub(super) const EVENTS_MAX: usize = 10_000;
pub(super) const NAMES_MAX: usize = 1_000;

/// Bytes of events in one explanation: a fixed size for each event, and its names and reasons.
pub(super) const EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;
pub(super) const EVENT_BYTES: usize = 200;

/// Desks to search in one explanation for queued notifications. Agents who connect and disconnect all the time cause
/// thousands of searches.
pub(super) const DESKS_MAX: u64 = if cfg!(test) { 200_000 } else { 10_000_000 };

/// The answer to a query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The id in the query.
    pub asked: String,
    /// The start of the log's history; absent if the log has all records since it was founded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The matching notifications, in the order of arrival.
    pub notifications: Vec<Timeline>,
    /// Refused calls with this correlationId.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedCall>,
    /// Whether there were more than fit.
    pub cut: bool,
}

impl Explanation {
    /// Whether nothing matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.notifications.is_empty() && self.refused.is_empty()
    }

    /// Adds the explanation from another log. The `since` of a log without a match does not count.
    pub(super) fn add(&mut self, other: Self) {
        self.since = match (self.is_empty(), other.is_empty()) {
            (false, true) => self.since,
            (true, false) => other.since,
            _ => self.since.max(other.since),
        };
        self.notifications.extend(other.notifications);
        self.notifications.sort_by_key(|timeline| timeline.notified_at);
        self.refused.extend(other.refused);
        self.cut |= other.cut || self.notifications.len() > TIMELINES_MAX || self.refused.len() > TIMELINES_MAX;
        self.notifications.truncate(TIMELINES_MAX);
        self.refused.truncate(TIMELINES_MAX);
    }

    /// The explanation as JSON: one object and a line break.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        // Strings and numbers are always valid JSON, and memory takes every write.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        // Hidden characters are only in strings, where JSON has the same escapes.
        json.lines().flat_map(|line| [escape(line), "\n".to_owned()]).collect::<String>().into_bytes()
    }
}

/// The history of one notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// The notification that it is about.
    pub notification_id: String,
    /// The correlationId of the notify.
    pub correlation_id: String,
    /// The `id` of the notify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The notification's workspace.
    pub workspace: String,
    /// The provider that raised it.
    pub provider_id: String,
    /// The session that an accept starts or moves.
    pub session_id: String,
    /// The template; absent if the log does not have it any more. The same holds for the next three fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_name: Option<String>,
    /// The title with its placeholders filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The agents that it was addressed to. Without agents and groups it was addressed to everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_agents: Option<Vec<String>>,
    /// The groups to which it was addressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_groups: Option<Vec<String>>,
    /// When the notification arrived.
    pub notified_at: Timestamp,
    /// Whether the log has the whole history. If not, the events before [`Explanation::since`] are missing.
    pub whole: bool,
    /// The events in order.
    pub events: Vec<TimelineEvent>,
    /// The end; absent while the notification is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<TimelineEnd>,
    /// Whether there were more events or names than fit.
    pub cut: bool,
}

/// The end of a notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEnd {
    /// When it was settled.
    pub at: Timestamp,
    /// Milliseconds from its arrival until then.
    pub elapsed_ms: u64,
    /// The outcome's `actionName`.
    pub action_name: &'static str,
    /// The outcome's `responseReason`.
    pub response_reason: &'static str,
    /// The agent that settled it, or that the hub accepted it for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The reason given with the reject that settled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_reason: Option<String>,
    /// The number of agents that had it displayed.
    pub displayed: u32,
    /// The number of agents that saw it.
    pub seen: u32,
    /// The number of agents that rejected it.
    pub rejected: u32,
}

/// One event in the history of a notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEvent {
    /// When it happened.
    pub at: Timestamp,
    /// Milliseconds since the notification arrived.
    pub after_ms: u64,
    /// The kind of event.
    pub event: TimelineEventKind,
    /// The agents concerned, at most 1 000 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// The number of agents concerned.
    pub count: usize,
    /// Of an answer: whether it settled the notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub won: Option<bool>,
    /// Of an answer or a cancel that came too late: by how many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_ms: Option<u64>,
    /// Of a reject: its reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TimelineEventKind {
    /// The notification arrived.
    Notified,
    /// Its provider repeated the notify.
    Repeated,
    /// No agent was available; it waits.
    NobodyThere,
    /// It was displayed to these agents before the log's history starts.
    DisplayedBefore,
    /// These agents had seen it before the log's history starts.
    SeenBefore,
    /// It was displayed to these agents.
    Displayed,
    /// It is queued behind other notifications on the desks of these agents.
    Waits,
    /// These agents saw it.
    Seen,
    /// An agent accepted it.
    Accepted,
    /// An agent rejected it.
    Rejected,
    /// An agent answered it without having it displayed, and received an error.
    NotTheirs,
    /// Its provider cancelled it.
    CancelAsked,
    /// It was settled.
    Settled,
    /// Its session started at this agent or moved to this agent.
    Session,
}

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedCall {
    /// When it was refused.
    pub at: Timestamp,
    /// The workspace of the call.
    pub workspace: String,
    /// The provider, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// The error code.
    pub code: &'static str,
}
