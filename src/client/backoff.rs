//! The pauses between connection attempts, and the rate of messages.

use std::time::{Duration, Instant};

/// A connection that was open for this long resets the pauses.
const STEADY: Duration = Duration::from_secs(5);
/// Added to the pause if the close code says "after a while".
const A_WHILE: Duration = Duration::from_secs(1);

/// The pauses between attempts: a random part of a bound that doubles (full jitter), so that thousands of clients of one hub
/// do not reconnect at the same moment.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, failures: 0 }
    }

    /// A connection was lost after it had been open for `open_for`.
    pub(super) fn lost_after(&mut self, open_for: Duration) {
        if open_for >= STEADY {
            self.failures = 0;
        }
    }

    /// The pause before the next attempt.
    pub(super) fn next(&mut self, after_a_while: bool) -> Duration {
        let bound = self.first.saturating_mul(1 << self.failures.min(16)).min(self.max);
        self.failures += 1;
        let pause = bound.mul_f64(fastrand::f64());
        if after_a_while { pause + A_WHILE } else { pause }
    }
}

/// A limit of messages per second, with a burst of one second's worth.
#[derive(Debug)]
pub(super) struct SendRate {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl SendRate {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self { per_second, left: per_second, at: now }
    }

    /// Counts one message, or returns how long to wait.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + since * self.per_second).min(self.per_second);
        self.at = now;
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.left) / self.per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_random_below_a_bound_that_doubles_up_to_a_maximum() {
        let (first, max) = (Duration::from_millis(500), Duration::from_secs(20));
        let mut sums = [0.0; 9];
        for _ in 0..400 {
            let mut backoff = Backoff::new(first, max);
            for (at, sum) in sums.iter_mut().enumerate() {
                let pause = backoff.next(false);
                assert!(pause <= max.min(first * (1 << at)));
                *sum += pause.as_secs_f64() / 400.0;
            }
        }
        assert!((0.2..0.3).contains(&sums[0]) && (9.0..11.0).contains(&sums[8]), "{sums:?}");
    }

    #[test]
    fn a_connection_that_was_open_resets_the_pauses() {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_secs(1000));
        for _ in 0..40 {
            backoff.next(false);
        }
        backoff.lost_after(Duration::from_secs(4));
        assert_eq!(backoff.failures, 40);
        backoff.lost_after(STEADY);
        assert!(backoff.next(false) <= Duration::from_millis(1));
        assert!(backoff.next(true) >= A_WHILE);
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_applies() {
        let start = Instant::now();
        let mut rate = SendRate::new(10, start);
        assert!((0..10).all(|_| rate.take(start).is_ok()));
        let wait = rate.take(start).unwrap_err();
        assert!((0.09..0.11).contains(&wait.as_secs_f64()), "{wait:?}");
        assert!(rate.take(start + wait + Duration::from_millis(1)).is_ok());
        let later = start + Duration::from_secs(100);
        assert_eq!((0..100).filter(|_| rate.take(later).is_ok()).count(), 10);
    }
}
