//! An agent: a desk that answers notifications.

use tokio::sync::{broadcast, watch};

use super::address::Address;
use super::desk::{AgentEvent, Desk, Events};
use super::error::{CallError, ConnectError, Ended};
use super::line::Line;
use super::link::{Asked, Link, Peer, Status};
use super::options::AgentOptions;
use crate::protocol::inbound::{Body, ClientMessage, Envelope, Hello, HelloRole};
use crate::protocol::outbound::received::{CallResult, Welcome};
use crate::protocol::{HubMessage, Outcome, Presence, encode_inbound};

/// Events that a slow [`Events`] may be behind.
const EVENTS_BEHIND_MAX: usize = 1024;

/// An agent's connection to the hub. Clones are handles of the same one, which ends with the last of them.
///
/// ```no_run
/// use deskbell::client::{Agent, AgentEvent, AgentOptions};
///
/// # async fn desk() -> Result<(), Box<dyn std::error::Error>> {
/// let (agent, mut events) = Agent::connect("ws://127.0.0.1:8080/ws", AgentOptions::new().id("ada")).await?;
/// while let Some(event) = events.next().await {
///     if let AgentEvent::Notification(one) = event {
///         let answer = agent.accept(&one.notification_id).await?;
///         println!("{}: {}", one.title, if answer.won { "mine" } else { "somebody was faster" });
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Agent {
    line: Line,
    desk: watch::Receiver<Desk>,
    events: broadcast::WeakSender<AgentEvent>,
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it settled the notification.
    pub won: bool,
    /// The notification's outcome; `None`: it is still open elsewhere.
    pub outcome: Option<Outcome>,
    /// Whose answer settled it, or for whom it was accepted.
    pub agent_id: Option<String>,
}

impl Agent {
    /// Connects, and returns when the hub has welcomed this agent. The events begin with [`AgentEvent::Connected`].
    ///
    /// # Errors
    /// [`ConnectError`], if the hub sends this agent away, or none is there within
    /// [`Tuning::connect_within`](super::Tuning::connect_within).
    pub async fn connect(url: &str, options: AgentOptions) -> Result<(Self, Events), ConnectError> {
        let address = Address::parse(url)?.trusting(&options.trust)?;
        let (sender, events) = broadcast::channel(EVENTS_BEHIND_MAX);
        let (desk_of, desk) = watch::channel(Desk::default());
        let weak = sender.downgrade();
        let side =
            Side { id: options.id, groups: options.groups, presence: options.presence, desk: desk_of, events: sender };
        let within = options.tuning.connect_within;
        let line = Line::open(|asked, status| Link::new(address, side, options.token, options.tuning, asked, status));
        line.connected(within).await?;
        Ok((Self { line, desk, events: weak }, Events { events }))
    }

    /// Accepts a notification.
    ///
    /// # Errors
    /// [`CallError`]; `notFound` if the hub does not know it, or it was never on this desk.
    pub async fn accept(&self, notification_id: &str) -> Result<Answer, CallError> {
        self.line.result(Body::Accept { notification_id: notification_id.into() }).await.map(answer)
    }

    /// Rejects a notification, with a reason of at most 1 024 bytes.
    ///
    /// # Errors
    /// As of [`accept`](Self::accept).
    pub async fn reject(&self, notification_id: &str, reason: Option<&str>) -> Result<Answer, CallError> {
        let reason = reason.map(Into::into);
        self.line.result(Body::Reject { notification_id: notification_id.into(), reason }).await.map(answer)
    }

    /// Says that a notification has really been before someone's eyes. There is no reply, and nothing is sent while
    /// there is no connection.
    ///
    /// # Errors
    /// [`CallError::Ended`], if this agent is over.
    pub async fn seen(&self, notification_id: &str) -> Result<(), CallError> {
        let body = Body::Seen { notification_id: notification_id.into() };
        self.line.ask(Asked::Say(encode_inbound(&ClientMessage { envelope: Envelope::default(), body }))).await
    }

    /// Sets the agent's presence, at all of the agent's connections.
    ///
    /// # Errors
    /// [`CallError`], if the hub refuses it or this agent is over.
    pub async fn presence(&self, presence: Presence) -> Result<(), CallError> {
        self.line.call(Body::Presence(presence)).await.map(drop)
    }

    /// Ends a session of this agent.
    ///
    /// # Errors
    /// [`CallError`]; `notFound` if there is no such session, `notAllowed` if it is another agent's.
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

    /// What is on the desk now.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.desk.borrow().clone()
    }

    /// What happens at the desk from now on, besides the stream that [`connect`](Self::connect) gave.
    #[must_use]
    pub fn events(&self) -> Events {
        let ended = || broadcast::channel(1).1;
        Events { events: self.events.upgrade().map_or_else(ended, |events| events.subscribe()) }
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

fn answer(result: CallResult) -> Answer {
    Answer { won: result.won.unwrap_or(false), outcome: result.value, agent_id: result.agent_id }
}

/// The agent's side of the task.
struct Side {
    id: Option<String>,
    groups: Option<Vec<String>>,
    presence: Option<Presence>,
    desk: watch::Sender<Desk>,
    events: broadcast::Sender<AgentEvent>,
}

impl Side {
    /// The desk first: who reads the event finds it done.
    fn happened(&self, event: AgentEvent) {
        self.desk.send_modify(|desk| desk.apply(&event));
        // Nobody may be listening.
        let _ = self.events.send(event);
    }
}

impl Peer for Side {
    fn hello(&self, token: Option<&str>) -> String {
        let role = HelloRole::Agent {
            agent_id: self.id.as_deref().map(Into::into),
            groups: self.groups.as_ref().map(|groups| groups.iter().map(|group| group.as_str().into()).collect()),
            presence: self.presence,
        };
        let hello = Hello { role, token: token.map(Into::into) };
        encode_inbound(&ClientMessage { envelope: Envelope::default(), body: Body::Hello(hello) })
    }

    fn welcomed(&mut self, welcome: Welcome) {
        self.id.clone_from(&welcome.agent_id);
        // The agent's other connections may set it from now on: the hub remembers which was last.
        self.presence = None;
        self.desk.send_replace(Desk::of(welcome));
        let _ = self.events.send(AgentEvent::Connected);
    }

    fn received(&mut self, message: &HubMessage) {
        if let Some(event) = AgentEvent::of(message) {
            self.happened(event);
        }
    }

    fn lost(&mut self) {
        self.happened(AgentEvent::Disconnected);
    }
}
