//! Who comes and goes: joins, leaves, presence, groups.

use std::collections::BTreeSet;

use super::effect::{Card, Effect, Event, ReplyTo, Welcome};
use super::entry::{Presence, Resume};
use super::ids::{ConnectionId, Name, Timestamp};
use super::state::Workspace;
use super::step::Step;

impl Workspace {
    /// A provider's connection. Its welcome is made at the end of the step, by [`Workspace::welcome_provider`].
    pub(super) fn join_provider(&mut self, step: &mut Step<'_>, connection: ConnectionId, id: &Name) {
        let provider = self.providers.ensure(id);
        provider.connections.push(connection);
        if provider.connections.len() == 1 {
            self.providers.connected += 1;
            self.observe(step, || Event::ProviderJoined { provider_id: id.clone() });
        }
    }

    /// What is open, then the results that it resumes from.
    pub(super) fn welcome_provider(&self, step: &mut Step<'_>, connection: ConnectionId, id: &Name, resume: Resume) {
        let (after, missed) = self.resume_point(step, id, resume);
        let welcome = Welcome::Provider { id: id.clone(), open: self.open_of(id), missed };
        step.emit(&self.name, Effect::Welcome(Box::new(welcome)));
        let Some(after) = after else { return };
        for settled in self.providers.after(id, after) {
            let position = step.position(settled.number);
            step.emit(&self.name, Effect::SettledAgain { to: connection, settled, position });
        }
    }

    /// From which number results are told again (`None`: not at all), and whether some are forgotten already.
    fn resume_point(&self, step: &Step<'_>, id: &Name, resume: Resume) -> (Option<u64>, bool) {
        match resume {
            Resume::Nothing => (None, false),
            Resume::All => (Some(0), false),
            Resume::After(Some(position))
                if position.epoch == step.numbers.epoch && position.settled <= step.numbers.settled =>
            {
                (Some(position.settled), self.providers.missed_after(id, position.settled))
            }
            Resume::After(_) => (Some(0), true),
        }
    }

    pub(super) fn leave_provider(&mut self, step: &mut Step<'_>, connection: ConnectionId, id: &Name) {
        let provider = self.providers.ensure(id);
        provider.connections.retain(|&other| other != connection);
        if provider.connections.is_empty() {
            self.providers.connected -= 1;
            self.observe(step, || Event::ProviderLeft { provider_id: id.clone() });
        }
        self.providers.tidy(id);
    }

    /// An agent's connection. Its welcome is made at the end of the step, by [`Workspace::welcome_agent`].
    pub(super) fn join_agent(
        &mut self,
        step: &mut Step<'_>,
        connection: ConnectionId,
        id: &Name,
        groups: Option<&[Name]>,
        presence: Option<Presence>,
    ) -> u32 {
        let agent = self.agents.ensure(id);
        let first = self.agents.connect(agent, connection);
        if first {
            self.enter_groups(agent);
            self.regrouping.remove(&agent);
        }
        if let Some(groups) = groups {
            self.set_groups(agent, groups);
        }
        if first {
            if let Some(presence) = presence {
                self.agents.get_mut(agent).presence = presence;
            }
            self.requeue(agent);
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
    pub(super) fn welcome_agent(&self, step: &mut Step<'_>, agent: u32) {
        let desk = self.agents.get(agent);
        let mut sessions: Vec<_> = desk.sessions.iter().filter_map(|id| self.sessions.view(id)).collect();
        sessions.sort_by_key(|session| session.started_at);
        let notifications: Vec<Card> = desk.displayed.iter().map(|&slot| self.open[slot].shown(step.now)).collect();
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

    /// An agent's connection is gone; with the last one the desk is dissolved. An agent's leaving settles nothing.
    pub(super) fn leave_agent(&mut self, step: &mut Step<'_>, connection: ConnectionId, agent: u32) {
        if !self.agents.disconnect(agent, connection, step.now, step.numbers.arrivals) {
            return;
        }
        self.leave_groups(agent);
        self.dissolve_desk(agent);
        self.observe(step, || Event::AgentLeft { agent_id: self.agents.get(agent).name.clone() });
        self.keep_remembered_count(step);
    }

    /// Past the count the oldest are forgotten first.
    pub(super) fn keep_remembered_count(&mut self, step: &Step<'_>) {
        while self.agents.remembered_len() > step.limits.remembered_agents as usize
            && let Some((_, oldest)) = self.agents.oldest_remembered()
        {
            self.forget_agent(oldest);
        }
    }

    /// Rule 10: these agents were here before a hub went; until they are back rules 2 and 3 refuse nothing.
    pub(super) fn regroup(&mut self, until: Timestamp, agents: impl IntoIterator<Item = u32>) {
        let gone = agents.into_iter().filter(|&agent| {
            self.agents.try_get(agent).is_some_and(|desk| !desk.is_connected() && desk.left_at.is_some())
        });
        self.regrouping.extend(gone.map(|agent| (agent, until)));
    }

    /// An agent comes or goes, staying connected. All the agent's connections are told.
    pub(super) fn set_presence(&mut self, step: &mut Step<'_>, agent: u32, presence: Presence, asked: Option<ReplyTo>) {
        let desk = self.agents.get_mut(agent);
        let changed = std::mem::replace(&mut desk.presence, presence) != presence;
        if changed || asked.is_some() {
            step.emit(&self.name, Effect::Presence { agent, presence, asked });
        }
        if changed {
            // Who is away loses what waits; who is back is offered everything anew.
            self.requeue(agent);
            self.observe(step, || Event::Presence { agent_id: self.agents.get(agent).name.clone(), presence });
        }
    }

    /// When they change, what is displayed stays and what waits is chosen anew.
    fn set_groups(&mut self, agent: u32, names: &[Name]) {
        let new: Vec<u32> = names.iter().map(|name| self.groups.hold(name)).collect();
        self.leave_groups(agent);
        let old = std::mem::replace(&mut self.agents.get_mut(agent).groups, new);
        self.enter_groups(agent);
        let as_set = |groups: &[u32]| groups.iter().copied().collect::<BTreeSet<_>>();
        let changed = as_set(&old) != as_set(&self.agents.get(agent).groups);
        for group in old {
            self.groups.let_go(group);
        }
        if changed {
            self.requeue(agent);
        }
    }

    fn enter_groups(&mut self, agent: u32) {
        for &group in &self.agents.get(agent).groups {
            self.groups.get_mut(group).members.insert(agent);
        }
    }

    fn leave_groups(&mut self, agent: u32) {
        for &group in &self.agents.get(agent).groups {
            self.groups.get_mut(group).members.remove(&agent);
        }
    }
}
