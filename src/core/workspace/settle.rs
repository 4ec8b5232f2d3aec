//! The only place where a notification ends.

use std::sync::Arc;

use super::audiences::{Arrival, Rank};
use super::step::Step;
use super::{AudienceSlot, OpenSlot, Workspace};
use crate::effect::{AgentSlot, Effect, Event};
use crate::entry::Presence;
use crate::ids::Text;
use crate::outcome::{Outcome, Settled};

/// How a notification is to end.
#[derive(Debug, Clone)]
pub(crate) struct Settlement {
    pub(crate) outcome: Outcome,
    /// The agent whose answer settles it, or for whom the hub accepts it.
    pub(crate) agent: Option<AgentSlot>,
    /// The reason that the agent gave with the reject that settles it.
    pub(crate) reason: Option<Text>,
}

impl Settlement {
    /// An end without an agent.
    pub(crate) fn without_agent(outcome: Outcome) -> Self {
        Self { outcome, agent: None, reason: None }
    }

    /// An accept by an agent, or by the hub for an agent.
    pub(crate) fn accepted(outcome: Outcome, agent: AgentSlot) -> Self {
        Self { outcome, agent: Some(agent), reason: None }
    }
}

impl Workspace {
    /// Rules 5, 6 and 8: the time of an open notification has ended.
    pub(crate) fn expire(&mut self, step: &mut Step<'_>, slot: OpenSlot) {
        let notification = &self.open[slot];
        let settlement = if !notification.was_displayed {
            Settlement::without_agent(Outcome::QueueTimeout)
        } else if notification.content.rendered.auto_accept_on_timeout
            && let Some(agent) = self.agent_for_timeout(step, slot)
        {
            Settlement::accepted(Outcome::AutoAcceptedOnTimeout, agent)
        } else {
            Settlement::without_agent(Outcome::DisplayTimeout)
        };
        self.settle(step, slot, settlement);
    }

    /// Rule 8, on timeout: the agent for whom the hub accepts it. Only connected agents who have it displayed count;
    /// available ones come before those who are away.
    fn agent_for_timeout(&self, step: &Step<'_>, slot: OpenSlot) -> Option<AgentSlot> {
        let candidates = self.open[slot].on_desk.iter().filter(|&agent| {
            let desk = self.agents.get(agent);
            desk.displayed.contains(&slot) && desk.sessions.len() < step.limits.session_limit as usize
        });
        self.longest_idle(candidates, |agent| self.agents.get(agent).presence == Presence::Away)
    }

    /// Ends an open notification: takes it off all desks, starts a session if it was accepted, and sends the result to
    /// its provider.
    pub(crate) fn settle(&mut self, step: &mut Step<'_>, slot: OpenSlot, settlement: Settlement) -> Arc<Settled> {
        let Settlement { outcome, agent, .. } = settlement;
        let displayed_on = self.take_off_desks(step, slot);
        let number = step.next_settled();
        let settled = Arc::new(self.settled_record(step, slot, settlement, number));
        self.close_on_desks(step, &settled, displayed_on);
        if let Some(agent) = agent
            && outcome.is_accept()
        {
            self.agents.get_mut(agent).last_accept = Some(number);
            self.start_session(step, agent, slot);
        }
        let arrival = self.remove_from_indexes(step, slot);
        self.outcomes[outcome as usize] += 1;
        self.providers.settle(Arc::clone(&settled), arrival);
        self.enforce_retained_limit(step);
        let position = step.position(number);
        step.emit(&self.name, Effect::Settled { settled: Arc::clone(&settled), position });
        self.observe(step, || Event::Settled { settled: Arc::clone(&settled) });
        settled
    }

    /// Takes it off all desks and returns the agents who had it displayed.
    fn take_off_desks(&mut self, step: &mut Step<'_>, slot: OpenSlot) -> Vec<AgentSlot> {
        let on_desk: Vec<AgentSlot> = self.open[slot].on_desk.iter().collect();
        on_desk.into_iter().filter(|&agent| self.clear_from_desk(step, agent, slot)).collect()
    }

    fn settled_record(&self, step: &Step<'_>, slot: OpenSlot, settlement: Settlement, number: u64) -> Settled {
        let notification = &self.open[slot];
        let content = &notification.content;
        let mut reach = notification.reach();
        if settlement.outcome == Outcome::Declined
            && let Some(agent) = settlement.agent
            && !notification.rejected_by.contains(agent)
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
            outcome: settlement.outcome,
            agent_id: settlement.agent.map(|agent| self.agents.get(agent).name.clone()),
            decline_reason: settlement.reason,
            reach,
            notified_at: content.notified_at,
            settled_at: step.now,
            number,
        }
    }

    fn close_on_desks(&self, step: &mut Step<'_>, settled: &Settled, agents: Vec<AgentSlot>) {
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

    /// Removes it from every index that it entered on arrival, and returns the arrival.
    fn remove_from_indexes(&mut self, step: &mut Step<'_>, slot: OpenSlot) -> Arrival {
        let notification = self.open.remove(slot).expect("a notification is settled once, while it is open");
        let (arrival, rank) = (notification.arrival, notification.rank());
        let content = &notification.content;
        let waits = !notification.was_displayed;
        let was_due = step.deadlines.remove(&(notification.due, arrival, self.slot, slot));
        assert!(was_due, "arrival {arrival} is settled and was not among the deadlines");
        let by_id = self.open_by_id.remove(&content.notification_id);
        assert_eq!(by_id, Some(slot), "arrival {arrival} is settled and has no entry by its id");
        let by_arrival = self.arrivals.remove(&arrival);
        assert_eq!(by_arrival, Some(slot), "arrival {arrival} is settled and has no entry by arrival");
        assert!(!waits || self.never_displayed > 0, "arrival {arrival} is settled and did not count as waiting");
        self.never_displayed -= u32::from(waits);
        let automatic = content.rendered.auto_accept;
        assert!(!automatic || self.auto_accepts > 0, "arrival {arrival} did not count as an automatic accept");
        self.auto_accepts -= u32::from(automatic);
        self.sessions.release_name(&content.session_id);
        self.drop_context(notification.context.as_ref());
        self.leave_audience(notification.audience, rank, waits);
        arrival
    }

    fn leave_audience(&mut self, slot: AudienceSlot, rank: Rank, never_displayed: bool) {
        let audience = self.audiences.get(slot);
        if audience.to.is_everyone() {
            self.everybody.remove(rank);
        }
        for &agent in &audience.agents {
            self.agents.get_mut(agent).addressed.remove(rank);
        }
        for &group in &audience.groups {
            self.groups.get_mut(group).open.remove(rank);
        }
        if let Some(audience) = self.audiences.release(slot, never_displayed) {
            for agent in audience.agents {
                self.agents.release(agent);
            }
            for group in audience.groups {
                self.groups.release(group);
            }
        }
    }
}
