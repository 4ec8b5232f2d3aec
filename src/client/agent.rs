//! An agent: answers notifications.

use deskbell_protocol::inbound::{Body, ClientMessage, Hello, HelloRole};
use deskbell_protocol::outbound::{AnswerResult, CallResult, WelcomeState};
use deskbell_protocol::{Envelope, HubMessage, NotificationId, Presence, RawJson, encode_inbound};
use tokio::sync::{broadcast, watch};

use super::address::Address;
use super::agent_state::{AgentEvent, AgentState, Events};
use super::connection::{ConnectionTask, RoleState, Status, TaskRequest};
use super::error::{CallError, ConnectError, EndReason};
use super::handle::TaskHandle;
use super::options::AgentOptions;

/// The queue of a slow [`Events`].
const EVENTS_BEHIND_MAX: usize = 1024;

/// A handle of an agent's connection to the hub. Clones share the connection, which ends with the last handle.
///
/// ```no_run
/// use deskbell_client::{Agent, AgentEvent, AgentOptions};
///
/// # async fn desk() -> Result<(), Box<dyn std::error::Error>> {
/// let (agent, mut events) = Agent::connect("ws://127.0.0.1:8080/ws", AgentOptions::new().id("ada")).await?;
/// while let Some(event) = events.next().await {
///     if let AgentEvent::Notification(one) = event {
///         let answer = agent.accept(one.notification_id).await?;
///         println!("{}: {}", one.title, if answer.won { "accepted" } else { "another agent was faster" });
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Agent {
    task: TaskHandle,
    state: watch::Receiver<AgentState>,
    events: broadcast::WeakSender<AgentEvent>,
}

impl Agent {
    /// Connects, and returns when the hub has welcomed this agent. The events begin with [`AgentEvent::Connected`].
    ///
    /// # Errors
    /// [`ConnectError`] if the hub refuses this agent for good, or does not answer within
    /// [`Tuning::connect_within`](super::Tuning::connect_within).
    pub async fn connect(url: &str, options: AgentOptions) -> Result<(Self, Events), ConnectError> {
        let address = Address::parse(url)?.trusting(&options.trust)?;
        let (sender, events) = broadcast::channel(EVENTS_BEHIND_MAX);
        let (state_sender, state) = watch::channel(AgentState::default());
        let weak = sender.downgrade();
        let role = AgentRole {
            id: options.id,
            groups: options.groups,
            presence: options.presence,
            state: state_sender,
            events: sender,
        };
        let within = options.tuning.connect_within;
        let (token, tuning) = (options.token, options.tuning);
        let task =
            TaskHandle::start(|requests, status| ConnectionTask::new(address, role, token, tuning, requests, status));
        task.connected(within).await?;
        Ok((Self { task, state, events: weak }, Events { events }))
    }

    /// Accepts a notification.
    ///
    /// # Errors
    /// [`CallError`]; `notFound` if the hub does not know it, or it was never displayed to this agent.
    pub async fn accept(&self, notification_id: NotificationId) -> Result<AnswerResult<'static>, CallError> {
        let notification_id = notification_id.to_string().into();
        answer_result(self.task.result(Body::Accept { notification_id }).await?)
    }

    /// Rejects a notification, with a reason of at most 1 024 bytes.
    ///
    /// # Errors
    /// See [`accept`](Self::accept).
    pub async fn reject(
        &self,
        notification_id: NotificationId,
        reason: Option<&str>,
    ) -> Result<AnswerResult<'static>, CallError> {
        let (notification_id, reason) = (notification_id.to_string().into(), reason.map(Into::into));
        answer_result(self.task.result(Body::Reject { notification_id, reason }).await?)
    }

    /// Reports that a person could see a notification. There is no reply. Without a connection nothing is sent.
    ///
    /// # Errors
    /// [`CallError::Ended`] if this agent has ended.
    pub async fn seen(&self, notification_id: NotificationId) -> Result<(), CallError> {
        let body = Body::Seen { notification_id: notification_id.to_string().into() };
        let text = encode_inbound(&ClientMessage { body, envelope: Envelope::default() });
        self.task.request(TaskRequest::Send(text)).await
    }

    /// Sets the agent's presence for all connections of the agent.
    ///
    /// # Errors
    /// [`CallError`] if the hub refuses it or this agent has ended.
    pub async fn presence(&self, presence: Presence) -> Result<(), CallError> {
        self.task.call(Body::Presence { presence }).await.map(drop)
    }

    /// Ends one of this agent's sessions.
    ///
    /// # Errors
    /// [`CallError`]; `notFound` if there is no such session, `notAllowed` if it is another agent's.
    pub async fn end_session(&self, session_id: &str) -> Result<(), CallError> {
        self.task.result(Body::EndSession { session_id: session_id.into() }).await.map(drop)
    }

    /// The context of one of this agent's sessions. A [`Session`](super::AgentEvent::Session) event has it already; one in
    /// the [`state`](Self::state) after a reconnect does not.
    ///
    /// # Errors
    /// [`CallError`]; `notFound` if there is no such session or it has no context, `notAllowed` if it is another agent's.
    pub async fn context(&self, session_id: &str) -> Result<RawJson<'static>, CallError> {
        match self.task.call(Body::GetContext { session_id: session_id.into() }).await? {
            HubMessage::Context(reply) => Ok(reply.context),
            _ => Err(CallError::UnexpectedReply),
        }
    }

    /// Sends a new token before the old one expires, and uses it from now on.
    ///
    /// # Errors
    /// [`CallError`] if the hub refuses the token, for example because it is another client's.
    pub async fn refresh(&self, token: &str) -> Result<(), CallError> {
        self.task.refresh(token).await
    }

    /// The state of the desk.
    #[must_use]
    pub fn state(&self) -> AgentState {
        self.state.borrow().clone()
    }

    /// The events from now on, in addition to the stream that [`connect`](Self::connect) returned.
    #[must_use]
    pub fn events(&self) -> Events {
        let ended = || broadcast::channel(1).1;
        Events { events: self.events.upgrade().map_or_else(ended, |events| events.subscribe()) }
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

fn answer_result(result: CallResult) -> Result<AnswerResult<'static>, CallError> {
    match result {
        CallResult::Answer(result) => Ok(result),
        _ => Err(CallError::UnexpectedReply),
    }
}

/// The agent's part of the task.
struct AgentRole {
    id: Option<String>,
    groups: Option<Vec<String>>,
    presence: Option<Presence>,
    state: watch::Sender<AgentState>,
    events: broadcast::Sender<AgentEvent>,
}

impl AgentRole {
    /// Updates the state before it sends the event, so that a reader of the event finds the new state.
    fn publish(&self, event: AgentEvent) {
        self.state.send_modify(|state| state.apply(&event));
        // There may be no receiver.
        let _ = self.events.send(event);
    }
}

impl RoleState for AgentRole {
    fn hello(&self, token: Option<&str>) -> String {
        let role = HelloRole::Agent {
            agent_id: self.id.as_deref().map(Into::into),
            groups: self.groups.as_ref().map(|groups| groups.iter().map(|group| group.as_str().into()).collect()),
            presence: self.presence,
        };
        let hello = Hello { role, token: token.map(Into::into) };
        encode_inbound(&ClientMessage { body: Body::Hello(hello), envelope: Envelope::default() })
    }

    fn welcomed(&mut self, welcome: WelcomeState<'static>) {
        let Some(state) = AgentState::of(welcome) else { return };
        self.id = Some(state.agent_id.clone());
        // The agent's other connections may change it from now on. The hub remembers the latest.
        self.presence = None;
        self.state.send_replace(state);
        let _ = self.events.send(AgentEvent::Connected);
    }

    fn received(&mut self, message: &HubMessage) {
        if let Some(event) = AgentEvent::of(message) {
            self.publish(event);
        }
    }

    fn lost(&mut self) {
        self.publish(AgentEvent::Disconnected);
    }
}
