//! The agents' answers: accept, reject, seen.

use super::settle::Settlement;
use super::step::Step;
use super::{OpenSlot, Workspace};
use crate::effect::{AgentSlot, Effect, Refusal, ReplyTo};
use crate::entry::Settle;
use crate::ids::{NotificationId, Text};
use crate::outcome::{Outcome, Settled};

/// An agent's answer.
#[derive(Debug, Clone)]
pub(crate) enum AgentAnswer {
    Accept,
    Reject { reason: Option<Text> },
}

impl Workspace {
    /// Rule 7: the first answer settles the notification. The reply to every later one says which answer did.
    pub(crate) fn answer(
        &mut self,
        step: &mut Step<'_>,
        mut to: ReplyTo,
        agent: AgentSlot,
        notification_id: NotificationId,
        answer: AgentAnswer,
    ) {
        let Some(&slot) = self.open_by_id.get(&notification_id) else {
            self.answer_late(step, to, agent, notification_id);
            return;
        };
        let notification = &self.open[slot];
        // An agent who never had it displayed gets the same reply as for an unknown id.
        if !notification.displayed_to.contains(agent) {
            step.emit(&self.name, Effect::Refused { to, refusal: Refusal::NotificationUnknownToAgent });
            return;
        }
        to.correlation_id = Some(notification.content.correlation_id.clone());
        if notification.rejected_by.contains(agent) {
            self.answer_unsettled(step, to, notification_id);
            return;
        }
        let settlement = match answer {
            AgentAnswer::Accept => Settlement::accepted(Outcome::Accepted, agent),
            AgentAnswer::Reject { reason } => {
                if notification.content.rendered.settle == Settle::FirstAccept && !self.reject(step, agent, slot) {
                    self.answer_unsettled(step, to, notification_id);
                    return;
                }
                Settlement { outcome: Outcome::Declined, agent: Some(agent), reason }
            }
        };
        let settled = self.settle(step, slot, settlement);
        self.emit_answered(step, to, &settled, true);
    }

    /// Records a reject under `firstAccept` and returns whether nobody is left who could accept. If somebody is, it takes
    /// the notification off that agent's desk.
    fn reject(&mut self, step: &mut Step<'_>, agent: AgentSlot, slot: OpenSlot) -> bool {
        self.open[slot].rejected_by.insert(agent);
        if self.nobody_is_left(agent, slot) {
            return true;
        }
        let was_displayed = self.clear_from_desk(step, agent, slot);
        let content = &self.open[slot].content;
        if was_displayed {
            let effect = Effect::Close {
                agents: vec![agent],
                notification_id: content.notification_id,
                correlation_id: content.correlation_id.clone(),
                outcome: None,
                agent_id: None,
            };
            step.emit(&self.name, effect);
        }
        false
    }

    /// Whether every connected agent who is eligible or has it displayed has rejected it.
    fn nobody_is_left(&self, agent: AgentSlot, slot: OpenSlot) -> bool {
        let notification = &self.open[slot];
        // An agent with the notification on the desk has not rejected it; an agent with it in the queue is eligible.
        if notification.on_desk.len() > u32::from(notification.on_desk.contains(agent)) {
            return false;
        }
        let mut eligible = self.eligible(notification.audience);
        !eligible.any(|agent| !notification.rejected_by.contains(agent))
    }

    /// An answer to a notification that is settled or unknown.
    fn answer_late(&self, step: &mut Step<'_>, mut to: ReplyTo, agent: AgentSlot, notification_id: NotificationId) {
        let Some(settled) = self.providers.by_notification(notification_id) else {
            step.emit(&self.name, Effect::Refused { to, refusal: Refusal::NotificationUnknownToAgent });
            return;
        };
        to.correlation_id = Some(settled.correlation_id.clone());
        let by_answer = matches!(settled.outcome, Outcome::Accepted | Outcome::Declined);
        let won = by_answer && settled.agent_id.as_ref() == Some(&self.agents.get(agent).name);
        self.emit_answered(step, to, settled, won);
    }

    fn emit_answered(&self, step: &mut Step<'_>, to: ReplyTo, settled: &Settled, won: bool) {
        let effect = Effect::Answered {
            to,
            notification_id: settled.notification_id,
            outcome: Some(settled.outcome),
            agent_id: settled.agent_id.clone(),
            won,
        };
        step.emit(&self.name, effect);
    }

    /// The reply to an agent whose reject did not settle the notification.
    fn answer_unsettled(&self, step: &mut Step<'_>, to: ReplyTo, notification_id: NotificationId) {
        let effect = Effect::Answered { to, notification_id, outcome: None, agent_id: None, won: false };
        step.emit(&self.name, effect);
    }

    /// An agent's page reported a notification as seen. The report is ignored if the notification is not open or this
    /// agent never had it displayed.
    pub(crate) fn seen(&mut self, agent: AgentSlot, notification_id: NotificationId) {
        if let Some(&slot) = self.open_by_id.get(&notification_id) {
            let notification = &mut self.open[slot];
            if notification.displayed_to.contains(agent) {
                notification.seen_by.insert(agent);
            }
        }
    }
}
