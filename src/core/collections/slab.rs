//! Dense slots that are reused, with a type for the slot of each kind of value.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The slot of a `T` in its `Slab`. A slot of another kind of value is another type.
pub struct Slot<T> {
    index: u32,
    kind: PhantomData<fn() -> T>,
}

impl<T> Slot<T> {
    pub(crate) fn new(index: usize) -> Self {
        Self { index: u32::try_from(index).expect("every kind of value has a limit far below 2^32"), kind: PhantomData }
    }

    pub(crate) fn index(self) -> usize {
        self.index as usize
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slot<T> {}

impl<T> PartialEq for Slot<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl<T> Eq for Slot<T> {}

impl<T> PartialOrd for Slot<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Slot<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.index.cmp(&other.index)
    }
}

impl<T> Hash for Slot<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.index.hash(state);
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.index.fmt(f)
    }
}

impl<T> Serialize for Slot<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.index.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Slot<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { index: u32::deserialize(deserializer)?, kind: PhantomData })
    }
}

/// Values in dense slots. The slot of a removed value is reused, the one freed last first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Slab<T> {
    values: Vec<Option<T>>,
    free: Vec<Slot<T>>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { values: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts a value into a free slot.
    pub(crate) fn insert(&mut self, value: T) -> Slot<T> {
        self.insert_with(|_| value)
    }

    /// Puts a value that knows its own slot into a free slot.
    pub(crate) fn insert_with(&mut self, value: impl FnOnce(Slot<T>) -> T) -> Slot<T> {
        if let Some(slot) = self.free.pop() {
            let place = &mut self.values[slot.index()];
            assert!(place.is_none(), "slot {slot:?} is free and has a value");
            *place = Some(value(slot));
            return slot;
        }
        let slot = Slot::new(self.values.len());
        self.values.push(Some(value(slot)));
        slot
    }

    /// Removes a value and frees its slot.
    pub(crate) fn remove(&mut self, slot: Slot<T>) -> Option<T> {
        let value = self.values.get_mut(slot.index())?.take()?;
        self.free.push(slot);
        Some(value)
    }

    pub(crate) fn get(&self, slot: Slot<T>) -> Option<&T> {
        self.values.get(slot.index())?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot<T>) -> Option<&mut T> {
        self.values.get_mut(slot.index())?.as_mut()
    }

    /// The values with their slots, in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot<T>, &T)> {
        self.values.iter().enumerate().filter_map(|(index, value)| Some((Slot::new(index), value.as_ref()?)))
    }
}

impl<T> Index<Slot<T>> for Slab<T> {
    type Output = T;

    /// Panics if the slot is free. Every holder of a slot gives it up before its value is removed.
    fn index(&self, slot: Slot<T>) -> &T {
        self.get(slot).unwrap_or_else(|| panic!("slot {slot:?} is in use and has no value"))
    }
}

impl<T> IndexMut<Slot<T>> for Slab<T> {
    /// Panics if the slot is free. Every holder of a slot gives it up before its value is removed.
    fn index_mut(&mut self, slot: Slot<T>) -> &mut T {
        self.get_mut(slot).unwrap_or_else(|| panic!("slot {slot:?} is in use and has no value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_slot_is_reused_once() {
        let mut slab = Slab::default();
        let (a, b) = (slab.insert("a"), slab.insert("b"));
        assert_eq!(slab.remove(a), Some("a"));
        assert_eq!(slab.get(a), None);
        assert_eq!(slab.remove(a), None);
        assert_eq!((slab.insert("c"), slab.insert("d")), (a, Slot::new(2)));
        assert_eq!(slab.remove(b), Some("b"));
        assert_eq!(slab.iter().count(), 2);
    }

    #[test]
    #[should_panic(expected = "slot 0 is in use and has no value")]
    fn a_slot_that_outlives_its_value_is_noticed() {
        let mut slab = Slab::default();
        let slot = slab.insert("a");
        slab.remove(slot);
        let _ = slab[slot];
    }
}
