//! Names, ids and time: the values by which the core speaks of things.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name that a client chose (an agent, a group, a session, a token …); checked at the edge, at most
/// 128 bytes. Shared, because one name stands in many places.
pub type Name = Arc<str>;

/// Where the hyphens of a UUID are.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This time plus `ms` milliseconds; stays at the end of time instead of wrapping.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` until this time; 0 if `earlier` is later.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Names one notification for ever: a UUID (v7), minted by the hub that took the notify.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotificationId(pub u128);

impl NotificationId {
    /// As [`Display`](fmt::Display) writes it, for where a name is wanted and the client gave none.
    #[must_use]
    pub fn to_name(self) -> Name {
        self.with_text(|text| text.into())
    }

    /// A hyphenated lower-case UUID. Digit by digit from a table: the formatter's numbers cost many times that, and every
    /// notify needs one.
    fn with_text<T>(self, take: impl FnOnce(&str) -> T) -> T {
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
    /// As a hyphenated lower-case UUID.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl fmt::Debug for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no notificationId as this hub writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotANotificationId;

impl FromStr for NotificationId {
    type Err = NotANotificationId;

    /// Reads what `Display` writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| {
                if HYPHENS.contains(&at) { byte == b'-' } else { matches!(byte, b'0'..=b'9' | b'a'..=b'f') }
            });
        if !well_formed {
            return Err(NotANotificationId);
        }
        u128::from_str_radix(&text.replace('-', ""), 16).map(Self).map_err(|_| NotANotificationId)
    }
}

/// One run of one hub, from its start until it stops or is removed. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(pub u64);

/// One client's connection: the hub's incarnation and a number that this incarnation gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId {
    /// The hub that holds the socket.
    pub incarnation: Incarnation,
    /// The hub's own number for it; never used twice within an incarnation.
    pub serial: u64,
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:x}", self.incarnation.0, self.serial)
    }
}

/// A place in the order of settled notifications of one log; what a provider resumes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The log in which it counts: drawn once, when the log was founded.
    pub epoch: u64,
    /// The number of the settling, from 1.
    pub settled: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_id_reads_back_what_it_writes_and_nothing_else() {
        let id = NotificationId(0x0192_f0c4_7e3a_7b21_8c55_0123_4567_89ab);
        assert_eq!(id.to_string(), "0192f0c4-7e3a-7b21-8c55-0123456789ab");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(*id.to_name(), *id.to_string());
        for wrong in ["", "0192F0C4-7e3a-7b21-8c55-0123456789ab", "0192f0c47e3a7b218c550123456789ab", "é"] {
            assert_eq!(wrong.parse::<NotificationId>(), Err(NotANotificationId), "{wrong}");
        }
    }
}
