//! What requests by HTTP have done for them, and by whom: the http_providers, by provider.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::gateway::shared::settings::{CALLS_PER_HTTP_PROVIDER_MAX, HTTP_PROVIDERS_MAX};
use crate::protocol::http::{self, Told};
use crate::protocol::{CallName, Close, ErrorCode};
use deskbell_core::{Name, NotificationId};

/// One request's business.
#[derive(Debug)]
pub(crate) struct PendingCall {
    pub(crate) asks: CallKind,
    /// The call's name, for what is refused before it is one.
    pub(crate) call: Option<CallName>,
    /// When the request's token ends, in milliseconds since 1970.
    pub(crate) ends_ms: Option<u64>,
    pub(crate) asked: CallSender,
}

/// When somebody who was refused for the hub's sake should ask again, in milliseconds.
pub(crate) const AGAIN_MS: u64 = 1_000;

impl PendingCall {
    /// It was not begun.
    pub(crate) fn turn_down(self) {
        let (code, detail) = (ErrorCode::Unavailable, "the hub takes nothing at the moment; nothing was done");
        let json = http::refusal(self.call, code, detail, Some(AGAIN_MS));
        // Whoever asked may have gone.
        let _ = self.asked.reply.send((Told::Refused { code, retry_after_ms: Some(AGAIN_MS) }, json.into()));
    }
}

/// What it is.
#[derive(Debug)]
pub(crate) enum CallKind {
    /// To say this message.
    Say(String),
    /// To learn what became of a notification.
    Recall(NotificationId),
}

/// Where the replies to one call go. Both senders are dropped without a reply when the provider's connection ends.
#[derive(Debug)]
pub(crate) struct CallSender {
    pub(crate) reply: oneshot::Sender<(Told, Bytes)>,
    /// Gets the reply if it is an `ack`.
    pub(crate) outcome: oneshot::Sender<Bytes>,
}

/// Why an envoy ended: the close code of its connection; 0: none was said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending(Arc<AtomicU16>);

impl Ending {
    pub(crate) fn set(&self, code: u16) {
        self.0.store(code, Relaxed);
    }

    pub(crate) fn code(&self) -> u16 {
        self.0.load(Relaxed)
    }

    /// Whether the provider was shown out: the same request would be, too.
    pub(crate) fn is_final(&self) -> bool {
        [Close::BadToken, Close::NotAllowed].iter().any(|why| why.code() == self.code())
    }
}

/// Sends calls to the connection of an HTTP provider. The connection stays while a sender exists.
#[derive(Debug, Clone)]
pub(crate) struct CallQueue {
    pub(crate) errands: mpsc::Sender<PendingCall>,
    pub(crate) ending: Ending,
}

/// Whose envoy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ProviderKey {
    pub(crate) workspace: Name,
    pub(crate) provider: Name,
}

/// The http_providers at their posts, at most [`HTTP_PROVIDERS_MAX`].
#[derive(Debug, Default)]
pub(crate) struct HttpProviders(Mutex<HashMap<ProviderKey, CallQueue>>);

impl HttpProviders {
    /// The way to the principal's envoy; if there is none, `find_or_join` sends one out.
    ///
    /// # Errors
    /// What `find_or_join` says; nothing, if there are as many as there may be.
    pub(crate) fn find_or_join<E>(
        &self,
        principal: &ProviderKey,
        find_or_join: impl FnOnce(mpsc::Receiver<PendingCall>, Ending) -> Result<(), E>,
    ) -> Result<CallQueue, Option<E>> {
        let mut http_providers = self.lock();
        if let Some(way) = http_providers.get(principal).filter(|way| !way.errands.is_closed()) {
            return Ok(way.clone());
        }
        if http_providers.len() >= HTTP_PROVIDERS_MAX {
            return Err(None);
        }
        let (errands, receiver) = mpsc::channel(CALLS_PER_HTTP_PROVIDER_MAX);
        let way = CallQueue { errands, ending: Ending::default() };
        find_or_join(receiver, way.ending.clone()).map_err(Some)?;
        http_providers.insert(principal.clone(), way.clone());
        Ok(way)
    }

    /// The envoy may go home, if nobody but this list has a way to it; then it is off the list.
    pub(crate) fn leave_if_idle(&self, principal: &ProviderKey) -> bool {
        let mut http_providers = self.lock();
        let idle = http_providers.get(principal).is_none_or(|way| way.errands.strong_count() == 1);
        if idle {
            http_providers.remove(principal);
        }
        idle
    }

    /// The envoy whose receiver is closed is no more; another may stand in its place already.
    pub(crate) fn forget(&self, principal: &ProviderKey) {
        let mut http_providers = self.lock();
        if http_providers.get(principal).is_some_and(|way| way.errands.is_closed()) {
            http_providers.remove(principal);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProviderKey, CallQueue>> {
        // Whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(name: &str) -> ProviderKey {
        ProviderKey { workspace: "default".into(), provider: name.into() }
    }

    #[test]
    fn an_envoy_stays_while_somebody_has_a_way_to_it() {
        let http_providers = HttpProviders::default();
        let mut kept = Vec::new();
        let mut find_or_join = |receiver, _| {
            kept.push(receiver);
            Ok::<_, ()>(())
        };
        let way = http_providers.find_or_join(&principal("bot"), &mut find_or_join).unwrap();
        let same = http_providers.find_or_join(&principal("bot"), &mut find_or_join).unwrap();
        assert!(way.errands.same_channel(&same.errands));
        assert!(!http_providers.leave_if_idle(&principal("bot")));
        drop((way, same));
        assert!(http_providers.leave_if_idle(&principal("bot")) && http_providers.lock().is_empty());
        assert_eq!(kept.len(), 1);
    }

    #[test]
    fn one_that_ended_is_replaced_and_there_are_so_many_and_no_more() {
        let http_providers = HttpProviders::default();
        let mut kept = Vec::new();
        let ended = http_providers.find_or_join(&principal("0"), |_, _| Ok::<_, ()>(())).unwrap();
        assert!(ended.errands.is_closed());
        for number in 0..HTTP_PROVIDERS_MAX {
            let find_or_join = |receiver, _| {
                kept.push(receiver);
                Ok::<_, ()>(())
            };
            http_providers.find_or_join(&principal(&number.to_string()), find_or_join).unwrap();
        }
        assert!(matches!(http_providers.find_or_join(&principal("more"), |_, _| Ok::<_, ()>(())), Err(None)));
        kept.clear();
        http_providers.forget(&principal("7"));
        assert!(matches!(http_providers.find_or_join(&principal("more"), |_, _| Err("no")), Err(Some("no"))));
    }
}
