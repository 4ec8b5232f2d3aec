//! The fields of the hub's messages that the load tool needs. Ten thousand agents read many messages, so the texts are
//! borrowed and the other fields are skipped.

use std::borrow::Cow;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use deskbell_protocol::{ErrorCode, NotificationId, Outcome};
use serde::Deserialize;

/// The fields of any message that the load tool needs.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageFields<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) id: Option<&'a str>,
    #[serde(borrow)]
    pub(crate) correlation_id: Option<&'a str>,
    pub(crate) notification_id: Option<NotificationId>,
    #[serde(rename = "value")]
    pub(crate) outcome: Option<Outcome>,
    /// The agent that settled the notification.
    #[serde(rename = "agentId")]
    pub(crate) agent: Option<AgentName>,
    #[serde(default)]
    pub(crate) won: bool,
    #[serde(default)]
    pub(crate) duplicate: bool,
    pub(crate) code: Option<ErrorCode>,
    pub(crate) retry_after_ms: Option<u64>,
    #[serde(borrow)]
    pub(crate) position: Option<&'a str>,
}

/// A digest of an agent's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "Cow<'_, str>")]
pub(crate) struct AgentName(u64);

impl AgentName {
    #[cfg(test)]
    pub(crate) const TEST_ADA: Self = Self(1);
    #[cfg(test)]
    pub(crate) const TEST_BOB: Self = Self(2);

    pub(crate) fn of(name: &[u8]) -> Self {
        Self(BuildHasherDefault::<DefaultHasher>::default().hash_one(name))
    }
}

impl From<Cow<'_, str>> for AgentName {
    fn from(name: Cow<'_, str>) -> Self {
        Self::of(name.as_bytes())
    }
}

/// Reads a message. If it cannot be read, or has escapes in an id, it does not concern a call of this tool, and has no fields.
pub(crate) fn fields(text: &[u8]) -> MessageFields<'_> {
    serde_json::from_slice(text).unwrap_or_default()
}

/// The ids of the calls of one thread in one run. Ids of other tools and threads do not match.
#[derive(Debug, Clone)]
pub(crate) struct CallIds {
    /// Eight hexadecimal digits.
    run: String,
}

/// The kind of message that an id belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Notify,
    Cancel,
    EndSession,
    Answer,
}

impl CallIds {
    pub(crate) fn new(run: u32) -> Self {
        Self { run: format!("{run:08x}") }
    }

    /// The correlationId of a call: a GUID.
    pub(crate) fn correlation_id(&self, number: u64) -> String {
        format!("{}-0000-4000-8000-{number:012x}", self.run)
    }

    /// The number of a call of this thread.
    pub(crate) fn number(&self, correlation_id: &str) -> Option<u64> {
        let rest = correlation_id.strip_prefix(&*self.run)?.strip_prefix("-0000-4000-8000-")?;
        u64::from_str_radix(rest, 16).ok()
    }

    pub(crate) fn id(&self, purpose: Purpose, number: u64) -> String {
        let letter = match purpose {
            Purpose::Notify => 'n',
            Purpose::Cancel => 'c',
            Purpose::EndSession => 'e',
            Purpose::Answer => 'a',
        };
        format!("{}-{letter}{number}", self.run)
    }

    /// The message and the call of an id of this thread.
    pub(crate) fn purpose(&self, id: &str) -> Option<(Purpose, u64)> {
        let (letter, number) = id.strip_prefix(&*self.run)?.strip_prefix('-')?.split_at_checked(1)?;
        let purpose = match letter {
            "n" => Purpose::Notify,
            "c" => Purpose::Cancel,
            "e" => Purpose::EndSession,
            "a" => Purpose::Answer,
            _ => return None,
        };
        Some((purpose, number.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_each_message_are_found() {
        let notification = br#"{"type":"notification","notificationId":"0193f0a0-0000-7000-8000-000000000001","correlationId":"c","title":"\"won\":true"}"#;
        let read = fields(notification);
        assert_eq!((&*read.kind, read.correlation_id, read.won), ("notification", Some("c"), false));
        assert_eq!(read.notification_id.unwrap().to_string(), "0193f0a0-0000-7000-8000-000000000001");
        let result = br#"{"type":"result","id":"1","value":{"actionName":"Accept","responseReason":"AutoAccept"},"agentId":"a\u0064a","won":true,"position":"p"}"#;
        let read = fields(result);
        assert_eq!((read.outcome, read.won, read.position), (Some(Outcome::AutoAccepted), true, Some("p")));
        assert_eq!(read.agent, Some(AgentName::of(b"ada")));
        let error = br#"{"type":"error","id":"1","message":"m","code":"rateLimited","detail":"d","retryAfterMs":25}"#;
        let read = fields(error);
        assert_eq!((read.code, read.retry_after_ms), (Some(ErrorCode::RateLimited), Some(25)));
        assert_eq!(fields(br#"{"type":"closed","value":null}"#).outcome, None);
        assert_eq!(fields(b"not JSON").kind, "");
    }

    #[test]
    fn ids_of_this_thread_are_recognised_and_others_are_not() {
        let ids = CallIds::new(0xab);
        assert_eq!(ids.number(&ids.correlation_id(77)), Some(77));
        assert_eq!(ids.number(&CallIds::new(0xac).correlation_id(77)), None);
        for purpose in [Purpose::Notify, Purpose::Cancel, Purpose::EndSession, Purpose::Answer] {
            assert_eq!(ids.purpose(&ids.id(purpose, 5)), Some((purpose, 5)));
        }
        assert_eq!(ids.purpose("000000ab-x5"), None);
        assert_eq!(ids.purpose("x"), None);
    }
}
