//! Names, ids and time: the vocabulary that the core shares with the wire, the templates and the client.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name that a client chose: an agent, a group, a session, a token. The edge checks it; it has at most 128 bytes.
/// It is shared, because one name is kept in many places.
pub type Name = Arc<str>;

/// A text for people: a title, a label, a reason. It is shared, because a card goes to many desks.
pub type Text = Arc<str>;

/// The positions of the hyphens in a UUID.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// A span of time in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Millis(pub u64);

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// A span of whole minutes.
    #[must_use]
    pub const fn from_minutes(minutes: u64) -> Self {
        Self::from_secs(minutes * 60)
    }

    /// A span of whole hours.
    #[must_use]
    pub const fn from_hours(hours: u64) -> Self {
        Self::from_minutes(hours * 60)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// A point in time by the log's clock: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This time plus a span. It stays at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The span from `earlier` until this time; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// This time plus `ms` milliseconds. It stays at the end of time instead of wrapping.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        self.plus(Millis(ms))
    }

    /// Milliseconds from `earlier` until this time; 0 if `earlier` is later.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> u64 {
        self.since(earlier).0
    }
}

/// Time during which the log moved, since its first record. A pause of the whole log adds at most two seconds, so that
/// a failover or a slow disk makes nobody look absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct LogTime(u64);

impl LogTime {
    /// Moves on by a span.
    pub(crate) fn advance(&mut self, by: Millis) {
        self.0 = self.0.saturating_add(by.0);
    }

    /// The span from `earlier` until this time; zero if `earlier` is later.
    pub(crate) fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

/// Identifies one notification: a UUID (version 7), minted by the hub that received the notify.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotificationId(pub u128);

impl NotificationId {
    /// The text that [`Display`](fmt::Display) writes, for use as a name where the client gave none.
    #[must_use]
    pub fn to_name(self) -> Name {
        self.with_text(|text| text.into())
    }

    /// Passes the id to `take` as a hyphenated lower-case UUID. The digits come from a table, because every notify
    /// needs one and the formatter is many times slower.
    pub(super) fn with_text<T>(self, take: impl FnOnce(&str) -> T) -> T {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.0.to_be_bytes().into_iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        let mut text = [b'-'; 36];
        let places = text.iter_mut().enumerate().filter(|(at, _)| !HYPHENS.contains(at));
        for ((_, place), digit) in places.zip(digits) {
            *place = DIGITS[usize::from(digit)];
        }
        take(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Display for NotificationId {
    /// Writes a hyphenated lower-case UUID.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl fmt::Debug for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a notificationId in the form that the hub writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseNotificationIdError;

impl fmt::Display for ParseNotificationIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a notificationId: expected a UUID in lower case with hyphens")
    }
}

impl std::error::Error for ParseNotificationIdError {}

impl FromStr for NotificationId {
    type Err = ParseNotificationIdError;

    /// Reads the form that `Display` writes, and no other.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| {
                if HYPHENS.contains(&at) { byte == b'-' } else { matches!(byte, b'0'..=b'9' | b'a'..=b'f') }
            });
        if !well_formed {
            return Err(ParseNotificationIdError);
        }
        u128::from_str_radix(&text.replace('-', ""), 16).map(Self).map_err(|_| ParseNotificationIdError)
    }
}

/// Identifies one run of one hub, from its start until it stops or is removed. It is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(pub u64);

/// Identifies one client's connection: the hub's incarnation and a number that this incarnation gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId {
    /// The hub that holds the socket.
    pub incarnation: Incarnation,
    /// The hub's own number for the connection; never used again within an incarnation.
    pub serial: u64,
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:x}", self.incarnation.0, self.serial)
    }
}

/// A place in the order in which the notifications of one log were settled. A provider resumes from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The log to which the position belongs: a number drawn once, when the log was founded.
    pub epoch: u64,
    /// The number of the settled notification, from 1.
    pub settled: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_id_parses_the_text_it_writes_and_no_other() {
        let id = NotificationId(0x0192_f0c4_7e3a_7b21_8c55_0123_4567_89ab);
        assert_eq!(id.to_string(), "0192f0c4-7e3a-7b21-8c55-0123456789ab");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(*id.to_name(), *id.to_string());
        for wrong in ["", "0192F0C4-7e3a-7b21-8c55-0123456789ab", "0192f0c47e3a7b218c550123456789ab", "é"] {
            assert_eq!(wrong.parse::<NotificationId>(), Err(ParseNotificationIdError), "{wrong}");
        }
    }

    #[test]
    fn time_stops_at_its_ends_instead_of_wrapping() {
        assert_eq!(Timestamp(u64::MAX).plus(Millis(1)), Timestamp(u64::MAX));
        assert_eq!(Timestamp(5).since(Timestamp(9)), Millis::ZERO);
        assert_eq!(Timestamp(9).since(Timestamp(5)), Millis(4));
    }
}
