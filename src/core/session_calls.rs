//! Sessions and KPI marks: what starts, moves, marks and ends them, and who is told.

use super::effect::{Effect, Event, MarkView, Refusal, ReplyTo};
use super::ids::Name;
use super::sessions::Session;
use super::state::Workspace;
use super::step::Step;

/// Who asks to end a session.
#[derive(Debug, Clone)]
pub(super) enum Ender {
    Provider(Name),
    /// By slot.
    Agent(u32),
}

impl Workspace {
    /// An accept starts a session at its agent, or moves it there.
    pub(super) fn start_session(&mut self, step: &mut Step<'_>, agent: u32, slot: u32) {
        let content = std::sync::Arc::clone(&self.open[slot].content);
        let id = &content.session_id;
        match self.sessions.get(id).map(|session| session.agent) {
            Some(former) => {
                if former != agent {
                    self.move_session(step, id, former, agent, &content.correlation_id);
                }
                if let Some(session) = self.sessions.get_mut(id) {
                    session.notification_id = content.notification_id;
                    session.correlation_id = content.correlation_id.clone();
                }
            }
            None => {
                let session = Session::new(
                    agent,
                    content.provider_id.clone(),
                    content.notification_id,
                    content.correlation_id.clone(),
                    content.rendered.title.clone(),
                    step.now,
                );
                self.sessions.start(id, session);
                self.hold_session(agent, id);
            }
        }
        self.sessions.touch(id, step.now);
        if let Some(session) = self.sessions.view(id) {
            step.emit(&self.name, Effect::SessionStarted { agent, session });
        }
        self.keep_session_counts(step, Some(&content.correlation_id));
    }

    /// Past the counts the one untouched longest ends first, and the oldest is forgotten first.
    pub(super) fn keep_session_counts(&mut self, step: &mut Step<'_>, correlation_id: Option<&Name>) {
        while self.sessions.len() > step.limits.sessions as usize
            && let Some(idlest) = self.sessions.idlest().map(|(_, id)| id.clone())
        {
            self.end_session(step, &idlest, correlation_id);
        }
        while self.sessions.marks_len() > step.limits.kpi_marks as usize
            && let Some(idlest) = self.sessions.idlest_mark().map(|(_, id)| id.clone())
        {
            self.clear_mark(step, &idlest, correlation_id.cloned());
        }
        self.keep_ended_count(step);
    }

    /// Each was accepted once: as many are remembered as outcomes are retained.
    fn keep_ended_count(&mut self, step: &Step<'_>) {
        while self.sessions.ended_len() > step.limits.retained_outcomes as usize {
            self.sessions.forget_ended();
        }
    }

    /// A transfer: it keeps mark and title, nothing is unread at the new desk.
    fn move_session(&mut self, step: &mut Step<'_>, id: &Name, former: u32, agent: u32, correlation_id: &Name) {
        let effect = Effect::SessionEnded {
            agent: former,
            session_id: id.clone(),
            correlation_id: Some(correlation_id.clone()),
        };
        step.emit(&self.name, effect);
        if let Some(session) = self.sessions.get_mut(id) {
            session.agent = agent;
            session.unread = 0;
        }
        self.hold_session(agent, id);
        self.release_session(former, id);
    }

    fn hold_session(&mut self, agent: u32, id: &Name) {
        let desk = self.agents.get_mut(agent);
        desk.sessions.insert(id.clone());
        desk.holders += 1;
    }

    fn release_session(&mut self, agent: u32, id: &Name) {
        let desk = self.agents.get_mut(agent);
        desk.sessions.remove(id);
        desk.holders -= 1;
        // One session less may make room for an automatic accept.
        self.scratch.released = true;
        self.soil(agent);
        self.agents.tidy(agent);
    }

    /// A session is over: its agent is told, and if it was marked, everybody.
    pub(super) fn end_session(&mut self, step: &mut Step<'_>, id: &Name, correlation_id: Option<&Name>) {
        let Some(agent) = self.sessions.get(id).map(|session| session.agent) else { return };
        let agent_name = self.agents.get(agent).name.clone();
        self.sessions.end(id, agent_name, step.now);
        let correlation_id = correlation_id.cloned();
        step.emit(
            &self.name,
            Effect::SessionEnded { agent, session_id: id.clone(), correlation_id: correlation_id.clone() },
        );
        self.release_session(agent, id);
        self.clear_mark(step, id, correlation_id);
        self.keep_ended_count(step);
    }

    /// A mark is gone: everybody is told. Without a mark: nothing.
    pub(super) fn clear_mark(&mut self, step: &mut Step<'_>, id: &Name, correlation_id: Option<Name>) {
        if let Some(mark) = self.sessions.unmark(id) {
            self.tell_mark(step, MarkView { correlation_id, ..mark }, false);
        }
    }

    fn tell_mark(&self, step: &mut Step<'_>, mark: MarkView, breached: bool) {
        self.observe(step, || Event::Kpi {
            session_id: mark.session_id.clone(),
            correlation_id: mark.correlation_id.clone(),
            agent_id: self.sessions.get(&mark.session_id).map(|s| self.agents.get(s.agent).name.clone()),
            breached,
        });
        step.emit(&self.name, Effect::Kpi { mark, breached });
    }

    /// A provider's kpi: marks the session, known or not, or clears the mark.
    pub(super) fn kpi(&mut self, step: &mut Step<'_>, to: ReplyTo, id: &Name, reset: bool, details: Option<Name>) {
        let correlation_id = to.correlation_id.clone();
        step.emit(&self.name, Effect::Done { to });
        self.sessions.touch(id, step.now);
        if reset {
            self.clear_mark(step, id, correlation_id);
            return;
        }
        self.sessions.mark(id, details, correlation_id.clone(), step.now);
        if let Some(mark) = self.sessions.mark_view(id) {
            self.tell_mark(step, mark, true);
        }
        self.keep_session_counts(step, correlation_id.as_ref());
    }

    /// A provider's activity: the unread count at the session's agent.
    pub(super) fn activity(&mut self, step: &mut Step<'_>, to: ReplyTo, id: &Name, count: u32) {
        let Some(session) = self.sessions.get_mut(id) else {
            step.emit(&self.name, Effect::Refused { to, refusal: Refusal::SessionNotFound });
            return;
        };
        session.unread = count;
        let agent = session.agent;
        self.sessions.touch(id, step.now);
        let correlation_id = to.correlation_id.clone();
        step.emit(&self.name, Effect::Done { to });
        step.emit(&self.name, Effect::Activity { agent, session_id: id.clone(), count, correlation_id });
    }

    /// A provider or the session's agent ends a session. One that ended within the retention time ends again.
    pub(super) fn end_session_call(&mut self, step: &mut Step<'_>, to: ReplyTo, by: &Ender, id: &Name) {
        let refusal = match self.sessions.get(id) {
            Some(session) => {
                let theirs = match by {
                    Ender::Provider(name) => *name == session.provider,
                    Ender::Agent(slot) => *slot == session.agent,
                };
                (!theirs).then_some(Refusal::SessionOwnedByAnother)
            }
            None if self.is_borne_by_another(by, id) => Some(Refusal::SessionOwnedByAnother),
            None if self.had_ended(by, id) => None,
            None => Some(Refusal::SessionNotFound),
        };
        if let Some(refusal) = refusal {
            step.emit(&self.name, Effect::Refused { to, refusal });
            return;
        }
        let correlation_id = to.correlation_id.clone();
        step.emit(&self.name, Effect::Done { to });
        self.end_session(step, id, correlation_id.as_ref());
    }

    /// Whether it was theirs and ended within the retention time.
    fn had_ended(&self, by: &Ender, id: &Name) -> bool {
        self.sessions.ended(id).is_some_and(|ended| match by {
            Ender::Provider(name) => *name == ended.provider,
            Ender::Agent(slot) => self.agents.get(*slot).name == ended.agent,
        })
    }

    /// Whether an open notification of another provider bears the name.
    fn is_borne_by_another(&self, by: &Ender, id: &Name) -> bool {
        let Ender::Provider(name) = by else { return false };
        self.sessions.owner(id).is_some_and(|owner| owner != name)
    }
}
