//! What is told, as data; as JSON it is what `--json` and the admin listener give.

use serde::Serialize;

use crate::telemetry::escape;
use deskbell_core::Timestamp;

/// Stories that one answer holds; a correlationId may stand for any number of calls.
pub(super) const STORIES_MAX: usize = 100;

/// Events that one story holds, and names that one event holds.
pub(super) const EVENTS_MAX: usize = 10_000;
pub(super) const NAMES_MAX: usize = 1_000;

/// Bytes of events that one answer holds, about: what is written of each, and the names and reasons in them.
pub(super) const EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;
pub(super) const EVENT_BYTES: usize = 200;

/// Desks that are looked at for one answer, where what waits on them may have changed. Whoever goes and comes without
/// end, or says so, has thousands of desks looked at for each time.
pub(super) const DESKS_MAX: u64 = if cfg!(test) { 200_000 } else { 10_000_000 };

/// The answer to a question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The id, as it was asked.
    pub asked: String,
    /// From when on the log can be told; absent: from its first record on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What is told in the order of arrival.
    pub notifications: Vec<Story>,
    /// Calls with that correlationId that were refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// There was more than fits.
    pub cut: bool,
}

impl Explained {
    /// Whether there is anything to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.notifications.is_empty() && self.refused.is_empty()
    }

    /// Adds what another log tells of the same. Which of them knows nothing of it, nobody wants to know about.
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

    /// As JSON, one object and a line's end.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        // Strings and numbers into memory: there is nothing to fail.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        // What could mislead a terminal is in strings only, where JSON writes it the same way.
        json.lines().flat_map(|line| [escape(line), "\n".to_owned()]).collect::<String>().into_bytes()
    }
}

/// One notification's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// Which.
    pub notification_id: String,
    /// The notify's correlationId.
    pub correlation_id: String,
    /// The notify's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// In which workspace.
    pub workspace: String,
    /// Who rang.
    pub provider_id: String,
    /// The session it is about.
    pub session_id: String,
    /// The template, its title filled in, and whom it was for (nobody named: everybody), where that is still known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_name: Option<String>,
    /// See above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// See above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_agents: Option<Vec<String>>,
    /// See above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_groups: Option<Vec<String>>,
    /// When it arrived.
    pub notified_at: Timestamp,
    /// Whether the log still has its beginning; if not, the events before [`Explained::since`] are missing.
    pub whole: bool,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// How it ended; absent: it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// There was more than fits.
    pub cut: bool,
}

/// How a notification ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// How long after its arrival.
    pub elapsed_ms: u64,
    /// The outcome's first word.
    pub action_name: &'static str,
    /// The outcome's second word.
    pub response_reason: &'static str,
    /// Whose answer settled it, or for whom it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The reason given with the reject that settled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_reason: Option<String>,
    /// How many agents it was displayed to,
    pub displayed: u32,
    /// how many saw it,
    pub seen: u32,
    /// and how many rejected it.
    pub rejected: u32,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// How long after its arrival.
    pub after_ms: u64,
    /// What.
    pub event: Happened,
    /// Whom it concerns, at most 1 000 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// How many that are.
    pub count: usize,
    /// Of an answer: whether it is the one that counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub won: Option<bool>,
    /// Of an answer or a cancel that came too late: by how much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_ms: Option<u64>,
    /// Of a reject: the reason given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What can happen to a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Happened {
    /// It arrived.
    Notified,
    /// Its provider said the same again.
    Repeated,
    /// There was nobody to offer it to; it waits.
    NobodyThere,
    /// These had it on their desks before what is kept begins.
    DisplayedBefore,
    /// These had seen it before what is kept begins.
    SeenBefore,
    /// It came onto these desks.
    Displayed,
    /// It waits behind others on these desks.
    Waits,
    /// These have had it before their eyes.
    Seen,
    /// An agent accepted.
    Accepted,
    /// An agent rejected.
    Rejected,
    /// An agent answered to whom it was never displayed: an error.
    NotTheirs,
    /// Its provider withdrew it.
    CancelAsked,
    /// It got its outcome.
    Settled,
    /// Its session began at, or moved to, this agent.
    Session,
}

/// A call that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// When.
    pub at: Timestamp,
    /// Its workspace.
    pub workspace: String,
    /// Who called, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Why, in the wire's word.
    pub code: &'static str,
}
