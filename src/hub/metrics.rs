//! The hub's counters. The hub's thread and the snapshotter write them; any thread can read them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use deskbell_core::effect::{Effect, Effects};
use deskbell_core::{Outcome, Totals};

use crate::log::RecordNumber;
use crate::metrics::Histogram;

/// Buckets for times that depend on people, in microseconds.
const ANSWER_BOUNDS_US: &[u64] = &[
    5_000,
    25_000,
    100_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
    1_200_000_000,
];

/// Buckets for times that depend on a device or a cluster, in microseconds.
const APPEND_BOUNDS_US: &[u64] = &[
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];

/// The hub's numbers.
#[derive(Debug)]
pub struct Metrics {
    notifications: AtomicU64,
    settled: [AtomicU64; Outcome::ALL.len()],
    /// From a notify's arrival until its outcome.
    pub notify_to_result: Histogram,
    /// From handing a group to the log until it is read back.
    pub append: Histogram,
    pub(super) totals: TotalsNow,
    pub(super) turns: AtomicU64,
    pub(super) log_bytes: AtomicU64,
    pub(super) last_record: AtomicU64,
    pub(super) hubs: AtomicU64,
    pub(super) folded_record: AtomicU64,
    pub(super) snapshot_record: AtomicU64,
    pub(super) snapshots_written: AtomicU64,
    pub(super) snapshots_failed: AtomicU64,
    pub(super) divergences: AtomicU64,
}

/// A recent copy of [`Totals`].
#[derive(Debug, Default)]
pub(super) struct TotalsNow {
    open: AtomicU64,
    waiting: AtomicU64,
    sessions: AtomicU64,
    workspaces: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            notifications: AtomicU64::default(),
            settled: Default::default(),
            notify_to_result: Histogram::new(ANSWER_BOUNDS_US),
            append: Histogram::new(APPEND_BOUNDS_US),
            totals: TotalsNow::default(),
            turns: AtomicU64::default(),
            log_bytes: AtomicU64::default(),
            last_record: AtomicU64::default(),
            hubs: AtomicU64::default(),
            folded_record: AtomicU64::default(),
            snapshot_record: AtomicU64::default(),
            snapshots_written: AtomicU64::default(),
            snapshots_failed: AtomicU64::default(),
            divergences: AtomicU64::default(),
        }
    }
}

impl Metrics {
    /// Notifications accepted.
    #[must_use]
    pub fn notifications(&self) -> u64 {
        self.notifications.load(Relaxed)
    }

    /// Notifications settled with that outcome.
    #[must_use]
    pub fn settled(&self, outcome: Outcome) -> u64 {
        self.settled[outcome as usize].load(Relaxed)
    }

    /// The totals of all workspaces, at most a second old.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let TotalsNow { open, waiting, sessions, workspaces } = &self.totals;
        let [open, waiting, sessions, workspaces] = [open, waiting, sessions, workspaces].map(|n| n.load(Relaxed));
        Totals { open, waiting, sessions, workspaces }
    }

    /// Counts the rounds of the hub's thread: at least one per second, unless the thread hangs.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// Bytes of the log, snapshots included.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Relaxed)
    }

    /// The last record applied.
    #[must_use]
    pub fn last_record(&self) -> RecordNumber {
        self.last_record.load(Relaxed)
    }

    /// The number of records that the snapshotter is behind.
    #[must_use]
    pub fn fold_lag(&self) -> u64 {
        self.last_record().saturating_sub(self.folded_record.load(Relaxed))
    }

    /// The last record in the newest snapshot that this run made.
    #[must_use]
    pub fn snapshot_record(&self) -> RecordNumber {
        self.snapshot_record.load(Relaxed)
    }

    /// Snapshots that were written, and those that could not be.
    #[must_use]
    pub fn snapshots(&self) -> (u64, u64) {
        (self.snapshots_written.load(Relaxed), self.snapshots_failed.load(Relaxed))
    }

    /// Hubs alive, as far as the log says.
    #[must_use]
    pub fn hubs(&self) -> u64 {
        self.hubs.load(Relaxed)
    }

    /// The number of times that another hub's state differed from this one's.
    #[must_use]
    pub fn divergences(&self) -> u64 {
        self.divergences.load(Relaxed)
    }

    /// Counts the effects of a record that this hub wrote. In a cluster only the hub that wrote a record counts it, so that the
    /// sum over the hubs is right.
    pub(super) fn count(&self, effects: &Effects) {
        for (_, effect) in &effects.list {
            match effect {
                Effect::Ack { duplicate: false, .. } => {
                    self.notifications.fetch_add(1, Relaxed);
                }
                Effect::Settled { settled, .. } => {
                    self.settled[settled.outcome as usize].fetch_add(1, Relaxed);
                    self.notify_to_result.observe(Duration::from_millis(settled.elapsed().0));
                }
                _ => {}
            }
        }
    }

    pub(super) fn publish(&self, totals: &Totals) {
        let now = &self.totals;
        for (place, value) in [
            (&now.open, totals.open),
            (&now.waiting, totals.waiting),
            (&now.sessions, totals.sessions),
            (&now.workspaces, totals.workspaces),
        ] {
            place.store(value, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_count_where_their_order_says() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
    }
}
