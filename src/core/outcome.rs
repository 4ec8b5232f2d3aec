//! How a notification ends, and the record that is kept of it.

use serde::{Deserialize, Serialize};

use crate::ids::{Millis, Name, NotificationId, Text, Timestamp};

/// The one outcome of a notification. The wire writes each as `{"actionName", "responseReason"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// An agent accepted it.
    Accepted,
    /// The hub accepted it for an agent (`autoAccept`).
    AutoAccepted,
    /// Its display time ended and the hub accepted it for an agent (`autoAcceptOnTimeout`).
    AutoAcceptedOnTimeout,
    /// An agent rejected it. Under `firstAccept`: all agents rejected it that could have accepted it.
    Declined,
    /// There was no room for it, neither on a desk nor in the queue of its audience.
    QueueFull,
    /// Nobody had it displayed within its queue time.
    QueueTimeout,
    /// It was displayed, and nobody settled it within its display time.
    DisplayTimeout,
    /// Its provider cancelled it.
    Cancelled,
}

impl Outcome {
    /// All outcomes, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::AutoAccepted,
        Self::AutoAcceptedOnTimeout,
        Self::Declined,
        Self::QueueFull,
        Self::QueueTimeout,
        Self::DisplayTimeout,
        Self::Cancelled,
    ];

    /// Whether it starts a session.
    #[must_use]
    pub fn is_accept(self) -> bool {
        matches!(self, Self::Accepted | Self::AutoAccepted | Self::AutoAcceptedOnTimeout)
    }
}

/// How many agents a notification reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Agents with a desk that displayed it.
    pub displayed: u32,
    /// Agents with a page that reported it as seen.
    pub seen: u32,
    /// Agents that rejected it.
    pub rejected: u32,
}

/// A settled notification, kept for the retention time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The notification that was settled.
    pub notification_id: NotificationId,
    /// The provider that raised it.
    pub provider_id: Name,
    /// The `id` of the notify, if it had one.
    pub id: Option<Name>,
    /// The correlationId of the notify, as the provider sent it or as the hub minted it.
    pub correlation_id: Name,
    /// A digest of the content of the notify, for idempotence.
    pub fingerprint: u128,
    /// The cancellation token of the notify, if it had one.
    pub cancellation_token: Option<Name>,
    /// The session that the notify named; without one, the notificationId.
    pub session_id: Name,
    /// How it ended.
    pub outcome: Outcome,
    /// The agent that settled it by an answer or got it by an automatic accept.
    pub agent_id: Option<Name>,
    /// The reason that the agent gave with the reject that settled it.
    pub decline_reason: Option<Text>,
    /// How many agents it reached.
    pub reach: Reach,
    /// When it arrived.
    pub notified_at: Timestamp,
    /// When it was settled.
    pub settled_at: Timestamp,
    /// Its number in the order of settling; see [`Position`](super::ids::Position).
    pub number: u64,
}

impl Settled {
    /// The time from its arrival until it was settled.
    #[must_use]
    pub fn elapsed(&self) -> Millis {
        self.settled_at.since(self.notified_at)
    }
}
