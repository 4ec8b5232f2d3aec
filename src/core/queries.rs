//! Queries on the state. None of them changes it.

use crate::effect::AgentSlot;
use crate::entry::{ProviderAction, Recipients};
use crate::ids::{ConnectionId, Incarnation, Millis, Name, NotificationId};
use crate::limits::Limits;
use crate::outcome::Settled;
use crate::state_machine::{ConnectionRole, Core, HubState};
use crate::view::NotificationView;
use crate::workspace::Workspace;
use crate::{Totals, WorkspaceStats};

/// A hub of a cluster that wrote nothing for this long, by the log's own time, is taken for gone.
const SILENCE_MAX: Millis = Millis::from_secs(10);

impl Core {
    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The number that marks positions of this log; 0 before its first entry.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.counters.epoch
    }

    /// The hubs that are alive according to the log.
    pub fn incarnations(&self) -> impl Iterator<Item = Incarnation> + '_ {
        self.hubs.keys().copied()
    }

    /// The hubs that have been silent for so long that they are taken for gone. The hub that notices one appends
    /// [`Input::Silent`](crate::entry::Input::Silent).
    pub fn silent_hubs(&self) -> impl Iterator<Item = Incarnation> + '_ {
        let silent = |hub: &HubState| self.log_time.since(hub.last_record_at) >= SILENCE_MAX;
        self.hubs.iter().filter(move |(_, hub)| silent(hub)).map(|(&incarnation, _)| incarnation)
    }

    /// If a notification is due next, the connections of its provider. Otherwise none.
    #[must_use]
    pub fn next_due_connections(&self) -> &[ConnectionId] {
        let Some(&(at, _, slot, notification)) = self.deadlines.first() else { return &[] };
        if self.next_deadline() != Some(at) {
            return &[];
        }
        let Some(workspace) = self.workspaces.get(slot) else { return &[] };
        let provider =
            workspace.open.get(notification).and_then(|open| workspace.providers.get(&open.content.provider_id));
        provider.map_or(&[], |provider| &provider.connections)
    }

    /// The number of a hub's last group that was applied; 0 if none was.
    #[must_use]
    pub fn last_group(&self, incarnation: Incarnation) -> u64 {
        self.hubs.get(&incarnation).map_or(0, |hub| hub.group)
    }

    /// The workspace and the name of the provider that has this connection.
    #[must_use]
    pub fn provider_of(&self, connection: ConnectionId) -> Option<(&Name, &Name)> {
        let state = self.connection(connection)?;
        let ConnectionRole::Provider(id) = &state.role else { return None };
        Some((&self.workspaces.get(state.workspace)?.name, id))
    }

    /// The workspace and the name of the agent with this connection.
    #[must_use]
    pub fn agent_of(&self, connection: ConnectionId) -> Option<(&Name, &Name)> {
        let state = self.connection(connection)?;
        let ConnectionRole::Agent(agent) = state.role else { return None };
        let workspace = self.workspaces.get(state.workspace)?;
        Some((&workspace.name, &workspace.agents.try_get(agent)?.name))
    }

    /// The name of the agent in this slot of a workspace.
    #[must_use]
    pub fn agent_name(&self, workspace: &str, agent: AgentSlot) -> Option<&Name> {
        self.workspace(workspace)?.agents.try_get(agent).map(|agent| &agent.name)
    }

    /// An open notification.
    #[must_use]
    pub fn open(&self, workspace: &str, id: NotificationId) -> Option<NotificationView<'_>> {
        let workspace = self.workspace(workspace)?;
        NotificationView::new(workspace, *workspace.open_by_id.get(&id)?)
    }

    /// The open notifications of all workspaces.
    pub fn all_open(&self) -> impl Iterator<Item = NotificationView<'_>> {
        let workspaces = self.workspaces.iter().map(|(_, workspace)| workspace);
        workspaces.flat_map(|workspace| {
            workspace.arrivals.values().filter_map(|&slot| NotificationView::new(workspace, slot))
        })
    }

    /// The retained results of all workspaces.
    pub fn all_retained(&self) -> impl Iterator<Item = (&Name, &Settled)> {
        let workspaces = self.workspaces.iter().map(|(_, workspace)| workspace);
        workspaces.flat_map(|workspace| workspace.providers.retained().map(|settled| (&workspace.name, settled)))
    }

    /// The connections of some agents of a workspace, agent by agent.
    pub fn agent_connections<'a>(
        &'a self,
        workspace: &str,
        agents: &'a [AgentSlot],
    ) -> impl Iterator<Item = ConnectionId> + use<'a> {
        let workspace = self.workspace(workspace);
        let desks = agents.iter().filter_map(move |&agent| workspace?.agents.try_get(agent));
        desks.flat_map(|desk| desk.connections.as_slice()).copied()
    }

    /// The connections of a provider.
    #[must_use]
    pub fn provider_connections(&self, workspace: &str, provider: &str) -> &[ConnectionId] {
        let provider = self.workspace(workspace).and_then(|workspace| workspace.providers.get(provider));
        provider.map_or(&[], |provider| &provider.connections)
    }

    /// The connections of all agents of a workspace.
    pub fn all_agent_connections<'a>(&'a self, workspace: &str) -> impl Iterator<Item = ConnectionId> + use<'a> {
        let agents = self.workspace(workspace).map(|workspace| &workspace.agents);
        let desks = agents.into_iter().flat_map(|agents| agents.connected().iter().map(|agent| agents.get(agent)));
        desks.flat_map(|desk| desk.connections.as_slice()).copied()
    }

    /// The connections of all observers of a workspace.
    #[must_use]
    pub fn observer_connections(&self, workspace: &str) -> &[ConnectionId] {
        self.workspace(workspace).map_or(&[], |workspace| &workspace.observers)
    }

    /// The number of connections to which a provider's call would go, for the limit of deliveries.
    #[must_use]
    pub fn cost(&self, workspace: &str, action: &ProviderAction) -> u64 {
        let Some(workspace) = self.workspace(workspace) else { return 0 };
        let connections =
            |agent: AgentSlot| workspace.agents.try_get(agent).map_or(0, |desk| desk.connections.len() as u64);
        match action {
            ProviderAction::Notify(notify) => workspace.cost_of(&notify.to),
            ProviderAction::Kpi { .. } => workspace.cost_of(&Recipients::default()),
            ProviderAction::Activity { session_id, .. } | ProviderAction::EndSession { session_id } => {
                workspace.sessions.get(session_id).map_or(0, |session| connections(session.agent))
            }
            ProviderAction::Cancel { .. } | ProviderAction::Lookup { .. } => 0,
        }
    }

    /// The names of all workspaces that have observers.
    pub fn observed_workspaces(&self) -> impl Iterator<Item = &Name> + '_ {
        self.observed.iter().filter_map(|&slot| self.workspaces.get(slot)).map(|workspace| &workspace.name)
    }

    /// The figures of a workspace; `None` if it does not exist.
    #[must_use]
    pub fn stats(&self, workspace: &str) -> Option<WorkspaceStats> {
        self.workspace(workspace).map(Workspace::stats)
    }

    /// The figures of all workspaces. It visits each of them.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (_, workspace) in self.workspaces.iter() {
            totals.open += workspace.arrivals.len() as u64;
            totals.waiting += u64::from(workspace.never_displayed);
            totals.sessions += workspace.sessions.len() as u64;
            totals.workspaces += 1;
        }
        totals
    }

    /// A workspace by its name.
    fn workspace(&self, name: &str) -> Option<&Workspace> {
        self.workspaces.get(*self.by_name.get(name)?)
    }
}
