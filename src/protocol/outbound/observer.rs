//! Messages to observers: events and statistics.

use deskbell_core::entry::Presence;
use deskbell_core::{NotificationId, Outcome, Timestamp};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Something happened in the workspace. A field that does not concern the event is left out.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "event", rename_all = "camelCase")]
pub struct ObserverEvent<'a> {
    /// The kind of event.
    pub event: EventKind,
    /// When it happened.
    pub at: Timestamp,
    /// The notification concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_id: Option<NotificationId>,
    /// The correlationId of the notification or the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
    /// The agent concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<&'a str>,
    /// The provider concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<&'a str>,
    /// The session concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<&'a str>,
    /// The outcome, of `settled` and `cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Outcome>,
    /// Whether the session is in breach now, of `kpi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breached: Option<bool>,
    /// The agent's presence, of `presence` and `agentJoined`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    /// A notification arrived.
    Notified,
    /// A notification was displayed for the first time.
    Displayed,
    /// A notification was settled, but not by its provider.
    Settled,
    /// A notification was cancelled by its provider.
    Cancelled,
    /// A KPI mark was set or cleared.
    Kpi,
    /// An agent's first connection joined.
    AgentJoined,
    /// An agent's last connection left.
    AgentLeft,
    /// A provider's first connection joined.
    ProviderJoined,
    /// A provider's last connection left.
    ProviderLeft,
    /// An agent's presence changed.
    Presence,
}

/// The workspace in numbers, once a second. Counts are of the workspace; rates and latencies are of this hub.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "stats", rename_all = "camelCase")]
pub struct Stats<'a> {
    /// Connected agents.
    pub agents: u64,
    /// Connected providers.
    pub providers: u64,
    /// Connections of observers.
    pub observers: u64,
    /// Open notifications.
    pub open: u64,
    /// Open notifications that were never displayed to anyone.
    pub waiting: u64,
    /// Notifies in the last second.
    pub notifies_per_second: u64,
    /// Deliveries in the last second.
    pub deliveries_per_second: u64,
    /// Settled notifications by outcome, written as an object with `responseReason` as key. No outcome occurs twice.
    #[serde(serialize_with = "by_reason")]
    pub outcomes: &'a [(Outcome, u64)],
    /// Milliseconds from notify to result.
    pub notify_to_result_ms: Quantiles,
}

/// The median and the 99th percentile of a distribution, in milliseconds; 0 if nothing was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// The median, in milliseconds.
    pub p50: u64,
    /// The 99th percentile.
    pub p99: u64,
}

fn by_reason<S: Serializer>(outcomes: &&[(Outcome, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(outcomes.len()))?;
    for (outcome, count) in *outcomes {
        object.serialize_entry(outcome.response_reason(), count)?;
    }
    object.end()
}
