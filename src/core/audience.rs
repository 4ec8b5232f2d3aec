//! Audiences: whom notifications are for, and the ordered index of what is open for each.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::entry::Recipients;
use super::ids::Name;
use super::slab::Slab;

/// When a notification arrived, as a number: the first is 1. The order of everything that waits.
pub(super) type Arrival = u64;

/// What is open for one key (everybody, an agent by name, a group), in order of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stream {
    /// Arrival to slot of every open notification of this key that is displayed to people.
    plain: BTreeMap<Arrival, u32>,
    /// Those to be accepted automatically: they are displayed to nobody, and looked for by themselves.
    autos: BTreeMap<Arrival, u32>,
}

impl Stream {
    pub(super) fn insert(&mut self, arrival: Arrival, slot: u32, auto: bool) {
        let map = if auto { &mut self.autos } else { &mut self.plain };
        map.insert(arrival, slot);
    }

    pub(super) fn remove(&mut self, arrival: Arrival) {
        self.plain.remove(&arrival);
        self.autos.remove(&arrival);
    }

    /// The first that arrived after `after`.
    pub(super) fn next(&self, after: Arrival) -> Option<(Arrival, u32)> {
        self.next_plain(after).into_iter().chain(self.next_auto(after)).min()
    }

    /// The first that arrived after `after` and is displayed to people.
    pub(super) fn next_plain(&self, after: Arrival) -> Option<(Arrival, u32)> {
        self.plain.range(after + 1..).next().map(|(&arrival, &slot)| (arrival, slot))
    }

    /// The first automatic one that arrived after `after`.
    pub(super) fn next_auto(&self, after: Arrival) -> Option<(Arrival, u32)> {
        self.autos.range(after + 1..).next().map(|(&arrival, &slot)| (arrival, slot))
    }
}

/// A group that an open notification names, or that a remembered agent is in.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) name: Name,
    /// Agents in it, connected ones only.
    pub(super) members: BTreeSet<u32>,
    /// What is open for it.
    pub(super) stream: Stream,
    /// Remembered agents and audiences that hold this slot.
    holders: u32,
}

/// The groups of a workspace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Groups {
    slots: Slab<Group>,
    by_name: BTreeMap<Name, u32>,
}

impl Groups {
    /// The slot of the group called `name`, made if need be, held once more.
    pub(super) fn hold(&mut self, name: &Name) -> u32 {
        let slot = match self.by_name.get(name) {
            Some(&slot) => slot,
            None => {
                let slot = self.slots.insert(Group { name: name.clone(), ..Group::default() });
                self.by_name.insert(name.clone(), slot);
                slot
            }
        };
        self.slots[slot].holders += 1;
        slot
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// Held once less; gone when nobody holds it.
    pub(super) fn let_go(&mut self, slot: u32) {
        let group = &mut self.slots[slot];
        group.holders -= 1;
        if group.holders == 0 {
            self.by_name.remove(&group.name);
            self.slots.remove(slot);
        }
    }

    pub(super) fn get(&self, slot: u32) -> &Group {
        &self.slots[slot]
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Group {
        &mut self.slots[slot]
    }
}

/// One audience: equal sets of agents and groups. Lives while an open notification has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Audience {
    pub(super) to: Recipients,
    /// Slots of the named agents.
    pub(super) agents: Vec<u32>,
    /// Slots of the named groups.
    pub(super) groups: Vec<u32>,
    /// Open notifications that have it.
    pub(super) open: u32,
    /// Of these, those never displayed to anyone: rule 3 counts them.
    pub(super) never_displayed: u32,
}

/// The audiences of a workspace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Audiences {
    slots: Slab<Audience>,
    by_to: BTreeMap<Recipients, u32>,
}

impl Audiences {
    pub(super) fn find(&self, to: &Recipients) -> Option<u32> {
        self.by_to.get(to).copied()
    }

    pub(super) fn insert(&mut self, audience: Audience) -> u32 {
        let to = audience.to.clone();
        let slot = self.slots.insert(audience);
        self.by_to.insert(to, slot);
        slot
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<Audience> {
        let audience = self.slots.remove(slot)?;
        self.by_to.remove(&audience.to);
        Some(audience)
    }

    pub(super) fn get(&self, slot: u32) -> &Audience {
        &self.slots[slot]
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Audience {
        &mut self.slots[slot]
    }
}

#[cfg(test)]
impl Groups {
    /// That every group is found by its name, and `holders` hold it.
    pub(super) fn check(&self, holders: impl Fn(u32) -> usize) {
        for (slot, group) in self.slots.iter() {
            assert_eq!(self.find(&group.name), Some(slot));
            assert_eq!(group.holders as usize, holders(slot), "holders of {}", group.name);
            assert!(group.holders > 0, "{} is kept for nothing", group.name);
        }
        assert_eq!(self.by_name.len(), self.slots.iter().count());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Group)> {
        self.slots.iter()
    }
}

#[cfg(test)]
impl Audiences {
    /// That every audience is found by its names.
    pub(super) fn check(&self) {
        for (slot, audience) in self.slots.iter() {
            assert_eq!(self.find(&audience.to), Some(slot));
            assert!(audience.open > 0, "an audience is kept for nothing");
        }
        assert_eq!(self.by_to.len(), self.slots.iter().count());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Audience)> {
        self.slots.iter()
    }
}
