//! Hubs that share a log apply the same records, so they must have the same state. They compare digests of it.

use std::collections::VecDeque;

use sha1::{Digest as _, Sha1};

use crate::log::{Digest, RecordNumber};

/// Records after which the hubs compare their states: at the same record everywhere.
pub(super) const RECORDS_PER_DIGEST: u64 = 10_000;

/// Digests that wait for their counterpart.
const DIGESTS_MAX: usize = 64;

/// The last digests of this hub, and those of others that are not compared yet; at most [`DIGESTS_MAX`] each.
#[derive(Debug, Default)]
pub(super) struct DigestComparison {
    own: VecDeque<Digest>,
    received: VecDeque<Digest>,
}

impl DigestComparison {
    /// Adds this hub's digest and those of others; returns the records at which another hub's state differs.
    pub(super) fn compare(&mut self, own: Digest, received: Vec<Digest>) -> Vec<RecordNumber> {
        self.received.extend(received);
        self.own.push_back(own);
        let own = &self.own;
        let differs = |theirs: &&Digest| own.iter().any(|own| own.number == theirs.number && own.value != theirs.value);
        let different = self.received.iter().filter(differs).map(|theirs| theirs.number).collect();
        self.received.retain(|theirs| own.iter().all(|own| own.number != theirs.number));
        for digests in [&mut self.own, &mut self.received] {
            let over = digests.len().saturating_sub(DIGESTS_MAX);
            digests.drain(..over);
        }
        different
    }
}

/// The digest of a state after record `number`: 64 bits of the SHA-1 of its snapshot.
pub(super) fn digest(number: RecordNumber, snapshot: &[u8]) -> Digest {
    let hash = Sha1::digest(snapshot);
    let value = hash.iter().take(8).fold(0, |value, &byte| value << 8 | u64::from(byte));
    Digest { number, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: RecordNumber, value: u64) -> Digest {
        Digest { number, value }
    }

    #[test]
    fn a_difference_is_found_whichever_digest_arrives_first_and_only_once() {
        let mut comparison = DigestComparison::default();
        assert_eq!(comparison.compare(at(1, 5), vec![at(2, 7)]), Vec::<u64>::new(), "nothing to compare with yet");
        assert_eq!(comparison.compare(at(2, 8), vec![at(1, 5)]), vec![2]);
        assert_eq!(comparison.compare(at(3, 9), vec![at(3, 9), at(1, 4)]), vec![1], "a late digest counts too");
        assert_eq!(comparison.compare(at(4, 1), Vec::new()), Vec::<u64>::new());
    }

    #[test]
    fn digests_without_a_counterpart_are_bounded() {
        let mut comparison = DigestComparison::default();
        for number in 1..=1_000 {
            comparison.compare(at(number, 0), vec![at(number + 5_000, 0)]);
            assert!(comparison.own.len() <= DIGESTS_MAX && comparison.received.len() <= DIGESTS_MAX);
        }
        assert_eq!(comparison.own.front(), Some(&at(937, 0)), "the oldest go first");
        assert_eq!(comparison.received.len(), DIGESTS_MAX);
    }

    #[test]
    fn a_digest_is_the_first_64_bits_of_the_hash() {
        // printf abc | sha1sum
        assert_eq!(digest(3, b"abc"), at(3, 0xa999_3e36_4706_816a));
    }
}
