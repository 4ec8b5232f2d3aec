//! The requests about sessions and KPI marks, and their effects.

use std::sync::Arc;

use super::sessions::Session;
use super::step::Step;
use super::{OpenSlot, Workspace};
use crate::context::Context;
use crate::effect::{AgentSlot, Effect, Event, MarkView, Refusal, ReplyTo};
use crate::ids::{Name, Text};

/// The provider or agent that asks to end a session.
#[derive(Debug, Clone)]
pub(crate) enum SessionParty {
    Provider(Name),
    Agent(AgentSlot),
}

impl Workspace {
    /// An accept starts a session at its agent, or moves an open session there.
    pub(crate) fn start_session(&mut self, step: &mut Step<'_>, agent: AgentSlot, slot: OpenSlot) {
        let content = Arc::clone(&self.open[slot].content);
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
                let session = Session::new(agent, &content, step.now);
                self.sessions.start(id, session);
                self.attach_session(agent, id);
            }
        }
        self.hand_over_context(slot, id);
        self.sessions.touch(id, step.now);
        if let Some(session) = self.sessions.view(id) {
            let context = self.sessions.get(id).and_then(|session| session.context.clone());
            step.emit(&self.name, Effect::SessionStarted { agent, session, context });
        }
        self.enforce_session_limits(step, Some(&content.correlation_id));
    }

    /// The session gets the context of the notification that was accepted. Without one it keeps its own.
    fn hand_over_context(&mut self, slot: OpenSlot, id: &Name) {
        let Some(context) = self.open.get_mut(slot).and_then(|notification| notification.context.take()) else {
            return;
        };
        let former = self.sessions.get_mut(id).and_then(|session| session.context.replace(context));
        self.drop_context(former.as_ref());
    }

    /// A context no longer counts: its notification or session has ended, or another one replaces it.
    pub(crate) fn drop_context(&mut self, context: Option<&Context>) {
        let bytes = context.map_or(0, Context::bytes);
        assert!(self.context_bytes >= bytes, "a context of {bytes} bytes ends and did not count");
        self.context_bytes -= bytes;
    }

    /// An agent asks for the context of a session.
    pub(crate) fn get_context(&self, step: &mut Step<'_>, to: ReplyTo, agent: AgentSlot, id: &Name) {
        let effect = match self.sessions.get(id) {
            None => Effect::Refused { to, refusal: Refusal::SessionNotFound },
            Some(session) if session.agent != agent => Effect::Refused { to, refusal: Refusal::SessionOwnedByAnother },
            Some(session) => match session.context.clone() {
                Some(context) => Effect::Context { to, session_id: id.clone(), context },
                None => Effect::Refused { to, refusal: Refusal::NoContext },
            },
        };
        step.emit(&self.name, effect);
    }

    /// Moves a session to another agent. It keeps its mark and title; its unread count starts at 0.
    fn move_session(
        &mut self,
        step: &mut Step<'_>,
        id: &Name,
        former: AgentSlot,
        agent: AgentSlot,
        correlation_id: &Name,
    ) {
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
        self.attach_session(agent, id);
        self.detach_session(step, former, id);
    }

    fn attach_session(&mut self, agent: AgentSlot, id: &Name) {
        self.agents.get_mut(agent).sessions.insert(id.clone());
        self.agents.retain(agent);
    }

    fn detach_session(&mut self, step: &mut Step<'_>, agent: AgentSlot, id: &Name) {
        assert!(self.agents.get_mut(agent).sessions.remove(id), "session {id} was not at its agent");
        // With one session less the agent may get an automatic accept.
        step.scratch.session_freed = true;
        step.scratch.mark_dirty(agent);
        self.agents.release(agent);
    }

    /// Ends a session. Its agent receives that; if the session was marked, all agents receive the cleared mark.
    pub(crate) fn end_session(&mut self, step: &mut Step<'_>, id: &Name, correlation_id: Option<&Name>) {
        let Some(agent) = self.sessions.get(id).map(|session| session.agent) else { return };
        let agent_name = self.agents.get(agent).name.clone();
        let ended = self.sessions.end(id, agent_name, step.now);
        self.drop_context(ended.and_then(|session| session.context).as_ref());
        let correlation_id = correlation_id.cloned();
        step.emit(
            &self.name,
            Effect::SessionEnded { agent, session_id: id.clone(), correlation_id: correlation_id.clone() },
        );
        self.detach_session(step, agent, id);
        self.clear_mark(step, id, correlation_id);
        self.enforce_ended_limit(step);
    }

    /// Clears a mark, if there is one. All agents receive that.
    pub(crate) fn clear_mark(&mut self, step: &mut Step<'_>, id: &Name, correlation_id: Option<Name>) {
        if let Some(mark) = self.sessions.unmark(id) {
            self.send_mark(step, MarkView { correlation_id, ..mark }, false);
        }
    }

    fn send_mark(&self, step: &mut Step<'_>, mark: MarkView, breached: bool) {
        self.observe(step, || Event::Kpi {
            session_id: mark.session_id.clone(),
            correlation_id: mark.correlation_id.clone(),
            agent_id: self.sessions.get(&mark.session_id).map(|s| self.agents.get(s.agent).name.clone()),
            breached,
        });
        step.emit(&self.name, Effect::Kpi { mark, breached });
    }

    /// A kpi: sets or clears the mark of a session, which need not exist yet.
    pub(crate) fn kpi(&mut self, step: &mut Step<'_>, to: ReplyTo, id: &Name, reset: bool, details: Option<Text>) {
        let correlation_id = to.correlation_id.clone();
        step.emit(&self.name, Effect::Done { to });
        self.sessions.touch(id, step.now);
        if reset {
            self.clear_mark(step, id, correlation_id);
            return;
        }
        self.sessions.mark(id, details, correlation_id.clone(), step.now);
        if let Some(mark) = self.sessions.mark_view(id) {
            self.send_mark(step, mark, true);
        }
        self.enforce_session_limits(step, correlation_id.as_ref());
    }

    /// An activity: sets the unread count of a session.
    pub(crate) fn activity(&mut self, step: &mut Step<'_>, to: ReplyTo, id: &Name, count: u32) {
        let Some(session) = self.sessions.get_mut(id) else {
            step.emit(&self.name, Effect::Refused { to, refusal: Refusal::SessionNotFound });
            return;
        };
        let max = step.rules.unread_max();
        session.unread = count.min(max);
        let agent = session.agent;
        #[cfg(feature = "next-rules")]
        self.sessions.count_capped(count > max);
        let count = count.min(max);
        self.sessions.touch(id, step.now);
        let correlation_id = to.correlation_id.clone();
        step.emit(&self.name, Effect::Done { to });
        step.emit(&self.name, Effect::Activity { agent, session_id: id.clone(), count, correlation_id });
    }

    /// A provider or the session's agent ends a session. To end it again within the retention time is not an error.
    pub(crate) fn end_session_call(&mut self, step: &mut Step<'_>, to: ReplyTo, by: &SessionParty, id: &Name) {
        let refusal = match self.sessions.get(id) {
            Some(session) => {
                let owns = match by {
                    SessionParty::Provider(name) => *name == session.provider,
                    SessionParty::Agent(slot) => *slot == session.agent,
                };
                (!owns).then_some(Refusal::SessionOwnedByAnother)
            }
            None if self.is_held_by_another(by, id) => Some(Refusal::SessionOwnedByAnother),
            None if self.ended_recently(by, id) => None,
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

    /// Whether the session belonged to this party and ended within the retention time.
    fn ended_recently(&self, by: &SessionParty, id: &Name) -> bool {
        self.sessions.ended(id).is_some_and(|ended| match by {
            SessionParty::Provider(name) => *name == ended.provider,
            SessionParty::Agent(slot) => self.agents.get(*slot).name == ended.agent,
        })
    }

    /// Whether an open notification of another provider names the session.
    fn is_held_by_another(&self, by: &SessionParty, id: &Name) -> bool {
        let SessionParty::Provider(name) = by else { return false };
        self.sessions.owner(id).is_some_and(|owner| owner != name)
    }
}
