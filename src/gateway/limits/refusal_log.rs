//! Limits how often refusals are logged: once a minute for each reason and client.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a refusal is not logged again.
const REPEAT_AFTER: Duration = Duration::from_secs(60);
/// How many reasons and clients are remembered. Past that, old ones are forgotten, and then new ones are not logged.
const REMEMBERED_MAX: usize = 1_000;

/// The refusals that were logged, each with the time.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog(Mutex<HashMap<String, Duration>>);

impl RefusalLog {
    /// Whether to log this refusal at `now` (time since the start): it was not logged within the last minute.
    pub(crate) fn is_due(&self, reason: &str, client: &str, now: Duration) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{reason} {client}");
        if logged.get(&key).is_some_and(|at| now < *at + REPEAT_AFTER) {
            return false;
        }
        if logged.len() >= REMEMBERED_MAX {
            logged.retain(|_, at| now < *at + REPEAT_AFTER);
        }
        let has_room = logged.len() < REMEMBERED_MAX;
        if has_room {
            logged.insert(key, now);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_logged_once_a_minute_for_each_reason_and_client() {
        let log = RefusalLog::default();
        let at = Duration::from_secs;
        assert!(log.is_due("token", "10.0.0.1", at(0)));
        assert!(!log.is_due("token", "10.0.0.1", at(59)));
        assert!(log.is_due("token", "10.0.0.2", at(1)) && log.is_due("origin", "10.0.0.1", at(1)));
        assert!(log.is_due("token", "10.0.0.1", at(60)));
        for number in 0..2 * REMEMBERED_MAX {
            log.is_due("token", &number.to_string(), at(61));
        }
        assert!(log.0.lock().unwrap().len() <= REMEMBERED_MAX);
        assert!(log.is_due("token", "after a minute", at(200)));
    }
}
