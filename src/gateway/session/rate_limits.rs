//! The rate limits of one client: messages, control frames and fresh tokens.

use std::time::Duration;

use crate::gateway::limits::token_bucket::TokenBucket;
use crate::gateway::shared::bounds::{CONTROL_FRAMES_PER_SECOND, OVER_RATE_MAX, REFRESHES_PER_SECOND};

/// Counts what one client sends, and how often in a row it was over its rate.
#[derive(Debug)]
pub(crate) struct RateLimits {
    messages: CountedBucket,
    /// Pings, and pongs to the hub's own pings. They are counted apart, so that answering the hub costs no message.
    control_frames: CountedBucket,
    /// Fresh tokens. Each costs the verification of a signature, or of several.
    refreshes: TokenBucket,
}

#[derive(Debug)]
struct CountedBucket {
    bucket: TokenBucket,
    over_in_a_row: u32,
}

impl RateLimits {
    pub(crate) fn new(messages_per_second: u32) -> Self {
        let counted = |per_second| CountedBucket { bucket: TokenBucket::new(per_second), over_in_a_row: 0 };
        Self {
            messages: counted(messages_per_second),
            control_frames: counted(CONTROL_FRAMES_PER_SECOND),
            refreshes: TokenBucket::new(REFRESHES_PER_SECOND),
        }
    }

    /// Counts one message at the time `now`, since any fixed moment.
    ///
    /// # Errors
    /// The message is over the rate. The error is the time after which the next one is allowed.
    pub(crate) fn take_message(&mut self, now: Duration) -> Result<(), Duration> {
        self.messages.take(now)
    }

    /// Counts one control frame. There is no error reply to a control frame, so only [`is_flood`](Self::is_flood) reports it.
    pub(crate) fn take_control_frame(&mut self, now: Duration) {
        let _ = self.control_frames.take(now);
    }

    /// Counts one fresh token.
    ///
    /// # Errors
    /// As for [`take_message`](Self::take_message).
    pub(crate) fn take_refresh(&mut self, now: Duration) -> Result<(), Duration> {
        self.refreshes.take(now)
    }

    /// Whether the client was over a rate so often in a row that its connection is to be closed.
    pub(crate) fn is_flood(&self) -> bool {
        self.messages.over_in_a_row.max(self.control_frames.over_in_a_row) > OVER_RATE_MAX
    }
}

impl CountedBucket {
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let taken = self.bucket.take(now);
        self.over_in_a_row = if taken.is_ok() { 0 } else { self.over_in_a_row + 1 };
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_floods_if_too_many_messages_in_a_row_are_over_the_rate() {
        let mut limits = RateLimits::new(1);
        let now = Duration::from_secs(9);
        while limits.take_message(now).is_ok() {}
        for _ in 1..OVER_RATE_MAX {
            assert!(limits.take_message(now).is_err());
        }
        assert!(!limits.is_flood());
        assert!(
            limits.take_message(now + Duration::from_secs(1)).is_ok(),
            "a message within the rate resets the count"
        );
        for _ in 0..OVER_RATE_MAX {
            assert!(limits.take_message(now + Duration::from_secs(1)).is_err() && !limits.is_flood());
        }
        assert!(limits.take_message(now + Duration::from_secs(1)).is_err() && limits.is_flood());
    }

    #[test]
    fn control_frames_are_counted_apart_from_messages() {
        let mut limits = RateLimits::new(1);
        let now = Duration::from_secs(9);
        for _ in 0..2 * CONTROL_FRAMES_PER_SECOND + OVER_RATE_MAX {
            limits.take_control_frame(now);
        }
        assert!(limits.take_message(now).is_ok() && !limits.is_flood());
        limits.take_control_frame(now);
        assert!(limits.is_flood());
    }
}
