//! How a hub runs, as the program that starts it decides.

use deskbell_core::rules::RulesRange;
use deskbell_core::{Incarnation, Limits};

use crate::log::Retention;

/// How a hub runs.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// The name of this run in the log; never used before.
    pub incarnation: Incarnation,
    /// Draws another one, for a hub that was removed from a shared log and rejoins.
    pub next_incarnation: fn() -> Incarnation,
    /// Becomes the log's own epoch if the log is new; drawn at random.
    pub epoch: u64,
    /// In force from the start on.
    pub limits: Limits,
    /// The rules that the hub can apply; [`RULES`](deskbell_core::rules::RULES) but in tests of mixed versions.
    pub rules: RulesRange,
    /// Deliveries that one provider may cause per second, with a burst of twice that.
    pub deliveries_per_second: u64,
    /// Which part of the past is kept for explanations.
    pub retention: Retention,
    /// How often a snapshot is made while the hub runs.
    pub snapshot_every: SnapshotInterval,
}

/// How often a snapshot is made: as soon as either number is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotInterval {
    /// Records since the last snapshot.
    pub records: u64,
    /// Bytes of records since the last snapshot.
    pub bytes: u64,
}

impl Default for SnapshotInterval {
    /// 50 000 records, or 8 MiB, which is one segment of the log on disk. What a start has to apply, and what the
    /// directory holds besides its two snapshots, is about twice that; the snapshot of a full workspace has some 30 MiB.
    fn default() -> Self {
        Self { records: 50_000, bytes: 8 * 1024 * 1024 }
    }
}
