//! A read-only view of an open notification, for explanations.

use crate::collections::slot_set::SlotSet;
use crate::content::Content;
use crate::ids::Name;
use crate::workspace::agents::Agent;
use crate::workspace::notification::OpenNotification;
use crate::workspace::{OpenSlot, Workspace};

/// An open notification and the agents that it has reached.
#[derive(Debug, Clone, Copy)]
pub struct NotificationView<'a> {
    workspace: &'a Workspace,
    open: &'a OpenNotification,
    slot: OpenSlot,
}

impl<'a> NotificationView<'a> {
    pub(crate) fn new(workspace: &'a Workspace, slot: OpenSlot) -> Option<Self> {
        Some(Self { workspace, open: workspace.open.get(slot)?, slot })
    }

    /// The name of its workspace.
    #[must_use]
    pub fn workspace(&self) -> &'a Name {
        &self.workspace.name
    }

    /// The content of its card.
    #[must_use]
    pub fn content(&self) -> &'a Content {
        &self.open.content
    }

    /// The number of desks that have it displayed or queued.
    #[must_use]
    pub fn desks(&self) -> u32 {
        self.open.on_desk.len()
    }

    /// The agents that have it in their queue.
    pub fn queued_at(&self) -> impl Iterator<Item = &'a Name> + use<'a> {
        let (workspace, slot) = (self.workspace, self.slot);
        let on_desk = self.open.on_desk.iter().filter_map(move |agent| workspace.agents.try_get(agent));
        on_desk.filter(move |agent| !agent.displayed.contains(&slot)).map(|agent| &agent.name)
    }

    /// The agents that ever had it displayed.
    pub fn displayed_to(&self) -> impl Iterator<Item = &'a Name> + use<'a> {
        names(self.workspace, &self.open.displayed_to)
    }

    /// The agents with a page that reported it as seen.
    pub fn seen_by(&self) -> impl Iterator<Item = &'a Name> + use<'a> {
        names(self.workspace, &self.open.seen_by)
    }

    /// Whether the page of this agent reported it as seen.
    #[must_use]
    pub fn is_seen_by(&self, agent: &str) -> bool {
        self.workspace.agents.find(agent).is_some_and(|agent| self.open.seen_by.contains(agent))
    }
}

fn names<'a>(workspace: &'a Workspace, agents: &'a SlotSet<Agent>) -> impl Iterator<Item = &'a Name> {
    agents.iter().filter_map(move |agent| workspace.agents.try_get(agent)).map(|agent| &agent.name)
}
