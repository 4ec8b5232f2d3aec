//! Among which partitions the workspaces of a cluster are spread.

use sha1::{Digest as _, Sha1};

/// The partition of a workspace, of so many, counted from 0: the first 32 bits of the SHA-1 of its name, as a number,
/// modulo `partitions`. All hubs have to come to the same, for as long as there are streams: it must never change.
#[must_use]
pub fn partition_of(workspace: &str, partitions: usize) -> usize {
    if partitions <= 1 {
        return 0;
    }
    let hash = Sha1::digest(workspace.as_bytes());
    let number = hash.iter().take(4).fold(0_usize, |number, &byte| number << 8 | usize::from(byte));
    number % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspaces_partition_never_changes() {
        // As `printf %s NAME | sha1sum | cut -c1-8` has it.
        for (name, number) in [("default", 0x7505_d64a), ("acme", 0x293a_bb6b), ("grace", 0xfd1c_f5e2)] {
            for partitions in 2..=64 {
                assert_eq!(partition_of(name, partitions), number % partitions, "{name} of {partitions}");
            }
            assert_eq!(partition_of(name, 1), 0);
        }
    }

    #[test]
    fn workspaces_are_spread_evenly() {
        let mut counts = [0_u32; 7];
        (0..7_000).for_each(|n| counts[partition_of(&format!("workspace-{n}"), 7)] += 1);
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }
}
