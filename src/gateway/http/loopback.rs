//! A connection without a wire: what the hub says to an envoy goes straight to the requests that wait for it.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use crate::gateway::fanout::socket::Socket;
use crate::gateway::http::pending_calls::{CallSender, Ending};
use crate::protocol::frame::{self, Frame};
use crate::protocol::http::{Told, told};

/// Notifications with waiting requests at which the first look is taken for requests that have gone.
const SWEEP_FIRST: usize = 64;

/// A reply and its JSON.
type Answer = (Told, Bytes);

/// An envoy's end of its connection. It takes everything at once, so nothing ever waits in its outbox.
#[derive(Debug)]
pub(crate) struct Loopback {
    state: Mutex<State>,
    /// Told when the call under way is answered.
    answered: Notify,
    ending: Ending,
}

#[derive(Debug)]
struct State {
    /// The call under way: one at a time, so that every reply is to it.
    asked: Option<CallSender>,
    /// The reply to it, told when all that came together with it has been heard: an outcome that came right behind the
    /// ack is there when the request looks for it.
    ready: Option<(oneshot::Sender<Answer>, Answer)>,
    /// By notification: who waits for its outcome. At most as many as there are requests, and twice as many again that
    /// have gone.
    waiting: HashMap<String, Vec<oneshot::Sender<Bytes>>>,
    sweep_at: usize,
}

impl Loopback {
    pub(crate) fn new(ending: Ending) -> Self {
        let state = State { asked: None, ready: None, waiting: HashMap::new(), sweep_at: SWEEP_FIRST };
        Self { state: Mutex::new(state), answered: Notify::new(), ending }
    }

    /// The next reply is for this one.
    pub(crate) fn expect(&self, asked: CallSender) {
        self.lock().asked = Some(asked);
    }

    /// Waits until the call under way is answered. For the envoy's own task.
    pub(crate) async fn answered(&self) {
        let is_open = |state: &State| state.asked.is_some() || state.ready.is_some();
        while is_open(&self.lock()) {
            self.answered.notified().await;
        }
    }

    /// The connection is over: whoever waits is told so.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.asked = None;
        state.ready = None;
        state.waiting.clear();
    }

    fn hear(&self, text: &[u8]) {
        let told = told(text);
        let json = || Bytes::copy_from_slice(text);
        let mut state = self.lock();
        match &told {
            Told::Outcome(id) => {
                let waiting = state.waiting.remove(id).unwrap_or_default();
                let json = json();
                for request in waiting {
                    // One that has gone asks again, or does not care.
                    let _ = request.send(json.clone());
                }
            }
            Told::Ack(_) | Told::Done | Told::Refused { .. } => {
                let Some(CallSender { reply, outcome }) = state.asked.take() else { return };
                if let Told::Ack(id) = &told {
                    state.wait(id, outcome);
                }
                state.ready = Some((reply, (told, json())));
            }
            Told::Other => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self, id: &str, outcome: oneshot::Sender<Bytes>) {
        let requests = self.waiting.entry(id.to_owned()).or_default();
        requests.retain(|request| !request.is_closed());
        requests.push(outcome);
        if self.waiting.len() >= self.sweep_at {
            self.waiting.retain(|_, requests| requests.iter().any(|request| !request.is_closed()));
            self.sweep_at = SWEEP_FIRST.max(self.waiting.len() * 2);
        }
    }
}

impl Socket for Loopback {
    /// Nothing is sent this way: an envoy hands in what it has to say.
    fn poll_read(&self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // Whole frames, since none was ever refused.
        for slice in slices {
            let mut rest: &[u8] = slice;
            while let Some((frame, backend)) = frame::read(rest) {
                match frame {
                    Frame::Text(text) => self.hear(text),
                    Frame::Close(code) => {
                        self.ending.set(code);
                        self.end();
                    }
                    Frame::Other => {}
                }
                rest = backend;
            }
        }
        if let Some((request, reply)) = self.lock().ready.take() {
            // One that has gone asks again, or does not care.
            let _ = request.send(reply);
            self.answered.notify_one();
        }
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    async fn writable(&self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::outbound::{Ack, DoneResult, ErrorReply};
    use crate::protocol::{CallName, Close, Envelope, ErrorCode, NotificationId};

    type Waits = (oneshot::Receiver<(Told, Bytes)>, oneshot::Receiver<Bytes>);

    fn ask(inside: &Loopback) -> Waits {
        let (reply, replied) = oneshot::channel();
        let (outcome, ended) = oneshot::channel();
        inside.expect(CallSender { reply, outcome });
        (replied, ended)
    }

    fn say(inside: &Loopback, frames: &[Bytes]) {
        let all = frames.concat();
        assert_eq!(inside.try_write(&[IoSlice::new(&all)]).unwrap(), all.len());
    }

    fn ack(number: u128) -> Bytes {
        let ids = Envelope::default();
        frame::text(&Ack {
            ids,
            call: CallName::NotifyEvent,
            notification_id: NotificationId(number),
            duplicate: false,
        })
    }

    fn refused() -> Bytes {
        let code = ErrorCode::Limit;
        frame::text(&ErrorReply::new(Envelope::default(), None, code, ""))
    }

    #[test]
    fn each_reply_goes_to_the_call_under_way() {
        let inside = Loopback::new(Ending::default());
        say(&inside, &[refused()]);
        let (mut reply, mut outcome) = ask(&inside);
        say(&inside, &[ack(1), refused()]);
        assert!(matches!(reply.try_recv(), Ok((Told::Ack(_), _))));
        assert!(outcome.try_recv().is_err());
        let (mut reply, _) = ask(&inside);
        say(&inside, &[frame::text(&DoneResult { ids: Envelope::default(), call: None, value: () })]);
        assert!(matches!(reply.try_recv(), Ok((Told::Done, _))));
    }

    #[test]
    fn who_waits_when_it_ends_is_told_so() {
        let ending = Ending::default();
        let inside = Loopback::new(ending.clone());
        let (_, mut outcome) = ask(&inside);
        say(&inside, &[ack(1)]);
        let (mut reply, _) = ask(&inside);
        say(&inside, &[frame::close(Close::LogSilent)]);
        assert_eq!(ending.code(), 1013);
        assert_eq!(reply.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(outcome.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    #[test]
    fn those_who_have_gone_are_not_kept() {
        let inside = Loopback::new(Ending::default());
        for number in 0..10_000 {
            drop(ask(&inside));
            say(&inside, &[ack(number)]);
        }
        assert!(inside.lock().waiting.len() <= SWEEP_FIRST);
    }
}
