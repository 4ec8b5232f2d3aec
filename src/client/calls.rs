//! The calls that have not settled.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::backoff::chance;
use super::error::{CallError, Refused};
use crate::protocol::HubMessage;
use crate::protocol::outbound::received::{Ack, Open, Refusal};

/// How often a call is repeated that the hub asks to send later.
const RETRIES_MAX: u32 = 5;
/// A longer pause than this is told to the caller instead of being kept.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
const RETRY_AFTER_DEFAULT_MS: u64 = 1000;

/// What a caller waits for.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The first reply of a `notify`.
    pub(super) acked: Option<oneshot::Sender<Result<Ack, CallError>>>,
    /// The reply that settles it.
    pub(super) done: oneshot::Sender<Result<HubMessage, CallError>>,
}

impl Waiting {
    fn settle(self, result: Result<HubMessage, CallError>) {
        if let (Some(acked), Err(error)) = (self.acked, &result) {
            let _ = acked.send(Err(error.clone()));
        }
        // Whoever does not wait any more does not want to know.
        let _ = self.done.send(result);
    }
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    /// By which the hub knows it.
    pub(super) id: String,
    /// What is sent, the same every time.
    pub(super) text: String,
    /// Who waits for it.
    pub(super) waiting: Waiting,
}

#[derive(Debug)]
struct UnderWay {
    call: Call,
    number: u64,
    since: Instant,
    retries: u32,
    rests_until: Option<Instant>,
}

/// All that are under way, by id; at most `max`.
#[derive(Debug)]
pub(super) struct Calls {
    by_id: HashMap<String, UnderWay>,
    next: u64,
    max: usize,
}

impl Calls {
    pub(super) fn new(max: usize) -> Self {
        Self { by_id: HashMap::new(), next: 0, max }
    }

    /// Takes a call, and says whether it is to be sent; if not, its caller knows why.
    pub(super) fn begin(&mut self, call: Call, bytes_max: Option<usize>, now: Instant) -> bool {
        let bytes = call.text.len();
        let error = if self.by_id.len() >= self.max {
            CallError::TooMany(self.max)
        } else if self.by_id.contains_key(&call.id) {
            CallError::IdUnderWay(call.id.clone())
        } else if let Some(bytes_max) = bytes_max.filter(|&bytes_max| bytes > bytes_max) {
            CallError::TooLong { bytes, bytes_max }
        } else {
            let number = self.next;
            self.next += 1;
            let id = call.id.clone();
            self.by_id.insert(id, UnderWay { call, number, since: now, retries: 0, rests_until: None });
            return true;
        };
        call.waiting.settle(Err(error));
        false
    }

    /// What is to be sent for that call, if it is still under way.
    pub(super) fn text(&self, id: &str) -> Option<&str> {
        self.by_id.get(id).map(|under_way| under_way.call.text.as_str())
    }

    /// Tells a notify's caller that the hub holds it.
    pub(super) fn acked(&mut self, ack: Ack) {
        let under_way = ack.id.as_ref().and_then(|id| self.by_id.get_mut(id));
        if let Some(acked) = under_way.and_then(|under_way| under_way.call.waiting.acked.take()) {
            let _ = acked.send(Ok(ack));
        }
    }

    /// Settles a call with the hub's reply.
    pub(super) fn settle(&mut self, id: &str, result: Result<HubMessage, CallError>) {
        if let Some(under_way) = self.by_id.remove(id) {
            under_way.call.waiting.settle(result);
        }
    }

    /// A call was refused: later again if the hub asks for it, else settled.
    pub(super) fn refused(&mut self, refusal: Refusal, now: Instant) {
        let Some(id) = refusal.id.clone() else { return };
        let Some(under_way) = self.by_id.get_mut(&id) else { return };
        let pause = Duration::from_millis(refusal.retry_after_ms.unwrap_or(RETRY_AFTER_DEFAULT_MS));
        let later = refusal.code.row().temporary && pause <= RETRY_AFTER_MAX && under_way.retries < RETRIES_MAX;
        if later {
            under_way.retries += 1;
            let jitter = Duration::from_millis(250 << under_way.retries).mul_f64(chance());
            under_way.rests_until = Some(now + pause + jitter);
        } else {
            self.settle(&id, Err(CallError::Refused(Refused::from(refusal))));
        }
    }

    /// When the first of those that rest is to be sent again.
    pub(super) fn next_rested(&self) -> Option<Instant> {
        self.by_id.values().filter_map(|under_way| under_way.rests_until).min()
    }

    /// Those that have rested, the oldest first.
    pub(super) fn rested(&mut self, now: Instant) -> Vec<String> {
        let due = |under_way: &UnderWay| under_way.rests_until.is_some_and(|until| until <= now);
        let ids = self.in_order(due);
        for id in &ids {
            if let Some(under_way) = self.by_id.get_mut(id) {
                under_way.rests_until = None;
            }
        }
        ids
    }

    /// Those to say again on a new connection, the oldest first: not those that rest, nor those that the hub holds
    /// already, since it will tell their outcome.
    pub(super) fn to_repeat(&self, open: &[Open]) -> Vec<String> {
        let held: HashSet<_> = open.iter().filter_map(|open| open.id.as_deref()).collect();
        // One that is not acknowledged yet is repeated all the same, for the sake of the acknowledgement.
        let is_known =
            |under_way: &UnderWay| held.contains(&*under_way.call.id) && under_way.call.waiting.acked.is_none();
        self.in_order(|under_way| under_way.rests_until.is_none() && !is_known(under_way))
    }

    /// Gives up those that the hub may have settled and forgotten since `alive_at`, when it was last heard, unless it
    /// says that it still has them.
    pub(super) fn give_up(&mut self, open: &[Open], alive_at: Option<Instant>, after: Duration, now: Instant) {
        let held: HashSet<_> = open.iter().filter_map(|open| open.id.as_deref()).collect();
        let old = |under_way: &UnderWay| {
            let from = alive_at.map_or(under_way.since, |alive_at| alive_at.max(under_way.since));
            now.saturating_duration_since(from) > after && !held.contains(&*under_way.call.id)
        };
        for id in self.in_order(old) {
            self.settle(&id, Err(CallError::Unknown(after)));
        }
    }

    /// Settles all of them with the same error.
    pub(super) fn fail_all(&mut self, error: &CallError) {
        for (_, under_way) in self.by_id.drain() {
            under_way.call.waiting.settle(Err(error.clone()));
        }
    }

    /// Settles those that are too long for this hub.
    pub(super) fn fail_too_long(&mut self, bytes_max: usize) {
        for id in self.in_order(|under_way| under_way.call.text.len() > bytes_max) {
            let bytes = self.text(&id).map_or(0, str::len);
            self.settle(&id, Err(CallError::TooLong { bytes, bytes_max }));
        }
    }

    fn in_order(&self, choose: impl Fn(&UnderWay) -> bool) -> Vec<String> {
        let mut chosen: Vec<_> = self.by_id.values().filter(|under_way| choose(under_way)).collect();
        chosen.sort_unstable_by_key(|under_way| under_way.number);
        chosen.into_iter().map(|under_way| under_way.call.id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorCode;
    use crate::protocol::outbound::received::Reply;

    type Done = oneshot::Receiver<Result<HubMessage, CallError>>;

    fn call(id: &str) -> (Call, Done) {
        let (done, result) = oneshot::channel();
        (Call { id: id.to_owned(), text: "12345".to_owned(), waiting: Waiting { acked: None, done } }, result)
    }

    fn begun(calls: &mut Calls, id: &str, now: Instant) -> Done {
        let (call, result) = call(id);
        assert!(calls.begin(call, None, now));
        result
    }

    fn refusal(id: &str, code: ErrorCode, retry_after_ms: Option<u64>) -> Refusal {
        Refusal {
            id: Some(id.to_owned()),
            correlation_id: None,
            call: None,
            message: code.message().to_owned(),
            code,
            detail: String::new(),
            retry_after_ms,
        }
    }

    fn open(id: &str) -> Open {
        Open {
            notification_id: String::new(),
            id: Some(id.to_owned()),
            correlation_id: String::new(),
            cancellation_token: None,
        }
    }

    #[test]
    fn a_call_settles_once_and_what_comes_after_is_nothing() {
        let now = Instant::now();
        let mut calls = Calls::new(10);
        let mut result = begun(&mut calls, "a", now);
        calls.settle("a", Ok(HubMessage::Pong(Reply { id: None })));
        calls.settle("a", Ok(HubMessage::Unknown));
        calls.refused(refusal("a", ErrorCode::Limit, None), now);
        assert_eq!(result.try_recv(), Ok(Ok(HubMessage::Pong(Reply { id: None }))));
        assert_eq!(calls.text("a"), None);
    }

    #[test]
    fn what_does_not_fit_is_refused_here() {
        let now = Instant::now();
        let mut calls = Calls::new(2);
        let _first = begun(&mut calls, "a", now);
        for (id, bytes_max, error) in [
            ("a", None, CallError::IdUnderWay("a".to_owned())),
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
    fn the_hub_is_asked_again_five_times_and_not_before_it_says() {
        let mut now = Instant::now();
        let mut calls = Calls::new(10);
        let mut result = begun(&mut calls, "a", now);
        for _ in 0..RETRIES_MAX {
            calls.refused(refusal("a", ErrorCode::RateLimited, Some(100)), now);
            let until = calls.next_rested().unwrap();
            assert!(until >= now + Duration::from_millis(100));
            assert!(calls.rested(now).is_empty() && calls.to_repeat(&[]).is_empty());
            now = until;
            assert_eq!(calls.rested(now), ["a"]);
            assert_eq!(calls.next_rested(), None);
        }
        assert!(result.try_recv().is_err());
        calls.refused(refusal("a", ErrorCode::RateLimited, Some(100)), now);
        assert!(matches!(result.try_recv(), Ok(Err(CallError::Refused(Refused { code: ErrorCode::RateLimited, .. })))));
    }

    #[test]
    fn what_no_waiting_mends_is_told_at_once() {
        let now = Instant::now();
        let mut calls = Calls::new(10);
        for (code, retry_after_ms) in [(ErrorCode::Limit, None), (ErrorCode::Unavailable, Some(61_000))] {
            let mut result = begun(&mut calls, "a", now);
            calls.refused(refusal("a", code, retry_after_ms), now);
            assert!(matches!(result.try_recv(), Ok(Err(CallError::Refused(refused))) if refused.code == code));
        }
    }

    #[test]
    fn on_a_new_connection_all_is_said_again_in_order_but_what_the_hub_holds() {
        let now = Instant::now();
        let mut calls = Calls::new(100);
        let ids: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let _results: Vec<_> = ids.iter().map(|id| begun(&mut calls, id, now)).collect();
        assert_eq!(calls.to_repeat(&[]), ids);
        assert_eq!(calls.to_repeat(&[open("0"), open("99")]), ids[1..]);
    }

    #[test]
    fn what_the_hub_may_have_forgotten_is_given_up() {
        let (start, limit) = (Instant::now(), Duration::from_secs(60));
        let mut calls = Calls::new(10);
        let mut old = begun(&mut calls, "old", start);
        let mut held = begun(&mut calls, "held", start);
        let now = start + Duration::from_secs(100);
        // Heard 50 s ago: nothing can have been forgotten.
        calls.give_up(&[], Some(now - Duration::from_secs(50)), limit, now);
        assert!(old.try_recv().is_err());
        let mut young = begun(&mut calls, "young", now);
        calls.give_up(&[open("held")], Some(start), limit, now);
        assert_eq!(old.try_recv(), Ok(Err(CallError::Unknown(limit))));
        assert!(held.try_recv().is_err() && young.try_recv().is_err());
    }
}
