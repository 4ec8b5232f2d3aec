//! The providers of a load test: they ring at fixed times, whatever the hub does, and read its answers.

use std::sync::Arc;

use super::desks::{RETRIES_MAX, RETRY_AFTER_DEFAULT_MS, settled};
use super::engine::{Engine, MS_NS, SECOND_NS, Task};
use super::frame;
use super::judge::{Call, Fate, Stage};
use super::line::State;
use super::measures::{Count, Latency};
use super::message_fields::{MessageFields, Purpose, fields};
use super::options::Arrivals;
use deskbell_protocol::inbound::{AddressedTo, Body, ClientMessage, NotifyMessage};
use deskbell_protocol::{Envelope, ErrorCode, Outcome, encode_inbound};

/// The rate at which each provider cancels open notifications at the end. With its other messages it stays within a hub's rate.
const WITHDRAWALS_PER_SECOND: u64 = 80;
/// The interval at which a cancel checks whether its notify has an ack.
const LOOK_AGAIN_NS: u64 = 50 * MS_NS;

impl Engine {
    /// All clients are connected; without agents the run cannot begin.
    pub(crate) fn callers_know_their_audiences(&mut self) -> Result<(), String> {
        if self.part.audiences.is_empty() {
            Err("no agent is in any group: give --agent-tokens that name groups, or --groups 0 to ring all".to_owned())
        } else {
            Ok(())
        }
    }

    /// Handles a notify that is due.
    pub(crate) fn arrival(&mut self, at: u64) {
        self.count(Count::Asked);
        if self.judge.is_full() {
            return self.count(Count::Skipped);
        }
        let number = self.measures.count(Count::Asked);
        let audiences = self.part.audiences.len();
        let audience = match self.part.options.arrivals {
            Arrivals::Even => number as usize % audiences,
            Arrivals::Poisson => self.random.usize(..audiences),
        };
        let provider = number as usize % self.callers.len();
        let (fate, measured) = (self.fate(), at >= self.measured_from);
        let number = self.judge.begin(Call::new(at, provider as u32, audience as u32, fate, measured));
        if fate == Fate::Cancel {
            let pause = self.about(self.part.options.think);
            self.will_cancel(number, at + pause);
        }
        self.send_notify(number);
        if let Some(call) = self.judge.call(number) {
            let (provider, intended) = (call.provider as usize, call.intended);
            if self.lines[self.desks.len() + provider].state == State::Open {
                self.count(Count::Sent);
                self.took(Latency::Lag, intended, measured);
            }
        }
    }

    fn fate(&mut self) -> Fate {
        let options = &self.part.options;
        let share = self.random.f64();
        let (reject, ignore) = (options.reject, options.reject + options.ignore);
        if share < reject {
            Fate::Reject
        } else if share < ignore {
            Fate::Ignore
        } else if share < ignore + options.cancel {
            Fate::Cancel
        } else {
            Fate::Accept
        }
    }

    /// Sends a notify; without a connection it waits until there is one.
    pub(crate) fn send_notify(&mut self, number: u64) {
        let Some(call) = self.judge.call(number) else { return };
        if call.stage != Stage::Asked || call.has_ended() {
            return;
        }
        let (provider, audience) = (call.provider, call.audience as usize);
        let (options, group) = (Arc::clone(&self.part.options), self.part.audiences[audience].clone());
        let id = self.part.call_ids.id(Purpose::Notify, number);
        let notify = NotifyMessage {
            template_name: options.template.as_str().into(),
            template_parameters: vec![("customerName".into(), format!("Caller {number}").into())],
            session_id: Some(id.as_str().into()),
            cancellation_token: Some(id.as_str().into()),
            to: AddressedTo { agents: Vec::new(), groups: group.as_deref().map(Into::into).into_iter().collect() },
        };
        self.say(provider, number, Purpose::Notify, Body::Notify(notify));
    }

    fn say(&mut self, provider: u32, number: u64, purpose: Purpose, body: Body<'_>) {
        let slot = self.desks.len() + provider as usize;
        if self.lines[slot].state != State::Open {
            return;
        }
        let envelope = Envelope {
            id: Some(self.part.call_ids.id(purpose, number).into()),
            correlation_id: Some(self.part.call_ids.correlation_id(number).into()),
        };
        let text = encode_inbound(&ClientMessage { body, envelope });
        self.send(slot, frame::TEXT, text.as_bytes());
    }

    fn will_cancel(&mut self, number: u64, at: u64) {
        if let Some(call) = self.judge.call(number) {
            call.cancel_at = Some(at);
            self.at(at, Task::Cancel(number));
        }
    }

    /// Handles a cancel that is due.
    pub(crate) fn cancel(&mut self, number: u64, at: u64) {
        let now = self.now;
        let Some(call) = self.judge.call(number) else { return };
        if call.has_ended() {
            return;
        }
        let (provider, measured) = (call.provider, call.measured);
        let slot = self.desks.len() + provider as usize;
        if self.lines[slot].state != State::Open || call.stage == Stage::Asked {
            // A notification without an ack cannot be cancelled yet; the time counts from the ack.
            call.cancel_at = Some(now + LOOK_AGAIN_NS);
            return self.after(LOOK_AGAIN_NS, Task::Cancel(number));
        }
        self.count(Count::Cancels);
        self.took(Latency::Lag, at, measured);
        let token = self.part.call_ids.id(Purpose::Notify, number);
        self.say(provider, number, Purpose::Cancel, Body::Cancel { cancellation_token: token.into() });
    }

    /// At the end of the run: cancels notifications that no agent will answer, or all open ones.
    pub(crate) fn withdraw(&mut self, all: bool) {
        let open = self.judge.calls().filter(|(_, call)| !call.has_ended() && (all || call.fate == Fate::Ignore));
        let numbers: Vec<u64> = open.map(|(number, _)| number).collect();
        let pause = SECOND_NS / WITHDRAWALS_PER_SECOND / self.callers.len() as u64;
        for (at, number) in (self.now..).step_by(pause.max(1) as usize).zip(numbers) {
            self.will_cancel(number, at);
        }
    }

    /// A provider's connection is open: sends calls without an ack again, under the same id.
    pub(crate) fn caller_welcomed(&mut self, provider: usize) {
        let caller = &mut self.callers[provider];
        caller.was_open = true;
        caller.open_since = self.now;
        let mine = |call: &Call| call.provider as usize == provider && call.stage == Stage::Asked;
        let numbers: Vec<u64> = self.judge.calls().filter(|(_, call)| mine(call)).map(|(number, _)| number).collect();
        for number in numbers {
            self.count(Count::Sent);
            self.send_notify(number);
        }
    }

    pub(crate) fn caller_heard(&mut self, provider: usize, text: &[u8]) {
        let seen = fields(text);
        let about = seen.id.and_then(|id| self.part.call_ids.purpose(id));
        match (&*seen.kind, about) {
            ("ack", Some((_, number))) => self.ack(number, &seen),
            ("result", Some((Purpose::Notify, number))) => self.result(provider, number, &seen),
            ("result", Some((Purpose::Cancel, number))) => self.cancelled(number),
            ("error", about) => self.call_refused(about, &seen),
            _ => {}
        }
    }

    fn ack(&mut self, number: u64, seen: &MessageFields<'_>) {
        if !self.judge.held(number, seen.notification_id) {
            return;
        }
        if let Some(call) = self.judge.call(number) {
            let (intended, measured) = (call.intended, call.measured);
            self.took(Latency::Ack, intended, measured);
        }
        self.count(Count::Acked);
    }

    fn result(&mut self, provider: usize, number: u64, seen: &MessageFields<'_>) {
        let caller = &mut self.callers[provider];
        if let Some(position) = seen.position {
            caller.position = Some(position.to_owned());
        }
        let open_since = caller.open_since;
        let may_repeat = self.judge.call(number).is_some_and(|call| call.intended < open_since);
        if !self.judge.resulted(number, settled(seen), may_repeat, self.now) {
            return;
        }
        self.count(Count::Resulted);
        let Some(call) = self.judge.call(number) else { return };
        let (intended, answer_at, measured) = (call.intended, call.answer_at, call.measured);
        self.took(Latency::Result, intended, measured);
        let by_answer = matches!(seen.outcome, Some(Outcome::Accepted | Outcome::Declined));
        if let Some(at) = answer_at.filter(|at| by_answer && *at <= self.now) {
            self.took(Latency::AnswerToResult, at, measured);
        }
        let accepted = seen.outcome.is_some_and(|outcome| outcome.action_name() == "Accept");
        if accepted && !self.part.options.keep_sessions {
            let session = self.part.call_ids.id(Purpose::Notify, number);
            let body = Body::EndSession { session_id: session.into() };
            self.say(provider as u32, number, Purpose::EndSession, body);
        }
    }

    fn cancelled(&mut self, number: u64) {
        if let Some(call) = self.judge.call(number)
            && let Some(at) = call.cancel_at.take()
        {
            let measured = call.measured;
            self.took(Latency::Cancel, at, measured);
        }
    }

    fn call_refused(&mut self, about: Option<(Purpose, u64)>, seen: &MessageFields<'_>) {
        let code = seen.code.map_or("an unknown code", ErrorCode::as_str);
        let what = match about {
            Some((Purpose::Notify, _)) => "a notify",
            Some((Purpose::Cancel, _)) => "a cancel",
            Some((Purpose::EndSession, _)) => "an endSession",
            _ => "a message",
        };
        self.failed(format!("{what} refused: {code}"));
        let Some((purpose, number)) = about else { return };
        let (now, temporary) = (self.now, seen.code.is_some_and(|code| code.row().temporary));
        let pause = seen.retry_after_ms.unwrap_or(RETRY_AFTER_DEFAULT_MS) * MS_NS;
        let Some(call) = self.judge.call(number) else { return };
        call.retries = call.retries.saturating_add(1);
        let again = temporary && call.retries <= RETRIES_MAX;
        match purpose {
            Purpose::Notify if again => self.at(now + pause, Task::Repeat(number)),
            Purpose::Notify => {
                self.judge.refused(number, now);
                self.count(Count::Refused);
            }
            Purpose::Cancel if again => self.at(now + pause, Task::Cancel(number)),
            _ => {}
        }
    }
}
