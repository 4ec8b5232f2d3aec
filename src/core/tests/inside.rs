//! The core from inside, for what checks it.

use std::collections::BTreeSet;

use super::super::core::{Core, REMOVED_MAX, Role};
use super::super::effect::{Effect, Effects, Welcome};
use super::super::ids::ConnectionId;
use super::super::state::Workspace;
use super::super::step::Deadline;

impl Core {
    /// Every connection, with its workspace and, for an agent's, the slot.
    pub(super) fn members(&self) -> impl Iterator<Item = (ConnectionId, u32, Option<u32>)> + '_ {
        self.hubs.iter().flat_map(|(&incarnation, hub)| {
            hub.connections.iter().map(move |(&serial, member)| {
                let agent = if let Role::Agent(agent) = member.role { Some(agent) } else { None };
                (ConnectionId { incarnation, serial }, member.workspace, agent)
            })
        })
    }

    /// The workspaces by slot.
    pub(super) fn all_workspaces(&self) -> impl Iterator<Item = (u32, &Workspace)> {
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
    pub(super) fn welcome_now(&mut self, workspace: u32, agent: u32) -> Welcome {
        let mut out = Effects::default();
        self.on(workspace, &mut out, |workspace, step| workspace.welcome_agent(step, agent));
        match out.list.pop() {
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
