//! When to try again, and how fast to speak.

use std::time::{Duration, Instant};

use uuid::Uuid;

/// A connection that held this long was a good one: the next pauses begin anew.
const STEADY: Duration = Duration::from_secs(5);
/// What is added when the hub says "after a while".
const A_WHILE: Duration = Duration::from_secs(1);

/// A number from 0 to 1, 1 not included.
pub(super) fn chance() -> f64 {
    // 53 random bits; a v4 UUID's lower half begins with two fixed ones.
    let bits = Uuid::new_v4().as_u64_pair().0;
    // Of the upper half, bits 12 to 15 are the version: fold them away.
    let bits = (bits >> 16 << 12) | (bits & 0xfff);
    bits as f64 / (1_u64 << 60) as f64
}

/// The pauses between tries: a random part of a bound that doubles. Full jitter, so that thousands who lost the same
/// hub come back at thousands of moments.
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

    /// A connection is lost that had been open for so long.
    pub(super) fn held(&mut self, open_for: Duration) {
        if open_for >= STEADY {
            self.failures = 0;
        }
    }

    /// The pause before the next try.
    pub(super) fn next(&mut self, after_a_while: bool) -> Duration {
        let bound = self.first.saturating_mul(1 << self.failures.min(16)).min(self.max);
        self.failures += 1;
        let pause = bound.mul_f64(chance());
        if after_a_while { pause + A_WHILE } else { pause }
    }
}

/// So many messages per second, with a burst of as many.
#[derive(Debug)]
pub(super) struct Budget {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Budget {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self { per_second, left: per_second, at: now }
    }

    /// Takes one, or says how long to wait for it.
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
    fn pauses_are_random_below_a_bound_that_doubles_up_to_its_end() {
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
    fn a_connection_that_held_begins_the_pauses_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_secs(1000));
        for _ in 0..40 {
            backoff.next(false);
        }
        backoff.held(Duration::from_secs(4));
        assert_eq!(backoff.failures, 40);
        backoff.held(STEADY);
        assert!(backoff.next(false) <= Duration::from_millis(1));
        assert!(backoff.next(true) >= A_WHILE);
    }

    #[test]
    fn the_budget_lets_a_burst_pass_and_then_the_rate() {
        let start = Instant::now();
        let mut budget = Budget::new(10, start);
        assert!((0..10).all(|_| budget.take(start).is_ok()));
        let wait = budget.take(start).unwrap_err();
        assert!((0.09..0.11).contains(&wait.as_secs_f64()), "{wait:?}");
        assert!(budget.take(start + wait + Duration::from_millis(1)).is_ok());
        let later = start + Duration::from_secs(100);
        assert_eq!((0..100).filter(|_| budget.take(later).is_ok()).count(), 10);
    }
}
