//! A provider: raises notifications and receives their outcomes.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use deskbell_protocol::inbound::{Body, ClientMessage, Hello, HelloRole, ResumeFrom};
use deskbell_protocol::outbound::{Ack, CallResult, CancelResult, NotifyResult, WelcomeState};
use deskbell_protocol::{Envelope, HubMessage, NotificationId, encode_inbound};
use tokio::sync::{broadcast, oneshot};

use super::address::Address;
use super::connection::{ConnectionTask, RoleState, Status, TaskRequest};
use super::error::{CallError, ConnectError, EndReason};
use super::handle::TaskHandle;
use super::notify::Notify;
use super::options::ProviderOptions;
use super::pending_calls::{ReplySenders, SentCall};

/// The queue of a slow [`Results`].
const RESULTS_BEHIND_MAX: usize = 1024;
/// The most published results that are remembered, so that a repeated result is not published twice.
const RESULTS_REMEMBERED: usize = 10_000;

/// A handle of a provider's connection to the hub. Clones share the connection, which ends with the last handle.
#[derive(Debug, Clone)]
pub struct Provider {
    task: TaskHandle,
    state: Arc<Mutex<ProviderState>>,
    results: broadcast::WeakSender<NotifyResult<'static>>,
}

impl Provider {
    /// Connects, and returns when the hub has welcomed this provider.
    ///
    /// # Errors
    /// [`ConnectError`] if the hub refuses this provider for good, or does not answer within
    /// [`Tuning::connect_within`](super::Tuning::connect_within).
    pub async fn connect(url: &str, options: ProviderOptions) -> Result<Self, ConnectError> {
        Self::connect_with_results(url, options).await.map(|(provider, _)| provider)
    }

    /// Like [`connect`](Self::connect), and returns a stream of all results. The first are those that the hub sends after
    /// its welcome because of [`ProviderOptions::resume_after`] or [`ProviderOptions::resume_all`].
    ///
    /// ```no_run
    /// # use deskbell_client::{Provider, ProviderOptions};
    /// # async fn resume(position: String) -> Result<(), Box<dyn std::error::Error>> {
    /// let options = ProviderOptions::new().id("chat-bot-1").resume_after(position);
    /// let (provider, mut results) = Provider::connect_with_results("ws://127.0.0.1:8080/ws", options).await?;
    /// while let Some(result) = results.next().await {
    ///     println!("{} ended with {:?}", result.notification_id, result.value);
    ///     // Store it for the next start of this process.
    ///     let position = provider.position();
    /// #   let _ = position;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`connect`](Self::connect).
    pub async fn connect_with_results(url: &str, options: ProviderOptions) -> Result<(Self, Results), ConnectError> {
        let address = Address::parse(url)?.trusting(&options.trust)?;
        let (results, receiver) = broadcast::channel(RESULTS_BEHIND_MAX);
        let state = Arc::new(Mutex::new(ProviderState { id: options.id, position: options.resume, missed: false }));
        let weak = results.downgrade();
        let role = ProviderRole {
            state: Arc::clone(&state),
            results,
            resume_all: options.resume_all,
            published: Published::default(),
        };
        let within = options.tuning.connect_within;
        let (token, tuning) = (options.token, options.tuning);
        let task =
            TaskHandle::start(|requests, status| ConnectionTask::new(address, role, token, tuning, requests, status));
        task.connected(within).await?;
        Ok((Self { task, state, results: weak }, Results { results: receiver }))
    }

    /// Raises a notification and waits for its outcome. There is no time limit.
    ///
    /// # Errors
    /// [`CallError`] if the hub refuses it, or its outcome cannot be known any more.
    pub async fn notify(&self, notify: Notify) -> Result<NotifyResult<'static>, CallError> {
        self.ring(notify).await?.outcome().await
    }

    /// Raises a notification. The returned [`Ring`] waits for the ack and for the outcome. Dropping it does not cancel the
    /// notification.
    ///
    /// ```no_run
    /// # use deskbell_client::{Notify, Provider, ProviderOptions};
    /// # async fn ring(provider: Provider) -> Result<(), deskbell_client::CallError> {
    /// let mut ring = provider.ring(Notify::template("msdyn_call_incoming").cancellation_token("call-17")).await?;
    /// println!("the hub stored it as {}", ring.acked().await?.notification_id);
    /// println!("it ended with {:?}", ring.outcome().await?.value);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CallError::Ended`] if this provider has ended.
    pub async fn ring(&self, notify: Notify) -> Result<Ring, CallError> {
        let (id, text) = notify.into_text();
        let (acked, ack) = oneshot::channel();
        let (settled, settled_by) = oneshot::channel();
        let senders = ReplySenders { acked: Some(acked), settled };
        self.task.request(TaskRequest::Call(SentCall { id, text, senders })).await?;
        Ok(Ring { task: self.task.clone(), ack: AckState::Awaited(ack), settled: settled_by })
    }

    /// Cancels this provider's notification with the token. The result has the outcome of the notification: it may have
    /// been settled before.
    ///
    /// # Errors
    /// [`CallError`]; `notFound` if no open or retained notification has the token.
    pub async fn cancel(&self, cancellation_token: &str) -> Result<CancelResult<'static>, CallError> {
        match self.task.result(Body::Cancel { cancellation_token: cancellation_token.into() }).await? {
            CallResult::Cancel(result) => Ok(result),
            _ => Err(CallError::UnexpectedReply),
        }
    }

    /// Marks a session as in breach on every desk. The details, of at most 512 bytes, are for the agents.
    ///
    /// # Errors
    /// [`CallError`] if the hub refuses it or this provider has ended.
    pub async fn kpi(&self, session_id: &str, details: Option<&str>) -> Result<(), CallError> {
        let details = details.map(Into::into);
        self.task.result(Body::Kpi { session_id: session_id.into(), should_reset: false, details }).await.map(drop)
    }

    /// Clears the mark of a session.
    ///
    /// # Errors
    /// [`CallError`] if the hub refuses it or this provider has ended.
    pub async fn reset_kpi(&self, session_id: &str) -> Result<(), CallError> {
        self.task.result(Body::Kpi { session_id: session_id.into(), should_reset: true, details: None }).await.map(drop)
    }

    /// Sets the unread count of a session on its agent's desk.
    ///
    /// # Errors
    /// [`CallError`]; `notFound` if there is no such session.
    pub async fn activity(&self, session_id: &str, count: u32) -> Result<(), CallError> {
        self.task.result(Body::Activity { session_id: session_id.into(), count }).await.map(drop)
    }

    /// Ends one of this provider's sessions.
    ///
    /// # Errors
    /// [`CallError`]; `notFound` if there is no such session, `notAllowed` if it is another provider's.
    pub async fn end_session(&self, session_id: &str) -> Result<(), CallError> {
        self.task.result(Body::EndSession { session_id: session_id.into() }).await.map(drop)
    }

    /// Sends a new token before the old one expires, and uses it from now on.
    ///
    /// # Errors
    /// [`CallError`] if the hub refuses the token, for example because it is another client's.
    pub async fn refresh(&self, token: &str) -> Result<(), CallError> {
        self.task.refresh(token).await
    }

    /// The results of this provider's notifications from now on, each once. They include notifications that another
    /// connection with the same name raised, or that this provider raised before a restart.
    #[must_use]
    pub fn results(&self) -> Results {
        let ended = || broadcast::channel(1).1;
        Results { results: self.results.upgrade().map_or_else(ended, |results| results.subscribe()) }
    }

    /// The provider's name, given by this client or minted by the hub.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        lock(&self.state).id.clone()
    }

    /// The position of the latest result, for [`ProviderOptions::resume_after`] in the next process.
    #[must_use]
    pub fn position(&self) -> Option<String> {
        lock(&self.state).position.clone()
    }

    /// Whether the hub has forgotten outcomes that this provider missed, on any connection so far.
    #[must_use]
    pub fn missed(&self) -> bool {
        lock(&self.state).missed
    }

    /// The state of the connection.
    #[must_use]
    pub fn status(&self) -> Status {
        self.task.status.borrow().clone()
    }

    /// Waits until the client has ended for good, and returns the reason.
    pub async fn ended(&self) -> EndReason {
        self.task.ended().await
    }
}

/// A raised notification.
#[derive(Debug)]
pub struct Ring {
    /// Keeps the connection open until this is dropped.
    task: TaskHandle,
    ack: AckState,
    settled: oneshot::Receiver<Result<HubMessage, CallError>>,
}

#[derive(Debug)]
enum AckState {
    Awaited(oneshot::Receiver<Result<Ack<'static>, CallError>>),
    Received(Result<Ack<'static>, CallError>),
}

impl Ring {
    /// Waits until the hub has stored the notification. From then on there will be exactly one outcome. A second call
    /// returns the same.
    ///
    /// # Errors
    /// [`CallError`] if the hub refuses it.
    pub async fn acked(&mut self) -> Result<Ack<'static>, CallError> {
        if let AckState::Awaited(ack) = &mut self.ack {
            // The sender is gone if the result came without an ack, through another connection of this provider.
            let received = ack.await.unwrap_or_else(|_| Err(self.task.end_error()));
            self.ack = AckState::Received(received);
        }
        match &self.ack {
            AckState::Received(received) => received.clone(),
            AckState::Awaited(_) => Err(CallError::UnexpectedReply),
        }
    }

    /// Waits for the outcome.
    ///
    /// # Errors
    /// [`CallError`] if the hub refuses it, or its outcome cannot be known any more.
    pub async fn outcome(self) -> Result<NotifyResult<'static>, CallError> {
        match self.settled.await.unwrap_or_else(|_| Err(self.task.end_error()))? {
            HubMessage::Result(result) => match *result {
                CallResult::Notify(result) => Ok(result),
                _ => Err(CallError::UnexpectedReply),
            },
            _ => Err(CallError::UnexpectedReply),
        }
    }
}

/// A stream of results.
#[derive(Debug)]
pub struct Results {
    results: broadcast::Receiver<NotifyResult<'static>>,
}

impl Results {
    /// The next result; `None` after the provider has ended. A reader that is more than 1 024 results behind misses the
    /// oldest.
    pub async fn next(&mut self) -> Option<NotifyResult<'static>> {
        loop {
            match self.results.recv().await {
                Ok(result) => return Some(result),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// The state that the task and the handles share.
#[derive(Debug)]
struct ProviderState {
    id: Option<String>,
    position: Option<String>,
    missed: bool,
}

/// The provider's part of the task.
struct ProviderRole {
    state: Arc<Mutex<ProviderState>>,
    results: broadcast::Sender<NotifyResult<'static>>,
    resume_all: bool,
    published: Published,
}

impl RoleState for ProviderRole {
    fn hello(&self, token: Option<&str>) -> String {
        let state = lock(&self.state);
        let resume = match &state.position {
            Some(position) => ResumeFrom::After(position.as_str().into()),
            None if self.resume_all => ResumeFrom::All,
            None => ResumeFrom::Nothing,
        };
        let role = HelloRole::Provider { provider_id: state.id.as_deref().map(Into::into), resume };
        let hello = Hello { role, token: token.map(Into::into) };
        encode_inbound(&ClientMessage { body: Body::Hello(hello), envelope: Envelope::default() })
    }

    fn welcomed(&mut self, welcome: WelcomeState<'static>) {
        let WelcomeState::Provider { provider_id, missed, .. } = welcome else { return };
        // After the first connection, the provider wants all results that are settled while it is disconnected.
        self.resume_all = true;
        let mut state = lock(&self.state);
        state.id = Some(provider_id.into_owned());
        state.missed |= missed;
    }

    fn received(&mut self, message: &HubMessage) {
        let HubMessage::Result(result) = message else { return };
        let CallResult::Notify(result) = &**result else { return };
        lock(&self.state).position = Some(result.position.clone().into_owned());
        if self.published.is_new(result.notification_id) {
            // There may be no receiver.
            let _ = self.results.send(result.clone());
        }
    }
}

/// The notifications with a published result, the oldest first; at most [`RESULTS_REMEMBERED`].
#[derive(Debug, Default)]
struct Published {
    known: HashSet<NotificationId>,
    order: VecDeque<NotificationId>,
}

impl Published {
    fn is_new(&mut self, notification_id: NotificationId) -> bool {
        let new = self.known.insert(notification_id);
        if new {
            self.order.push_back(notification_id);
            if self.order.len() > RESULTS_REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        new
    }
}

fn lock(state: &Mutex<ProviderState>) -> std::sync::MutexGuard<'_, ProviderState> {
    // A thread that panicked while it had the lock had only read or set single fields.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_published_once_and_memory_is_bounded() {
        let mut published = Published::default();
        let first = NotificationId(u128::MAX);
        assert!(published.is_new(first) && !published.is_new(first));
        for number in 0..RESULTS_REMEMBERED {
            assert!(published.is_new(NotificationId(number as u128)));
        }
        assert_eq!((published.known.len(), published.order.len()), (RESULTS_REMEMBERED, RESULTS_REMEMBERED));
        assert!(published.is_new(first));
    }
}
