//! The pure core: the state is the fold of the log.
//!
//! No async, clock, randomness, I/O, JSON, log, hash map or float here. Time and ids come in with the entry.
//!
//! Files, in the order of what builds on what: `ids`, `tabs`, `limits`, `outcome`, `text_forms`, `entry`, `content`, `slab`, `ageing`,
//! `effect`, `audience`, `agents`, `notification`, `providers`, `sessions`, `step`, `state`, `desk`, `session_calls`, `settling`,
//! `autos`, `notifying`, `answering`, `joining`, `calls`, `view`, `core`, `asking`. From `state` on they are one type, [`Core`]'s
//! workspace, in chapters.

mod ageing;
mod agents;
mod answering;
mod asking;
mod audience;
mod autos;
mod calls;
mod content;
mod core;
mod desk;
pub mod effect;
pub mod entry;
mod ids;
mod joining;
mod limits;
mod notification;
mod notifying;
mod outcome;
mod providers;
mod session_calls;
mod sessions;
mod settling;
mod slab;
mod state;
mod step;
mod tabs;
#[cfg(test)]
mod tests;
mod text_forms;
mod view;

pub use self::core::Core;
pub use content::Content;
pub use ids::{
    ConnectionId, Incarnation, Millis, Name, NotificationId, ParseNotificationIdError, Position, Text, Timestamp,
};
pub use limits::{AGENT_REMEMBERED, AUDIENCE_NAMES_MAX, GROUPS_PER_AGENT_MAX, Limits};
pub use outcome::{Outcome, Reach, Settled};
pub use text_forms::{ParsePositionError, ParseTimestampError};
pub use view::NotificationView;

/// All workspaces of a log in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Open notifications.
    pub open: u64,
    /// Of these, never displayed to anyone yet.
    pub waiting: u64,
    /// Open sessions.
    pub sessions: u64,
    /// Workspaces with anybody or anything in them.
    pub workspaces: u64,
}

/// A workspace in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkspaceStats {
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
