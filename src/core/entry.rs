//! What goes into the core: the entries of the log.

use serde::{Deserialize, Serialize};

use super::ids::{Incarnation, Name, NotificationId, Position, Timestamp};
use super::limits::Limits;

/// The number of the rules by which entries are folded. Raised whenever the behaviour of this room changes:
/// a hub folds only records of its own number, so no two hubs ever read one history differently.
pub const RULES: u32 = 4;

/// One group of entries, appended and applied as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`RULES`] of the hub that wrote it.
    pub rules: u32,
    /// The hub that wrote it.
    pub incarnation: Incarnation,
    /// The writer's own count of its groups, from 1. A group that comes twice is applied once.
    pub group: u64,
    /// When it was written, by the log's clock. Never runs back: the core takes the later of this and its own time.
    pub time: Timestamp,
    /// In the order in which they are applied.
    pub entries: Vec<Entry>,
}

/// One input, in one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The workspace; empty where the input concerns the whole log.
    pub workspace: Name,
    /// What happened.
    pub input: Input,
}

/// Everything that can change what anybody sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A hub begins. The first one of a log founds it: `epoch` becomes the log's own.
    Started {
        /// Drawn at random by the hub.
        epoch: u64,
    },
    /// The limits in force from here on.
    Configured(Limits),
    /// A hub is gone, and all its connections with it.
    Removed {
        /// The hub that is gone.
        incarnation: Incarnation,
    },
    /// Nothing came of a hub for so long that it is taken for gone, unless something has come since
    /// ([`Core::silent_hubs`](super::Core::silent_hubs)).
    Silent {
        /// The hub that is silent.
        incarnation: Incarnation,
    },
    /// Time went on; nothing else.
    Tick,
    /// A client said hello.
    Join {
        /// The hub's number for the connection.
        connection: u64,
        /// Who it is.
        client: Client,
    },
    /// A connection is gone.
    Leave {
        /// The hub's number for the connection.
        connection: u64,
    },
    /// A client asks for something.
    Call {
        /// The hub's number for the connection that asks.
        connection: u64,
        /// What it asks.
        call: Call,
    },
}

/// Who joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Client {
    /// A client that raises notifications.
    Provider {
        /// Its name.
        id: Name,
        /// Which results it wants again.
        resume: Resume,
    },
    /// A person at a desk.
    Agent {
        /// The agent's name.
        id: Name,
        /// The agent's groups from here on (at most [`GROUPS_PER_AGENT_MAX`](super::limits::GROUPS_PER_AGENT_MAX),
        /// no name twice); `None` keeps what is remembered.
        groups: Option<Vec<Name>>,
        /// The agent's presence from here on; `None` keeps what is remembered.
        presence: Option<Presence>,
    },
    /// Read only.
    Observer,
}

/// Which results a provider wants again when it joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resume {
    /// None.
    Nothing,
    /// All that are retained.
    All,
    /// Those settled after a position; `None` if what the client sent is no position of any hub.
    After(Option<Position>),
}

/// Whether an agent takes new notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Presence {
    /// Is offered notifications.
    Available,
    /// Keeps what is displayed, is offered nothing.
    Away,
}

/// A client's message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The message's `id`, carried back by every direct reply.
    pub id: Option<Name>,
    /// The message's correlationId, or the one that the hub minted for it (always there on notify, cancel and kpi).
    pub correlation_id: Option<Name>,
    /// The gateway's own number for a call whose reply does not go to a socket: a request over HTTP waits for it. The
    /// core copies it into [`ReplyTo`](super::effect::ReplyTo) and does not look at it.
    pub number: Option<u64>,
    /// What is asked.
    pub action: Action,
}

/// What a client may ask. Roles are checked at the edge; ownership is decided here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// A provider raises a notification.
    Notify(Box<Notify>),
    /// A provider withdraws its notification.
    Cancel {
        /// The notification's cancellation token.
        cancellation_token: Name,
    },
    /// A provider marks a session as in breach, or clears the mark.
    Kpi {
        /// The session.
        session_id: Name,
        /// Clears instead of marking.
        should_reset: bool,
        /// What is breached, for people.
        details: Option<Name>,
    },
    /// A provider sets the unread count of a session.
    Activity {
        /// The session.
        session_id: Name,
        /// The new count.
        count: u32,
    },
    /// A provider or the session's agent ends a session.
    EndSession {
        /// The session.
        session_id: Name,
    },
    /// An agent accepts.
    Accept {
        /// The notification.
        notification_id: NotificationId,
    },
    /// An agent rejects.
    Reject {
        /// The notification.
        notification_id: NotificationId,
        /// Why, for people.
        reason: Option<Name>,
    },
    /// A notification was before an agent's eyes.
    Seen {
        /// The notification.
        notification_id: NotificationId,
    },
    /// An agent comes or goes, staying connected.
    Presence(Presence),
    /// A provider asks what became of its notification.
    Recall {
        /// The notification.
        notification_id: NotificationId,
    },
}

/// A provider's notify, checked and rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// Minted for it.
    pub notification_id: NotificationId,
    /// Its template's name.
    pub template_name: Name,
    /// 128 bits over what it says (templateName, templateParameters, sessionId, cancellationToken, to), as
    /// the hub understands them: two notifies that say the same have the same.
    pub fingerprint: u128,
    /// The session it is about; `None`: its notificationId.
    pub session_id: Option<Name>,
    /// The token by which it can be cancelled.
    pub cancellation_token: Option<Name>,
    /// Whom it is for.
    pub to: To,
    /// The template, rendered; or why it could not be.
    pub rendered: Result<Rendered, TemplateFault>,
}

/// Whom a notification is for: the named agents and the agents of the named groups; nobody named: all.
/// Sorted, no name twice, so that equal audiences are equal values.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct To {
    /// Agents by name.
    pub agents: Vec<Name>,
    /// Groups by name.
    pub groups: Vec<Name>,
}

impl To {
    /// Whether it names nobody, and so means everybody.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.agents.is_empty() && self.groups.is_empty()
    }
}

/// A template with its placeholders filled in: what is shown, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// The card's title.
    pub title: Name,
    /// The icon's name, if the template has one.
    pub icon: Option<Name>,
    /// The card's lines.
    pub fields: Vec<Field>,
    /// The words on the accept button.
    pub accept_label: Name,
    /// The words on the reject button.
    pub reject_label: Name,
    /// Display time, 100 ms to 1 h.
    pub timeout_ms: u64,
    /// Queue time, 100 ms to 1 h.
    pub queue_timeout_ms: u64,
    /// Whether pages show the countdown.
    pub show_timeout: bool,
    /// Accepted at once for the agent who has been idle longest.
    pub auto_accept: bool,
    /// Accepted automatically when the display time runs out.
    pub auto_accept_on_timeout: bool,
    /// What settles it.
    pub settle: Settle,
}

impl Rendered {
    /// A card with a title alone, shown and queued for `timeout_ms`; the rest as of a template that says nothing of it.
    #[must_use]
    pub fn titled(title: impl Into<Name>, timeout_ms: u64) -> Self {
        Self {
            title: title.into(),
            icon: None,
            fields: Vec::new(),
            accept_label: "Accept".into(),
            reject_label: "Reject".into(),
            timeout_ms,
            queue_timeout_ms: timeout_ms,
            show_timeout: true,
            auto_accept: false,
            auto_accept_on_timeout: false,
            settle: Settle::FirstResponse,
        }
    }
}

/// One line of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// What it is.
    pub label: Name,
    /// Its value.
    pub value: Name,
}

/// What settles a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settle {
    /// The first accept or reject.
    FirstResponse,
    /// The first accept, or the reject that leaves nobody.
    FirstAccept,
}

/// Why a template could not be rendered. Travels in the entry, because a duplicate is answered as such whatever
/// has become of its template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TemplateFault {
    /// No template has that name.
    Unknown {
        /// For people.
        detail: Name,
    },
    /// A placeholder has neither a parameter nor a default.
    Unresolved {
        /// For people.
        detail: Name,
    },
    /// A rendered text is longer than it may be.
    TooLong {
        /// For people.
        detail: Name,
    },
}
