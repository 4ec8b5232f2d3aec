//! Audiences: the agents to whom notifications are addressed, and the ordered index of the open ones for each.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use serde::{Deserialize, Serialize};

use super::{AudienceSlot, GroupSlot, OpenSlot};
use crate::collections::slab::Slab;
use crate::effect::AgentSlot;
use crate::entry::Recipients;
use crate::ids::Name;

/// The number of a notification in the order of arrival, from 1.
pub(crate) type Arrival = u64;

/// The place of a notification in the order of everything that waits: by priority, the highest first, then by arrival.
///
/// The priority is in the four highest bits, the arrival in the others, so that an index with this key is as small and as
/// fast as one by arrival.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rank(u64);

impl Rank {
    /// Before the rank of every notification.
    pub(crate) const BEGIN: Self = Self(0);

    const PRIORITY_SHIFT: u32 = 60;

    pub(crate) fn new(priority: u8, arrival: Arrival) -> Self {
        Self(u64::from(priority) << Self::PRIORITY_SHIFT | arrival)
    }

    pub(crate) fn arrival(self) -> Arrival {
        self.0 & !(u64::MAX << Self::PRIORITY_SHIFT)
    }

    /// A rank before this one and after every lower one that a notification has.
    pub(crate) fn before(self) -> Self {
        Self(self.0 - 1)
    }

    /// The number by which ranks are ordered.
    fn order(self) -> u64 {
        if self == Self::BEGIN { 0 } else { self.0 ^ u64::MAX << Self::PRIORITY_SHIFT }
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The open notifications for one key (everybody, one named agent, one group), by rank.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenIndex {
    /// Those that are displayed to people.
    displayable: BTreeMap<Rank, OpenSlot>,
    /// Those that are accepted automatically. Nobody has them displayed, and they are looked up separately.
    auto_accept: BTreeMap<Rank, OpenSlot>,
}

impl OpenIndex {
    pub(crate) fn insert(&mut self, rank: Rank, slot: OpenSlot, auto_accept: bool) {
        let map = if auto_accept { &mut self.auto_accept } else { &mut self.displayable };
        let old = map.insert(rank, slot);
        assert!(old.is_none(), "{rank:?} enters an index twice");
    }

    pub(crate) fn remove(&mut self, rank: Rank) {
        let removed = self.displayable.remove(&rank).or_else(|| self.auto_accept.remove(&rank));
        assert!(removed.is_some(), "{rank:?} leaves an index that it did not enter");
    }

    /// The first notification after `after`.
    pub(crate) fn next(&self, after: Rank) -> Option<(Rank, OpenSlot)> {
        self.next_displayable(after).into_iter().chain(self.next_auto_accept(after)).min()
    }

    /// The first notification after `after` that is displayed to people.
    pub(crate) fn next_displayable(&self, after: Rank) -> Option<(Rank, OpenSlot)> {
        self.displayable.range((Excluded(after), Unbounded)).next().map(|(&rank, &slot)| (rank, slot))
    }

    /// The first notification after `after` that is accepted automatically.
    pub(crate) fn next_auto_accept(&self, after: Rank) -> Option<(Rank, OpenSlot)> {
        self.auto_accept.range((Excluded(after), Unbounded)).next().map(|(&rank, &slot)| (rank, slot))
    }
}

/// A group that an open notification names or that contains a remembered agent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: Name,
    /// The connected agents in the group.
    pub(crate) members: BTreeSet<AgentSlot>,
    /// The open notifications for the group.
    pub(crate) open: OpenIndex,
    /// How many remembered agents and audiences refer to this slot.
    references: u32,
}

/// The groups of a workspace. A group is kept while agents or audiences refer to it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Groups {
    slots: Slab<Group>,
    by_name: BTreeMap<Name, GroupSlot>,
}

impl Groups {
    /// Adds a reference to the group with this name, which is created if need be.
    pub(crate) fn retain(&mut self, name: &Name) -> GroupSlot {
        let slot = match self.by_name.get(name) {
            Some(&slot) => slot,
            None => {
                let slot = self.slots.insert(Group { name: name.clone(), ..Group::default() });
                self.by_name.insert(name.clone(), slot);
                slot
            }
        };
        self.slots[slot].references += 1;
        slot
    }

    pub(crate) fn find(&self, name: &str) -> Option<GroupSlot> {
        self.by_name.get(name).copied()
    }

    /// Removes a reference. A group without references is removed.
    pub(crate) fn release(&mut self, slot: GroupSlot) {
        let group = &mut self.slots[slot];
        assert!(group.references > 0, "group {} is released more often than it was retained", group.name);
        group.references -= 1;
        if group.references == 0 {
            assert!(group.members.is_empty(), "group {} is removed and has members", group.name);
            assert!(self.by_name.remove(&group.name).is_some(), "group {} has no entry by name", group.name);
            self.slots.remove(slot);
        }
    }

    pub(crate) fn get(&self, slot: GroupSlot) -> &Group {
        &self.slots[slot]
    }

    pub(crate) fn get_mut(&mut self, slot: GroupSlot) -> &mut Group {
        &mut self.slots[slot]
    }
}

/// One audience: equal sets of agents and groups. It is kept while an open notification is addressed to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Audience {
    pub(crate) to: Recipients,
    /// The named agents.
    pub(crate) agents: Vec<AgentSlot>,
    /// The named groups.
    pub(crate) groups: Vec<GroupSlot>,
    /// Open notifications for this audience.
    pub(crate) open: u32,
    /// Those of them that nobody has ever had displayed. Rule 3 counts them.
    pub(crate) never_displayed: u32,
}

/// The audiences of a workspace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Audiences {
    slots: Slab<Audience>,
    by_recipients: BTreeMap<Recipients, AudienceSlot>,
}

impl Audiences {
    pub(crate) fn find(&self, to: &Recipients) -> Option<AudienceSlot> {
        self.by_recipients.get(to).copied()
    }

    pub(crate) fn insert(&mut self, audience: Audience) -> AudienceSlot {
        let to = audience.to.clone();
        let slot = self.slots.insert(audience);
        self.by_recipients.insert(to, slot);
        slot
    }

    /// Counts one open notification less and returns the audience if that was the last one.
    pub(crate) fn release(&mut self, slot: AudienceSlot, never_displayed: bool) -> Option<Audience> {
        let audience = &mut self.slots[slot];
        assert!(audience.open > 0, "an audience loses more notifications than it had");
        audience.open -= 1;
        if never_displayed {
            assert!(audience.never_displayed > 0, "an audience loses more waiting notifications than it had");
            audience.never_displayed -= 1;
        }
        if audience.open > 0 {
            return None;
        }
        let audience = self.slots.remove(slot)?;
        assert!(self.by_recipients.remove(&audience.to).is_some(), "an audience has no entry by its recipients");
        Some(audience)
    }

    pub(crate) fn get(&self, slot: AudienceSlot) -> &Audience {
        &self.slots[slot]
    }

    pub(crate) fn get_mut(&mut self, slot: AudienceSlot) -> &mut Audience {
        &mut self.slots[slot]
    }
}

#[cfg(test)]
impl Groups {
    /// Checks that every group has an entry by name and as many references as `references` counts.
    pub(crate) fn check(&self, references: impl Fn(GroupSlot) -> usize) {
        for (slot, group) in self.slots.iter() {
            assert_eq!(self.find(&group.name), Some(slot));
            assert_eq!(group.references as usize, references(slot), "references to {}", group.name);
            assert!(group.references > 0, "{} is kept for nothing", group.name);
        }
        assert_eq!(self.by_name.len(), self.slots.iter().count());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (GroupSlot, &Group)> {
        self.slots.iter()
    }
}

#[cfg(test)]
impl Audiences {
    /// Checks that every audience has an entry by its recipients.
    pub(crate) fn check(&self) {
        for (slot, audience) in self.slots.iter() {
            assert_eq!(self.find(&audience.to), Some(slot));
            assert!(audience.open > 0, "an audience is kept for nothing");
        }
        assert_eq!(self.by_recipients.len(), self.slots.iter().count());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (AudienceSlot, &Audience)> {
        self.slots.iter()
    }
}
