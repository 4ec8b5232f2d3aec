//! Everything that ends or is forgotten because time passed or a limit is exceeded.

use super::Workspace;
use super::step::Step;
use crate::effect::AgentSlot;
use crate::ids::{Millis, Name, Timestamp};
use crate::limits::AGENT_REMEMBERED;

impl Workspace {
    /// Ends the session or clears the mark that was idle longest, if it was idle for long enough.
    pub(crate) fn end_idle(&mut self, step: &mut Step<'_>) {
        let session = self.sessions.longest_idle();
        let mark = self.sessions.longest_idle_mark();
        let mark_first = mark.is_some_and(|(at, _)| session.is_none_or(|(touched, _)| at < touched));
        let Some((touched, id)) = (if mark_first { mark } else { session }) else { return };
        if touched.plus(step.limits.session_idle) > step.now {
            return;
        }
        let id = id.clone();
        if mark_first {
            self.clear_mark(step, &id, None);
        } else {
            self.end_session(step, &id, None);
        }
    }

    /// Forgets everything that was kept for long enough.
    pub(crate) fn forget(&mut self, step: &mut Step<'_>) {
        let now = step.now;
        while self.providers.oldest().is_some_and(|settled| settled.settled_at.plus(step.limits.retention) <= now) {
            self.providers.forget_oldest();
        }
        while self.sessions.oldest_ended().is_some_and(|at| at.plus(step.limits.retention) <= now) {
            self.sessions.forget_ended();
        }
        while let Some((left_at, agent)) = self.agents.oldest_remembered()
            && left_at.plus(AGENT_REMEMBERED) <= now
        {
            self.forget_agent(agent);
        }
    }

    /// The limits changed: removes what exceeds them and rebuilds the queues.
    pub(crate) fn limits_changed(&mut self, step: &mut Step<'_>) {
        self.enforce_session_limits(step, None);
        self.enforce_retained_limit(step);
        self.enforce_remembered_limit(step);
        let connected: Vec<AgentSlot> = self.agents.connected().iter().collect();
        for agent in connected {
            self.requeue(step, agent);
        }
    }

    /// Ends the sessions and clears the marks that were idle longest, as long as there are more than the limits allow.
    pub(crate) fn enforce_session_limits(&mut self, step: &mut Step<'_>, correlation_id: Option<&Name>) {
        while self.sessions.len() > step.limits.sessions as usize
            && let Some(id) = self.sessions.longest_idle().map(|(_, id)| id.clone())
        {
            self.end_session(step, &id, correlation_id);
        }
        while self.sessions.marks_len() > step.limits.kpi_marks as usize
            && let Some(id) = self.sessions.longest_idle_mark().map(|(_, id)| id.clone())
        {
            self.clear_mark(step, &id, correlation_id.cloned());
        }
        self.enforce_ended_limit(step);
    }

    /// Forgets the sessions that ended first. Each began with an accept, so the limit for outcomes is theirs too.
    pub(crate) fn enforce_ended_limit(&mut self, step: &Step<'_>) {
        while self.sessions.ended_len() > step.limits.retained_outcomes as usize {
            self.sessions.forget_ended();
        }
    }

    /// Forgets the notifications that were settled first.
    pub(crate) fn enforce_retained_limit(&mut self, step: &Step<'_>) {
        while self.providers.retained_len() > step.limits.retained_outcomes as usize {
            self.providers.forget_oldest();
        }
    }

    /// Forgets the agents who left first.
    pub(crate) fn enforce_remembered_limit(&mut self, step: &Step<'_>) {
        while self.agents.remembered_len() > step.limits.remembered_agents as usize
            && let Some((_, oldest)) = self.agents.oldest_remembered()
        {
            self.forget_agent(oldest);
        }
    }

    /// Forgets the presence and the groups of an agent.
    fn forget_agent(&mut self, agent: AgentSlot) {
        let groups = std::mem::take(&mut self.agents.get_mut(agent).groups);
        for group in groups {
            self.groups.release(group);
        }
        self.regrouping.remove(&agent);
        self.agents.forget(agent);
        self.agents.collect(agent);
    }

    /// When the next session or mark ends by itself. Clients see that.
    pub(crate) fn idle_deadline(&self, session_idle: Millis) -> Option<Timestamp> {
        let session = self.sessions.longest_idle().map(|(touched, _)| touched);
        let mark = self.sessions.longest_idle_mark().map(|(touched, _)| touched);
        session.into_iter().chain(mark).min().map(|touched| touched.plus(session_idle))
    }

    /// When the next thing is forgotten. Clients see that only if they ask for it.
    pub(crate) fn forget_deadline(&self, retention: Millis) -> Option<Timestamp> {
        let settled = self.providers.oldest().map(|settled| settled.settled_at.plus(retention));
        let ended = self.sessions.oldest_ended().map(|at| at.plus(retention));
        let agent = self.agents.oldest_remembered().map(|(at, _)| at.plus(AGENT_REMEMBERED));
        settled.into_iter().chain(ended).chain(agent).min()
    }
}
