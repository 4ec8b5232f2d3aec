//! What agents ask about notifications: accept, reject, seen.

use super::effect::{Effect, Refusal, ReplyTo};
use super::entry::Settle;
use super::ids::{Name, NotificationId};
use super::outcome::{Outcome, Settled};
use super::settling::Ending;
use super::state::Workspace;
use super::step::Step;

/// An agent's answer.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Accept,
    Reject { reason: Option<Name> },
}

impl Workspace {
    /// Rule 7: the first answer settles it; every later one is told what did.
    pub(super) fn answer(
        &mut self,
        step: &mut Step<'_>,
        mut to: ReplyTo,
        agent: u32,
        notification_id: NotificationId,
        answer: Answer,
    ) {
        let Some(&slot) = self.open_by_id.get(&notification_id) else {
            self.answer_late(step, to, agent, notification_id);
            return;
        };
        let notification = &self.open[slot];
        // To who never saw it, it is as unknown as any other.
        if !notification.displayed_to.has(agent) {
            step.emit(&self.name, Effect::Refused { to, refusal: Refusal::NotificationUnknownToAgent });
            return;
        }
        to.correlation_id = Some(notification.content.correlation_id.clone());
        if notification.rejected_by.has(agent) {
            self.answer_unsettled(step, to, notification_id);
            return;
        }
        let ending = match answer {
            Answer::Accept => Ending::accepted(Outcome::Accepted, agent),
            Answer::Reject { reason } => {
                if notification.content.rendered.settle == Settle::FirstAccept
                    && !self.rejected_by_all(step, agent, slot)
                {
                    self.answer_unsettled(step, to, notification_id);
                    return;
                }
                Ending { outcome: Outcome::Declined, agent: Some(agent), reason }
            }
        };
        let settled = self.settle(step, slot, ending);
        self.emit_answered(step, to, &settled, true);
    }

    /// Notes a reject under `firstAccept`, takes it off that desk, and says whether nobody is left who could accept it.
    fn rejected_by_all(&mut self, step: &mut Step<'_>, agent: u32, slot: u32) -> bool {
        self.open[slot].rejected_by.set(agent);
        if self.nobody_is_left(agent, slot) {
            return true;
        }
        let was_displayed = self.clear_from_desk(agent, slot);
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

    /// Whether no connected agent who is eligible or has it displayed has not rejected it.
    fn nobody_is_left(&self, agent: u32, slot: u32) -> bool {
        let notification = &self.open[slot];
        // On whose desk it is, displayed or waiting, has not rejected it; where it waits, that agent is eligible.
        if notification.on_desk.count() > u32::from(notification.on_desk.has(agent)) {
            return false;
        }
        let mut eligible = self.eligible(notification.audience);
        !eligible.any(|agent| !notification.rejected_by.has(agent))
    }

    /// It is settled, or unknown.
    fn answer_late(&self, step: &mut Step<'_>, mut to: ReplyTo, agent: u32, notification_id: NotificationId) {
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

    /// The answer of an agent whose reject did not settle it.
    fn answer_unsettled(&self, step: &mut Step<'_>, to: ReplyTo, notification_id: NotificationId) {
        let effect = Effect::Answered { to, notification_id, outcome: None, agent_id: None, won: false };
        step.emit(&self.name, effect);
    }

    /// It was before an agent's eyes. Of one that is not open or was never displayed there: ignored.
    pub(super) fn seen(&mut self, agent: u32, notification_id: NotificationId) {
        if let Some(&slot) = self.open_by_id.get(&notification_id) {
            let notification = &mut self.open[slot];
            if notification.displayed_to.has(agent) {
                notification.seen_by.set(agent);
            }
        }
    }
}
