//! The welcome: the whole state that a client starts from.

use std::borrow::Cow;

use deskbell_core::entry::Presence;
use deskbell_core::{NotificationId, Timestamp};
use serde::{Deserialize, Serialize};

use super::desk::{Kpi, Notification, Session};
use crate::envelope::Envelope;
use crate::vocabulary::Role;

/// The reply to `hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "welcome", rename_all = "camelCase")]
pub struct Welcome<'a> {
    /// The ids of the `hello`.
    #[serde(flatten)]
    pub ids: Envelope<'a>,
    /// The client's workspace.
    pub workspace: Cow<'a, str>,
    /// The id of the connection.
    pub connection_id: Cow<'a, str>,
    /// The version of the protocol: [`VERSION`](crate::VERSION).
    pub protocol: u32,
    /// How often the hub sends a WebSocket ping.
    pub ping_interval_ms: u64,
    /// How long the hub keeps a settled notification for resume and for repeated notifies.
    #[serde(default)]
    pub retention_ms: u64,
    /// The hub's clock.
    pub server_time: Timestamp,
    /// The limits that a client has to know.
    pub limits: ClientLimits,
    /// The client's role, and what the hub holds for it.
    #[serde(flatten)]
    pub state: WelcomeState<'a>,
}

/// What the hub holds for a client, by role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum WelcomeState<'a> {
    /// The state of a provider.
    Provider {
        /// The provider's name, given by the client or minted by the hub.
        provider_id: Cow<'a, str>,
        /// The provider's notifications that have no outcome yet, by arrival.
        open: Vec<OpenNotification<'a>>,
        /// Whether the hub has forgotten results that were settled after the position to resume from.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        missed: bool,
    },
    /// The state of an agent's desk.
    Agent {
        /// The agent's name, given by the client or minted by the hub.
        agent_id: Cow<'a, str>,
        /// The agent's groups.
        groups: Vec<Cow<'a, str>>,
        /// The agent's presence.
        presence: Presence,
        /// The displayed notifications. Each is written like its own message, with its `type`.
        notifications: Vec<Notification<'a>>,
        /// The agent's open sessions, each with its `type`.
        sessions: Vec<Session<'a>>,
        /// The KPI marks in the workspace, each with its `type`.
        kpi: Vec<Kpi<'a>>,
    },
    /// An observer has no state.
    Observer,
}

impl WelcomeState<'_> {
    /// The client's role.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Self::Provider { .. } => Role::Provider,
            Self::Agent { .. } => Role::Agent,
            Self::Observer => Role::Observer,
        }
    }
}

/// The limits that a client has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientLimits {
    /// The longest message that the hub takes from this client, in bytes.
    pub max_message_bytes: u64,
    /// Notifications displayed on one desk at once.
    pub display_limit: u32,
    /// Notifications queued behind a desk.
    pub queue_limit: u32,
}

/// A provider's notification that has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenNotification<'a> {
    /// The notification's id.
    pub notification_id: NotificationId,
    /// The `id` of the notify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Cow<'a, str>>,
    /// The correlationId of the notify, or the one that the hub minted.
    pub correlation_id: Cow<'a, str>,
    /// The cancellationToken of the notify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation_token: Option<Cow<'a, str>>,
}
