//! The agents of a load test: they receive notifications, wait for the thinking time, and answer.

use std::borrow::Cow;

use super::engine::{Engine, TimerTask};
use super::frame;
use super::measures::{Count, Latency};
use super::message_fields::{AgentName, MessageFields, Purpose, fields};
use super::promises::{Fate, SeenOutcome};
use super::socket::SocketState;
use deskbell_protocol::inbound::{Body, ClientMessage, Hello, HelloRole, ResumeFrom};
use deskbell_protocol::outbound::WelcomeState;
use deskbell_protocol::{Envelope, ErrorCode, HubMessage, decode_outbound, encode_inbound};

/// Racing agents answer within this time of each other.
const RACE_NS: u64 = 300_000;
/// How often a message is repeated after `retryAfterMs`.
pub(crate) const RETRIES_MAX: u8 = 20;
pub(crate) const RETRY_AFTER_DEFAULT_MS: u64 = 1000;

impl Engine {
    /// Sends the hello after the WebSocket upgrade.
    pub(crate) fn hello(&mut self, slot: usize) {
        let agents = self.desks.len();
        let client = self.share.agents.get(slot).unwrap_or_else(|| &self.share.providers[slot - agents]);
        let name = client.name.as_deref().map(Into::into);
        let role = if slot < agents {
            let audience = self.share.audiences.get(client.audience as usize).and_then(Option::as_deref);
            let groups = audience.map(|group| vec![group.into()]);
            HelloRole::Agent { agent_id: name, groups, presence: None }
        } else {
            let caller = &self.callers[slot - agents];
            let resume = match &caller.position {
                Some(position) => ResumeFrom::After(position.as_str().into()),
                None if caller.was_open => ResumeFrom::All,
                None => ResumeFrom::Nothing,
            };
            HelloRole::Provider { provider_id: name, resume }
        };
        let hello = Hello { role, token: client.token.as_deref().map(Into::into) };
        let text = encode_inbound(&ClientMessage { body: Body::Hello(hello), envelope: Envelope::default() });
        self.send(slot, frame::TEXT, text.as_bytes());
    }

    /// Handles the first message of a connection.
    pub(crate) fn welcome(&mut self, slot: usize, text: &[u8]) {
        let welcome = match decode_outbound(text) {
            Ok(HubMessage::Welcome(welcome)) => welcome,
            Ok(HubMessage::Error(refusal)) => return self.failed(format!("hello refused: {}", refusal.detail)),
            Ok(_) => return,
            Err(error) => return self.lost(slot, &format!("the welcome cannot be read: {error}")),
        };
        self.limits.get_or_insert(welcome.limits);
        self.opened(slot);
        let WelcomeState::Agent { agent_id, groups, notifications, .. } = welcome.state else {
            return self.caller_welcomed(slot - self.desks.len());
        };
        if self.share.learn_audiences {
            let group = groups.into_iter().next().map(Cow::into_owned);
            let known = self.share.audiences.iter().position(|known| *known == group);
            let audience = known.unwrap_or_else(|| {
                self.share.audiences.push(group);
                self.share.audiences.len() - 1
            });
            self.share.agents[slot].audience = audience as u32;
        }
        self.desks[slot].name = Some(AgentName::of(agent_id.as_bytes()));
        for one in &notifications {
            if let Some(number) = self.share.call_ids.number(&one.correlation_id) {
                if let Some(call) = self.checker.call(number) {
                    call.notification_id = Some(one.notification_id);
                }
                self.shown(slot, number);
            }
        }
    }

    pub(crate) fn agent_received(&mut self, slot: usize, text: &[u8]) {
        let seen = fields(text);
        let number = seen.correlation_id.and_then(|id| self.share.call_ids.number(id));
        match (&*seen.kind, number) {
            ("notification", Some(number)) => self.notification(slot, number, &seen),
            ("closed", Some(number)) => {
                let displayed = &mut self.desks[slot].displayed;
                let at = displayed.iter().position(|one| *one == number);
                if let Some(at) = at {
                    displayed.swap_remove(at);
                }
                self.checker.closed(number, at.is_some(), settled(&seen));
            }
            ("result", _) => return self.reply(slot, &seen),
            ("error", _) => return self.refusal(slot, &seen),
            _ => {}
        }
        self.count(Count::Deliveries);
    }

    fn notification(&mut self, slot: usize, number: u64, seen: &MessageFields<'_>) {
        if let Some(call) = self.checker.call(number) {
            let (intended, measured, first) = (call.intended, call.measured, !call.displayed);
            call.notification_id = seen.notification_id.or(call.notification_id);
            if first {
                self.took(Latency::Displayed, intended, measured);
            }
            self.took(Latency::EveryDisplay, intended, measured);
        }
        self.shown(slot, number);
    }

    /// Handles a notification that is displayed on a desk.
    fn shown(&mut self, slot: usize, number: u64) {
        let again = self.desks[slot].displayed.contains(&number);
        self.checker.displayed(number, again);
        if !again {
            self.desks[slot].displayed.push(number);
            self.will_answer(slot, number);
        }
    }

    /// Schedules this agent's answer, if the notification is to be answered and not enough agents do so already.
    fn will_answer(&mut self, slot: usize, number: u64) {
        let racers = self.share.options.racers;
        let think = self.about(self.share.options.think);
        let apart = (RACE_NS as f64 * self.random.f64()) as u64;
        let now = self.now;
        let Some(call) = self.checker.call(number) else { return };
        if !matches!(call.fate, Fate::Accept | Fate::Reject) || call.is_settled() || call.answering >= racers {
            return;
        }
        call.answering += 1;
        let at = match call.answer_at {
            None => now + think,
            Some(first) => first.max(now) + apart,
        };
        call.answer_at.get_or_insert(at);
        self.at(at, TimerTask::Answer { slot: slot as u32, number });
    }

    /// Handles an agent that cannot answer any more: another agent answers instead.
    fn will_not_answer(&mut self, number: u64) {
        let Some(call) = self.checker.call(number) else { return };
        call.answering = call.answering.saturating_sub(1);
        if call.answering > 0 || call.is_settled() || call.has_ended() {
            return;
        }
        call.answer_at = None;
        let others = (0..self.desks.len()).find(|&slot| self.desks[slot].displayed.contains(&number));
        if let Some(slot) = others {
            self.will_answer(slot, number);
        }
    }

    /// Sends a scheduled answer.
    pub(crate) fn answer(&mut self, slot: usize, number: u64, at: u64) {
        let desk = &self.desks[slot];
        let there = self.sockets[slot].state == SocketState::Open && desk.displayed.contains(&number);
        let Some(call) = self.checker.call(number) else { return };
        let Some(id) = call.notification_id.filter(|_| there) else { return self.will_not_answer(number) };
        let (fate, measured) = (call.fate, call.measured);
        let notification_id = id.to_string().into();
        let body = match fate {
            Fate::Reject => Body::Reject { notification_id, reason: None },
            _ => Body::Accept { notification_id },
        };
        let id = self.share.call_ids.id(Purpose::Answer, number);
        let envelope = Envelope { id: Some(id.into()), correlation_id: None };
        let text = encode_inbound(&ClientMessage { body, envelope });
        self.desks[slot].answers.retain(|(other, _)| *other != number);
        self.desks[slot].answers.push((number, at));
        self.took(Latency::Lag, at, measured);
        self.count(Count::Answers);
        self.send(slot, frame::TEXT, text.as_bytes());
    }

    fn reply(&mut self, slot: usize, seen: &MessageFields<'_>) {
        let Some((number, at)) = self.answered(slot, seen) else { return };
        let measured = self.checker.call(number).is_some_and(|call| call.measured);
        self.took(Latency::Answer, at, measured);
        if let Some(name) = self.desks[slot].name {
            self.checker.answered(number, name, seen.won, settled(seen));
        }
    }

    fn refusal(&mut self, slot: usize, seen: &MessageFields<'_>) {
        let code = seen.code.map_or("an unknown code", ErrorCode::as_str);
        self.failed(format!("an answer refused: {code}"));
        let Some((number, _)) = self.answered(slot, seen) else { return };
        if seen.code.is_some_and(|code| code.row().temporary) {
            let Some(call) = self.checker.call(number) else { return };
            call.retries = call.retries.saturating_add(1);
            if call.retries <= RETRIES_MAX {
                let pause = seen.retry_after_ms.unwrap_or(RETRY_AFTER_DEFAULT_MS) * super::engine::MS_NS;
                return self.after(pause, TimerTask::Answer { slot: slot as u32, number });
            }
        } else {
            self.checker.not_answered(number, code);
        }
        self.will_not_answer(number);
    }

    /// The answer to which a reply belongs: its notify, and the scheduled time.
    fn answered(&mut self, slot: usize, seen: &MessageFields<'_>) -> Option<(u64, u64)> {
        let (_, number) = self.share.call_ids.purpose(seen.id?)?;
        let answers = &mut self.desks[slot].answers;
        let at = answers.iter().position(|(other, _)| *other == number)?;
        Some(answers.swap_remove(at))
    }

    /// Handles the end of an agent's connection: nothing is displayed on it any more.
    pub(crate) fn desk_gone(&mut self, slot: usize) {
        let desk = &mut self.desks[slot];
        let (displayed, answers) = (std::mem::take(&mut desk.displayed), std::mem::take(&mut desk.answers));
        for number in displayed {
            self.checker.vanished(number);
        }
        for (number, _) in answers {
            self.will_not_answer(number);
        }
    }
}

/// The outcome in a message.
pub(crate) fn settled(seen: &MessageFields<'_>) -> Option<SeenOutcome> {
    seen.outcome.map(|outcome| SeenOutcome { outcome, agent: seen.agent })
}
