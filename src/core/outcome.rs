//! How a notification ends.

use serde::{Deserialize, Serialize};

use super::ids::{Name, NotificationId, Timestamp};

/// The one outcome of a notification. The wire says each as `{"actionName", "responseReason"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// An agent accepted it.
    Accepted,
    /// Accepted automatically for an agent (`autoAccept`).
    AutoAccepted,
    /// Its display time ran out and it was accepted automatically (`autoAcceptOnTimeout`).
    AutoAcceptedOnTimeout,
    /// An agent declined it (or, under `firstAccept`, all who could have accepted it did).
    Declined,
    /// No place was left for it, on any desk or in its audience's queue.
    QueueFull,
    /// It was displayed to nobody within its queue time.
    QueueTimeout,
    /// It was displayed, and nobody settled it within its display time.
    DisplayTimeout,
    /// Its provider withdrew it.
    Cancelled,
}

impl Outcome {
    /// All of them, in the order of declaration.
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

/// How far a notification came among the agents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Agents it was displayed to.
    pub displayed: u32,
    /// Agents whose page reported it seen.
    pub seen: u32,
    /// Agents who rejected it.
    pub rejected: u32,
}

/// What is kept of a notification once it is settled, for as long as it is retained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The notification.
    pub notification_id: NotificationId,
    /// The provider that raised it.
    pub provider_id: Name,
    /// The notify's own id, if it bore one.
    pub id: Option<Name>,
    /// The notify's correlationId, as it was sent or as it was minted.
    pub correlation_id: Name,
    /// What the notify said, for idempotence.
    pub fingerprint: u128,
    /// Its cancellation token, if it bore one.
    pub cancellation_token: Option<Name>,
    /// The session it was about: its own, or its notificationId.
    pub session_id: Name,
    /// How it ended.
    pub outcome: Outcome,
    /// The agent whose answer settled it, or for whom it was accepted automatically.
    pub agent_id: Option<Name>,
    /// The reason given with the reject that settled it.
    pub decline_reason: Option<Name>,
    /// How far it came.
    pub reach: Reach,
    /// When it arrived.
    pub notified_at: Timestamp,
    /// When it was settled.
    pub settled_at: Timestamp,
    /// Its number in the order of settling; see [`Position`](super::ids::Position).
    pub number: u64,
}

impl Settled {
    /// From arrival until settled, in milliseconds.
    #[must_use]
    pub fn elapsed_ms(&self) -> u64 {
        self.settled_at.since_ms(self.notified_at)
    }
}
