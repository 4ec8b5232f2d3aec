//! What observers are told.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::super::name::Presence;
use super::super::outcome::Outcome;
use super::super::time::Time;
use super::message::Uuid;

/// Something happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "event", rename_all = "camelCase")]
pub struct Event<'a> {
    /// What.
    pub event: EventKind,
    /// When.
    pub at: Time,
    /// The notification, where one is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_id: Option<Uuid>,
    /// The correlationId, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
    /// The agent, where one is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<&'a str>,
    /// The provider, where one is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<&'a str>,
    /// The session, where one is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<&'a str>,
    /// The outcome of `settled` and `cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Outcome>,
    /// Of `kpi`: whether the mark stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breached: Option<bool>,
    /// Of `presence` and `agentJoined`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    /// A notification was taken.
    Notified,
    /// It was displayed for the first time.
    Displayed,
    /// It was settled.
    Settled,
    /// It was cancelled (instead of `Settled`).
    Cancelled,
    /// A mark was set or cleared.
    Kpi,
    /// An agent's first connection came.
    AgentJoined,
    /// An agent's last connection went.
    AgentLeft,
    /// A provider's first connection came.
    ProviderJoined,
    /// A provider's last connection went.
    ProviderLeft,
    /// An agent's presence changed.
    Presence,
}

/// The workspace in numbers, once a second. Counts are the workspace's, rates and latencies this hub's.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "stats", rename_all = "camelCase")]
pub struct Stats<'a> {
    /// Agents connected.
    pub agents: u64,
    /// Providers connected.
    pub providers: u64,
    /// Observers' connections.
    pub observers: u64,
    /// Open notifications.
    pub open: u64,
    /// Of these, never displayed to anyone yet.
    pub waiting: u64,
    /// In the last second.
    pub notifies_per_second: u64,
    /// In the last second.
    pub deliveries_per_second: u64,
    /// Settled so far, by outcome; written as an object by `responseReason`. No outcome twice.
    #[serde(serialize_with = "by_reason")]
    pub outcomes: &'a [(Outcome, u64)],
    /// From notify to result.
    pub notify_to_result_ms: Quantiles,
}

/// The middle and the slow end of a distribution, in milliseconds; 0 where nothing was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// Half were at most so long.
    pub p50: u64,
    /// 99 of a hundred were at most so long.
    pub p99: u64,
}

fn by_reason<S: Serializer>(outcomes: &&[(Outcome, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(outcomes.len()))?;
    for (outcome, count) in *outcomes {
        object.serialize_entry(outcome.response_reason(), count)?;
    }
    object.end()
}
