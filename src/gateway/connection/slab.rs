//! A shard's connections, in densely numbered slots.

use crate::gateway::connection::connection_serial::{ConnectionSerial, SLOTS_PER_SHARD_MAX};

/// Values by slot. After a value was removed, its slot is used again with the next generation.
#[derive(Debug)]
pub(crate) struct ConnectionSlab<T> {
    shard: u8,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> ConnectionSlab<T> {
    pub(crate) fn new(shard: u8) -> Self {
        Self { shard, slots: Vec::new(), free: Vec::new() }
    }

    /// Inserts the value that `make` creates from its serial; `None` if all slots are in use.
    pub(crate) fn insert(&mut self, make: impl FnOnce(u64) -> T) -> Option<&T> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() < SLOTS_PER_SHARD_MAX => {
                self.slots.push(Slot { generation: 0, value: None });
                u32::try_from(self.slots.len() - 1).ok()?
            }
            None => return None,
        };
        let place = self.slots.get_mut(slot as usize)?;
        let serial = ConnectionSerial { shard: self.shard, generation: place.generation, slot };
        Some(place.value.insert(make(serial.pack())))
    }

    /// The value with the serial `serial`.
    pub(crate) fn get(&self, serial: u64) -> Option<&T> {
        let serial = ConnectionSerial::unpack(serial);
        let slot = self.slots.get(serial.slot as usize)?;
        if slot.generation == serial.generation { slot.value.as_ref() } else { None }
    }

    /// Removes the value; its serial never refers to another one.
    pub(crate) fn remove(&mut self, serial: u64) -> Option<T> {
        let serial = ConnectionSerial::unpack(serial);
        let slot = self.slots.get_mut(serial.slot as usize)?;
        if slot.generation != serial.generation {
            return None;
        }
        let value = slot.value.take()?;
        // A slot without further generations is not used again.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(serial.slot);
        }
        Some(value)
    }

    /// The number of slots so far, used or not; the upper bound for [`at`](Self::at).
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The value in a slot, of any generation.
    pub(crate) fn at(&self, slot: usize) -> Option<&T> {
        self.slots.get(slot)?.value.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_leads_to_its_value_and_never_to_another() {
        let mut slab = ConnectionSlab::new(3);
        let first = *slab.insert(|serial| serial).unwrap();
        let second = *slab.insert(|serial| serial).unwrap();
        assert_eq!(slab.remove(first), Some(first));
        let third = *slab.insert(|serial| serial).unwrap();
        assert_eq!(
            ConnectionSerial::unpack(third),
            ConnectionSerial { shard: 3, generation: 1, slot: 0 },
            "the slot is used again"
        );
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!((slab.get(second), slab.get(third)), (Some(&second), Some(&third)));
        assert_eq!((slab.slots(), slab.at(0), slab.at(7)), (2, Some(&third), None));
    }

    #[test]
    fn a_slot_without_generations_left_is_retired() {
        let mut slab = ConnectionSlab::new(0);
        let _ = slab.insert(|serial| serial);
        slab.slots[0].generation = u32::MAX;
        let last = ConnectionSerial { shard: 0, generation: u32::MAX, slot: 0 }.pack();
        assert!(slab.remove(last).is_some());
        assert_eq!(ConnectionSerial::unpack(*slab.insert(|serial| serial).unwrap()).slot, 1);
    }
}
