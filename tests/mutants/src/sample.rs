//! A random order that a seed repeats.

/// Shuffles; the same seed gives the same order.
pub(crate) fn shuffle<T>(mut all: Vec<T>, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for at in (1..all.len()).rev() {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let roll = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        all.swap(at, usize::try_from(roll).expect("31 bits") % (at + 1));
    }
    all
}
