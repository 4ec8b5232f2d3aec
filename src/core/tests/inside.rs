//! The core from inside, for what checks it.

use std::collections::BTreeSet;

use crate::effect::{AgentSlot, Effect, Welcome};
use crate::ids::ConnectionId;
use crate::state_machine::{ConnectionRole, Core, Pass, REMOVED_MAX};
use crate::workspace::step::Deadline;
use crate::workspace::{Workspace, WorkspaceSlot};

impl Core {
    /// Every connection, with its workspace and, for an agent's, the slot.
    pub(super) fn members(&self) -> impl Iterator<Item = (ConnectionId, WorkspaceSlot, Option<AgentSlot>)> + '_ {
        self.hubs.iter().flat_map(|(&incarnation, hub)| {
            hub.connections.iter().map(move |(&serial, member)| {
                let agent = if let ConnectionRole::Agent(agent) = member.role { Some(agent) } else { None };
                (ConnectionId { incarnation, serial }, member.workspace, agent)
            })
        })
    }

    /// The workspaces by slot.
    pub(super) fn all_workspaces(&self) -> impl Iterator<Item = (WorkspaceSlot, &Workspace)> {
        self.workspaces.iter()
    }

    /// The deadlines of what is open.
    pub(super) fn deadlines(&self) -> &BTreeSet<Deadline> {
        &self.deadlines
    }

    /// The same state, whatever the number of groups that led to it.
    pub(super) fn without_groups(&self) -> Self {
        let mut core = self.clone();
        core.hubs.values_mut().for_each(|hub| hub.group = 0);
        core
    }

    /// The welcome that another tab of that agent would get now.
    pub(super) fn welcome_now(&mut self, workspace: WorkspaceSlot, agent: AgentSlot) -> Welcome {
        let mut pass = Pass::default();
        self.on(workspace, &mut pass, |workspace, step| workspace.welcome_agent(step, agent));
        match pass.out.list.pop() {
            Some((_, Effect::Welcome(welcome))) => *welcome,
            other => panic!("no welcome but {other:?}"),
        }
    }

    /// That the log's own indexes say what the workspaces say.
    pub(super) fn check(&self) {
        for (slot, workspace) in self.workspaces.iter() {
            assert_eq!(workspace.slot, slot);
            assert_eq!(self.by_name.get(&workspace.name), Some(&slot));
            assert!(!workspace.is_empty(), "{} is kept for nothing", workspace.name);
            let idle = workspace.idle_deadline(self.limits.session_idle);
            assert_eq!(self.idle.get(slot), idle, "idle deadline");
            let forget = workspace.forget_deadline(self.limits.retention);
            assert_eq!(self.forgetting.get(slot), forget, "forget deadline");
        }
        assert_eq!(self.by_name.len(), self.workspaces.iter().count());
        self.idle.check();
        self.forgetting.check();
        assert!(self.removed.len() <= REMOVED_MAX);
        assert!(self.removed.iter().all(|incarnation| !self.hubs.contains_key(incarnation)));
    }
}
