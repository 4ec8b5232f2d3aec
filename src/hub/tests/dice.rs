//! Random decisions that a seed repeats.

use fastrand::Rng;

/// A random generator with a seed.
#[derive(Debug)]
pub(super) struct Dice(Rng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0.u64(..n)
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// How often appends fail in one history: one in this many; 0 stands for never.
    pub(super) fn fault_every(&mut self) -> u64 {
        [0, 3, 10, 30][self.below(4) as usize]
    }
}
