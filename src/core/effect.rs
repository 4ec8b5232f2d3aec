//! What comes out of the core: what the world should be told, in the core's own words.
//!
//! An effect speaks of agents by their slot. Whoever carries effects out resolves slots to connections
//! by [`Core::agent_connections`](super::Core::agent_connections) right after the entry was applied, leaving out
//! [`Effects::joiner`], whose welcome has it all.

use std::sync::Arc;

use super::content::Content;
use super::entry::{Action, Call, Presence, To};
use super::ids::{ConnectionId, Incarnation, Name, NotificationId, Position, Timestamp};
use super::outcome::{Outcome, Settled};

/// An agent's dense number within a workspace.
pub type AgentSlot = u32;

/// All that one entry caused.
#[derive(Debug, Default)]
pub struct Effects {
    /// The connection that joined by this entry: it is told by its welcome, and by nothing else of the same step.
    pub joiner: Option<ConnectionId>,
    /// In the order in which they are to be told, each with its workspace.
    pub list: Vec<(Name, Effect)>,
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// To the joiner, first of all.
    Welcome(Box<Welcome>),
    /// To one connection: its notify is held.
    Ack {
        /// Who asked, and its ids.
        to: ReplyTo,
        /// The notification (of a duplicate, the first one's).
        notification_id: NotificationId,
        /// It is a repeat of one that the hub has.
        duplicate: bool,
    },
    /// A notification is settled: to all connections of its provider.
    Settled {
        /// Resolve by [`Core::provider_connections`](super::Core::provider_connections).
        settled: Arc<Settled>,
        /// Its place for `resume`.
        position: Position,
    },
    /// The same again, to one connection: after a resume, or for a duplicate.
    SettledAgain {
        /// The one connection.
        to: ConnectionId,
        /// What was settled.
        settled: Arc<Settled>,
        /// Its place for `resume`.
        position: Position,
    },
    /// To one connection: the reply to a cancel.
    CancelResult {
        /// Who asked, and its ids.
        to: ReplyTo,
        /// The token it named.
        cancellation_token: Name,
        /// The notification that bore it.
        notification_id: NotificationId,
        /// That notification's outcome.
        outcome: Outcome,
    },
    /// To one connection: a kpi, activity or endSession is done.
    Done {
        /// Who asked, and its ids.
        to: ReplyTo,
    },
    /// To one connection: the reply to an accept or reject.
    Answered {
        /// Who asked. `correlation_id` is the notification's.
        to: ReplyTo,
        /// The notification.
        notification_id: NotificationId,
        /// What settled it; `None`: it is still open (an unsettling reject).
        outcome: Option<Outcome>,
        /// Whose answer settled it, or for whom it was accepted.
        agent_id: Option<Name>,
        /// Whether it was this agent's answer.
        won: bool,
    },
    /// To one connection: nothing was done, and why.
    Refused {
        /// Who asked, and its ids.
        to: ReplyTo,
        /// Why.
        refusal: Refusal,
    },
    /// To agents: put it on the desk.
    Show {
        /// To whom.
        agents: Vec<AgentSlot>,
        /// What.
        shown: Shown,
    },
    /// To agents: take it off the desk.
    Close {
        /// To whom.
        agents: Vec<AgentSlot>,
        /// What.
        notification_id: NotificationId,
        /// Its correlationId.
        correlation_id: Name,
        /// What settled it; `None`: it is still open elsewhere (an unsettling reject).
        outcome: Option<Outcome>,
        /// Whose answer settled it, or for whom it was accepted.
        agent_id: Option<Name>,
    },
    /// To one agent: a session starts or is moved here.
    SessionStarted {
        /// To whom.
        agent: AgentSlot,
        /// What.
        session: SessionView,
    },
    /// To one agent: a session is over (or moved away).
    SessionEnded {
        /// To whom.
        agent: AgentSlot,
        /// Which.
        session_id: Name,
        /// That of the call that caused it; `None`: time did.
        correlation_id: Option<Name>,
    },
    /// To all agents: a mark is set or cleared.
    Kpi {
        /// Which, and how it stands.
        mark: MarkView,
        /// Whether the session is in breach now.
        breached: bool,
    },
    /// To one agent: a session's unread count.
    Activity {
        /// To whom.
        agent: AgentSlot,
        /// Which session.
        session_id: Name,
        /// How many.
        count: u32,
        /// That of the call that caused it.
        correlation_id: Option<Name>,
    },
    /// To one agent: the agent's presence, on all connections; the one that asked gets its id back.
    Presence {
        /// To whom.
        agent: AgentSlot,
        /// As it is now.
        presence: Presence,
        /// Who asked; `None`: another connection's hello set it.
        asked: Option<ReplyTo>,
    },
    /// To observers.
    Event(Event),
    /// To the operator's log: this audience is full, and what that means.
    AudienceFull {
        /// Which.
        to: To,
        /// The notification that found no place in it.
        content: Arc<Content>,
    },
    /// To the hub of that name: it was removed from the log and must come back as another.
    HubRemoved {
        /// Which.
        incarnation: Incarnation,
    },
}

/// Where a direct reply goes, and what it carries back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// The connection that asked.
    pub connection: ConnectionId,
    /// Which call of the contract it was (the reply's `msdyn_name`); `None` for those of agents.
    pub call: Option<CallName>,
    /// The message's id.
    pub id: Option<Name>,
    /// The correlationId that the reply carries.
    pub correlation_id: Option<Name>,
    /// The [number](Call::number) of the call, if its reply does not go to a socket.
    pub number: Option<u64>,
}

impl ReplyTo {
    /// Where the reply to `call` from `connection` goes.
    #[must_use]
    pub fn new(connection: ConnectionId, call: &Call) -> Self {
        let name = match call.action {
            Action::Notify(_) | Action::Recall { .. } => Some(CallName::Notify),
            Action::Cancel { .. } => Some(CallName::Cancel),
            Action::Kpi { .. } => Some(CallName::Kpi),
            Action::Activity { .. } => Some(CallName::Activity),
            Action::EndSession { .. } => Some(CallName::EndSession),
            Action::Accept { .. } | Action::Reject { .. } | Action::Seen { .. } | Action::Presence(_) => None,
        };
        // One on accept or reject is checked and not used: the reply carries the notification's.
        let of_notification = matches!(call.action, Action::Accept { .. } | Action::Reject { .. });
        let correlation_id = if of_notification { None } else { call.correlation_id.clone() };
        Self { connection, call: name, id: call.id.clone(), correlation_id, number: call.number }
    }
}

/// The calls that the seeds name (`msdyn_name`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallName {
    /// notify: `NotifyEvent`.
    Notify,
    /// cancel: `CancelEvent`.
    Cancel,
    /// kpi: `NotifyKpiBreach`.
    Kpi,
    /// activity: `NotifyNewActivity`.
    Activity,
    /// endSession: has no name in the seeds.
    EndSession,
}

/// Why the core did nothing. The wire gives each its `message`, `code` and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No template has that name.
    UnknownTemplate {
        /// For people.
        detail: Name,
    },
    /// A placeholder has neither parameter nor default.
    UnresolvedParameter {
        /// For people.
        detail: Name,
    },
    /// A rendered text is too long.
    RenderedTooLong {
        /// For people.
        detail: Name,
    },
    /// The notify's id stands for another notification that says something else.
    IdTaken,
    /// A second open notification of the same provider bears the token.
    TokenTaken,
    /// The workspace has as many open notifications as it may.
    OpenNotifications {
        /// How many that is.
        limit: u32,
    },
    /// The session belongs to another provider, or another agent.
    SessionNotYours,
    /// No notification, open or retained, of this provider bears the token.
    NoSuchToken,
    /// No notification, open or retained, of this provider has the id.
    NoneOfYours,
    /// No such session.
    NoSuchSession,
    /// No such notification, or it was never displayed to this agent.
    NoSuchNotification,
    /// The connection has not joined (its hello was overtaken by a removal of its hub).
    NotJoined,
}

/// The first message to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Welcome {
    /// To a provider.
    Provider {
        /// Its name.
        id: Name,
        /// Its notifications without an outcome, by arrival.
        open: Vec<OpenView>,
        /// Some results after the position that it resumes from are forgotten.
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
        /// What is on the desk, in the order in which it was displayed.
        notifications: Vec<Shown>,
        /// The agent's open sessions, by start.
        sessions: Vec<SessionView>,
        /// All marks that stand, by `since`.
        kpi: Vec<MarkView>,
    },
    /// To an observer.
    Observer,
}

/// A provider's open notification, in its welcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenView {
    /// The notification.
    pub notification_id: NotificationId,
    /// The notify's id.
    pub id: Option<Name>,
    /// The notify's correlationId.
    pub correlation_id: Name,
    /// The notify's token.
    pub cancellation_token: Option<Name>,
}

/// A notification as a desk shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// All that does not change while it is open.
    pub content: Arc<Content>,
    /// What remains of its display time, in milliseconds.
    pub remaining_ms: u64,
}

/// A session as its agent sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// The session.
    pub session_id: Name,
    /// The notification that was accepted for it (the last one, after a transfer).
    pub notification_id: NotificationId,
    /// That notification's correlationId.
    pub correlation_id: Name,
    /// The title of the notification that began it.
    pub title: Name,
    /// When it began.
    pub started_at: Timestamp,
    /// Whether it is marked.
    pub breached: bool,
    /// Its unread count.
    pub unread: u32,
}

/// A KPI mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkView {
    /// The session that is marked.
    pub session_id: Name,
    /// What is breached, for people.
    pub details: Option<Name>,
    /// Since when.
    pub since: Timestamp,
    /// That of the call that caused it; `None`: time cleared it.
    pub correlation_id: Option<Name>,
}

/// What observers are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// The notification, where one is concerned.
    pub notification_id: Option<NotificationId>,
    /// The correlationId, where there is one.
    pub correlation_id: Option<Name>,
    /// The agent, where one is concerned.
    pub agent_id: Option<Name>,
    /// The provider, where one is concerned.
    pub provider_id: Option<Name>,
    /// The session, where one is concerned.
    pub session_id: Option<Name>,
    /// The outcome of `Settled` and `Cancelled`.
    pub outcome: Option<Outcome>,
    /// Of `Kpi`: whether it stands.
    pub breached: Option<bool>,
    /// Of `Presence` and `AgentJoined`.
    pub presence: Option<Presence>,
}

/// The kinds of [`Event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A notification was taken.
    Notified,
    /// It was displayed for the first time.
    Displayed,
    /// It was settled.
    Settled,
    /// It was cancelled (instead of `Settled`).
    Cancelled,
    /// A mark was set or cleared.
    Kpi,
    /// An agent's first connection came.
    AgentJoined,
    /// An agent's last connection went.
    AgentLeft,
    /// A provider's first connection came.
    ProviderJoined,
    /// A provider's last connection went.
    ProviderLeft,
    /// An agent's presence changed.
    Presence,
}
