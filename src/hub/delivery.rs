//! What the hub tells the world, as a trait that it owns and the gateway implements.

use std::time::Duration;

use deskbell_core::effect::{Effects, ReplyTo};
use deskbell_core::{Core, Incarnation, Timestamp};

/// Carries effects to the connections of this hub. Called from the hub's own thread only; must never wait for a client.
pub trait Delivery: Send {
    /// Everything that one entry caused, right after it was applied: `core` stands as that entry left it.
    /// Connections of other incarnations than `core`'s own hub are other hubs' business.
    fn deliver(&mut self, core: &Core, at: Timestamp, effects: Effects);

    /// Called at every turn of the hub: tells what is told by the second (observers' numbers). Returns how long until
    /// it wants to be called again at the latest; `None`: there is nobody to tell.
    fn tick(&mut self, core: &Core) -> Option<Duration>;

    /// The group is over: what was builder goes out now.
    fn flush(&mut self);

    /// A call that was not even tried, told to the one who asked.
    fn refuse(&mut self, to: &ReplyTo, why: CallRejected);

    /// Cuts connections off without a word about their calls, with close code 1013: the hub cannot know
    /// what became of them.
    fn disconnect(&mut self, serials: &[u64]);

    /// A hub of a shared log only: cuts all connections off in the same way, since the log has not answered for long or
    /// has removed this hub.
    fn disconnect_all(&mut self) {}

    /// A hub of a shared log only: from now on this hub's connections are those of that incarnation.
    fn rejoin(&mut self, _incarnation: Incarnation) {}
}

/// Why a call was not tried. Nothing was done; it may be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallRejected {
    /// The log takes nothing at the moment (`unavailable`).
    Unavailable {
        /// When to try again.
        retry_after: Duration,
        /// For clients.
        detail: String,
    },
    /// The provider's calls cost more deliveries than it may cause (`rateLimited`).
    DeliveriesPerSecond {
        /// When to try again.
        retry_after: Duration,
        /// The limit.
        limit: u64,
    },
}
