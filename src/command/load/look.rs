//! What a load test must know of a message of the hub, found by a scan instead of a parse: ten thousand agents read
//! much, and what they read is mostly not looked at.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::scan::{members, plain};
use crate::protocol::{ErrorCode, Outcome, error};

/// A notificationId as it is written.
pub(super) type NotificationId = [u8; 36];

/// The fields that matter, of any message. Texts with escapes are as absent: no id of ours has one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Look<'a> {
    pub(super) kind: &'a [u8],
    pub(super) id: Option<&'a [u8]>,
    pub(super) correlation_id: Option<&'a [u8]>,
    pub(super) notification_id: Option<NotificationId>,
    pub(super) outcome: Option<Outcome>,
    /// Who is named as the one who settled it.
    pub(super) agent: Option<AgentName>,
    pub(super) won: bool,
    pub(super) duplicate: bool,
    pub(super) code: Option<ErrorCode>,
    pub(super) retry_after_ms: Option<u64>,
    pub(super) position: Option<&'a [u8]>,
}

/// An agent's name, as a number that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AgentName(u64);

impl AgentName {
    #[cfg(test)]
    pub(super) const TEST_ADA: Self = Self(1);
    #[cfg(test)]
    pub(super) const TEST_BOB: Self = Self(2);

    pub(super) fn of(name: &[u8]) -> Self {
        Self(BuildHasherDefault::<DefaultHasher>::default().hash_one(name))
    }
}

/// Looks into a message.
pub(super) fn look(text: &[u8]) -> Look<'_> {
    let mut look = Look::default();
    for (key, value) in members(text) {
        match key {
            b"type" => look.kind = plain(value).unwrap_or_default(),
            b"id" => look.id = plain(value),
            b"correlationId" => {
                look.correlation_id = plain(value);
                // What follows is what people read.
                if look.kind == b"notification" && look.notification_id.is_some() {
                    break;
                }
            }
            b"notificationId" => look.notification_id = plain(value).and_then(|id| id.try_into().ok()),
            b"value" => look.outcome = outcome(value),
            b"agentId" => look.agent = plain(value).map(AgentName::of),
            b"won" => look.won = value == b"true",
            b"duplicate" => look.duplicate = value == b"true",
            b"code" => look.code = code(value),
            b"retryAfterMs" => look.retry_after_ms = std::str::from_utf8(value).ok().and_then(|ms| ms.parse().ok()),
            b"position" => look.position = plain(value),
            _ => {}
        }
    }
    look
}

fn outcome(value: &[u8]) -> Option<Outcome> {
    let (_, reason) = members(value).find(|(key, _)| *key == b"responseReason")?;
    Outcome::of_reason(std::str::from_utf8(plain(reason)?).ok()?)
}

fn code(value: &[u8]) -> Option<ErrorCode> {
    let name = plain(value)?;
    error::ERRORS.iter().find(|row| row.name.as_bytes() == name).map(|row| row.code)
}

/// The calls of one thread of one run: what their ids look like, so that others' are told apart.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    /// Eight hexadecimal digits.
    run: String,
}

/// What an id of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Notify,
    Cancel,
    EndSession,
    Answer,
}

impl Marks {
    pub(super) fn new(run: u32) -> Self {
        Self { run: format!("{run:08x}") }
    }

    /// The correlationId of a call: a GUID.
    pub(super) fn correlation_id(&self, number: u64) -> String {
        format!("{}-0000-4000-8000-{number:012x}", self.run)
    }

    /// Which call that is, if one of ours.
    pub(super) fn number(&self, correlation_id: &[u8]) -> Option<u64> {
        let rest = correlation_id.strip_prefix(self.run.as_bytes())?.strip_prefix(b"-0000-4000-8000-")?;
        u64::from_str_radix(std::str::from_utf8(rest).ok()?, 16).ok()
    }

    pub(super) fn id(&self, purpose: Purpose, number: u64) -> String {
        let letter = match purpose {
            Purpose::Notify => 'n',
            Purpose::Cancel => 'c',
            Purpose::EndSession => 'e',
            Purpose::Answer => 'a',
        };
        format!("{}-{letter}{number}", self.run)
    }

    /// What for, and for which call, if one of ours.
    pub(super) fn purpose(&self, id: &[u8]) -> Option<(Purpose, u64)> {
        let (letter, number) = id.strip_prefix(self.run.as_bytes())?.strip_prefix(b"-")?.split_first()?;
        let purpose = match letter {
            b'n' => Purpose::Notify,
            b'c' => Purpose::Cancel,
            b'e' => Purpose::EndSession,
            b'a' => Purpose::Answer,
            _ => return None,
        };
        Some((purpose, std::str::from_utf8(number).ok()?.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &[u8; 36] = b"0193f0a0-0000-7000-8000-000000000001";

    #[test]
    fn it_sees_what_matters_of_each_message() {
        let notification = br#"{"type":"notification","notificationId":"0193f0a0-0000-7000-8000-000000000001","correlationId":"c","title":"\"won\":true"}"#;
        let seen = look(notification);
        assert_eq!((seen.kind, seen.correlation_id, seen.won), (&b"notification"[..], Some(&b"c"[..]), false));
        assert_eq!(seen.notification_id.as_ref(), Some(ID));
        let result = br#"{"type":"result","id":"1","value":{"actionName":"Accept","responseReason":"AutoAccept"},"agentId":"ada","won":true,"position":"p"}"#;
        let seen = look(result);
        assert_eq!((seen.outcome, seen.won, seen.position), (Some(Outcome::AutoAccept), true, Some(&b"p"[..])));
        assert_eq!(seen.agent, Some(AgentName::of(b"ada")));
        let error = br#"{"type":"error","id":"1","message":"m","code":"rateLimited","detail":"d","retryAfterMs":25}"#;
        let seen = look(error);
        assert_eq!((seen.code, seen.retry_after_ms), (Some(ErrorCode::RateLimited), Some(25)));
        assert_eq!(look(br#"{"type":"closed","value":null}"#).outcome, None);
        assert_eq!(look(b"no json").kind, b"");
    }

    #[test]
    fn marks_are_read_back_and_others_are_not() {
        let marks = Marks::new(0xab);
        assert_eq!(marks.number(marks.correlation_id(77).as_bytes()), Some(77));
        assert_eq!(marks.number(Marks::new(0xac).correlation_id(77).as_bytes()), None);
        for purpose in [Purpose::Notify, Purpose::Cancel, Purpose::EndSession, Purpose::Answer] {
            assert_eq!(marks.purpose(marks.id(purpose, 5).as_bytes()), Some((purpose, 5)));
        }
        assert_eq!(marks.purpose(b"000000ab-x5"), None);
        assert_eq!(marks.purpose(b"x"), None);
    }
}
