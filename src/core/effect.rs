//! The effects of an entry: the messages that clients receive, in the core's own words.
//!
//! An effect names agents by their slot. The caller resolves slots to connections with
//! [`Core::agent_connections`](super::Core::agent_connections) right after the entry was applied, and leaves out
//! [`Effects::joiner`]: its welcome contains everything.

use std::sync::Arc;

use crate::collections::slab::Slot;
use crate::content::Content;
use crate::context::Context;
use crate::entry::{Action, AgentAction, Call, Field, Presence, ProviderAction, Recipients, RenderError};
use crate::ids::{ConnectionId, Incarnation, Millis, Name, NotificationId, Position, Text, Timestamp};
use crate::outcome::{Outcome, Settled};
use crate::workspace::agents::Agent;

/// An agent's slot within a workspace.
pub type AgentSlot = Slot<Agent>;

/// All effects of one entry.
#[derive(Debug, Default)]
pub struct Effects {
    /// The connection that joined by this entry. Of the effects of this step it receives only its welcome.
    pub joiner: Option<ConnectionId>,
    /// The effects, each with its workspace, in the order in which they are sent.
    pub list: Vec<(Name, Effect)>,
}

/// One message to clients, or one notice to the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// To the joiner, before anything else.
    Welcome(Box<Welcome>),
    /// To one connection: the hub has its notify.
    Ack {
        /// The connection that sent the notify, and its ids.
        to: ReplyTo,
        /// The notification. For a duplicate: the notification of the first notify.
        notification_id: NotificationId,
        /// Whether the hub already had this notify.
        duplicate: bool,
        /// The parameters that no placeholder of the template takes; empty for a duplicate.
        unused: Vec<Name>,
        /// The named agents that the workspace has never seen, or forgotten; empty for a duplicate.
        unknown: Vec<Name>,
    },
    /// To all connections of its provider: a notification is settled. Resolve them with
    /// [`Core::provider_connections`](super::Core::provider_connections).
    Settled {
        /// The notification and its outcome.
        settled: Arc<Settled>,
        /// The position from which the provider can resume.
        position: Position,
    },
    /// To one connection: a result again, after a resume or for a duplicate.
    SettledAgain {
        /// The connection that resumed or sent the duplicate.
        to: ConnectionId,
        /// The notification and its outcome.
        settled: Arc<Settled>,
        /// The position from which the provider can resume.
        position: Position,
    },
    /// To one connection: the reply to a cancel.
    CancelResult {
        /// The connection that sent the cancel, and its ids.
        to: ReplyTo,
        /// The token in the cancel.
        cancellation_token: Name,
        /// The notification with that token.
        notification_id: NotificationId,
        /// The outcome of the notification, which an earlier answer may have decided.
        outcome: Outcome,
    },
    /// To one connection: its kpi, activity or endSession is done.
    Done {
        /// The connection that sent the request, and its ids.
        to: ReplyTo,
    },
    /// To one connection: the reply to an accept or reject.
    Answered {
        /// The connection that answered; `correlation_id` is the notification's.
        to: ReplyTo,
        /// The notification that the agent answered.
        notification_id: NotificationId,
        /// The outcome; `None` if the notification is still open after this reject.
        outcome: Option<Outcome>,
        /// The agent that settled it by an answer or got it by an automatic accept.
        agent_id: Option<Name>,
        /// Whether the answer of this agent settled it.
        won: bool,
    },
    /// To one connection: the hub did not do what the client asked for.
    Refused {
        /// The connection that sent the request, and its ids.
        to: ReplyTo,
        /// Why the hub refused it; the wire makes the error of it.
        refusal: Refusal,
    },
    /// To agents: display a notification on the desk.
    Display {
        /// The agents that get it on the desk.
        agents: Vec<AgentSlot>,
        /// The notification as the desk shows it.
        card: Card,
    },
    /// To agents: take a notification off the desk.
    Close {
        /// The agents that lose it from the desk.
        agents: Vec<AgentSlot>,
        /// The notification to take off.
        notification_id: NotificationId,
        /// The notification's correlationId.
        correlation_id: Name,
        /// The outcome; `None` if the notification is still open for others after this agent's reject.
        outcome: Option<Outcome>,
        /// The agent that settled it by an answer or got it by an automatic accept.
        agent_id: Option<Name>,
    },
    /// To one agent: a session starts here or moves here.
    SessionStarted {
        /// The agent that has the session from here on.
        agent: AgentSlot,
        /// The session as the agent sees it.
        session: SessionView,
        /// The session's context.
        context: Option<Context>,
    },
    /// To one connection: the context of a session of its agent.
    Context {
        /// The connection that asked, and its ids.
        to: ReplyTo,
        /// The session that has the context.
        session_id: Name,
        /// What its provider told the agent.
        context: Context,
    },
    /// To one agent: a session ended or moved to another agent.
    SessionEnded {
        /// The agent that had the session until now.
        agent: AgentSlot,
        /// The session that ended or moved away.
        session_id: Name,
        /// The correlationId of the call that caused it; `None` if the session was idle for too long.
        correlation_id: Option<Name>,
    },
    /// To all agents: a KPI mark is set or cleared.
    Kpi {
        /// The mark. A cleared mark is given as it was.
        mark: MarkView,
        /// Whether the session is in breach now.
        breached: bool,
    },
    /// To one agent: the unread count of a session.
    Activity {
        /// The agent that has the session.
        agent: AgentSlot,
        /// The session with the new count.
        session_id: Name,
        /// The new count.
        count: u32,
        /// The correlationId of the call that caused it.
        correlation_id: Option<Name>,
    },
    /// To all connections of one agent: the agent's presence. The connection that asked receives its ids too.
    Presence {
        /// The agent with the new presence.
        agent: AgentSlot,
        /// The presence from here on.
        presence: Presence,
        /// The connection that asked; `None` if the hello of another connection set the presence.
        asked: Option<ReplyTo>,
    },
    /// To observers.
    Event {
        /// When it happened.
        at: Timestamp,
        /// What happened.
        event: Event,
    },
    /// To the operator's log: a notification was refused because its audience is full.
    AudienceFull {
        /// The audience that has no room left.
        to: Recipients,
        /// The notification that was refused.
        content: Arc<Content>,
    },
    /// To one hub: it was removed from the log and must join again under another incarnation.
    HubRemoved {
        /// The incarnation that was removed.
        incarnation: Incarnation,
    },
}

/// The connection to which a direct reply goes, and the ids that the reply carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// The connection that sent the request.
    pub connection: ConnectionId,
    /// The kind of the call, from which the wire makes `msdyn_name`; `None` for requests of agents.
    pub call: Option<CallKind>,
    /// The `id` of the request.
    pub id: Option<Name>,
    /// The correlationId that the reply carries.
    pub correlation_id: Option<Name>,
    /// The [number](Call::number) of the call, if its reply does not go to a socket.
    pub number: Option<u64>,
}

impl Effect {
    /// The ack of a repeated notify, or of a query for a notification.
    pub(crate) fn ack_again(to: ReplyTo, notification_id: NotificationId) -> Self {
        Self::Ack { to, notification_id, duplicate: true, unused: Vec::new(), unknown: Vec::new() }
    }
}

impl ReplyTo {
    /// The target of the reply to a call.
    #[must_use]
    pub fn new(connection: ConnectionId, call: &Call) -> Self {
        let kind = match &call.action {
            Action::Provider(ProviderAction::Notify(_) | ProviderAction::Lookup { .. }) => Some(CallKind::Notify),
            Action::Provider(ProviderAction::Cancel { .. }) => Some(CallKind::Cancel),
            Action::Provider(ProviderAction::Kpi { .. }) => Some(CallKind::Kpi),
            Action::Provider(ProviderAction::Activity { .. }) => Some(CallKind::Activity),
            Action::Provider(ProviderAction::EndSession { .. }) => Some(CallKind::EndSession),
            Action::Agent(AgentAction::EndSession { .. }) => Some(CallKind::EndSession),
            Action::Agent(_) => None,
        };
        // The reply to an answer carries the notification's correlationId instead.
        let answers = matches!(call.action, Action::Agent(AgentAction::Accept { .. } | AgentAction::Reject { .. }));
        let correlation_id = if answers { None } else { call.correlation_id.clone() };
        Self { connection, call: kind, id: call.id.clone(), correlation_id, number: call.number }
    }
}

/// The kinds of calls that have a `msdyn_name` in their replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// notify, also the lookup of a notification: `NotifyEvent`.
    Notify,
    /// cancel: `CancelEvent`.
    Cancel,
    /// kpi: `NotifyKpiBreach`.
    Kpi,
    /// activity: `NotifyNewActivity`.
    Activity,
    /// endSession: the Channel Integration Framework has no name for it.
    EndSession,
}

/// Why the core refused a request. The wire gives each its `message`, `code` and `detail`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The template could not be rendered.
    Render(RenderError),
    /// The notify's id belongs to an earlier notify with other content.
    IdTaken,
    /// The cancellation token belongs to another open notification of the same provider.
    TokenTaken,
    /// The workspace has as many open notifications as the limit allows.
    OpenNotifications {
        /// The limit: open notifications of one workspace.
        limit: u32,
    },
    /// With the context of this notify, the contexts of the workspace would have more bytes than the limit allows.
    ContextBytes {
        /// The limit: bytes of all contexts of one workspace.
        limit: u64,
    },
    /// The session belongs to another provider or another agent.
    SessionOwnedByAnother,
    /// This provider has no notification, open or retained, with the token.
    TokenNotFound,
    /// This provider has no notification, open or retained, with the id.
    NotificationUnknownToProvider,
    /// There is no such session.
    SessionNotFound,
    /// The session has no context.
    NoContext,
    /// There is no such notification, or this agent never had it displayed.
    NotificationUnknownToAgent,
    /// The connection has not joined: its hub was removed while the request was on its way.
    NotJoined,
    /// A client of this role may not send the request.
    WrongRole,
}

/// The first message to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Welcome {
    /// To a provider.
    Provider {
        /// The provider's name.
        id: Name,
        /// The provider's open notifications, by arrival.
        open: Vec<OpenView>,
        /// Whether some results after the position from which it resumes are forgotten.
        missed: bool,
    },
    /// To an agent.
    Agent {
        /// The agent's name.
        id: Name,
        /// The agent's groups.
        groups: Vec<Name>,
        /// The agent's presence.
        presence: Presence,
        /// The notifications on the desk, in the order in which they were displayed.
        notifications: Vec<Card>,
        /// The agent's open sessions, by start.
        sessions: Vec<SessionView>,
        /// All KPI marks of the workspace, oldest first.
        kpi: Vec<MarkView>,
    },
    /// To an observer.
    Observer,
}

/// An open notification as its provider's welcome contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenView {
    /// The id that the hub gave the notification.
    pub notification_id: NotificationId,
    /// The `id` of the notify, if it had one.
    pub id: Option<Name>,
    /// The correlationId of the notify.
    pub correlation_id: Name,
    /// The cancellation token of the notify, if it had one.
    pub cancellation_token: Option<Name>,
}

/// A notification as a desk displays it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// What the card says; shared by all desks that display it.
    pub content: Arc<Content>,
    /// The rest of its display time; all of it if the display time has not begun.
    pub remaining: Millis,
}

/// A session as its agent sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// The session's id.
    pub session_id: Name,
    /// The notification that began the session or moved it last, by its accept.
    pub notification_id: NotificationId,
    /// The correlationId of that notification.
    pub correlation_id: Name,
    /// The title of the notification that began the session.
    pub title: Text,
    /// When the session began.
    pub started_at: Timestamp,
    /// Whether the session has a KPI mark.
    pub breached: bool,
    /// The unread count.
    pub unread: u32,
    /// The icon's name, of the notification that began the session.
    pub icon: Option<Name>,
    /// The card's lines, of that notification.
    pub fields: Vec<Field>,
    /// The address of the customer's page, of that notification.
    pub link: Option<Text>,
    /// Whether the session has a context.
    pub has_context: bool,
}

/// A KPI mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkView {
    /// The session that is marked.
    pub session_id: Name,
    /// A description for people of the breach.
    pub details: Option<Text>,
    /// When the mark was set.
    pub since: Timestamp,
    /// The correlationId of the call that set or cleared the mark; `None` if it was idle for too long.
    pub correlation_id: Option<Name>,
}

/// An event for observers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A notification arrived.
    Notified {
        /// The notification that arrived.
        content: Arc<Content>,
    },
    /// A notification was displayed for the first time.
    Displayed {
        /// The notification that a desk displays now.
        content: Arc<Content>,
    },
    /// A notification was settled. The wire gives a cancelled one an event of its own.
    Settled {
        /// The notification and its outcome.
        settled: Arc<Settled>,
    },
    /// A KPI mark was set or cleared.
    Kpi {
        /// The session that is marked or no longer marked.
        session_id: Name,
        /// The correlationId of the call that caused it.
        correlation_id: Option<Name>,
        /// The agent that has the session, if it is open.
        agent_id: Option<Name>,
        /// Whether the session is in breach now.
        breached: bool,
    },
    /// An agent's first connection joined.
    AgentJoined {
        /// The agent's name.
        agent_id: Name,
        /// The agent's presence.
        presence: Presence,
    },
    /// An agent's last connection left.
    AgentLeft {
        /// The agent's name.
        agent_id: Name,
    },
    /// A provider's first connection joined.
    ProviderJoined {
        /// The provider's name.
        provider_id: Name,
    },
    /// A provider's last connection left.
    ProviderLeft {
        /// The provider's name.
        provider_id: Name,
    },
    /// An agent's presence changed.
    Presence {
        /// The agent's name.
        agent_id: Name,
        /// The presence from here on.
        presence: Presence,
    },
}
