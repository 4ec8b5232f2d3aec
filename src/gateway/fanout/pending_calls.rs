//! The calls of HTTP requests. The reply to such a call is a value for a waiting task instead of a frame for a socket.
//!
//! A call is registered before it goes to the hub, under a number that its [`ReplyTo`](deskbell_core::effect::ReplyTo)
//! carries back. On the hub's thread the fan-out completes it. A notify may wait longer, for the outcome.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use deskbell_core::NotificationId;
use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::protocol::ErrorCode;

/// The hub's reply to one call: its meaning, and the JSON as the wire has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallReply {
    pub(crate) kind: CallReplyKind,
    pub(crate) json: Bytes,
}

/// What a reply means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallReplyKind {
    /// The hub has the notification.
    Ack(NotificationId),
    /// The call is done.
    Done,
    /// Nothing was done.
    Refused {
        code: ErrorCode,
        /// When the same call may succeed, in milliseconds.
        retry_after_ms: Option<u64>,
    },
}

/// The calls that wait, by number. There are at most as many as requests under way
/// ([`REQUESTS_MAX`](crate::gateway::shared::bounds::REQUESTS_MAX)): a call is removed with the task that waits for it.
#[derive(Debug, Default)]
pub(crate) struct PendingCalls(Mutex<CallTable>);

#[derive(Debug, Default)]
struct CallTable {
    last_number: u64,
    calls: HashMap<u64, PendingCall>,
    /// The acknowledged calls of each notification without an outcome.
    by_notification: HashMap<NotificationId, Vec<u64>>,
}

#[derive(Debug)]
struct PendingCall {
    /// The serial of the HTTP provider that made the call.
    connection: u64,
    /// `None` once it is used.
    reply: Option<oneshot::Sender<CallReply>>,
    outcome: Option<oneshot::Sender<Bytes>>,
    notification: Option<NotificationId>,
}

/// The waiting end of one call. Dropping it removes the call.
#[derive(Debug)]
pub(crate) struct WaitingCall {
    calls: Arc<PendingCalls>,
    pub(crate) number: u64,
    /// The reply; an error if the provider's connection to the hub ended first.
    pub(crate) reply: oneshot::Receiver<CallReply>,
    /// The JSON of the result, after an ack; an error as for `reply`.
    pub(crate) outcome: oneshot::Receiver<Bytes>,
}

/// The provider's connection ended before the outcome came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended;

impl WaitingCall {
    /// The outcome, if it is there already.
    ///
    /// # Errors
    /// [`Ended`]. The outcome must not be awaited then: a oneshot panics if it is polled after it has told its end.
    pub(crate) fn outcome_now(&mut self) -> Result<Option<Bytes>, Ended> {
        match self.outcome.try_recv() {
            Ok(json) => Ok(Some(json)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Closed) => Err(Ended),
        }
    }
}

/// A reply that is ready and not handed over yet.
pub(crate) type HeldReply = (oneshot::Sender<CallReply>, CallReply);

impl PendingCalls {
    /// Registers a call of the connection `connection`.
    pub(crate) fn register(self: &Arc<Self>, connection: u64) -> WaitingCall {
        let (send_reply, reply) = oneshot::channel();
        let (send_outcome, outcome) = oneshot::channel();
        let mut table = self.lock();
        table.last_number += 1;
        let number = table.last_number;
        let call = PendingCall { connection, reply: Some(send_reply), outcome: Some(send_outcome), notification: None };
        table.calls.insert(number, call);
        WaitingCall { calls: Arc::clone(self), number, reply, outcome }
    }

    /// Takes the reply for the call `number`, if it still waits. After an ack the call waits for the outcome. The caller
    /// hands the reply over when everything of the same record is applied, and after the outcomes of that record, so that
    /// the task finds an outcome that belongs to the same record as the ack.
    #[must_use]
    pub(crate) fn reply(&self, number: u64, reply: CallReply) -> Option<HeldReply> {
        let mut table = self.lock();
        let table = &mut *table;
        let call = table.calls.get_mut(&number)?;
        let sender = call.reply.take()?;
        if let CallReplyKind::Ack(id) = reply.kind {
            call.notification = Some(id);
            table.by_notification.entry(id).or_default().push(number);
        }
        Some((sender, reply))
    }

    /// Whether any call waits for the outcome of this notification.
    pub(crate) fn awaits(&self, id: NotificationId) -> bool {
        self.lock().by_notification.contains_key(&id)
    }

    /// Takes all calls that wait for the outcome of this notification. The caller hands the outcome over when the whole
    /// record is applied.
    #[must_use]
    pub(crate) fn settled(&self, id: NotificationId) -> Vec<oneshot::Sender<Bytes>> {
        let mut table = self.lock();
        let numbers = table.by_notification.remove(&id).unwrap_or_default();
        numbers.into_iter().filter_map(|number| table.calls.get_mut(&number)?.outcome.take()).collect()
    }

    /// Ends all calls of a connection: their tasks receive an error.
    pub(crate) fn end_all_of(&self, connection: u64) {
        let mut table = self.lock();
        let numbers: Vec<u64> =
            table.calls.iter().filter(|(_, call)| call.connection == connection).map(|(number, _)| *number).collect();
        for number in numbers {
            table.remove(number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, CallTable> {
        // The table is consistent after every statement that can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallTable {
    fn remove(&mut self, number: u64) {
        let Some(call) = self.calls.remove(&number) else { return };
        if let Some(id) = call.notification
            && let Some(numbers) = self.by_notification.get_mut(&id)
        {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.by_notification.remove(&id);
            }
        }
    }
}

impl Drop for WaitingCall {
    fn drop(&mut self) {
        self.calls.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTION: u64 = 7;

    fn ack(id: u128) -> CallReply {
        CallReply { kind: CallReplyKind::Ack(NotificationId(id)), json: Bytes::from_static(b"ack") }
    }

    fn done() -> CallReply {
        CallReply { kind: CallReplyKind::Done, json: Bytes::from_static(b"done") }
    }

    fn answer(calls: &PendingCalls, number: u64, reply: CallReply) {
        if let Some((sender, reply)) = calls.reply(number, reply) {
            let _ = sender.send(reply);
        }
    }

    #[test]
    fn each_reply_reaches_its_own_call_whatever_the_order() {
        let calls = Arc::<PendingCalls>::default();
        let (mut one, mut two) = (calls.register(CONNECTION), calls.register(CONNECTION));
        answer(&calls, two.number, done());
        answer(&calls, one.number, ack(1));
        assert_eq!(two.reply.try_recv(), Ok(done()));
        assert_eq!(one.reply.try_recv(), Ok(ack(1)));
        answer(&calls, one.number, done());
        assert!(one.reply.try_recv().is_err(), "a call has one reply");
        answer(&calls, 99, done());
    }

    #[test]
    fn an_outcome_reaches_every_call_that_was_acknowledged_and_no_other() {
        let calls = Arc::<PendingCalls>::default();
        let mut waiting: Vec<_> = (0..3).map(|_| calls.register(CONNECTION)).collect();
        answer(&calls, waiting[0].number, ack(1));
        answer(&calls, waiting[1].number, ack(1));
        answer(&calls, waiting[2].number, ack(2));
        let taken = calls.settled(NotificationId(1));
        assert!(waiting.iter_mut().all(|call| call.outcome_now() == Ok(None)), "the caller hands it over");
        for sender in taken {
            sender.send(Bytes::from_static(b"result")).unwrap();
        }
        let outcomes: Vec<_> = waiting.iter_mut().map(WaitingCall::outcome_now).collect();
        let result = Bytes::from_static(b"result");
        assert_eq!(outcomes, [Ok(Some(result.clone())), Ok(Some(result)), Ok(None)]);
        assert!(!calls.awaits(NotificationId(1)) && calls.awaits(NotificationId(2)));
    }

    #[test]
    fn the_calls_of_a_connection_that_ends_fail_and_those_of_others_do_not() {
        let calls = Arc::<PendingCalls>::default();
        let (mut acked, mut open, mut other) =
            (calls.register(CONNECTION), calls.register(CONNECTION), calls.register(CONNECTION + 1));
        answer(&calls, acked.number, ack(1));
        calls.end_all_of(CONNECTION);
        assert_eq!(acked.outcome_now(), Err(Ended));
        assert_eq!(open.reply.try_recv(), Err(TryRecvError::Closed));
        assert_eq!(other.reply.try_recv(), Err(TryRecvError::Empty));
    }

    #[test]
    fn calls_without_a_waiting_task_are_removed() {
        let calls = Arc::<PendingCalls>::default();
        for id in 0..1_000 {
            let call = calls.register(CONNECTION);
            if id % 2 == 0 {
                answer(&calls, call.number, ack(id));
            }
            drop(call);
        }
        let table = calls.lock();
        assert!(table.calls.is_empty() && table.by_notification.is_empty());
    }
}
