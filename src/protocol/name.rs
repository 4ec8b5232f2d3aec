//! The small closed vocabularies of the wire: roles, presence, the names of calls.

use serde::Serialize;

/// What a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Raises notifications.
    Provider,
    /// A person at a desk.
    Agent,
    /// Read only.
    Observer,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Provider, Self::Agent, Self::Observer];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Agent => "agent",
            Self::Observer => "observer",
        }
    }
}

/// Whether an agent takes new notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Presence {
    /// Is offered notifications.
    Available,
    /// Keeps what is displayed, is offered nothing.
    Away,
}

impl Presence {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Away => "away",
        }
    }
}

/// The calls that have a `msdyn_name`: the names by which Channel Integration Framework pages know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum CallName {
    /// `notify`.
    NotifyEvent,
    /// `cancel`.
    CancelEvent,
    /// `kpi`.
    NotifyKpiBreach,
    /// `activity`.
    NotifyNewActivity,
}

impl CallName {
    /// The call that a message of this `type` is; `None` for types that the framework has no name for.
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
    fn a_name_is_written_as_it_is_read() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{}\"", role.as_str()));
        }
        for presence in [Presence::Available, Presence::Away] {
            assert_eq!(serde_json::to_string(&presence).unwrap(), format!("\"{}\"", presence.as_str()));
        }
    }
}
