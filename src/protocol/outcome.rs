//! How a notification ended, in the two words of the wire.

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// An outcome: `{"actionName", "responseReason"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// An agent accepted.
    Accept,
    /// Accepted automatically.
    AutoAccept,
    /// Accepted automatically when its display time ran out.
    AutoAcceptOnTimeout,
    /// Declined.
    DeclinedByAgent,
    /// No place was left for it.
    NotificationQueueLimitExceeded,
    /// Displayed to nobody within its queue time.
    NotificationQueueTimeLimitExceeded,
    /// Settled by nobody within its display time.
    DisplayTimeout,
    /// Withdrawn.
    Cancelled,
}

/// Each outcome with its `actionName` and its `responseReason`, in the order of declaration.
const TABLE: [(Outcome, &str, &str); 8] = [
    (Outcome::Accept, "Accept", "Accept"),
    (Outcome::AutoAccept, "Accept", "AutoAccept"),
    (Outcome::AutoAcceptOnTimeout, "Accept", "AutoAcceptOnTimeout"),
    (Outcome::DeclinedByAgent, "Reject", "DeclinedByAgent"),
    (Outcome::NotificationQueueLimitExceeded, "Reject", "NotificationQueueLimitExceeded"),
    (Outcome::NotificationQueueTimeLimitExceeded, "Reject", "NotificationQueueTimeLimitExceeded"),
    (Outcome::DisplayTimeout, "Timeout", "DisplayTimeout"),
    (Outcome::Cancelled, "Cancel", "Cancelled"),
];

impl Outcome {
    /// All of them, in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::Accept,
        Self::AutoAccept,
        Self::AutoAcceptOnTimeout,
        Self::DeclinedByAgent,
        Self::NotificationQueueLimitExceeded,
        Self::NotificationQueueTimeLimitExceeded,
        Self::DisplayTimeout,
        Self::Cancelled,
    ];

    /// What was done: `Accept`, `Reject`, `Timeout` or `Cancel`.
    #[must_use]
    pub fn action_name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// Why; no two outcomes share it.
    #[must_use]
    pub fn response_reason(self) -> &'static str {
        TABLE[self as usize].2
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Outcome", 2)?;
        object.serialize_field("actionName", self.action_name())?;
        object.serialize_field("responseReason", self.response_reason())?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_declaration() {
        assert_eq!(TABLE.map(|(outcome, _, _)| outcome), Outcome::ALL);
        for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, at);
        }
    }

    #[test]
    fn an_outcome_is_an_object_of_two_words() {
        let written = serde_json::to_string(&Outcome::NotificationQueueLimitExceeded).unwrap();
        assert_eq!(written, r#"{"actionName":"Reject","responseReason":"NotificationQueueLimitExceeded"}"#);
    }
}
