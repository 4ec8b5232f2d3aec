//! The agents of a workspace: who is connected, who is remembered, what is on each desk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::audience::{Arrival, Stream};
use super::entry::Presence;
use super::ids::{ConnectionId, Name, Timestamp};
use super::slab::Slab;

/// One agent, and the desk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Agent {
    pub(super) name: Name,
    /// One per tab; empty while the agent is away from the hub.
    pub(super) connections: Vec<ConnectionId>,
    pub(super) presence: Presence,
    /// Slots of the agent's groups, each held.
    pub(super) groups: Vec<u32>,
    /// When the last connection went; `Some` exactly while remembered and not connected.
    pub(super) left_at: Option<Timestamp>,
    /// The last accept of any kind: who has the oldest has been idle longest.
    pub(super) last_accept: Option<Timestamp>,
    /// What is open for this agent by name.
    pub(super) named: Stream,
    /// Slots of what is displayed, in the order of display; at most the display limit.
    pub(super) displayed: Vec<u32>,
    /// Slots of what waits behind it, by arrival; at most the queue limit.
    pub(super) waiting: VecDeque<u32>,
    /// Everything of the agent's stream up to here has been on the desk or was rejected.
    pub(super) cursor: Arrival,
    /// Something beyond the cursor was passed over, so a new arrival must not move the cursor.
    pub(super) behind: bool,
    /// The agent's open sessions.
    pub(super) sessions: BTreeSet<Name>,
    /// Audiences and sessions that hold this slot.
    pub(super) holders: u32,
    /// A place may have fallen free in this step. Always false between steps.
    #[serde(skip)]
    pub(super) dirty: bool,
    /// The last walk over an audience that met this agent; see [`Agents::next_walk`].
    #[serde(skip)]
    pub(super) walk: u64,
}

impl Agent {
    pub(super) fn is_connected(&self) -> bool {
        !self.connections.is_empty()
    }

    /// Connected and available; whether in the audience is the asker's business.
    pub(super) fn is_available(&self) -> bool {
        self.is_connected() && self.presence == Presence::Available
    }

    /// The order in which automatic accepts are given: never accepted first, then idle longest, then by name.
    pub(super) fn idle_order(&self) -> (Option<Timestamp>, &Name) {
        (self.last_accept, &self.name)
    }
}

/// All agents that are connected, remembered, or named by something open.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Agents {
    slots: Slab<Agent>,
    by_name: BTreeMap<Name, u32>,
    /// Those with a connection.
    connected: BTreeSet<u32>,
    /// Those remembered, by when they left: the oldest are forgotten first.
    remembered: BTreeSet<(Timestamp, u32)>,
    /// Freed slots that something open may still have in its bitmaps, with the newest arrival at that time.
    resting: VecDeque<(Arrival, u32)>,
    #[serde(skip)]
    walks: u64,
}

impl Agents {
    pub(super) fn get(&self, slot: u32) -> &Agent {
        &self.slots[slot]
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Agent {
        &mut self.slots[slot]
    }

    pub(super) fn try_get(&self, slot: u32) -> Option<&Agent> {
        self.slots.get(slot)
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(super) fn connected(&self) -> &BTreeSet<u32> {
        &self.connected
    }

    /// The oldest of those remembered and not connected.
    pub(super) fn oldest_remembered(&self) -> Option<(Timestamp, u32)> {
        self.remembered.first().copied()
    }

    pub(super) fn remembered_len(&self) -> usize {
        self.remembered.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The slot of the agent called `name`, made if need be.
    pub(super) fn ensure(&mut self, name: &Name) -> u32 {
        if let Some(slot) = self.find(name) {
            return slot;
        }
        let slot = self.slots.insert(Agent {
            name: name.clone(),
            connections: Vec::new(),
            presence: Presence::Available,
            groups: Vec::new(),
            left_at: None,
            last_accept: None,
            named: Stream::default(),
            displayed: Vec::new(),
            waiting: VecDeque::new(),
            cursor: 0,
            behind: false,
            sessions: BTreeSet::new(),
            holders: 0,
            dirty: false,
            walk: 0,
        });
        self.by_name.insert(name.clone(), slot);
        slot
    }

    /// The first connection came.
    pub(super) fn connect(&mut self, slot: u32) {
        if let Some(left_at) = self.slots[slot].left_at.take() {
            self.remembered.remove(&(left_at, slot));
        }
        self.connected.insert(slot);
    }

    /// The last connection went.
    pub(super) fn disconnect(&mut self, slot: u32, now: Timestamp) {
        self.slots[slot].left_at = Some(now);
        self.remembered.insert((now, slot));
        self.connected.remove(&slot);
    }

    /// No longer remembered. The slot goes by [`Agents::tidy`] when nothing holds it.
    pub(super) fn forget(&mut self, slot: u32) {
        let agent = &mut self.slots[slot];
        agent.presence = Presence::Available;
        agent.last_accept = None;
        if let Some(left_at) = agent.left_at.take() {
            self.remembered.remove(&(left_at, slot));
        }
    }

    /// Frees the slot if the agent is neither connected nor remembered nor held. `newest` is the newest arrival:
    /// what arrived until now may have the slot in its bitmaps.
    pub(super) fn tidy(&mut self, slot: u32, newest: Arrival) {
        let agent = &self.slots[slot];
        if agent.is_connected() || agent.left_at.is_some() || agent.holders > 0 {
            return;
        }
        self.by_name.remove(&agent.name);
        self.slots.take(slot);
        self.resting.push_back((newest, slot));
    }

    /// Lets slots be used again that nothing open can know any more; `oldest` is the oldest open arrival.
    pub(super) fn release_rested(&mut self, oldest: Option<Arrival>) {
        while let Some(&(newest, slot)) = self.resting.front() {
            if oldest.is_some_and(|oldest| oldest <= newest) {
                break;
            }
            self.resting.pop_front();
            self.slots.release(slot);
        }
    }

    /// A number for one walk over an audience, so that an agent who is in it twice is met once.
    pub(super) fn next_walk(&mut self) -> u64 {
        self.walks += 1;
        self.walks
    }
}
