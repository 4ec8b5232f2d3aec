//! Names, ids and time: the values by which the core speaks of things.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name that a client chose (an agent, a group, a session, a token …); checked at the edge, at most
/// 128 bytes. Shared, because one name stands in many places.
pub type Name = Arc<str>;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NotificationId(pub u128);

impl fmt::Display for NotificationId {
    /// As a hyphenated lower-case UUID.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            id >> 96,
            (id >> 80) & 0xffff,
            (id >> 64) & 0xffff,
            (id >> 48) & 0xffff,
            id & 0xffff_ffff_ffff,
        )
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
        let groups = [8, 13, 18, 23];
        let well_formed = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| {
                if groups.contains(&at) { byte == b'-' } else { matches!(byte, b'0'..=b'9' | b'a'..=b'f') }
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
        for wrong in ["", "0192F0C4-7e3a-7b21-8c55-0123456789ab", "0192f0c47e3a7b218c550123456789ab", "é"] {
            assert_eq!(wrong.parse::<NotificationId>(), Err(NotANotificationId), "{wrong}");
        }
    }
}
