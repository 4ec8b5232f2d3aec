//! How the hub reaches the connections, as a trait that the hub owns and the gateway implements.

use std::time::Duration;

use deskbell_core::effect::{Effects, ReplyTo};
use deskbell_core::{Core, Incarnation, Timestamp};

/// Carries effects to the connections of this hub. Called from the hub's own thread only; must never wait for a client.
///
/// Messages and disconnections are collected, and leave with [`flush`](Self::flush) only. The hub calls it when a whole
/// record is applied. If a check fails within the record, the hub ends without a flush and nothing of the record leaves.
pub trait Delivery: Send {
    /// The effects of one entry, right after it was applied: `core` is the state that the entry left. Connections of
    /// other incarnations than this hub's own belong to other hubs.
    fn deliver(&mut self, core: &Core, at: Timestamp, effects: Effects);

    /// Called at every poll: sends what is sent once a second (observers' statistics). Returns how long until it wants to
    /// be called again at the latest; `None` if nobody observes.
    fn tick(&mut self, core: &Core) -> Option<Duration>;

    /// Sends everything that was collected.
    fn flush(&mut self);

    /// Reports to its sender that a call was not attempted.
    fn refuse(&mut self, to: &ReplyTo, why: CallRejected);

    /// Closes connections with close code 1013 and without a reply to their calls: the hub cannot know whether these were
    /// done.
    fn disconnect(&mut self, serials: &[u64]);

    /// Closes all connections in the same way. Only hubs of a shared log call it: the log has not answered for long, or
    /// has removed this hub.
    fn disconnect_all(&mut self);

    /// From now on this hub's connections are those of `incarnation`. Only hubs of a shared log call it.
    fn rejoin(&mut self, incarnation: Incarnation);
}

/// Why a call was not attempted. Nothing was done; it may be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallRejected {
    /// The log takes nothing at the moment (`unavailable`).
    Unavailable {
        /// When to try again.
        retry_after: Duration,
        /// Why, as a text for people.
        detail: String,
    },
    /// The provider's calls cost more deliveries than it may cause (`rateLimited`).
    DeliveriesPerSecond {
        /// When to try again.
        retry_after: Duration,
        /// The limit in deliveries per second.
        limit: u64,
    },
}
