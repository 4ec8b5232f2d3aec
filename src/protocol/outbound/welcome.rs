//! The welcome: the whole state that a client starts from.

use serde::{Serialize, Serializer};

use super::super::name::{Presence, Role};
use super::super::time::Time;
use super::message::{Kpi, Notification, ReplyIds, Session, Uuid};

/// The reply to `hello`.
#[derive(Debug, Clone)]
pub struct Welcome<'a> {
    /// The hello's.
    pub ids: ReplyIds<'a>,
    /// As what the client is in, and what it finds.
    pub who: WelcomeState<'a>,
    /// Its workspace.
    pub workspace: &'a str,
    /// The connection.
    pub connection_id: &'a str,
    /// How often the hub pings.
    pub ping_interval_ms: u64,
    /// The hub's clock.
    pub server_time: Time,
    /// The limits that matter to a client.
    pub limits: Limits,
}

/// What a client of each role finds.
#[derive(Debug, Clone)]
pub enum WelcomeState<'a> {
    /// A provider.
    Provider {
        /// Its name, as it was given or minted.
        provider_id: &'a str,
        /// Its notifications without an outcome, by arrival.
        open: Vec<OpenNotification<'a>>,
        /// Some results after the position that it resumes from are forgotten.
        missed: bool,
    },
    /// An agent.
    Agent {
        /// The agent's name, as it was given or minted.
        agent_id: &'a str,
        /// The agent's groups.
        groups: Vec<&'a str>,
        /// The agent's presence.
        presence: Presence,
        /// What is on the desk; each is written as its own message is, `type` included.
        notifications: Vec<Notification<'a>>,
        /// The agent's open sessions, likewise.
        sessions: Vec<Session<'a>>,
        /// The marks that stand, likewise.
        kpi: Vec<Kpi<'a>>,
    },
    /// An observer.
    Observer,
}

/// Limits that a client should know.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// The largest message that the hub takes from this client.
    pub max_message_bytes: u64,
    /// Notifications displayed on one desk at once.
    pub display_limit: u32,
    /// Notifications waiting behind them.
    pub queue_limit: u32,
}

/// A provider's open notification.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenNotification<'a> {
    /// The notification.
    pub notification_id: Uuid,
    /// The notify's `id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// The notify's, or the one minted for it.
    pub correlation_id: &'a str,
    /// The notify's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation_token: Option<&'a str>,
}

/// What stands in a welcome between `type` and `workspace`, and after `limits`, by role.
#[derive(Default, Serialize)]
#[serde(tag = "type", rename = "welcome", rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(flatten)]
    ids: ReplyIds<'a>,
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence: Option<Presence>,
    workspace: &'a str,
    connection_id: &'a str,
    protocol: u32,
    ping_interval_ms: u64,
    server_time: Option<Time>,
    limits: Option<Limits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<&'a [OpenNotification<'a>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notifications: Option<&'a [Notification<'a>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<&'a [Session<'a>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kpi: Option<&'a [Kpi<'a>]>,
}

impl Serialize for Welcome<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut wire = Wire {
            ids: self.ids,
            workspace: self.workspace,
            connection_id: self.connection_id,
            protocol: super::super::VERSION,
            ping_interval_ms: self.ping_interval_ms,
            server_time: Some(self.server_time),
            limits: Some(self.limits),
            ..Wire::default()
        };
        match &self.who {
            WelcomeState::Provider { provider_id, open, missed } => {
                wire.role = Some(Role::Provider);
                wire.provider_id = Some(provider_id);
                wire.open = Some(open);
                wire.missed = missed.then_some(true);
            }
            WelcomeState::Agent { agent_id, groups, presence, notifications, sessions, kpi } => {
                wire.role = Some(Role::Agent);
                wire.agent_id = Some(agent_id);
                wire.groups = Some(groups);
                wire.presence = Some(*presence);
                wire.notifications = Some(notifications);
                wire.sessions = Some(sessions);
                wire.kpi = Some(kpi);
            }
            WelcomeState::Observer => wire.role = Some(Role::Observer),
        }
        wire.serialize(serializer)
    }
}
