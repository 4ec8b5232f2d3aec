//! The statistics that observers receive once a second: rates, and latencies of the last minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::protocol::outbound::Quantiles;

/// How old the latencies in the quantiles may be.
const WINDOW: Duration = Duration::from_secs(60);
/// The most latencies that are kept. The oldest are dropped first.
const LATENCIES_MAX: usize = 4096;
/// The time between two statistics.
const EVERY: Duration = Duration::from_secs(1);

/// The counts of the last statistics, and the latencies of the last minute.
#[derive(Debug)]
pub(crate) struct ObserverStats {
    sent_at: Instant,
    sent: Counts,
    latencies_ms: VecDeque<(Instant, u64)>,
}

/// The counters of this hub, for all its partitions together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) notifies: u64,
    pub(crate) deliveries: u64,
}

/// The rates since the last statistics, and the quantiles of latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PerSecond {
    pub(crate) notifies: u64,
    pub(crate) deliveries: u64,
    pub(crate) notify_to_result: Quantiles,
}

impl ObserverStats {
    pub(crate) fn new(now: Instant) -> Self {
        Self { sent_at: now, sent: Counts::default(), latencies_ms: VecDeque::new() }
    }

    pub(crate) fn settled(&mut self, now: Instant, elapsed_ms: u64) {
        if self.latencies_ms.len() == LATENCIES_MAX {
            self.latencies_ms.pop_front();
        }
        self.latencies_ms.push_back((now, elapsed_ms));
    }

    /// The time until the next statistics are due.
    pub(crate) fn due_in(&self, now: Instant) -> Duration {
        EVERY.saturating_sub(now.duration_since(self.sent_at))
    }

    /// The statistics since the last call.
    pub(crate) fn next(&mut self, now: Instant, counts: Counts) -> PerSecond {
        let ms = now.duration_since(self.sent_at).as_millis().max(1);
        let per_second = |count: u64| u64::try_from(u128::from(count) * 1000 / ms).unwrap_or(u64::MAX);
        let stats = PerSecond {
            notifies: per_second(counts.notifies.saturating_sub(self.sent.notifies)),
            deliveries: per_second(counts.deliveries.saturating_sub(self.sent.deliveries)),
            notify_to_result: self.quantiles(now),
        };
        (self.sent_at, self.sent) = (now, counts);
        stats
    }

    fn quantiles(&mut self, now: Instant) -> Quantiles {
        while self.latencies_ms.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.latencies_ms.pop_front();
        }
        let mut sorted: Vec<u64> = self.latencies_ms.iter().map(|(_, ms)| *ms).collect();
        sorted.sort_unstable();
        // The lowest latency that `percent` of all latencies do not exceed.
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
    fn counts_become_rates_since_the_last_statistics() {
        let start = Instant::now();
        let mut observer_stats = ObserverStats::new(start);
        let counts = Counts { notifies: 1, deliveries: 20 };
        let half = start + Duration::from_millis(500);
        assert_eq!(observer_stats.due_in(half), Duration::from_millis(500));
        let stats = observer_stats.next(start + Duration::from_secs(2), counts);
        assert_eq!((stats.notifies, stats.deliveries), (0, 10));
        assert_eq!(observer_stats.next(start + Duration::from_secs(3), counts).deliveries, 0);
    }

    #[test]
    fn quantiles_cover_the_last_minute() {
        let start = Instant::now();
        let mut observer_stats = ObserverStats::new(start);
        assert_eq!(observer_stats.next(start, Counts::default()).notify_to_result, Quantiles::default());
        (1..=100).for_each(|ms| observer_stats.settled(start, ms));
        assert_eq!(observer_stats.next(start, Counts::default()).notify_to_result, Quantiles { p50: 50, p99: 99 });
        let later = start + WINDOW + Duration::from_secs(1);
        observer_stats.settled(later, 7);
        assert_eq!(observer_stats.next(later, Counts::default()).notify_to_result, Quantiles { p50: 7, p99: 7 });
        (0..2 * LATENCIES_MAX).for_each(|_| observer_stats.settled(later, 8));
        assert_eq!(observer_stats.latencies_ms.len(), LATENCIES_MAX);
    }
}
