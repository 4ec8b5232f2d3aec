//! Sets of slots, one bit each.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::collections::slab::Slot;

/// A set of slots of one kind of value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct SlotSet<T> {
    words: Vec<u64>,
    count: u32,
    #[serde(skip)]
    kind: PhantomData<fn() -> T>,
}

impl<T> Default for SlotSet<T> {
    fn default() -> Self {
        Self { words: Vec::new(), count: 0, kind: PhantomData }
    }
}

impl<T> Clone for SlotSet<T> {
    fn clone(&self) -> Self {
        Self { words: self.words.clone(), count: self.count, kind: PhantomData }
    }
}

impl<T> SlotSet<T> {
    /// Adds a slot and returns whether it is new.
    pub(crate) fn insert(&mut self, slot: Slot<T>) -> bool {
        let (word, bit) = Self::place(slot);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += u32::from(is_new);
        is_new
    }

    /// Removes a slot and returns whether it was in the set.
    pub(crate) fn remove(&mut self, slot: Slot<T>) -> bool {
        let was_there = self.contains(slot);
        if was_there {
            let (word, bit) = Self::place(slot);
            self.words[word] &= !bit;
            assert!(self.count > 0, "a set of slots counts fewer than it has");
            self.count -= 1;
        }
        was_there
    }

    pub(crate) fn contains(&self, slot: Slot<T>) -> bool {
        let (word, bit) = Self::place(slot);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn len(&self) -> u32 {
        self.count
    }

    /// The slots in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot<T>> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                if rest == 0 {
                    return None;
                }
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                Some(Slot::new(at * 64 + bit))
            })
        })
    }

    fn place(slot: Slot<T>) -> (usize, u64) {
        (slot.index() / 64, 1 << (slot.index() % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_counts_its_slots_and_lists_them_in_order() {
        let mut set = SlotSet::<()>::default();
        let [a, b, c, d, other] = [130, 5, 63, 64, 10_000].map(Slot::new);
        for slot in [a, b, c, d, b] {
            set.insert(slot);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [b, c, d, a]);
        assert!(set.remove(c) && !set.remove(c) && !set.remove(other));
        assert_eq!((set.len(), set.contains(c), set.contains(d)), (3, false, true));
    }
}
