//! The serial numbers of connections. The hub and the log identify a connection of this gateway by its serial.

/// The most shards that a serial can distinguish. One number is left for [`HTTP_SHARD`].
pub(crate) const SHARDS_MAX: usize = (1 << SHARD_BITS) - 1;
/// The shard number of providers that call over HTTP: they have no socket, and no thread serves them.
pub(crate) const HTTP_SHARD: u8 = u8::MAX;
/// The most connections of one shard that a serial can distinguish.
pub(crate) const SLOTS_PER_SHARD_MAX: usize = 1 << SLOT_BITS;

const SHARD_BITS: u32 = 8;
const SLOT_BITS: u32 = 24;

/// The place of a connection: its shard, its slot there, and how often the slot was used before. The number leads to the
/// connection without a search, and no other connection ever has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionSerial {
    pub(crate) shard: u8,
    pub(crate) generation: u32,
    /// Below [`SLOTS_PER_SHARD_MAX`].
    pub(crate) slot: u32,
}

impl ConnectionSerial {
    /// Whether this is the serial of a provider that calls over HTTP.
    pub(crate) fn is_http(packed: u64) -> bool {
        Self::unpack(packed).shard == HTTP_SHARD
    }

    pub(crate) fn pack(self) -> u64 {
        u64::from(self.shard) << 56 | u64::from(self.generation) << SLOT_BITS | u64::from(self.slot)
    }

    #[expect(clippy::cast_possible_truncation, reason = "each part is cut to its own bits")]
    pub(crate) fn unpack(packed: u64) -> Self {
        Self {
            shard: (packed >> 56) as u8,
            generation: (packed >> SLOT_BITS) as u32,
            slot: packed as u32 & (SLOTS_PER_SHARD_MAX as u32 - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_survives_packing() {
        let last = u32::try_from(SLOTS_PER_SHARD_MAX - 1).unwrap();
        for shard in [0, 1, u8::MAX] {
            for generation in [0, 1, u32::MAX] {
                for slot in [0, 1, last] {
                    let serial = ConnectionSerial { shard, generation, slot };
                    assert_eq!(ConnectionSerial::unpack(serial.pack()), serial);
                }
            }
        }
        assert_eq!(SHARDS_MAX, usize::from(HTTP_SHARD), "no shard has the number of the HTTP providers");
        assert!(ConnectionSerial::is_http(ConnectionSerial { shard: HTTP_SHARD, generation: 0, slot: 1 }.pack()));
    }
}
