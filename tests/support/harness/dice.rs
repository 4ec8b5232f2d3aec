//! Random decisions that a seed repeats.

/// A random generator with a seed.
pub(crate) struct Dice(fastrand::Rng);

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// One of `0..sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0.usize(..sides)
    }
}
