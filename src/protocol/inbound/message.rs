//! The messages of clients: one type for each. Texts are borrowed from the frame if they have no escapes there.
//!
//! [`decode`](super::decode()) has checked every value: a name has 1 to [`NAME_BYTES_MAX`](crate::size::NAME_BYTES_MAX)
//! bytes and no hidden characters ([`check_name`](super::check_name)); each field's documentation gives its other limits.

use std::borrow::Cow;

use deskbell_core::entry::Presence;
use serde::Serialize;
use serde::ser::Serializer;

use crate::envelope::Envelope;
use crate::raw_json::RawJson;
use crate::vocabulary::{CallName, Role};

/// A text of the frame.
pub type Text<'a> = Cow<'a, str>;

/// One message of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientMessage<'a> {
    /// The type of the message, and its fields.
    #[serde(flatten)]
    pub body: Body<'a>,
    /// The ids that any message may carry.
    #[serde(flatten)]
    pub envelope: Envelope<'a>,
}

/// The type of a message, and its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Body<'a> {
    /// `hello`, of every client: the first message of a connection.
    Hello(Hello<'a>),
    /// `refresh`, of every client: a new token. It is not checked here.
    Refresh {
        /// The token; not empty.
        token: Text<'a>,
    },
    /// `ping`, of every client.
    Ping,
    /// `notify`, of a provider.
    Notify(NotifyMessage<'a>),
    /// `cancel`, of a provider.
    Cancel {
        /// The cancellationToken of the notification; a name.
        cancellation_token: Text<'a>,
    },
    /// `kpi`, of a provider.
    Kpi {
        /// The session's id; a name.
        session_id: Text<'a>,
        /// Whether to clear the mark instead of setting it; false if absent.
        should_reset: bool,
        /// A description of the breach, of at most [`DETAILS_BYTES_MAX`](crate::size::DETAILS_BYTES_MAX) bytes.
        #[serde(skip_serializing_if = "Option::is_none")]
        details: Option<Text<'a>>,
    },
    /// `activity`, of a provider.
    Activity {
        /// The session's id; a name.
        session_id: Text<'a>,
        /// The number of unread messages.
        count: u32,
    },
    /// `endSession`, of a provider or an agent.
    EndSession {
        /// The session's id; a name.
        session_id: Text<'a>,
    },
    /// `getContext`, of an agent.
    GetContext {
        /// The session's id; a name.
        session_id: Text<'a>,
    },
    /// `accept`, of an agent.
    Accept {
        /// A name, which need not be a notificationId.
        notification_id: Text<'a>,
    },
    /// `reject`, of an agent.
    Reject {
        /// A name, which need not be a notificationId.
        notification_id: Text<'a>,
        /// The reason, of at most [`REASON_BYTES_MAX`](crate::size::REASON_BYTES_MAX) bytes.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Text<'a>>,
    },
    /// `seen`, of an agent. It has no reply.
    Seen {
        /// A name, which need not be a notificationId.
        notification_id: Text<'a>,
    },
    /// `presence`, of an agent.
    Presence {
        /// The presence from now on.
        presence: Presence,
    },
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
            Self::GetContext { .. } => "getContext",
            Self::Accept { .. } => "accept",
            Self::Reject { .. } => "reject",
            Self::Seen { .. } => "seen",
            Self::Presence { .. } => "presence",
        }
    }

    /// The `msdyn_name` of its replies, if it has one.
    #[must_use]
    pub fn call(&self) -> Option<CallName> {
        CallName::of_type(self.type_name())
    }

    /// Whether a client with this role may send it after its hello.
    #[must_use]
    pub fn is_for(&self, role: Role) -> bool {
        match self {
            Self::Hello(_) | Self::Refresh { .. } | Self::Ping => true,
            Self::Notify(_) | Self::Cancel { .. } | Self::Kpi { .. } | Self::Activity { .. } => role == Role::Provider,
            Self::EndSession { .. } => role != Role::Observer,
            Self::GetContext { .. }
            | Self::Accept { .. }
            | Self::Reject { .. }
            | Self::Seen { .. }
            | Self::Presence { .. } => role == Role::Agent,
        }
    }
}

/// The first message of a connection: the client's role, name and token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hello<'a> {
    /// The client's role, and the fields of that role.
    #[serde(flatten)]
    pub role: HelloRole<'a>,
    /// The token. It is not checked here and may be empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Text<'a>>,
}

/// The fields of a hello by role. The fields of other roles are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "role", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum HelloRole<'a> {
    /// The hello of a provider.
    Provider {
        /// The provider's name; if absent, the hub mints one.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_id: Option<Text<'a>>,
        /// The results that the hub sends again.
        #[serde(skip_serializing_if = "ResumeFrom::is_nothing")]
        resume: ResumeFrom<'a>,
    },
    /// The hello of an agent.
    Agent {
        /// The agent's name; if absent, the hub mints one.
        #[serde(skip_serializing_if = "Option::is_none")]
        agent_id: Option<Text<'a>>,
        /// At most [`GROUPS_MAX`](crate::size::GROUPS_MAX) names in the client's order, none twice. An empty list means
        /// no groups; if absent, the hub keeps those that it remembers.
        #[serde(skip_serializing_if = "Option::is_none")]
        groups: Option<Vec<Text<'a>>>,
        /// If absent, the hub keeps the presence that it remembers.
        #[serde(skip_serializing_if = "Option::is_none")]
        presence: Option<Presence>,
    },
    /// The hello of an observer.
    Observer,
    /// The hello has no role, so its token decides it. These are the fields of all roles.
    #[serde(untagged)]
    ByToken {
        /// The provider's name, if the token makes it a provider.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_id: Option<Text<'a>>,
        /// Which results a provider wants again.
        #[serde(skip_serializing_if = "ResumeFrom::is_nothing")]
        resume: ResumeFrom<'a>,
        /// The agent's name, if the token makes it an agent.
        #[serde(skip_serializing_if = "Option::is_none")]
        agent_id: Option<Text<'a>>,
        /// The groups of an agent.
        #[serde(skip_serializing_if = "Option::is_none")]
        groups: Option<Vec<Text<'a>>>,
        /// The presence of an agent.
        #[serde(skip_serializing_if = "Option::is_none")]
        presence: Option<Presence>,
    },
}

impl<'a> HelloRole<'a> {
    /// The role; `None`: the token decides it.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Provider { .. } => Some(Role::Provider),
            Self::Agent { .. } => Some(Role::Agent),
            Self::Observer => Some(Role::Observer),
            Self::ByToken { .. } => None,
        }
    }

    /// The same hello with this role, if it had none.
    #[must_use]
    pub fn with_role(&self, role: Role) -> Self {
        let Self::ByToken { provider_id, resume, agent_id, groups, presence } = self.clone() else {
            return self.clone();
        };
        match role {
            Role::Provider => Self::Provider { provider_id, resume },
            Role::Agent => Self::Agent { agent_id, groups, presence },
            Role::Observer => Self::Observer,
        }
    }
}

/// The results that the hub sends again to a provider that reconnects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResumeFrom<'a> {
    /// No results: `resume` is absent or `false`.
    Nothing,
    /// All results that the hub retains: `true`.
    All,
    /// The results that were settled after a position. Any string is valid here: if it is not a position of this hub, the
    /// provider receives everything with `missed`.
    After(Text<'a>),
}

impl ResumeFrom<'_> {
    fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

impl Serialize for ResumeFrom<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_bool(false),
            Self::All => serializer.serialize_bool(true),
            Self::After(position) => serializer.serialize_str(position),
        }
    }
}

/// A provider raises a notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotifyMessage<'a> {
    /// The name of the template.
    pub template_name: Text<'a>,
    /// Parameter names with their values, sorted by name, no name twice. A value may be empty; its length is limited only
    /// by the message. A number or boolean is kept as the text that the client wrote.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_object")]
    pub template_parameters: Vec<(Text<'a>, Text<'a>)>,
    /// The session that an accept starts or moves; a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Text<'a>>,
    /// The token for `cancel`; a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation_token: Option<Text<'a>>,
    /// The agents and groups to which it is addressed.
    #[serde(skip_serializing_if = "AddressedTo::is_everyone")]
    pub to: AddressedTo<'a>,
    /// The priority, 0 to [`PRIORITY_MAX`](deskbell_core::PRIORITY_MAX); if absent, the template's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// A JSON object for the agent who gets the session, of at most
    /// [`CONTEXT_BYTES_MAX`](deskbell_core::CONTEXT_BYTES_MAX) bytes as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<RawJson<'a>>,
}

/// The agents and groups to which a notification is addressed: sorted names, none twice, at most
/// [`TO_NAMES_MAX`](crate::size::TO_NAMES_MAX) in both lists together. Without any name: everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AddressedTo<'a> {
    /// Names of agents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Text<'a>>,
    /// Names of groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Text<'a>>,
}

impl AddressedTo<'_> {
    fn is_everyone(&self) -> bool {
        self.agents.is_empty() && self.groups.is_empty()
    }
}

fn as_object<S: Serializer>(pairs: &[(Text<'_>, Text<'_>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}
