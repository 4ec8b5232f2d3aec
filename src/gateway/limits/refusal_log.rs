//! Which refusals to log: each reason at most once a minute for each client address, so that a client which tries again
//! and again does not fill the log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often the same reason is logged for the same address.
const LOGGED_EVERY: Duration = Duration::from_secs(60);
/// How many pairs of reason and address are remembered. While so many were refused within [`LOGGED_EVERY`], refusals of
/// further ones are counted in the metrics and not logged.
const REMEMBERED_MAX: usize = 4096;

/// The latest logged refusals.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog(Mutex<HashMap<(&'static str, IpAddr), Duration>>);

impl RefusalLog {
    /// Whether to log this refusal; `now` is the time since any fixed moment.
    pub(crate) fn is_due(&self, reason: &'static str, address: IpAddr, now: Duration) -> bool {
        // The map is complete after every statement.
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |at: &Duration| now.saturating_sub(*at) < LOGGED_EVERY;
        if logged.get(&(reason, address)).is_some_and(is_recent) {
            return false;
        }
        if logged.len() >= REMEMBERED_MAX {
            logged.retain(|_, at| is_recent(at));
        }
        if logged.len() >= REMEMBERED_MAX {
            return false;
        }
        logged.insert((reason, address), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn each_reason_is_logged_once_a_minute_and_address() {
        let log = RefusalLog::default();
        let at = Duration::from_secs;
        assert!(log.is_due("full", address(1), at(5)));
        assert!(!log.is_due("full", address(1), at(64)));
        assert!(log.is_due("origin", address(1), at(64)) && log.is_due("full", address(2), at(64)));
        assert!(log.is_due("full", address(1), at(65)));
    }

    #[test]
    fn a_flood_from_many_addresses_is_bounded_and_passes() {
        let log = RefusalLog::default();
        let logged = (0..10_000).filter(|number| log.is_due("full", address(*number), Duration::ZERO)).count();
        assert_eq!(logged, REMEMBERED_MAX);
        assert!(log.is_due("full", address(9_999), LOGGED_EVERY), "a minute later");
        assert_eq!(log.0.lock().unwrap().len(), 1);
    }
}
