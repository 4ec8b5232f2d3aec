//! One notification while it is open.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::AudienceSlot;
use super::agents::Agent;
use super::audiences::{Arrival, Rank};
use crate::collections::slot_set::SlotSet;
use crate::content::Content;
use crate::context::Context;
use crate::effect::{AgentSlot, Card};
use crate::ids::Timestamp;
use crate::outcome::Reach;

/// One open notification.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OpenNotification {
    pub(crate) content: Arc<Content>,
    pub(crate) arrival: Arrival,
    pub(crate) audience: AudienceSlot,
    /// When its present time (queue time or display time) ends; one of the deadlines.
    pub(crate) due: Timestamp,
    /// Whether anybody ever had it displayed, so that its display time runs.
    pub(crate) was_displayed: bool,
    /// The agents who ever had it displayed.
    pub(crate) displayed_to: SlotSet<Agent>,
    /// The agents whose page reported it as seen.
    pub(crate) seen_by: SlotSet<Agent>,
    /// The agents who rejected it without settling it.
    pub(crate) rejected_by: SlotSet<Agent>,
    /// The agents who have it on their desk now, displayed or queued.
    pub(crate) on_desk: SlotSet<Agent>,
    /// What its provider tells the agent who gets the session. It is not part of the content, which others see.
    #[serde(default)]
    pub(crate) context: Option<Context>,
}

impl OpenNotification {
    /// A notification that has just arrived: its queue time runs.
    pub(crate) fn new(
        content: Arc<Content>,
        context: Option<Context>,
        arrival: Arrival,
        audience: AudienceSlot,
    ) -> Self {
        let due = content.notified_at.plus(content.rendered.queue_timeout);
        Self {
            content,
            arrival,
            audience,
            due,
            was_displayed: false,
            displayed_to: SlotSet::default(),
            seen_by: SlotSet::default(),
            rejected_by: SlotSet::default(),
            on_desk: SlotSet::default(),
            context,
        }
    }

    /// Its place in the order of everything that waits.
    pub(crate) fn rank(&self) -> Rank {
        Rank::new(self.content.rendered.priority, self.arrival)
    }

    /// The card at `now`, with the rest of its display time; all of it if the display time does not run yet.
    pub(crate) fn card(&self, now: Timestamp) -> Card {
        let remaining = if self.was_displayed { self.due.since(now) } else { self.content.rendered.timeout };
        Card { content: Arc::clone(&self.content), remaining }
    }

    /// How many agents it has reached.
    pub(crate) fn reach(&self) -> Reach {
        Reach { displayed: self.displayed_to.len(), seen: self.seen_by.len(), rejected: self.rejected_by.len() }
    }

    /// Whether it can be offered to an agent: it is not on the desk, and the agent has not rejected it.
    pub(crate) fn is_new_to(&self, agent: AgentSlot) -> bool {
        !self.on_desk.contains(agent) && !self.rejected_by.contains(agent)
    }
}
