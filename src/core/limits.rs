//! Every bound of the core, in one place.

use serde::{Deserialize, Serialize};

/// The most groups that one agent may be in, from the contract's "Sizes".
pub const GROUPS_PER_AGENT_MAX: usize = 256;
/// The most agents and groups together that `to` may name, from the contract's "Sizes".
pub const AUDIENCE_NAMES_MAX: usize = 100;
/// How long an agent is remembered after the last connection went: 24 h, from the contract's "Hello".
pub const AGENT_REMEMBERED_MS: u64 = 24 * 60 * 60 * 1000;

/// The limits in force. They are state: a hub whose own differ appends them as
/// [`Input::Configured`](super::entry::Input::Configured), so that every hub decides alike. Defaults are the contract's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Notifications displayed on one desk at once; at least 1.
    pub display_limit: u32,
    /// Notifications waiting behind a desk; also how many of one audience wait for an agent to come.
    pub queue_limit: u32,
    /// How long a settled notification is kept for resume and idempotence.
    pub retention_ms: u64,
    /// Open notifications per workspace; one more is refused.
    pub open_notifications: u32,
    /// Open sessions per workspace; past it the one untouched longest ends.
    pub sessions: u32,
    /// KPI marks per workspace; past it the one untouched longest ends.
    pub kpi_marks: u32,
    /// Settled notifications kept per workspace; past it the oldest are forgotten.
    pub retained_outcomes: u32,
    /// Agents remembered per workspace while away; past it the oldest are forgotten.
    pub remembered_agents: u32,
    /// A session or mark that nothing touched for so long ends.
    pub session_idle_ms: u64,
    /// Open sessions at which an agent gets no more automatic accepts.
    pub session_limit: u32,
    /// How long after a start nothing is refused while agents come back.
    pub regroup_time_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            display_limit: 3,
            queue_limit: 10,
            retention_ms: 10 * 60 * 1000,
            open_notifications: 10_000,
            sessions: 10_000,
            kpi_marks: 1_000,
            retained_outcomes: 100_000,
            remembered_agents: 100_000,
            session_idle_ms: 12 * 60 * 60 * 1000,
            session_limit: 100,
            regroup_time_ms: 10 * 1000,
        }
    }
}
