//! Looking at the state from outside, for those who explain it. Nothing here changes anything.

use super::content::Content;
use super::ids::Name;
use super::notification::Open;
use super::slab::Bits;
use super::state::Workspace;

/// An open notification, and how far it has come.
#[derive(Debug, Clone, Copy)]
pub struct NotificationView<'a> {
    workspace: &'a Workspace,
    open: &'a Open,
    slot: u32,
}

impl<'a> NotificationView<'a> {
    pub(super) fn new(workspace: &'a Workspace, slot: u32) -> Option<Self> {
        Some(Self { workspace, open: workspace.open.get(slot)?, slot })
    }

    /// Its workspace.
    #[must_use]
    pub fn workspace(&self) -> &'a Name {
        &self.workspace.name
    }

    /// What it is.
    #[must_use]
    pub fn content(&self) -> &'a Content {
        &self.open.content
    }

    /// On how many desks it is, displayed or waiting.
    #[must_use]
    pub fn desks(&self) -> u32 {
        self.open.on_desk.count()
    }

    /// On whose desks it waits behind others.
    pub fn queued_at(&self) -> impl Iterator<Item = &'a Name> + use<'a> {
        let (workspace, slot) = (self.workspace, self.slot);
        let on_desk = self.open.on_desk.iter().filter_map(move |agent| workspace.agents.try_get(agent));
        on_desk.filter(move |agent| !agent.displayed.contains(&slot)).map(|agent| &agent.name)
    }

    /// To whom it was ever displayed.
    pub fn displayed_to(&self) -> impl Iterator<Item = &'a Name> + use<'a> {
        names(self.workspace, &self.open.displayed_to)
    }

    /// Who saw it.
    pub fn seen_by(&self) -> impl Iterator<Item = &'a Name> + use<'a> {
        names(self.workspace, &self.open.seen_by)
    }

    /// Whether that agent saw it.
    #[must_use]
    pub fn is_seen_by(&self, agent: &str) -> bool {
        self.workspace.agents.find(agent).is_some_and(|agent| self.open.seen_by.has(agent))
    }
}

fn names<'a>(workspace: &'a Workspace, agents: &'a Bits) -> impl Iterator<Item = &'a Name> {
    agents.iter().filter_map(move |agent| workspace.agents.try_get(agent)).map(|agent| &agent.name)
}
