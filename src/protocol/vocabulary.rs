//! The roles of clients, and the names of calls.

use serde::{Deserialize, Serialize};

/// The role of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Raises notifications.
    Provider,
    /// Answers notifications: a person at a desk.
    Agent,
    /// Reads events and statistics.
    Observer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Provider, Self::Agent, Self::Observer];

    /// The role's name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Agent => "agent",
            Self::Observer => "observer",
        }
    }
}

/// The name of a call (`msdyn_name`) in the Channel Integration Framework. Replies carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CallName {
    /// The call `notify`.
    NotifyEvent,
    /// The call `cancel`.
    CancelEvent,
    /// The call `kpi`.
    NotifyKpiBreach,
    /// The call `activity`.
    NotifyNewActivity,
}

impl CallName {
    /// The name of the call that a message of this `type` makes; `None` for types that the framework does not name.
    #[must_use]
    pub fn of_type(message_type: &str) -> Option<Self> {
        match message_type {
            "notify" => Some(Self::NotifyEvent),
            "cancel" => Some(Self::CancelEvent),
            "kpi" => Some(Self::NotifyKpiBreach),
            "activity" => Some(Self::NotifyNewActivity),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_written_by_its_name() {
        for role in Role::ALL {
            let json = format!("\"{}\"", role.as_str());
            assert_eq!(serde_json::to_string(&role).unwrap(), json);
            assert_eq!(serde_json::from_str::<Role>(&json).unwrap(), role);
        }
    }
}
