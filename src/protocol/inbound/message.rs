//! What a client says: one type per message, its texts borrowed from the frame wherever they stand there unescaped.
//!
//! Every value here has passed the wire's checks: names are 1 to [`NAME_BYTES_MAX`](super::super::size::NAME_BYTES_MAX)
//! bytes without control or bidirectional formatting characters, and so on as each field says.

use std::borrow::Cow;

use super::super::name::{CallName, Presence, Role};
use super::super::outbound::ReplyIds;

/// A text of the frame: borrowed, or owned if it had to be unescaped.
pub type Text<'a> = Cow<'a, str>;

/// One message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientMessage<'a> {
    /// What every message may carry.
    pub envelope: Envelope<'a>,
    /// What it says.
    pub body: Body<'a>,
}

/// What every message may carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Chosen by the client, a name; every direct reply carries it back.
    pub id: Option<Text<'a>>,
    /// A GUID, exactly as it was sent.
    pub correlation_id: Option<Text<'a>>,
}

impl Envelope<'_> {
    /// The ids that a direct reply to this message carries back.
    #[must_use]
    pub fn reply_ids(&self) -> ReplyIds<'_> {
        ReplyIds { id: self.id.as_deref(), correlation_id: self.correlation_id.as_deref() }
    }
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// `hello`: must be first, and only first.
    Hello(Hello<'a>),
    /// `refresh`: a fresh token, not checked here.
    Refresh {
        /// The token; not empty.
        token: Text<'a>,
    },
    /// `ping`.
    Ping,
    /// `notify`, of a provider.
    Notify(NotifyMessage<'a>),
    /// `cancel`, of a provider.
    Cancel {
        /// A name.
        cancellation_token: Text<'a>,
    },
    /// `kpi`, of a provider.
    Kpi {
        /// A name.
        session_id: Text<'a>,
        /// Clears the mark instead of setting it; false if absent.
        should_reset: bool,
        /// At most [`DETAILS_BYTES_MAX`](super::super::size::DETAILS_BYTES_MAX), may be empty.
        details: Option<Text<'a>>,
    },
    /// `activity`, of a provider.
    Activity {
        /// A name.
        session_id: Text<'a>,
        /// The unread count.
        count: u32,
    },
    /// `endSession`, of a provider or an agent.
    EndSession {
        /// A name.
        session_id: Text<'a>,
    },
    /// `accept`, of an agent.
    Accept {
        /// A name; whether it is a notificationId at all is for the one who looks it up.
        notification_id: Text<'a>,
    },
    /// `reject`, of an agent.
    Reject {
        /// As in `Accept`.
        notification_id: Text<'a>,
        /// At most [`REASON_BYTES_MAX`](super::super::size::REASON_BYTES_MAX), may be empty.
        reason: Option<Text<'a>>,
    },
    /// `seen`, of an agent; has no reply.
    Seen {
        /// As in `Accept`.
        notification_id: Text<'a>,
    },
    /// `presence`, of an agent.
    Presence(Presence),
}

impl Body<'_> {
    /// The message's `type`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Refresh { .. } => "refresh",
            Self::Ping => "ping",
            Self::Notify(_) => "notify",
            Self::Cancel { .. } => "cancel",
            Self::Kpi { .. } => "kpi",
            Self::Activity { .. } => "activity",
            Self::EndSession { .. } => "endSession",
            Self::Accept { .. } => "accept",
            Self::Reject { .. } => "reject",
            Self::Seen { .. } => "seen",
            Self::Presence(_) => "presence",
        }
    }

    /// The `msdyn_name` of its replies, if it has one.
    #[must_use]
    pub fn call(&self) -> Option<CallName> {
        CallName::of_type(self.type_name())
    }

    /// Whether a client of that role may send it (once it has said hello).
    #[must_use]
    pub fn is_for(&self, role: Role) -> bool {
        match self {
            Self::Hello(_) | Self::Refresh { .. } | Self::Ping => true,
            Self::Notify(_) | Self::Cancel { .. } | Self::Kpi { .. } | Self::Activity { .. } => role == Role::Provider,
            Self::EndSession { .. } => role != Role::Observer,
            Self::Accept { .. } | Self::Reject { .. } | Self::Seen { .. } | Self::Presence(_) => role == Role::Agent,
        }
    }
}

/// A client introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello<'a> {
    /// As what it comes.
    pub role: HelloRole<'a>,
    /// Its token, whatever that is: not checked here, may be empty.
    pub token: Option<Text<'a>>,
}

/// As what a client comes. Fields of the other roles are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelloRole<'a> {
    /// Raises notifications.
    Provider {
        /// A name; absent: the hub mints one.
        provider_id: Option<Text<'a>>,
        /// Which results it wants again.
        resume: ResumeFrom<'a>,
    },
    /// A person at a desk.
    Agent {
        /// A name; absent: the hub mints one.
        agent_id: Option<Text<'a>>,
        /// At most [`GROUPS_MAX`](super::super::size::GROUPS_MAX) names, none twice, as they were listed; empty: in no
        /// group; absent: as remembered.
        groups: Option<Vec<Text<'a>>>,
        /// Absent: as remembered.
        presence: Option<Presence>,
    },
    /// Read only.
    Observer,
}

impl HelloRole<'_> {
    /// The role's name.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Self::Provider { .. } => Role::Provider,
            Self::Agent { .. } => Role::Agent,
            Self::Observer => Role::Observer,
        }
    }
}

/// Which results a provider wants again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResumeFrom<'a> {
    /// None: `resume` is absent or `false`.
    Nothing,
    /// All that are retained: `true`.
    All,
    /// Those settled after a position: any string, since a string that is no position of this hub is not an error
    /// but a miss; see [`Position::parse`](super::super::Position::parse).
    After(Text<'a>),
}

/// A provider raises a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyMessage<'a> {
    /// A name.
    pub template_name: Text<'a>,
    /// Names with their values, sorted by name, no name twice. A value may be empty, and as long as the message lets
    /// it be; a number or boolean is the text that the client wrote.
    pub template_parameters: Vec<(Text<'a>, Text<'a>)>,
    /// A name.
    pub session_id: Option<Text<'a>>,
    /// A name.
    pub cancellation_token: Option<Text<'a>>,
    /// Whom it is for.
    pub to: Recipients<'a>,
}

/// Whom a notification is for: sorted names, none twice, at most [`TO_NAMES_MAX`](super::super::size::TO_NAMES_MAX) in both
/// together; nobody named: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipients<'a> {
    /// Agents.
    pub agents: Vec<Text<'a>>,
    /// Groups.
    pub groups: Vec<Text<'a>>,
}
