//! What observers are told about this hub's own doing, over a sliding window.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::protocol::outbound::Quantiles;

/// How far back latencies are looked at.
const WINDOW: Duration = Duration::from_secs(60);
/// How many of them at most: the latest.
const LATENCIES_MAX: usize = 4096;
/// How often observers are told.
const EVERY: Duration = Duration::from_secs(1);

/// What the counts were at the last telling, and the latencies of the last minute.
#[derive(Debug)]
pub(crate) struct ObserverStats {
    told_at: Instant,
    told: Counts,
    latencies_ms: VecDeque<(Instant, u64)>,
}

/// What this hub counts all the time, all its partitions together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) notifies: u64,
    pub(crate) deliveries: u64,
}

/// What was counted, per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PerSecond {
    pub(crate) notifies: u64,
    pub(crate) deliveries: u64,
    pub(crate) notify_to_result: Quantiles,
}

impl ObserverStats {
    pub(crate) fn new(now: Instant) -> Self {
        Self { told_at: now, told: Counts::default(), latencies_ms: VecDeque::new() }
    }

    pub(crate) fn settled(&mut self, now: Instant, elapsed_ms: u64) {
        if self.latencies_ms.len() == LATENCIES_MAX {
            self.latencies_ms.pop_front();
        }
        self.latencies_ms.push_back((now, elapsed_ms));
    }

    /// How long until the next telling is due.
    pub(crate) fn due_in(&self, now: Instant) -> Duration {
        EVERY.saturating_sub(now.duration_since(self.told_at))
    }

    /// Ends one telling's time and begins the next.
    pub(crate) fn next(&mut self, now: Instant, counts: Counts) -> PerSecond {
        let ms = now.duration_since(self.told_at).as_millis().max(1);
        let per_second = |count: u64| u64::try_from(u128::from(count) * 1000 / ms).unwrap_or(u64::MAX);
        let told = PerSecond {
            notifies: per_second(counts.notifies.saturating_sub(self.told.notifies)),
            deliveries: per_second(counts.deliveries.saturating_sub(self.told.deliveries)),
            notify_to_result: self.quantiles(now),
        };
        (self.told_at, self.told) = (now, counts);
        told
    }

    fn quantiles(&mut self, now: Instant) -> Quantiles {
        while self.latencies_ms.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.latencies_ms.pop_front();
        }
        let mut sorted: Vec<u64> = self.latencies_ms.iter().map(|(_, ms)| *ms).collect();
        sorted.sort_unstable();
        // The least value that so many of a hundred do not exceed.
        let quantile = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100);
            rank.checked_sub(1).and_then(|at| sorted.get(at)).copied().unwrap_or(0)
        };
        Quantiles { p50: quantile(50), p99: quantile(99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_become_rates_and_begin_anew() {
        let start = Instant::now();
        let mut rates = ObserverStats::new(start);
        let counts = Counts { notifies: 1, deliveries: 20 };
        let half = start + Duration::from_millis(500);
        assert_eq!(rates.due_in(half), Duration::from_millis(500));
        let told = rates.next(start + Duration::from_secs(2), counts);
        assert_eq!((told.notifies, told.deliveries), (0, 10));
        assert_eq!(rates.next(start + Duration::from_secs(3), counts).deliveries, 0);
    }

    #[test]
    fn quantiles_are_of_the_last_minute() {
        let start = Instant::now();
        let mut rates = ObserverStats::new(start);
        assert_eq!(rates.next(start, Counts::default()).notify_to_result, Quantiles::default());
        (1..=100).for_each(|ms| rates.settled(start, ms));
        assert_eq!(rates.next(start, Counts::default()).notify_to_result, Quantiles { p50: 50, p99: 99 });
        let later = start + WINDOW + Duration::from_secs(1);
        rates.settled(later, 7);
        assert_eq!(rates.next(later, Counts::default()).notify_to_result, Quantiles { p50: 7, p99: 7 });
        (0..2 * LATENCIES_MAX).for_each(|_| rates.settled(later, 8));
        assert_eq!(rates.latencies_ms.len(), LATENCIES_MAX);
    }
}
