//! The pure core of deskbell: the state machine that applies the records of the log, and the vocabulary that the wire,
//! the templates and the client share with it.
//!
//! It has no async, clock, randomness, I/O, JSON, logging, hash map or floating point. Time and ids come with the entry.
//!
//! Files, each of which uses only those before it: `ids`, `limits`, `outcome`, `text_forms`, `rules`, `revocations`, `context`,
//! `entry`, `content`, `collections`, `effect`, `workspace`, `view`, `state_machine`, `queries`.

mod collections;
mod content;
mod context;
pub mod effect;
pub mod entry;
mod ids;
mod limits;
mod outcome;
mod queries;
pub mod revocations;
pub mod rules;
mod state_machine;
#[cfg(test)]
mod tests;
mod text_forms;
mod view;
mod workspace;

pub use collections::slab::Slot;
pub use content::Content;
pub use context::Context;
pub use effect::AgentSlot;
pub use ids::{
    ConnectionId, Incarnation, Millis, Name, NotificationId, ParseNotificationIdError, Position, Text, Timestamp,
};
pub use limits::{AGENT_REMEMBERED, AUDIENCE_NAMES_MAX, CONTEXT_BYTES_MAX, GROUPS_PER_AGENT_MAX, Limits, PRIORITY_MAX};
pub use outcome::{Outcome, Reach, Settled};
pub use state_machine::Core;
pub use view::NotificationView;

/// The figures of all workspaces of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Open notifications.
    pub open: u64,
    /// Open notifications that nobody has ever had displayed.
    pub waiting: u64,
    /// Open sessions.
    pub sessions: u64,
    /// Workspaces with a client or anything to remember.
    pub workspaces: u64,
}

/// The figures of a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkspaceStats {
    /// Agents with a connection.
    pub agents: u64,
    /// Providers with a connection.
    pub providers: u64,
    /// Connections of observers.
    pub observers: u64,
    /// Open notifications.
    pub open: u64,
    /// Open notifications that nobody has ever had displayed.
    pub waiting: u64,
    /// Settled notifications so far by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; 8],
}
