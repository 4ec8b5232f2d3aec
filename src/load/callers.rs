//! The providers of a load test: they send notifies on schedule, whatever the hub does, and read the replies.

use std::sync::Arc;

use super::desks::{RETRIES_MAX, RETRY_AFTER_DEFAULT_MS, settled};
use super::engine::{Engine, MS_NS, SECOND_NS, TimerTask};
use super::frame;
use super::measures::{Count, Latency};
use super::message_fields::{MessageFields, Purpose, fields};
use super::options::Arrivals;
use super::promises::{Fate, Stage, TrackedNotify};
use super::socket::SocketState;
use deskbell_protocol::inbound::{AddressedTo, Body, ClientMessage, NotifyMessage};
use deskbell_protocol::{Envelope, ErrorCode, Outcome, encode_inbound};

/// Cancels per second of each provider at the end of a run. The rate leaves room for its other messages.
const WITHDRAWALS_PER_SECOND: u64 = 80;
/// How often a cancel checks whether its notify has an ack.
const LOOK_AGAIN_NS: u64 = 50 * MS_NS;

impl Engine {
    /// Checks, after all clients are connected, that there is at least one group to address.
    pub(crate) fn callers_know_their_audiences(&mut self) -> Result<(), String> {
        if self.share.audiences.is_empty() {
            Err("no agent is in any group: give --agent-tokens that name groups, or --groups 0 to ring all".to_owned())
        } else {
            Ok(())
        }
    }

    /// Starts a scheduled notify.
    pub(crate) fn arrival(&mut self, at: u64) {
        self.count(Count::Asked);
        if self.checker.is_full() {
            return self.count(Count::Skipped);
        }
        let number = self.measures.count(Count::Asked);
        let audiences = self.share.audiences.len();
        let audience = match self.share.options.arrivals {
            Arrivals::Even => number as usize % audiences,
            Arrivals::Poisson => self.random.usize(..audiences),
        };
        let provider = number as usize % self.callers.len();
        let (fate, measured) = (self.fate(), at >= self.measured_from);
        let number = self.checker.begin(TrackedNotify::new(at, provider as u32, audience as u32, fate, measured));
        if fate == Fate::Cancel {
            let pause = self.about(self.share.options.think);
            self.will_cancel(number, at + pause);
        }
        self.send_notify(number);
        if let Some(call) = self.checker.call(number) {
            let (provider, intended) = (call.provider as usize, call.intended);
            if self.sockets[self.desks.len() + provider].state == SocketState::Open {
                self.count(Count::Sent);
                self.took(Latency::Lag, intended, measured);
            }
        }
    }

    fn fate(&mut self) -> Fate {
        let options = &self.share.options;
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

    /// Sends a notify. Without a connection it is sent after the reconnect.
    pub(crate) fn send_notify(&mut self, number: u64) {
        let Some(call) = self.checker.call(number) else { return };
        if call.stage != Stage::Asked || call.has_ended() {
            return;
        }
        let (provider, audience) = (call.provider, call.audience as usize);
        let (options, group) = (Arc::clone(&self.share.options), self.share.audiences[audience].clone());
        let id = self.share.call_ids.id(Purpose::Notify, number);
        let notify = NotifyMessage {
            template_name: options.template.as_str().into(),
            template_parameters: vec![("customerName".into(), format!("LoadProvider {number}").into())],
            session_id: Some(id.as_str().into()),
            cancellation_token: Some(id.as_str().into()),
            to: AddressedTo { agents: Vec::new(), groups: group.as_deref().map(Into::into).into_iter().collect() },
            priority: None,
            context: None,
        };
        self.say(provider, number, Purpose::Notify, Body::Notify(notify));
    }

    fn say(&mut self, provider: u32, number: u64, purpose: Purpose, body: Body<'_>) {
        let slot = self.desks.len() + provider as usize;
        if self.sockets[slot].state != SocketState::Open {
            return;
        }
        let envelope = Envelope {
            id: Some(self.share.call_ids.id(purpose, number).into()),
            correlation_id: Some(self.share.call_ids.correlation_id(number).into()),
        };
        let text = encode_inbound(&ClientMessage { body, envelope });
        self.send(slot, frame::TEXT, text.as_bytes());
    }

    fn will_cancel(&mut self, number: u64, at: u64) {
        if let Some(call) = self.checker.call(number) {
            call.cancel_at = Some(at);
            self.at(at, TimerTask::Cancel(number));
        }
    }

    /// Sends a scheduled cancel.
    pub(crate) fn cancel(&mut self, number: u64, at: u64) {
        let now = self.now;
        let Some(call) = self.checker.call(number) else { return };
        if call.has_ended() {
            return;
        }
        let (provider, measured) = (call.provider, call.measured);
        let slot = self.desks.len() + provider as usize;
        if self.sockets[slot].state != SocketState::Open || call.stage == Stage::Asked {
            // The hub cannot cancel a notify that it has not acknowledged. The latency counts from when it can.
            call.cancel_at = Some(now + LOOK_AGAIN_NS);
            return self.after(LOOK_AGAIN_NS, TimerTask::Cancel(number));
        }
        self.count(Count::Cancels);
        self.took(Latency::Lag, at, measured);
        let token = self.share.call_ids.id(Purpose::Notify, number);
        self.say(provider, number, Purpose::Cancel, Body::Cancel { cancellation_token: token.into() });
    }

    /// Cancels the notifications that no agent will answer, or all open ones, after the run.
    pub(crate) fn withdraw(&mut self, all: bool) {
        let open = self.checker.calls().filter(|(_, call)| !call.has_ended() && (all || call.fate == Fate::Ignore));
        let numbers: Vec<u64> = open.map(|(number, _)| number).collect();
        let pause = SECOND_NS / WITHDRAWALS_PER_SECOND / self.callers.len() as u64;
        for (at, number) in (self.now..).step_by(pause.max(1) as usize).zip(numbers) {
            self.will_cancel(number, at);
        }
    }

    /// Handles a provider's welcome: notifies without an ack are sent again with the same id.
    pub(crate) fn caller_welcomed(&mut self, provider: usize) {
        let caller = &mut self.callers[provider];
        caller.was_open = true;
        caller.open_since = self.now;
        let mine = |call: &TrackedNotify| call.provider as usize == provider && call.stage == Stage::Asked;
        let numbers: Vec<u64> = self.checker.calls().filter(|(_, call)| mine(call)).map(|(number, _)| number).collect();
        for number in numbers {
            self.count(Count::Sent);
            self.send_notify(number);
        }
    }

    pub(crate) fn provider_received(&mut self, provider: usize, text: &[u8]) {
        let seen = fields(text);
        let about = seen.id.and_then(|id| self.share.call_ids.purpose(id));
        match (&*seen.kind, about) {
            ("ack", Some((_, number))) => self.ack(number, &seen),
            ("result", Some((Purpose::Notify, number))) => self.result(provider, number, &seen),
            ("result", Some((Purpose::Cancel, number))) => self.cancelled(number),
            ("error", about) => self.call_refused(about, &seen),
            _ => {}
        }
    }

    fn ack(&mut self, number: u64, seen: &MessageFields<'_>) {
        if !self.checker.held(number, seen.notification_id) {
            return;
        }
        if let Some(call) = self.checker.call(number) {
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
        let may_repeat = self.checker.call(number).is_some_and(|call| call.intended < open_since);
        if !self.checker.resulted(number, settled(seen), may_repeat, self.now) {
            return;
        }
        self.count(Count::Resulted);
        let Some(call) = self.checker.call(number) else { return };
        let (intended, answer_at, measured) = (call.intended, call.answer_at, call.measured);
        self.took(Latency::Result, intended, measured);
        let by_answer = matches!(seen.outcome, Some(Outcome::Accepted | Outcome::Declined));
        if let Some(at) = answer_at.filter(|at| by_answer && *at <= self.now) {
            self.took(Latency::AnswerToResult, at, measured);
        }
        let accepted = seen.outcome.is_some_and(|outcome| outcome.action_name() == "Accept");
        if accepted && !self.share.options.keep_sessions {
            let session = self.share.call_ids.id(Purpose::Notify, number);
            let body = Body::EndSession { session_id: session.into() };
            self.say(provider as u32, number, Purpose::EndSession, body);
        }
    }

    fn cancelled(&mut self, number: u64) {
        if let Some(call) = self.checker.call(number)
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
        let Some(call) = self.checker.call(number) else { return };
        call.retries = call.retries.saturating_add(1);
        let again = temporary && call.retries <= RETRIES_MAX;
        match purpose {
            Purpose::Notify if again => self.at(now + pause, TimerTask::Repeat(number)),
            Purpose::Notify => {
                self.checker.refused(number, now);
                self.count(Count::Refused);
            }
            Purpose::Cancel if again => self.at(now + pause, TimerTask::Cancel(number)),
            _ => {}
        }
    }
}
