//! The one place where a notification ends.

use std::sync::Arc;

use super::audience::Arrival;
use super::effect::{Effect, Event};
use super::entry::Presence;
use super::ids::Name;
use super::outcome::{Outcome, Settled};
use super::state::Workspace;
use super::step::Step;

/// How a notification is to end.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// Slot of the agent whose answer it is, or for whom it is accepted.
    pub(super) agent: Option<u32>,
    /// The reason of the reject that settles it.
    pub(super) reason: Option<Name>,
}

impl Ending {
    /// An ending that is nobody's answer.
    pub(super) fn by_itself(outcome: Outcome) -> Self {
        Self { outcome, agent: None, reason: None }
    }

    /// An accept by, or for, an agent.
    pub(super) fn accepted(outcome: Outcome, agent: u32) -> Self {
        Self { outcome, agent: Some(agent), reason: None }
    }
}

impl Workspace {
    /// An open notification's time has run out.
    pub(super) fn expire(&mut self, step: &mut Step<'_>, slot: u32) {
        let notification = &self.open[slot];
        let ending = if !notification.was_displayed {
            Ending::by_itself(Outcome::QueueTimeout)
        } else if notification.content.rendered.auto_accept_on_timeout
            && let Some(agent) = self.taker_on_timeout(step, slot)
        {
            Ending::accepted(Outcome::AutoAcceptedOnTimeout, agent)
        } else {
            Ending::by_itself(Outcome::DisplayTimeout)
        };
        self.settle(step, slot, ending);
    }

    /// Rule 8, on timeout: of the connected agents who have it displayed, the available before the away.
    fn taker_on_timeout(&self, step: &Step<'_>, slot: u32) -> Option<u32> {
        let candidates = self.open[slot].on_desk.iter().filter(|&agent| {
            let desk = self.agents.get(agent);
            desk.displayed.contains(&slot) && desk.sessions.len() < step.limits.session_limit as usize
        });
        self.idlest(candidates, |agent| self.agents.get(agent).presence == Presence::Away)
    }

    /// Ends an open notification: off all desks, its session started if it was accepted, its provider told.
    pub(super) fn settle(&mut self, step: &mut Step<'_>, slot: u32, ending: Ending) -> Arc<Settled> {
        let Ending { outcome, agent, .. } = ending;
        let arrival = self.open[slot].arrival;
        let displayed_on = self.take_off_desks(slot);
        let number = step.next_settled();
        let settled = Arc::new(self.settled(step, slot, ending, number));
        self.tell_desks(step, &settled, displayed_on);
        if let Some(agent) = agent
            && outcome.is_accept()
        {
            self.agents.get_mut(agent).last_accept = Some(number);
            self.start_session(step, agent, slot);
        }
        self.take_out(step, slot);
        self.outcomes[outcome as usize] += 1;
        self.retain(step, &settled, arrival);
        let position = step.position(number);
        step.emit(&self.name, Effect::Settled { settled: Arc::clone(&settled), position });
        self.observe(step, || Event::Settled { settled: Arc::clone(&settled) });
        settled
    }

    fn take_off_desks(&mut self, slot: u32) -> Vec<u32> {
        let on_desk: Vec<u32> = self.open[slot].on_desk.iter().collect();
        on_desk.into_iter().filter(|&agent| self.clear_from_desk(agent, slot)).collect()
    }

    fn settled(&self, step: &Step<'_>, slot: u32, ending: Ending, number: u64) -> Settled {
        let notification = &self.open[slot];
        let content = &notification.content;
        let mut reach = notification.reach();
        if ending.outcome == Outcome::Declined
            && let Some(agent) = ending.agent
            && !notification.rejected_by.has(agent)
        {
            reach.rejected += 1;
        }
        Settled {
            notification_id: content.notification_id,
            provider_id: content.provider_id.clone(),
            id: content.id.clone(),
            correlation_id: content.correlation_id.clone(),
            fingerprint: content.fingerprint,
            cancellation_token: content.cancellation_token.clone(),
            session_id: content.session_id.clone(),
            outcome: ending.outcome,
            agent_id: ending.agent.map(|agent| self.agents.get(agent).name.clone()),
            decline_reason: ending.reason,
            reach,
            notified_at: content.notified_at,
            settled_at: step.now,
            number,
        }
    }

    fn tell_desks(&self, step: &mut Step<'_>, settled: &Settled, agents: Vec<u32>) {
        if agents.is_empty() {
            return;
        }
        let effect = Effect::Close {
            agents,
            notification_id: settled.notification_id,
            correlation_id: settled.correlation_id.clone(),
            outcome: Some(settled.outcome),
            agent_id: settled.agent_id.clone(),
        };
        step.emit(&self.name, effect);
    }

    /// Takes it out of every index.
    fn take_out(&mut self, step: &mut Step<'_>, slot: u32) {
        let Some(notification) = self.open.remove(slot) else { return };
        let arrival = notification.arrival;
        let content = &notification.content;
        step.deadlines.remove(&(notification.due, arrival, self.slot, slot));
        self.open_by_id.remove(&content.notification_id);
        self.arrivals.remove(&arrival);
        self.autos -= u32::from(content.rendered.auto_accept);
        self.never_displayed -= u32::from(!notification.was_displayed);
        self.sessions.unbear(&content.session_id);
        self.leave_audience(notification.audience, arrival, !notification.was_displayed);
    }

    fn leave_audience(&mut self, slot: u32, arrival: Arrival, never_displayed: bool) {
        let audience = self.audiences.get_mut(slot);
        audience.open -= 1;
        audience.never_displayed -= u32::from(never_displayed);
        let gone = audience.open == 0;
        if audience.to.is_everyone() {
            self.everybody.remove(arrival);
        }
        for &agent in &audience.agents {
            self.agents.get_mut(agent).named.remove(arrival);
        }
        for &group in &audience.groups {
            self.groups.get_mut(group).stream.remove(arrival);
        }
        if gone && let Some(audience) = self.audiences.remove(slot) {
            for agent in audience.agents {
                self.agents.get_mut(agent).holders -= 1;
                self.agents.tidy(agent);
            }
            for group in audience.groups {
                self.groups.let_go(group);
            }
        }
    }

    fn retain(&mut self, step: &Step<'_>, settled: &Arc<Settled>, arrival: Arrival) {
        self.providers.settle(Arc::clone(settled), arrival);
        self.keep_retained_count(step);
    }

    /// Past the count the oldest are forgotten first.
    pub(super) fn keep_retained_count(&mut self, step: &Step<'_>) {
        while self.providers.retained_len() > step.limits.retained_outcomes as usize {
            self.providers.forget_oldest();
        }
    }
}
