//! Connections that join and leave, presence, groups.

use std::collections::BTreeSet;

use super::step::Step;
use super::{GroupSlot, Workspace};
use crate::effect::{AgentSlot, Card, Effect, Event, ReplyTo, Welcome};
use crate::entry::{Presence, Resume};
use crate::ids::{ConnectionId, Name, Timestamp};

impl Workspace {
    /// Adds a provider's connection. [`Workspace::welcome_provider`] makes its welcome at the end of the step.
    pub(crate) fn join_provider(&mut self, step: &mut Step<'_>, connection: ConnectionId, id: &Name) {
        let provider = self.providers.ensure(id);
        provider.connections.push(connection);
        if provider.connections.len() == 1 {
            self.providers.connected += 1;
            self.observe(step, || Event::ProviderJoined { provider_id: id.clone() });
        }
    }

    /// The provider's open notifications, then the results from which it resumes.
    pub(crate) fn welcome_provider(&self, step: &mut Step<'_>, connection: ConnectionId, id: &Name, resume: Resume) {
        let (after, missed) = self.resume_point(step, id, resume);
        let welcome = Welcome::Provider { id: id.clone(), open: self.open_of(id), missed };
        step.emit(&self.name, Effect::Welcome(Box::new(welcome)));
        let Some(after) = after else { return };
        for settled in self.providers.after(id, after) {
            let position = step.position(settled.number);
            step.emit(&self.name, Effect::SettledAgain { to: connection, settled, position });
        }
    }

    /// The number after which results are sent again (`None`: no results), and whether some are forgotten already.
    fn resume_point(&self, step: &Step<'_>, id: &Name, resume: Resume) -> (Option<u64>, bool) {
        match resume {
            Resume::Nothing => (None, false),
            Resume::All => (Some(0), false),
            Resume::After(Some(position))
                if position.epoch == step.counters.epoch && position.settled <= step.counters.settled =>
            {
                (Some(position.settled), self.providers.missed_after(id, position.settled))
            }
            Resume::After(_) => (Some(0), true),
        }
    }

    /// Removes a provider's connection.
    pub(crate) fn leave_provider(&mut self, step: &mut Step<'_>, connection: ConnectionId, id: &Name) {
        let provider = self.providers.ensure(id);
        let at = provider.connections.iter().position(|&other| other == connection);
        let at = at.unwrap_or_else(|| panic!("connection {connection} of provider {id} is unknown"));
        provider.connections.remove(at);
        if provider.connections.is_empty() {
            assert!(self.providers.connected > 0, "provider {id} leaves and did not count as connected");
            self.providers.connected -= 1;
            self.observe(step, || Event::ProviderLeft { provider_id: id.clone() });
        }
        self.providers.collect(id);
    }

    /// Adds an agent's connection. [`Workspace::welcome_agent`] makes its welcome at the end of the step.
    pub(crate) fn join_agent(
        &mut self,
        step: &mut Step<'_>,
        connection: ConnectionId,
        id: &Name,
        groups: Option<&[Name]>,
        presence: Option<Presence>,
    ) -> AgentSlot {
        let agent = self.agents.ensure(id);
        let first = self.agents.connect(agent, connection);
        if first {
            self.enter_groups(agent);
            self.regrouping.remove(&agent);
        }
        if let Some(groups) = groups {
            self.set_groups(step, agent, groups);
        }
        if first {
            if let Some(presence) = presence {
                self.agents.get_mut(agent).presence = presence;
            }
            self.requeue(step, agent);
            self.observe(step, || {
                let agent = self.agents.get(agent);
                Event::AgentJoined { agent_id: agent.name.clone(), presence: agent.presence }
            });
        } else if let Some(presence) = presence {
            self.set_presence(step, agent, presence, None);
        }
        agent
    }

    /// The whole state for an agent's new connection.
    pub(crate) fn welcome_agent(&self, step: &mut Step<'_>, agent: AgentSlot) {
        let desk = self.agents.get(agent);
        let mut sessions: Vec<_> = desk.sessions.iter().filter_map(|id| self.sessions.view(id)).collect();
        sessions.sort_by_key(|session| session.started_at);
        let notifications: Vec<Card> = desk.displayed.iter().map(|&slot| self.open[slot].card(step.now)).collect();
        let welcome = Welcome::Agent {
            id: desk.name.clone(),
            groups: desk.groups.iter().map(|&group| self.groups.get(group).name.clone()).collect(),
            presence: desk.presence,
            notifications,
            sessions,
            kpi: self.sessions.marks(),
        };
        step.emit(&self.name, Effect::Welcome(Box::new(welcome)));
    }

    /// Removes an agent's connection. With the last one the desk is emptied, but nothing is settled.
    pub(crate) fn leave_agent(&mut self, step: &mut Step<'_>, connection: ConnectionId, agent: AgentSlot) {
        if !self.agents.disconnect(agent, connection, step.now, step.counters.arrivals) {
            return;
        }
        self.leave_groups(agent);
        self.clear_desk(step, agent);
        self.observe(step, || Event::AgentLeft { agent_id: self.agents.get(agent).name.clone() });
        self.enforce_remembered_limit(step);
    }

    /// Rule 10: the hub of these agents is gone. Until they have reconnected, rules 2 and 3 refuse nothing.
    pub(crate) fn regroup(&mut self, until: Timestamp, agents: impl IntoIterator<Item = AgentSlot>) {
        let gone = agents.into_iter().filter(|&agent| {
            self.agents.try_get(agent).is_some_and(|desk| !desk.is_connected() && desk.left_at.is_some())
        });
        self.regrouping.extend(gone.map(|agent| (agent, until)));
    }

    /// Changes an agent's presence. All the agent's connections receive it.
    pub(crate) fn set_presence(
        &mut self,
        step: &mut Step<'_>,
        agent: AgentSlot,
        presence: Presence,
        asked: Option<ReplyTo>,
    ) {
        let desk = self.agents.get_mut(agent);
        let changed = std::mem::replace(&mut desk.presence, presence) != presence;
        if changed || asked.is_some() {
            step.emit(&self.name, Effect::Presence { agent, presence, asked });
        }
        if changed {
            // Who is away loses what waits; who is back is offered everything anew.
            self.requeue(step, agent);
            self.observe(step, || Event::Presence { agent_id: self.agents.get(agent).name.clone(), presence });
        }
    }

    /// Sets an agent's groups. If they change, displayed notifications stay and the queue is rebuilt.
    fn set_groups(&mut self, step: &mut Step<'_>, agent: AgentSlot, names: &[Name]) {
        let new: Vec<GroupSlot> = names.iter().map(|name| self.groups.retain(name)).collect();
        self.leave_groups(agent);
        let old = std::mem::replace(&mut self.agents.get_mut(agent).groups, new);
        self.enter_groups(agent);
        let as_set = |groups: &[GroupSlot]| groups.iter().copied().collect::<BTreeSet<_>>();
        let changed = as_set(&old) != as_set(&self.agents.get(agent).groups);
        for group in old {
            self.groups.release(group);
        }
        if changed {
            self.requeue(step, agent);
        }
    }

    fn enter_groups(&mut self, agent: AgentSlot) {
        for &group in &self.agents.get(agent).groups {
            self.groups.get_mut(group).members.insert(agent);
        }
    }

    fn leave_groups(&mut self, agent: AgentSlot) {
        for &group in &self.agents.get(agent).groups {
            self.groups.get_mut(group).members.remove(&agent);
        }
    }
}
