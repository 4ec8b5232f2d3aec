//! The pure core: the state is the fold of the log.

pub mod effect;
pub mod entry;
mod ids;
mod limits;
mod notification;
mod outcome;

pub use ids::{ConnectionId, Incarnation, Name, NotANotificationId, NotificationId, Position, Timestamp};
pub use limits::{AUDIENCE_NAMES_MAX, GROUPS_PER_AGENT_MAX, Limits};
pub use notification::Content;
pub use outcome::{Outcome, Reach, Settled};

/// The whole state of one partition.
#[derive(Debug)]
pub struct Core {}

impl Core {
    /// The connections of an agent.
    #[must_use]
    pub fn agent_connections(&self, _workspace: &str, _agent: effect::AgentSlot) -> &[ConnectionId] {
        &[]
    }
    /// The connections of a provider.
    #[must_use]
    pub fn provider_connections(&self, _workspace: &str, _provider: &str) -> &[ConnectionId] {
        &[]
    }
    /// The connections of all agents.
    pub fn all_agent_connections(&self, _workspace: &str) -> impl Iterator<Item = ConnectionId> + '_ {
        std::iter::empty()
    }
    /// The connections of all observers.
    #[must_use]
    pub fn observer_connections(&self, _workspace: &str) -> &[ConnectionId] {
        &[]
    }
    /// What the workspace looks like in numbers; `None` if it is not there.
    #[must_use]
    pub fn stats(&self, _workspace: &str) -> Option<Stats> {
        None
    }
}

/// A workspace in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
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
    /// Settled so far, by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; 8],
}
