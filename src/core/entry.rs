//! The entries of the log: everything that goes into the core.

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::ids::{Incarnation, Millis, Name, NotificationId, Position, Text, Timestamp};
use crate::limits::Limits;
use crate::revocations::{Revocation, RevokedSubject};

/// One group of entries. It is appended as a whole and applied as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The rules that give its bytes their shape: those in force when its hub wrote it, as far as that hub knew. They may
    /// have been raised since; how it is applied depends on the state alone.
    pub rules: u32,
    /// The hub that wrote it.
    pub incarnation: Incarnation,
    /// The writer's own count of its groups, from 1. A group that comes twice is applied once.
    pub group: u64,
    /// When it was written, by the log's clock. If it is earlier than the core's time, the core keeps its own.
    pub time: Timestamp,
    /// The entries, in the order in which they are applied.
    pub entries: Vec<Entry>,
}

/// One input in one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The workspace; empty where the input concerns the whole log.
    pub workspace: Name,
    /// The change that happens in it.
    pub input: Input,
}

/// A change that clients may notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A hub starts. The first start founds the log: its `epoch` becomes the log's own. A hub that cannot apply the
    /// rules in force does not become part of the log.
    Started {
        /// A random number that the hub drew.
        epoch: u64,
        /// The newest rules that the hub can apply.
        newest_rules: u32,
        /// In the rules for tests only.
        #[cfg(feature = "next-rules")]
        #[serde(default)]
        capped_before: u64,
    },
    /// These limits are in force from here on.
    Configured(Limits),
    /// A hub is gone, and all its connections with it.
    Removed {
        /// The hub that is gone.
        incarnation: Incarnation,
    },
    /// A hub has written nothing for too long. The core removes it unless it has written since
    /// ([`Core::silent_hubs`](super::Core::silent_hubs)).
    Silent {
        /// The hub that is silent.
        incarnation: Incarnation,
    },
    /// Time passed; nothing else happened.
    Tick,
    /// A client sent its hello.
    Join {
        /// The hub's number for the connection.
        connection: u64,
        /// The role and name under which the client joins.
        client: Joiner,
    },
    /// A connection is gone.
    Leave {
        /// The hub's number for the connection.
        connection: u64,
    },
    /// A client sent a message.
    Call {
        /// The hub's number for the client's connection.
        connection: u64,
        /// The client's message, checked and complete.
        call: Call,
    },
    /// The tokens of a subject are revoked.
    Revoke {
        /// Whose tokens are revoked.
        subject: RevokedSubject,
        /// Which of its tokens.
        revocation: Revocation,
    },
    /// A revocation no longer holds.
    LiftRevocation {
        /// The subject of the revocation.
        subject: RevokedSubject,
    },
}

impl Input {
    /// A hub starts that can apply rules up to `newest_rules`.
    #[must_use]
    pub fn started(epoch: u64, newest_rules: u32) -> Self {
        Self::Started {
            epoch,
            newest_rules,
            #[cfg(feature = "next-rules")]
            capped_before: epoch,
        }
    }
}

/// A client that joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Joiner {
    /// A client that raises notifications.
    Provider {
        /// The provider's name.
        id: Name,
        /// The results that the hub sends to it again.
        resume: Resume,
    },
    /// A person at a desk.
    Agent {
        /// The agent's name.
        id: Name,
        /// The agent's groups from here on (at most [`GROUPS_PER_AGENT_MAX`](super::limits::GROUPS_PER_AGENT_MAX), no
        /// name twice); `None` keeps those that the hub remembers.
        groups: Option<Vec<Name>>,
        /// The agent's presence from here on; `None` keeps the one that the hub remembers.
        presence: Option<Presence>,
    },
    /// A client that only watches.
    Observer,
}

/// The results that a provider receives again when it joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resume {
    /// No results.
    Nothing,
    /// All results that are retained.
    All,
    /// The results that were settled after a position; `None` if the client sent something else than a position.
    After(Option<Position>),
}

/// Whether an agent takes new notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Presence {
    /// The agent is offered notifications.
    Available,
    /// The agent keeps those displayed and is offered no new ones.
    Away,
}

/// A client's message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The message's `id`. Every direct reply carries it back.
    pub id: Option<Name>,
    /// The message's correlationId. Notify, cancel and kpi always have one, minted by the hub if need be.
    pub correlation_id: Option<Name>,
    /// The gateway's own number for a call if an HTTP request waits for the reply, so that no socket gets it. The core
    /// copies it into [`ReplyTo`](super::effect::ReplyTo) and does not look at it.
    pub number: Option<u64>,
    /// The request itself.
    pub action: Action,
}

/// A request, by the role of the client that may send it. The edge checks the role; the core refuses a request of the
/// other role ([`Refusal::WrongRole`](super::effect::Refusal::WrongRole)) and decides about ownership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// A provider's request.
    Provider(ProviderAction),
    /// An agent's request.
    Agent(AgentAction),
}

impl From<ProviderAction> for Action {
    fn from(action: ProviderAction) -> Self {
        Self::Provider(action)
    }
}

impl From<AgentAction> for Action {
    fn from(action: AgentAction) -> Self {
        Self::Agent(action)
    }
}

/// The requests of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProviderAction {
    /// Raises a notification.
    Notify(Box<NewNotification>),
    /// Withdraws a notification.
    Cancel {
        /// The notification's cancellation token.
        cancellation_token: Name,
    },
    /// Marks a session as in breach, or clears the mark.
    Kpi {
        /// The session to mark.
        session_id: Name,
        /// Whether to clear the mark instead of setting it.
        should_reset: bool,
        /// A description for people of the breach.
        details: Option<Text>,
    },
    /// Sets the unread count of a session.
    Activity {
        /// The session that has unread messages.
        session_id: Name,
        /// The new count.
        count: u32,
    },
    /// Ends a session.
    EndSession {
        /// The session to end.
        session_id: Name,
    },
    /// Asks for the state of a notification.
    Lookup {
        /// The notification to look up.
        notification_id: NotificationId,
    },
}

/// The requests of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentAction {
    /// Accepts a notification.
    Accept {
        /// The notification that the agent accepts.
        notification_id: NotificationId,
    },
    /// Rejects a notification.
    Reject {
        /// The notification that the agent rejects.
        notification_id: NotificationId,
        /// The reason, for people.
        reason: Option<Text>,
    },
    /// Reports that the agent's page was visible while a notification was displayed.
    Seen {
        /// The notification that was visible.
        notification_id: NotificationId,
    },
    /// Changes the agent's presence.
    Presence(Presence),
    /// Ends one of the agent's sessions.
    EndSession {
        /// The session to end.
        session_id: Name,
    },
    /// Asks for the context of one of the agent's sessions.
    GetContext {
        /// The session whose context is asked for.
        session_id: Name,
    },
}

/// The content of a notify, checked and rendered by the edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewNotification {
    /// The id that the hub minted for it.
    pub notification_id: NotificationId,
    /// The name of its template.
    pub template_name: Name,
    /// A digest of templateName, templateParameters, sessionId, cancellationToken, to, priority and context, as the hub understands them.
    /// Two notifies with the same content have the same digest.
    pub fingerprint: u128,
    /// The session that the notify names. Without one, the session has the notificationId as its name.
    pub session_id: Option<Name>,
    /// The token by which its provider can cancel it.
    pub cancellation_token: Option<Name>,
    /// The agents and groups to which it is addressed.
    pub to: Recipients,
    /// The rendered template, or the reason why it could not be rendered.
    pub rendered: Result<Rendered, RenderError>,
    /// The parameters that no placeholder of the template takes.
    #[serde(default)]
    pub unused: Vec<Name>,
    /// What its provider tells the agent who gets the session.
    #[serde(default)]
    pub context: Option<Context>,
}

/// The recipients of a notification: the named agents and the agents of the named groups. Without any name: everybody.
/// Both lists are sorted and name nobody twice, so that equal audiences are equal values.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Recipients {
    /// Agents by name.
    pub agents: Vec<Name>,
    /// Groups by name.
    pub groups: Vec<Name>,
}

impl Recipients {
    /// Whether it has no name and so means everybody.
    #[must_use]
    pub fn is_everyone(&self) -> bool {
        self.agents.is_empty() && self.groups.is_empty()
    }
}

/// A template with its placeholders filled in: the card, and how long it is displayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// The card's title.
    pub title: Text,
    /// The icon's name, if the template has one.
    pub icon: Option<Name>,
    /// The card's lines.
    pub fields: Vec<Field>,
    /// The label of the accept button.
    pub accept_label: Text,
    /// The label of the reject button.
    pub reject_label: Text,
    /// Display time, 100 ms to 1 h.
    pub timeout: Millis,
    /// Queue time, 100 ms to 1 h.
    pub queue_timeout: Millis,
    /// Whether pages show the countdown.
    pub show_timeout: bool,
    /// Whether the hub accepts it at once for the agent that has been idle longest.
    pub auto_accept: bool,
    /// Whether the hub accepts it for an agent when the display time ends.
    pub auto_accept_on_timeout: bool,
    /// Which answer settles it.
    pub settle: Settle,
    /// The notification's priority, 0 to [`PRIORITY_MAX`](super::limits::PRIORITY_MAX): what waits is ordered by it,
    /// the highest first, then by arrival.
    #[serde(default)]
    pub priority: u8,
    /// The address of the customer's page, complete.
    #[serde(default)]
    pub link: Option<Text>,
    /// The sound with which it rings; `None`: the page chooses one.
    #[serde(default)]
    pub sound: Option<Sound>,
}

impl Rendered {
    /// A card with only a title. `timeout` is both its display time and its queue time; the rest is as in a template
    /// that sets nothing else.
    #[must_use]
    pub fn titled(title: impl Into<Text>, timeout: Millis) -> Self {
        Self {
            title: title.into(),
            icon: None,
            fields: Vec::new(),
            accept_label: "Accept".into(),
            reject_label: "Reject".into(),
            timeout,
            queue_timeout: timeout,
            show_timeout: true,
            auto_accept: false,
            auto_accept_on_timeout: false,
            settle: Settle::FirstResponse,
            priority: 0,
            link: None,
            sound: None,
        }
    }
}

/// One line of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The label, for people.
    pub label: Text,
    /// The value, for people.
    pub value: Text,
}

/// The sound of a ringing notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sound {
    /// A ring like a telephone's.
    Phone,
    /// A short sign like a chat's.
    Chat,
    /// A quiet one.
    Soft,
    /// No sound.
    None,
}

/// Which answer settles a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Settle {
    /// The first accept or reject.
    FirstResponse,
    /// The first accept, or the reject that leaves no agent able to accept.
    FirstAccept,
}

/// Why a template could not be rendered. It is part of the entry, because a repeated notify is answered as a duplicate
/// even if its template has changed since. Each `detail` is a text for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RenderError {
    /// No template has that name.
    UnknownTemplate {
        /// Names the template.
        detail: Text,
    },
    /// A placeholder has neither a parameter nor a default.
    Unresolved {
        /// Names the placeholder.
        detail: Text,
    },
    /// A rendered text is too long.
    TooLong {
        /// Names the text and its limit.
        detail: Text,
    },
}
