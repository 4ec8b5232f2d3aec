//! When connections end because their tokens do.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Connections by the time (in milliseconds since 1970) at which their token is over; at most one entry each.
#[derive(Debug, Default)]
pub(crate) struct TokenExpiries {
    ends: Mutex<BTreeSet<(u64, u64)>>,
    sooner: tokio::sync::Notify,
}

impl TokenExpiries {
    /// That connection ends then, and no more when it was to end before. `false`: it is among those that were taken out to
    /// be closed, and ends.
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
            self.sooner.notify_one();
        }
        true
    }

    /// The connection is gone.
    pub(crate) fn remove(&self, serial: u64, ends_ms: u64) {
        self.lock().remove(&(ends_ms, serial));
    }

    /// Takes out all that end until now.
    pub(crate) fn take_due(&self, now_ms: u64) -> Vec<u64> {
        let mut ends = self.lock();
        let later = ends.split_off(&(now_ms.saturating_add(1), 0));
        let due = std::mem::replace(&mut *ends, later);
        due.into_iter().map(|(_, serial)| serial).collect()
    }

    /// In how many milliseconds the next one ends.
    pub(crate) fn next_in_ms(&self, now_ms: u64) -> Option<u64> {
        self.lock().first().map(|(ends_ms, _)| ends_ms.saturating_sub(now_ms))
    }

    /// Waits until a connection is set to end before all others.
    pub(crate) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(u64, u64)>> {
        // Whole after every statement.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_ends_when_its_latest_token_does() {
        let expiries = TokenExpiries::default();
        for (serial, before_ms, ends_ms) in [(1, None, 1000), (2, None, 1000), (3, None, 500), (1, Some(1000), 2000)] {
            assert!(expiries.set(serial, before_ms, ends_ms));
        }
        expiries.remove(3, 500);
        assert_eq!(expiries.next_in_ms(400), Some(600));
        assert_eq!(expiries.take_due(999), [0; 0]);
        assert_eq!(expiries.take_due(1000), [2]);
        assert!(!expiries.set(2, Some(1000), 9000), "it is being closed: nobody may be told that it stays");
        assert_eq!((expiries.take_due(5000), expiries.next_in_ms(5000)), (vec![1], None));
    }
}
