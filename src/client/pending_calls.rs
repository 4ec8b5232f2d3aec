//! The calls that are not settled yet.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use deskbell_protocol::HubMessage;
use deskbell_protocol::outbound::{Ack, ErrorReply, OpenNotification};
use tokio::sync::oneshot;

use super::error::CallError;

/// How often a call is sent again after `retryAfterMs`.
const RETRIES_MAX: u32 = 5;
/// With a longer `retryAfterMs` the caller gets the error instead of a retry.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
const RETRY_AFTER_DEFAULT_MS: u64 = 1000;

/// The channels to the caller of one call.
#[derive(Debug)]
pub(super) struct ReplySenders {
    /// For the first reply to a `notify`.
    pub(super) acked: Option<oneshot::Sender<Result<Ack<'static>, CallError>>>,
    /// For the reply that settles the call.
    pub(super) settled: oneshot::Sender<Result<HubMessage, CallError>>,
}

impl ReplySenders {
    fn settle(self, result: Result<HubMessage, CallError>) {
        if let (Some(acked), Err(error)) = (self.acked, &result) {
            let _ = acked.send(Err(error.clone()));
        }
        // The caller may have stopped waiting.
        let _ = self.settled.send(result);
    }
}

/// A call, as it is sent.
#[derive(Debug)]
pub(super) struct SentCall {
    /// The id by which the hub recognises a repeated call.
    pub(super) id: String,
    /// The message, the same each time it is sent.
    pub(super) text: String,
    /// The channels to the caller.
    pub(super) senders: ReplySenders,
}

#[derive(Debug)]
struct UnsettledCall {
    call: SentCall,
    number: u64,
    since: Instant,
    retries: u32,
    retry_at: Option<Instant>,
}

/// The pending calls by id, at most `max`.
#[derive(Debug)]
pub(super) struct PendingCalls {
    by_id: HashMap<String, UnsettledCall>,
    next: u64,
    max: usize,
}

impl PendingCalls {
    pub(super) fn new(max: usize) -> Self {
        Self { by_id: HashMap::new(), next: 0, max }
    }

    /// Adds a call and returns whether to send it. If not, the caller has received an error.
    pub(super) fn begin(&mut self, call: SentCall, bytes_max: Option<usize>, now: Instant) -> bool {
        let bytes = call.text.len();
        let error = if self.by_id.len() >= self.max {
            CallError::TooMany(self.max)
        } else if self.by_id.contains_key(&call.id) {
            CallError::DuplicateId(call.id.clone())
        } else if let Some(bytes_max) = bytes_max.filter(|&bytes_max| bytes > bytes_max) {
            CallError::TooLong { bytes, bytes_max }
        } else {
            let number = self.next;
            self.next += 1;
            let id = call.id.clone();
            self.by_id.insert(id, UnsettledCall { call, number, since: now, retries: 0, retry_at: None });
            return true;
        };
        call.senders.settle(Err(error));
        false
    }

    /// The message of a call that is still pending.
    pub(super) fn text(&self, id: &str) -> Option<&str> {
        self.by_id.get(id).map(|pending| pending.call.text.as_str())
    }

    /// Passes an ack to the caller of its notify.
    pub(super) fn acked(&mut self, ack: Ack<'static>) {
        let pending = ack.ids.id.as_deref().and_then(|id| self.by_id.get_mut(id));
        if let Some(acked) = pending.and_then(|pending| pending.call.senders.acked.take()) {
            let _ = acked.send(Ok(ack));
        }
    }

    /// Settles a call.
    pub(super) fn settle(&mut self, id: &str, result: Result<HubMessage, CallError>) {
        if let Some(pending) = self.by_id.remove(id) {
            pending.call.senders.settle(result);
        }
    }

    /// Handles an error: sends the call again later if the hub asks for it, else settles it.
    pub(super) fn refused(&mut self, error: ErrorReply<'static>, now: Instant) {
        let Some(id) = error.ids.id.clone() else { return };
        let Some(pending) = self.by_id.get_mut(&*id) else { return };
        let pause = Duration::from_millis(error.retry_after_ms.unwrap_or(RETRY_AFTER_DEFAULT_MS));
        let later = error.code.row().temporary && pause <= RETRY_AFTER_MAX && pending.retries < RETRIES_MAX;
        if later {
            pending.retries += 1;
            let jitter = Duration::from_millis(250 << pending.retries).mul_f64(fastrand::f64());
            pending.retry_at = Some(now + pause + jitter);
        } else {
            self.settle(&id, Err(CallError::Refused(Box::new(error))));
        }
    }

    /// When the next call is due for a retry.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.by_id.values().filter_map(|pending| pending.retry_at).min()
    }

    /// The calls that are due for a retry, the oldest first.
    pub(super) fn due_for_retry(&mut self, now: Instant) -> Vec<String> {
        let due = |pending: &UnsettledCall| pending.retry_at.is_some_and(|until| until <= now);
        let ids = self.in_order(due);
        for id in &ids {
            if let Some(pending) = self.by_id.get_mut(id) {
                pending.retry_at = None;
            }
        }
        ids
    }

    /// The calls to repeat on a new connection, the oldest first. Not among them are calls that wait for a retry, and
    /// calls that the hub already has: it will send their outcome.
    pub(super) fn to_repeat(&self, open: &[OpenNotification<'_>]) -> Vec<String> {
        let held: HashSet<_> = open.iter().filter_map(|open| open.id.as_deref()).collect();
        // A call without an ack is repeated, because its caller waits for the ack.
        let is_known =
            |pending: &UnsettledCall| held.contains(&*pending.call.id) && pending.call.senders.acked.is_none();
        self.in_order(|pending| pending.retry_at.is_none() && !is_known(pending))
    }

    /// Gives up the calls that the hub may have settled and forgotten since `alive_at`, the time of its last message. Calls
    /// in `open` are kept: the hub still has them.
    pub(super) fn give_up(
        &mut self,
        open: &[OpenNotification<'_>],
        alive_at: Option<Instant>,
        after: Duration,
        now: Instant,
    ) {
        let held: HashSet<_> = open.iter().filter_map(|open| open.id.as_deref()).collect();
        let old = |pending: &UnsettledCall| {
            let from = alive_at.map_or(pending.since, |alive_at| alive_at.max(pending.since));
            now.saturating_duration_since(from) > after && !held.contains(&*pending.call.id)
        };
        for id in self.in_order(old) {
            self.settle(&id, Err(CallError::Unknown(after)));
        }
    }

    /// Settles all calls with the same error.
    pub(super) fn fail_all(&mut self, error: &CallError) {
        for (_, pending) in self.by_id.drain() {
            pending.call.senders.settle(Err(error.clone()));
        }
    }

    /// Settles the calls that are too long for this hub.
    pub(super) fn fail_too_long(&mut self, bytes_max: usize) {
        for id in self.in_order(|pending| pending.call.text.len() > bytes_max) {
            let bytes = self.text(&id).map_or(0, str::len);
            self.settle(&id, Err(CallError::TooLong { bytes, bytes_max }));
        }
    }

    fn in_order(&self, choose: impl Fn(&UnsettledCall) -> bool) -> Vec<String> {
        let mut chosen: Vec<_> = self.by_id.values().filter(|pending| choose(pending)).collect();
        chosen.sort_unstable_by_key(|pending| pending.number);
        chosen.into_iter().map(|pending| pending.call.id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deskbell_protocol::outbound::Pong;
    use deskbell_protocol::{Envelope, ErrorCode, NotificationId};

    type Settled = oneshot::Receiver<Result<HubMessage, CallError>>;

    fn call(id: &str) -> (SentCall, Settled) {
        let (settled, result) = oneshot::channel();
        (
            SentCall { id: id.to_owned(), text: "12345".to_owned(), senders: ReplySenders { acked: None, settled } },
            result,
        )
    }

    fn begun(calls: &mut PendingCalls, id: &str, now: Instant) -> Settled {
        let (call, result) = call(id);
        assert!(calls.begin(call, None, now));
        result
    }

    fn refusal(id: &str, code: ErrorCode, retry_after_ms: Option<u64>) -> ErrorReply<'static> {
        let ids = Envelope { id: Some(id.to_owned().into()), correlation_id: None };
        ErrorReply::new(ids, None, code, "").retry_after_ms(retry_after_ms)
    }

    fn open(id: &'static str) -> OpenNotification<'static> {
        OpenNotification {
            notification_id: NotificationId(1),
            id: Some(id.into()),
            correlation_id: "".into(),
            cancellation_token: None,
        }
    }

    fn pong() -> HubMessage {
        HubMessage::Pong(Pong { ids: Envelope::default() })
    }

    #[test]
    fn a_call_settles_once_and_later_replies_are_ignored() {
        let now = Instant::now();
        let mut calls = PendingCalls::new(10);
        let mut result = begun(&mut calls, "a", now);
        calls.settle("a", Ok(pong()));
        calls.settle("a", Ok(HubMessage::Unknown));
        calls.refused(refusal("a", ErrorCode::Limit, None), now);
        assert_eq!(result.try_recv(), Ok(Ok(pong())));
        assert_eq!(calls.text("a"), None);
    }

    #[test]
    fn a_call_that_does_not_fit_is_refused_locally() {
        let now = Instant::now();
        let mut calls = PendingCalls::new(2);
        let _first = begun(&mut calls, "a", now);
        for (id, bytes_max, error) in [
            ("a", None, CallError::DuplicateId("a".to_owned())),
            ("b", Some(4), CallError::TooLong { bytes: 5, bytes_max: 4 }),
        ] {
            let (call, mut result) = call(id);
            assert!(!calls.begin(call, bytes_max, now));
            assert_eq!(result.try_recv(), Ok(Err(error)));
        }
        let _second = begun(&mut calls, "b", now);
        let (third, mut result) = call("c");
        assert!(!calls.begin(third, None, now));
        assert_eq!(result.try_recv(), Ok(Err(CallError::TooMany(2))));
    }

    #[test]
    fn a_call_is_retried_five_times_and_not_before_retry_after() {
        let mut now = Instant::now();
        let mut calls = PendingCalls::new(10);
        let mut result = begun(&mut calls, "a", now);
        for _ in 0..RETRIES_MAX {
            calls.refused(refusal("a", ErrorCode::RateLimited, Some(100)), now);
            let until = calls.next_retry().unwrap();
            assert!(until >= now + Duration::from_millis(100));
            assert!(calls.due_for_retry(now).is_empty() && calls.to_repeat(&[]).is_empty());
            now = until;
            assert_eq!(calls.due_for_retry(now), ["a"]);
            assert_eq!(calls.next_retry(), None);
        }
        assert!(result.try_recv().is_err());
        calls.refused(refusal("a", ErrorCode::RateLimited, Some(100)), now);
        assert!(
            matches!(result.try_recv(), Ok(Err(CallError::Refused(error))) if error.code == ErrorCode::RateLimited)
        );
    }

    #[test]
    fn an_error_that_a_retry_does_not_fix_reaches_the_caller_at_once() {
        let now = Instant::now();
        let mut calls = PendingCalls::new(10);
        for (code, retry_after_ms) in [(ErrorCode::Limit, None), (ErrorCode::Unavailable, Some(61_000))] {
            let mut result = begun(&mut calls, "a", now);
            calls.refused(refusal("a", code, retry_after_ms), now);
            assert!(matches!(result.try_recv(), Ok(Err(CallError::Refused(error))) if error.code == code));
        }
    }

    #[test]
    fn a_new_connection_repeats_calls_in_order_except_those_the_hub_has() {
        let now = Instant::now();
        let mut calls = PendingCalls::new(100);
        let ids: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let _results: Vec<_> = ids.iter().map(|id| begun(&mut calls, id, now)).collect();
        assert_eq!(calls.to_repeat(&[]), ids);
        assert_eq!(calls.to_repeat(&[open("0"), open("99")]), ids[1..]);
    }

    #[test]
    fn a_call_that_the_hub_may_have_forgotten_is_given_up() {
        let (start, limit) = (Instant::now(), Duration::from_secs(60));
        let mut calls = PendingCalls::new(10);
        let mut old = begun(&mut calls, "old", start);
        let mut held = begun(&mut calls, "held", start);
        let now = start + Duration::from_secs(100);
        // The last message came 50 s ago: the hub cannot have forgotten anything.
        calls.give_up(&[], Some(now - Duration::from_secs(50)), limit, now);
        assert!(old.try_recv().is_err());
        let mut young = begun(&mut calls, "young", now);
        calls.give_up(&[open("held")], Some(start), limit, now);
        assert_eq!(old.try_recv(), Ok(Err(CallError::Unknown(limit))));
        assert!(held.try_recv().is_err() && young.try_recv().is_err());
    }
}
