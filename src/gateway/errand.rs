//! What requests by HTTP have done for them, and by whom: the envoys, by provider.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use deskbell_core::{Name, NotificationId};
use tokio::sync::{mpsc, oneshot};

use super::settings::{ENVOYS_MAX, ERRANDS_PER_ENVOY_MAX};
use crate::protocol::http::{self, Told};
use crate::protocol::{CallName, Close, ErrorCode};

/// One request's business.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) asks: Asks,
    /// The call's name, for what is refused before it is one.
    pub(super) call: Option<CallName>,
    /// When the request's token ends, in milliseconds since 1970.
    pub(super) ends_ms: Option<u64>,
    pub(super) asked: Asked,
}

/// When somebody who was refused for the hub's sake should ask again, in milliseconds.
pub(super) const AGAIN_MS: u64 = 1_000;

impl Errand {
    /// It was not begun.
    pub(super) fn turn_down(self) {
        let (code, detail) = (ErrorCode::Unavailable, "the hub takes nothing at the moment; nothing was done");
        let json = http::refusal(self.call, code, detail, Some(AGAIN_MS));
        // Whoever asked may have gone.
        let _ = self.asked.reply.send((Told::Refused { code, retry_after_ms: Some(AGAIN_MS) }, json.into()));
    }
}

/// What it is.
#[derive(Debug)]
pub(super) enum Asks {
    /// To say this message.
    Say(String),
    /// To learn what became of a notification.
    Recall(NotificationId),
}

/// Who waits for the hub's words about it. Both are dropped untold when the envoy ends.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) reply: oneshot::Sender<(Told, Bytes)>,
    /// Told if the reply is an ack.
    pub(super) outcome: oneshot::Sender<Bytes>,
}

/// Why an envoy ended: the close code of its connection; 0: none was said.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending(Arc<AtomicU16>);

impl Ending {
    pub(super) fn set(&self, code: u16) {
        self.0.store(code, Relaxed);
    }

    pub(super) fn code(&self) -> u16 {
        self.0.load(Relaxed)
    }

    /// Whether the provider was shown out: the same request would be, too.
    pub(super) fn is_final(&self) -> bool {
        [Close::BadToken, Close::NotAllowed].iter().any(|why| why.code() == self.code())
    }
}

/// A way to an envoy. Who has one keeps it at its post.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) errands: mpsc::Sender<Errand>,
    pub(super) ending: Ending,
}

/// Whose envoy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Principal {
    pub(super) workspace: Name,
    pub(super) provider: Name,
}

/// The envoys at their posts, at most [`ENVOYS_MAX`].
#[derive(Debug, Default)]
pub(super) struct Envoys(Mutex<HashMap<Principal, Way>>);

impl Envoys {
    /// The way to the principal's envoy; if there is none, `hire` sends one out.
    ///
    /// # Errors
    /// What `hire` says; nothing, if there are as many as there may be.
    pub(super) fn find_or_hire<E>(
        &self,
        principal: &Principal,
        hire: impl FnOnce(mpsc::Receiver<Errand>, Ending) -> Result<(), E>,
    ) -> Result<Way, Option<E>> {
        let mut envoys = self.lock();
        if let Some(way) = envoys.get(principal).filter(|way| !way.errands.is_closed()) {
            return Ok(way.clone());
        }
        if envoys.len() >= ENVOYS_MAX {
            return Err(None);
        }
        let (errands, receiver) = mpsc::channel(ERRANDS_PER_ENVOY_MAX);
        let way = Way { errands, ending: Ending::default() };
        hire(receiver, way.ending.clone()).map_err(Some)?;
        envoys.insert(principal.clone(), way.clone());
        Ok(way)
    }

    /// The envoy may go home, if nobody but this list has a way to it; then it is off the list.
    pub(super) fn relieve(&self, principal: &Principal) -> bool {
        let mut envoys = self.lock();
        let idle = envoys.get(principal).is_none_or(|way| way.errands.strong_count() == 1);
        if idle {
            envoys.remove(principal);
        }
        idle
    }

    /// The envoy whose receiver is closed is no more; another may stand in its place already.
    pub(super) fn forget(&self, principal: &Principal) {
        let mut envoys = self.lock();
        if envoys.get(principal).is_some_and(|way| way.errands.is_closed()) {
            envoys.remove(principal);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Principal, Way>> {
        // Whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(name: &str) -> Principal {
        Principal { workspace: "default".into(), provider: name.into() }
    }

    #[test]
    fn an_envoy_stays_while_somebody_has_a_way_to_it() {
        let envoys = Envoys::default();
        let mut kept = Vec::new();
        let mut hire = |receiver, _| {
            kept.push(receiver);
            Ok::<_, ()>(())
        };
        let way = envoys.find_or_hire(&principal("bot"), &mut hire).unwrap();
        let same = envoys.find_or_hire(&principal("bot"), &mut hire).unwrap();
        assert!(way.errands.same_channel(&same.errands));
        assert!(!envoys.relieve(&principal("bot")));
        drop((way, same));
        assert!(envoys.relieve(&principal("bot")) && envoys.lock().is_empty());
        assert_eq!(kept.len(), 1);
    }

    #[test]
    fn one_that_ended_is_replaced_and_there_are_so_many_and_no_more() {
        let envoys = Envoys::default();
        let mut kept = Vec::new();
        let ended = envoys.find_or_hire(&principal("0"), |_, _| Ok::<_, ()>(())).unwrap();
        assert!(ended.errands.is_closed());
        for number in 0..ENVOYS_MAX {
            let hire = |receiver, _| {
                kept.push(receiver);
                Ok::<_, ()>(())
            };
            envoys.find_or_hire(&principal(&number.to_string()), hire).unwrap();
        }
        assert!(matches!(envoys.find_or_hire(&principal("more"), |_, _| Ok::<_, ()>(())), Err(None)));
        kept.clear();
        envoys.forget(&principal("7"));
        assert!(matches!(envoys.find_or_hire(&principal("more"), |_, _| Err("no")), Err(Some("no"))));
    }
}
