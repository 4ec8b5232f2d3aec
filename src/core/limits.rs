//! Every bound of the core, in one place.

use serde::{Deserialize, Serialize};

use crate::ids::Millis;

/// The most groups that one agent may be in ("Sizes" in docs/PROTOCOL.md).
pub const GROUPS_PER_AGENT_MAX: usize = 256;
/// The most agents and groups together that `to` may name ("Sizes" in docs/PROTOCOL.md).
pub const AUDIENCE_NAMES_MAX: usize = 100;
/// The highest priority of a notification ("Templates" in docs/PROTOCOL.md); the lowest is 0.
pub const PRIORITY_MAX: u8 = 9;
/// The most bytes of the context of a notify, as its provider wrote it ("Sizes" in docs/PROTOCOL.md).
pub const CONTEXT_BYTES_MAX: usize = 8_192;
/// The default of [`Limits::context_bytes`].
const CONTEXT_BYTES_PER_WORKSPACE: u64 = 64 << 20;
/// How long the hub remembers an agent after the agent's last connection closed ("Hello" in docs/PROTOCOL.md).
pub const AGENT_REMEMBERED: Millis = Millis::from_hours(24);

/// The limits in force. They are part of the state: a hub with other limits appends its own as
/// [`Input::Configured`](super::entry::Input::Configured), so that all hubs decide alike. The defaults are those of
/// docs/PROTOCOL.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Notifications displayed on one desk at the same time; at least 1.
    pub display_limit: u32,
    /// Notifications queued behind a desk. The same number of one audience may wait for an agent to connect.
    pub queue_limit: u32,
    /// How long a settled notification is kept for resume and idempotence.
    pub retention: Millis,
    /// Open notifications per workspace. One more is refused.
    pub open_notifications: u32,
    /// Open sessions per workspace. Past it the session that was idle longest ends.
    pub sessions: u32,
    /// KPI marks per workspace. Past it the mark that was idle longest is cleared.
    pub kpi_marks: u32,
    /// Settled notifications kept per workspace. Past it the oldest are forgotten.
    pub retained_outcomes: u32,
    /// Disconnected agents remembered per workspace. Past it the hub forgets the earliest departures.
    pub remembered_agents: u32,
    /// A session or mark ends after this time without a message about it.
    pub session_idle: Millis,
    /// An agent with this many open sessions gets no automatic accepts.
    pub session_limit: u32,
    /// How long nothing is refused after a start, while agents reconnect.
    pub regroup_time: Millis,
    /// Bytes of all contexts of a workspace, of its open notifications and sessions. A notify that would exceed it is
    /// refused.
    #[serde(default = "context_bytes_per_workspace")]
    pub context_bytes: u64,
}

fn context_bytes_per_workspace() -> u64 {
    CONTEXT_BYTES_PER_WORKSPACE
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            display_limit: 3,
            queue_limit: 10,
            retention: Millis::from_minutes(10),
            open_notifications: 10_000,
            sessions: 10_000,
            kpi_marks: 1_000,
            retained_outcomes: 100_000,
            remembered_agents: 100_000,
            session_idle: Millis::from_hours(12),
            session_limit: 100,
            regroup_time: Millis::from_secs(10),
            context_bytes: CONTEXT_BYTES_PER_WORKSPACE,
        }
    }
}
