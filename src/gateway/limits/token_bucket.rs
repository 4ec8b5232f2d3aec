//! A token bucket: the rate at which a connection may send messages.

use std::time::Duration;

/// The burst, in seconds' worth of messages.
const BURST_SECONDS: u64 = 2;
const SECOND_NS: u64 = 1_000_000_000;

/// A token bucket stored as one number: the time at which it will be full again. It starts full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenBucket {
    full_at_ns: u64,
    message_ns: u64,
}

impl TokenBucket {
    /// A bucket for `per_second` messages (at least 1), with a burst of twice as many.
    pub(crate) fn new(per_second: u32) -> Self {
        Self { full_at_ns: 0, message_ns: SECOND_NS / u64::from(per_second.max(1)) }
    }

    /// Takes one message at the time `now` (since any fixed moment).
    ///
    /// # Errors
    /// The time at which the next message is allowed, if it is not allowed now; then no token is taken.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let full_at_ns = self.full_at_ns.max(now_ns).saturating_add(self.message_ns);
        let over_ns = full_at_ns.saturating_sub(now_ns).saturating_sub(BURST_SECONDS * SECOND_NS);
        if over_ns > 0 {
            return Err(Duration::from_nanos(over_ns));
        }
        self.full_at_ns = full_at_ns;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_twice_the_rate_and_then_the_rate() {
        let mut rate = TokenBucket::new(200);
        let start = Duration::from_secs(100);
        let taken = (0..500).take_while(|_| rate.take(start).is_ok()).count();
        assert_eq!(taken, 400);
        let wait = rate.take(start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(5), "one 200th of a second");
        assert!(rate.take(start + wait - Duration::from_nanos(1)).is_err());
        assert!(rate.take(start + wait).is_ok());
        let later = start + Duration::from_secs(1);
        assert_eq!((0..500).take_while(|_| rate.take(later).is_ok()).count(), 199);
    }

    #[test]
    fn a_long_silence_is_worth_one_burst() {
        let mut rate = TokenBucket::new(1);
        assert_eq!((0..9).take_while(|_| rate.take(Duration::from_secs(1_000_000)).is_ok()).count(), 2);
    }
}
