//! Random decisions that a seed repeats: each decision of a campaign follows from its seed. The timing between the clients and
//! the hub does not, so the same seed gives the same faults and not the same run.

use std::time::Duration;

use fastrand::Rng;

/// A random generator with a seed.
#[derive(Debug, Clone)]
pub(crate) struct Chance(Rng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// A separate generator for one of many clients.
    pub(crate) fn of(seed: u64, client: u64) -> Self {
        Self::new(seed ^ client.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.u64(..bound)
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.0.usize(..of.len())]
    }

    /// A duration from `from` to `to` milliseconds.
    pub(crate) fn ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.0.u64(from..=to))
    }
}
