//! The time at which the token of each connection expires.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The serials of connections, ordered by the expiry of their token in milliseconds since 1970. Each connection has at most
/// one entry.
#[derive(Debug, Default)]
pub(crate) struct TokenExpiries {
    ends: Mutex<BTreeSet<(u64, u64)>>,
    earlier: tokio::sync::Notify,
}

impl TokenExpiries {
    /// Sets the expiry of a connection, or replaces the one that it had before (`before_ms`). Returns `false` if the earlier
    /// expiry is already due: the connection is being closed.
    #[must_use]
    pub(crate) fn set(&self, serial: u64, before_ms: Option<u64>, ends_ms: u64) -> bool {
        let mut ends = self.lock();
        if let Some(before_ms) = before_ms
            && !ends.remove(&(before_ms, serial))
        {
            return false;
        }
        ends.insert((ends_ms, serial));
        if ends.first() == Some(&(ends_ms, serial)) {
            self.earlier.notify_one();
        }
        true
    }

    /// Removes the entry of a connection that has ended.
    pub(crate) fn remove(&self, serial: u64, ends_ms: u64) {
        self.lock().remove(&(ends_ms, serial));
    }

    /// Removes and returns the connections with an expired token.
    pub(crate) fn take_due(&self, now_ms: u64) -> Vec<u64> {
        let mut ends = self.lock();
        let later = ends.split_off(&(now_ms.saturating_add(1), 0));
        let due = std::mem::replace(&mut *ends, later);
        due.into_iter().map(|(_, serial)| serial).collect()
    }

    /// The time until the next token expires, in milliseconds; 0 if one has expired.
    pub(crate) fn next_in_ms(&self, now_ms: u64) -> Option<u64> {
        self.lock().first().map(|(ends_ms, _)| ends_ms.saturating_sub(now_ms))
    }

    /// Waits until a connection gets an expiry before that of all others.
    pub(crate) async fn earlier(&self) {
        self.earlier.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(u64, u64)>> {
        // The set is consistent after every statement.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_ends_when_its_latest_token_expires() {
        let expiries = TokenExpiries::default();
        for (serial, before_ms, ends_ms) in [(1, None, 1000), (2, None, 1000), (3, None, 500), (1, Some(1000), 2000)] {
            assert!(expiries.set(serial, before_ms, ends_ms));
        }
        expiries.remove(3, 500);
        assert_eq!(expiries.next_in_ms(400), Some(600));
        assert_eq!(expiries.take_due(999), [0; 0]);
        assert_eq!(expiries.take_due(1000), [2]);
        assert!(!expiries.set(2, Some(1000), 9000), "it is being closed, so a refresh must not succeed");
        assert_eq!((expiries.take_due(5000), expiries.next_in_ms(5000)), (vec![1], None));
    }
}
