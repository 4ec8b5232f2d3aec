//! One notification while it is open.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::audience::Arrival;
use super::content::Content;
use super::effect::Card;
use super::ids::Timestamp;
use super::outcome::Reach;
use super::slab::Bits;

/// One open notification.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) content: Arc<Content>,
    pub(super) arrival: Arrival,
    /// Slot of its audience.
    pub(super) audience: u32,
    /// When its present time (queue or display) runs out; stands in the deadlines.
    pub(super) due: Timestamp,
    /// Whether it was ever displayed to anyone: its display time runs.
    pub(super) was_displayed: bool,
    /// Agents it was ever displayed to.
    pub(super) displayed_to: Bits,
    /// Agents whose page reported it seen.
    pub(super) seen_by: Bits,
    /// Agents who rejected it without settling it.
    pub(super) rejected_by: Bits,
    /// Agents on whose desk it is now, displayed or waiting.
    pub(super) on_desk: Bits,
}

impl Open {
    /// A new one, in its queue time.
    pub(super) fn new(content: Arc<Content>, arrival: Arrival, audience: u32) -> Self {
        let due = content.notified_at.plus(content.rendered.queue_timeout);
        Self {
            content,
            arrival,
            audience,
            due,
            was_displayed: false,
            displayed_to: Bits::default(),
            seen_by: Bits::default(),
            rejected_by: Bits::default(),
            on_desk: Bits::default(),
        }
    }

    /// As a desk shows it at `now`: what remains, or all of it where the display time does not run yet.
    pub(super) fn shown(&self, now: Timestamp) -> Card {
        let remaining = if self.was_displayed { self.due.since(now) } else { self.content.rendered.timeout };
        Card { content: Arc::clone(&self.content), remaining }
    }

    /// How far it has come.
    pub(super) fn reach(&self) -> Reach {
        Reach { displayed: self.displayed_to.count(), seen: self.seen_by.count(), rejected: self.rejected_by.count() }
    }

    /// Whether this agent would be offered it: it is not on the desk and the agent has not rejected it.
    pub(super) fn is_new_to(&self, agent: u32) -> bool {
        !self.on_desk.has(agent) && !self.rejected_by.has(agent)
    }
}
