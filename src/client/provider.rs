//! A provider: raises notifications and learns their outcomes.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, oneshot};

use super::address::Address;
use super::calls::{Call, Waiting};
use super::error::{CallError, ConnectError, Ended};
use super::line::Line;
use super::link::{Asked, Link, Peer, Status};
use super::notify::Notify;
use super::options::ProviderOptions;
use crate::protocol::inbound::{Body, ClientMessage, Envelope, Hello, HelloRole, ResumeFrom};
use crate::protocol::outbound::received::{CallResult, Reach, Welcome};
use crate::protocol::{CallName, HubMessage, Outcome, encode_inbound};

/// Outcomes that a slow [`Results`] may be behind.
const RESULTS_BEHIND_MAX: usize = 1024;
/// Notifications whose outcome was told, so that one that comes again is not told twice.
const RESULTS_REMEMBERED: usize = 10_000;

/// A provider's connection to the hub. Clones are handles of the same one, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct Provider {
    line: Line,
    shared: Arc<Mutex<Shared>>,
    results: broadcast::WeakSender<NotifyResult>,
}

/// What the hub says that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acked {
    /// The notification.
    pub notification_id: String,
    /// The notify's correlationId, or the one that the hub minted.
    pub correlation_id: Option<String>,
    /// The hub had it already, under the same id.
    pub duplicate: bool,
}

/// How a notification ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyResult {
    /// The notification.
    pub notification_id: String,
    /// The id that it was raised under.
    pub id: Option<String>,
    /// The notify's correlationId, or the one that the hub minted.
    pub correlation_id: Option<String>,
    /// How.
    pub outcome: Outcome,
    /// Whose answer settled it, or for whom it was accepted; `None` if nobody's.
    pub agent_id: Option<String>,
    /// The session that starts; of an accept only.
    pub session_id: Option<String>,
    /// The reason given with the reject that settled it.
    pub decline_reason: Option<String>,
    /// The notify's.
    pub cancellation_token: Option<String>,
    /// From its arrival at the hub until it was settled, in whole milliseconds.
    pub elapsed: Duration,
    /// Whether nobody was there, nobody looked, or they looked and let it pass.
    pub reach: Reach,
    /// For [`ProviderOptions::resume_after`].
    pub position: Option<String>,
}

/// What became of the notification that a cancel named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelResult {
    /// The notification.
    pub notification_id: Option<String>,
    /// [`Outcome::Cancelled`], or the outcome that came first.
    pub outcome: Outcome,
}

impl Provider {
    /// Connects, and returns when the hub has welcomed this provider.
    ///
    /// # Errors
    /// [`ConnectError`], if the hub sends this provider away, or none is there within
    /// [`Tuning::connect_within`](super::Tuning::connect_within).
    pub async fn connect(url: &str, options: ProviderOptions) -> Result<Self, ConnectError> {
        Self::connect_with_results(url, options).await.map(|(provider, _)| provider)
    }

    /// As [`connect`](Self::connect), and gives every outcome from the first one on, with those that the hub tells
    /// right after its welcome because of [`ProviderOptions::resume_after`] or [`ProviderOptions::resume_all`].
    ///
    /// ```no_run
    /// # use deskbell::client::{Provider, ProviderOptions};
    /// # async fn resume(position: String) -> Result<(), Box<dyn std::error::Error>> {
    /// let options = ProviderOptions::new().id("chat-bot-1").resume_after(position);
    /// let (provider, mut results) = Provider::connect_with_results("ws://127.0.0.1:8080/ws", options).await?;
    /// while let Some(result) = results.next().await {
    ///     println!("{} ended with {:?}", result.notification_id, result.outcome);
    ///     // Kept until the next start.
    ///     let position = provider.position();
    /// #   let _ = position;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As of [`connect`](Self::connect).
    pub async fn connect_with_results(url: &str, options: ProviderOptions) -> Result<(Self, Results), ConnectError> {
        let address = Address::parse(url)?.trusting(&options.trust)?;
        let (results, told) = broadcast::channel(RESULTS_BEHIND_MAX);
        let shared = Arc::new(Mutex::new(Shared { id: options.id, position: options.resume, missed: false }));
        let weak = results.downgrade();
        let side = Side { shared: Arc::clone(&shared), results, resume_all: options.resume_all, told: Told::default() };
        let within = options.tuning.connect_within;
        let line = Line::open(|asked, status| Link::new(address, side, options.token, options.tuning, asked, status));
        line.connected(within).await?;
        Ok((Self { line, shared, results: weak }, Results { results: told }))
    }

    /// Raises a notification and waits for its outcome, however long that takes.
    ///
    /// # Errors
    /// [`CallError`], if the hub refuses it, or its outcome cannot be known any more.
    pub async fn notify(&self, notify: Notify) -> Result<NotifyResult, CallError> {
        self.ring(notify).await?.outcome().await
    }

    /// Raises a notification; the handle tells when the hub holds it, and how it ends. Dropping the handle withdraws
    /// nothing.
    ///
    /// ```no_run
    /// # use deskbell::client::{Notify, Provider, ProviderOptions};
    /// # async fn ring(provider: Provider) -> Result<(), deskbell::client::CallError> {
    /// let mut ring = provider.ring(Notify::template("msdyn_call_incoming").cancellation_token("call-17")).await?;
    /// println!("the hub holds it as {}", ring.acked().await?.notification_id);
    /// println!("it ended with {:?}", ring.outcome().await?.outcome);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CallError::Ended`], if this provider is over.
    pub async fn ring(&self, notify: Notify) -> Result<Ring, CallError> {
        let (id, text) = notify.into_text();
        let (acked, wait_acked) = oneshot::channel();
        let (done, wait_done) = oneshot::channel();
        self.line.ask(Asked::Call(Call { id, text, waiting: Waiting { acked: Some(acked), done } })).await?;
        Ok(Ring { line: self.line.clone(), acked: Known::Awaited(wait_acked), done: wait_done })
    }

    /// Withdraws this provider's notification that bears the token.
    ///
    /// # Errors
    /// [`CallError`]; `notFound` if the hub holds none, open or lately settled.
    pub async fn cancel(&self, cancellation_token: &str) -> Result<CancelResult, CallError> {
        let result = self.line.result(Body::Cancel { cancellation_token: cancellation_token.into() }).await?;
        let outcome = result.value.ok_or(CallError::Nonsense)?;
        Ok(CancelResult { notification_id: result.notification_id, outcome })
    }

    /// Marks a session as in breach at every agent, with details of at most 512 bytes for them to read.
    ///
    /// # Errors
    /// [`CallError`], if the hub refuses it or this provider is over.
    pub async fn kpi(&self, session_id: &str, details: Option<&str>) -> Result<(), CallError> {
        let details = details.map(Into::into);
        self.line.result(Body::Kpi { session_id: session_id.into(), should_reset: false, details }).await.map(drop)
    }

    /// Clears that mark.
    ///
    /// # Errors
    /// [`CallError`], if the hub refuses it or this provider is over.
    pub async fn reset_kpi(&self, session_id: &str) -> Result<(), CallError> {
        self.line.result(Body::Kpi { session_id: session_id.into(), should_reset: true, details: None }).await.map(drop)
    }

    /// Sets a session's unread count at its agent.
    ///
    /// # Errors
    /// [`CallError`]; `notFound` if the hub knows no such session.
    pub async fn activity(&self, session_id: &str, count: u32) -> Result<(), CallError> {
        self.line.result(Body::Activity { session_id: session_id.into(), count }).await.map(drop)
    }

    /// Ends a session of this provider.
    ///
    /// # Errors
    /// [`CallError`]; `notFound` if there is no such session, `notAllowed` if it is another provider's.
    pub async fn end_session(&self, session_id: &str) -> Result<(), CallError> {
        self.line.result(Body::EndSession { session_id: session_id.into() }).await.map(drop)
    }

    /// Shows the hub a fresh token before the old one expires, and uses it from now on.
    ///
    /// # Errors
    /// [`CallError`], if the hub does not take the token, or it is for somebody else.
    pub async fn refresh(&self, token: &str) -> Result<(), CallError> {
        self.line.refresh(token).await
    }

    /// Every outcome of this provider's notifications from now on, each once, also those that another connection of the
    /// same name raised, or this one before a restart.
    #[must_use]
    pub fn results(&self) -> Results {
        let ended = || broadcast::channel(1).1;
        Results { results: self.results.upgrade().map_or_else(ended, |results| results.subscribe()) }
    }

    /// Its name: as it was given, or as the hub minted it.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        lock(&self.shared).id.clone()
    }

    /// After which outcome to resume, for [`ProviderOptions::resume_after`] of the next process.
    #[must_use]
    pub fn position(&self) -> Option<String> {
        lock(&self.shared).position.clone()
    }

    /// Whether the hub said, on any connection so far, that it had forgotten outcomes that this provider missed.
    #[must_use]
    pub fn missed(&self) -> bool {
        lock(&self.shared).missed
    }

    /// How it stands with the hub.
    #[must_use]
    pub fn status(&self) -> Status {
        self.line.status.borrow().clone()
    }

    /// Waits until it is over for good, and tells why.
    pub async fn ended(&self) -> Ended {
        self.line.ended().await
    }
}

/// A notification that was raised.
#[derive(Debug)]
pub struct Ring {
    /// Keeps the connection until this handle is dropped too.
    line: Line,
    acked: Known,
    done: oneshot::Receiver<Result<HubMessage, CallError>>,
}

#[derive(Debug)]
enum Known {
    Awaited(oneshot::Receiver<Result<crate::protocol::outbound::received::Ack, CallError>>),
    Told(Result<Acked, CallError>),
}

impl Ring {
    /// Waits until the hub holds it; from then on it will be answered with exactly one outcome. Asked again, tells the
    /// same.
    ///
    /// # Errors
    /// [`CallError`], if the hub refuses it.
    pub async fn acked(&mut self) -> Result<Acked, CallError> {
        if let Known::Awaited(acked) = &mut self.acked {
            let told = match acked.await {
                Ok(ack) => ack.map(|ack| Acked {
                    notification_id: ack.notification_id,
                    correlation_id: ack.correlation_id,
                    duplicate: ack.duplicate,
                }),
                // Settled without one: its result came by the way of another connection's ack.
                Err(_) => Err(self.line.gone()),
            };
            self.acked = Known::Told(told);
        }
        match &self.acked {
            Known::Told(told) => told.clone(),
            Known::Awaited(_) => Err(CallError::Nonsense),
        }
    }

    /// Waits for its outcome.
    ///
    /// # Errors
    /// [`CallError`], if the hub refuses it, or its outcome cannot be known any more.
    pub async fn outcome(self) -> Result<NotifyResult, CallError> {
        match self.done.await {
            Ok(Ok(HubMessage::Result(result))) => notify_result(*result).ok_or(CallError::Nonsense),
            Ok(Ok(_)) => Err(CallError::Nonsense),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.line.gone()),
        }
    }
}

/// Outcomes, as they come.
#[derive(Debug)]
pub struct Results {
    results: broadcast::Receiver<NotifyResult>,
}

impl Results {
    /// The next outcome; `None` when the provider is over. Who is more than 1 024 behind misses the oldest.
    pub async fn next(&mut self) -> Option<NotifyResult> {
        loop {
            match self.results.recv().await {
                Ok(result) => return Some(result),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// What the task tells the handles.
#[derive(Debug)]
struct Shared {
    id: Option<String>,
    position: Option<String>,
    missed: bool,
}

/// The provider's side of the task.
struct Side {
    shared: Arc<Mutex<Shared>>,
    results: broadcast::Sender<NotifyResult>,
    resume_all: bool,
    told: Told,
}

impl Peer for Side {
    fn hello(&self, token: Option<&str>) -> String {
        let shared = lock(&self.shared);
        let resume = match &shared.position {
            Some(position) => ResumeFrom::After(position.as_str().into()),
            None if self.resume_all => ResumeFrom::All,
            None => ResumeFrom::Nothing,
        };
        let role = HelloRole::Provider { provider_id: shared.id.as_deref().map(Into::into), resume };
        let hello = Hello { role, token: token.map(Into::into) };
        encode_inbound(&ClientMessage { envelope: Envelope::default(), body: Body::Hello(hello) })
    }

    fn welcomed(&mut self, welcome: Welcome) {
        // Who was here once wants all that is settled while it is away.
        self.resume_all = true;
        let mut shared = lock(&self.shared);
        shared.id = welcome.provider_id;
        shared.missed |= welcome.missed;
    }

    fn received(&mut self, message: &HubMessage) {
        if let HubMessage::Result(result) = message
            && result.call == Some(CallName::NotifyEvent)
            && let Some(result) = notify_result((**result).clone())
        {
            if result.position.is_some() {
                lock(&self.shared).position.clone_from(&result.position);
            }
            if self.told.is_new(&result.notification_id) {
                // Nobody may be listening.
                let _ = self.results.send(result);
            }
        }
    }
}

/// Notifications whose outcome was told, the oldest first; at most [`RESULTS_REMEMBERED`].
#[derive(Debug, Default)]
struct Told {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Told {
    fn is_new(&mut self, notification_id: &str) -> bool {
        let new = self.known.insert(notification_id.to_owned());
        if new {
            self.order.push_back(notification_id.to_owned());
            if self.order.len() > RESULTS_REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        new
    }
}

fn notify_result(result: CallResult) -> Option<NotifyResult> {
    Some(NotifyResult {
        notification_id: result.notification_id?,
        id: result.id,
        correlation_id: result.correlation_id,
        outcome: result.value?,
        agent_id: result.agent_id,
        session_id: result.session_id,
        decline_reason: result.decline_reason,
        cancellation_token: result.cancellation_token,
        elapsed: Duration::from_millis(result.elapsed_ms.unwrap_or(0)),
        reach: result.reach.unwrap_or_default(),
        position: result.position,
    })
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    // Whoever panicked with it had only read or set single fields.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_told_once_and_only_so_many_are_remembered() {
        let mut told = Told::default();
        assert!(told.is_new("a") && !told.is_new("a"));
        for number in 0..RESULTS_REMEMBERED {
            assert!(told.is_new(&number.to_string()));
        }
        assert_eq!((told.known.len(), told.order.len()), (RESULTS_REMEMBERED, RESULTS_REMEMBERED));
        assert!(told.is_new("a"));
    }
}
