//! The agents of a workspace: who is connected, who is remembered, what is on each desk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::audience::{Arrival, Stream};
use super::entry::Presence;
use super::ids::{ConnectionId, Name, Timestamp};
use super::slab::{Bits, Slab};
use super::tabs::Tabs;

/// One agent, and the desk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Agent {
    pub(super) name: Name,
    /// One per tab; empty while the agent is away from the hub.
    pub(super) connections: Tabs,
    pub(super) presence: Presence,
    /// Slots of the agent's groups, each held.
    pub(super) groups: Vec<u32>,
    /// When the last connection went; `Some` exactly while remembered and not connected.
    pub(super) left_at: Option<Timestamp>,
    /// The how manieth to leave that was: whose last connection went first is forgotten first.
    leave: u64,
    /// The last accept of any kind, by the number of its settling: who has the lowest has been idle longest, also among
    /// accepts of one millisecond.
    pub(super) last_accept: Option<u64>,
    /// What is open for this agent by name.
    pub(super) named: Stream,
    /// Slots of what is displayed, in the order of display; at most the display limit.
    pub(super) displayed: Vec<u32>,
    /// Slots of what waits behind it, by arrival; at most the queue limit.
    pub(super) waiting: VecDeque<u32>,
    /// Everything of the agent's stream up to here has been on the desk or was rejected.
    pub(super) cursor: Arrival,
    /// Something beyond the cursor may have been passed over: a free place is filled by looking there, and a new
    /// arrival must not move the cursor. Otherwise the whole stream has been on the desk or was rejected.
    pub(super) behind: bool,
    /// The agent's open sessions.
    pub(super) sessions: BTreeSet<Name>,
    /// Audiences and sessions that hold this slot.
    pub(super) holders: u32,
    /// The newest arrival when the last connection went: what arrived until then may have the slot in its sets.
    /// 0: was never connected, nothing has.
    known_until: Arrival,
    /// A place may have fallen free in this step. Always false between steps.
    #[serde(skip)]
    pub(super) dirty: bool,
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
    pub(super) fn idle_order(&self) -> (Option<u64>, &Name) {
        (self.last_accept, &self.name)
    }
}

/// All agents that are connected, remembered, or named by something open.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Agents {
    slots: Slab<Agent>,
    by_name: BTreeMap<Name, u32>,
    /// Those with a connection.
    connected: Bits,
    /// How many connections these have together.
    connections: u64,
    /// Those remembered, in the order in which they left: the oldest are forgotten first.
    remembered: BTreeMap<u64, u32>,
    /// How often somebody left.
    leaves: u64,
    /// Agents whom nobody needs but what is open may have in its sets, by the newest arrival that may. Should they
    /// come back until it is settled, they are who they were: what they rejected is not offered to them again.
    resting: BTreeSet<(Arrival, u32)>,
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

    pub(super) fn connected(&self) -> &Bits {
        &self.connected
    }

    /// The oldest of those remembered and not connected.
    pub(super) fn oldest_remembered(&self) -> Option<(Timestamp, u32)> {
        let (_, &slot) = self.remembered.first_key_value()?;
        Some((self.slots[slot].left_at?, slot))
    }

    pub(super) fn remembered_len(&self) -> usize {
        self.remembered.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The slot of the agent called `name`, made if need be, for who needs it from here on.
    pub(super) fn ensure(&mut self, name: &Name) -> u32 {
        if let Some(slot) = self.find(name) {
            self.resting.remove(&(self.slots[slot].known_until, slot));
            return slot;
        }
        let slot = self.slots.insert(Agent {
            name: name.clone(),
            connections: Tabs::default(),
            presence: Presence::Available,
            groups: Vec::new(),
            left_at: None,
            leave: 0,
            last_accept: None,
            named: Stream::default(),
            displayed: Vec::new(),
            waiting: VecDeque::new(),
            cursor: 0,
            behind: false,
            sessions: BTreeSet::new(),
            holders: 0,
            known_until: 0,
            dirty: false,
        });
        self.by_name.insert(name.clone(), slot);
        slot
    }

    /// A connection came; whether it is the agent's first.
    pub(super) fn connect(&mut self, slot: u32, connection: ConnectionId) -> bool {
        let agent = &mut self.slots[slot];
        agent.connections.push(connection);
        self.connections += 1;
        if agent.left_at.take().is_some() {
            self.remembered.remove(&agent.leave);
        }
        self.connected.set(slot)
    }

    /// A connection went; whether it was the agent's last. `newest` is the newest arrival.
    pub(super) fn disconnect(&mut self, slot: u32, connection: ConnectionId, now: Timestamp, newest: Arrival) -> bool {
        let agent = &mut self.slots[slot];
        self.connections -= u64::from(agent.connections.remove(connection));
        if agent.is_connected() {
            return false;
        }
        agent.left_at = Some(now);
        agent.known_until = newest;
        self.leaves += 1;
        agent.leave = self.leaves;
        self.remembered.insert(agent.leave, slot);
        self.connected.clear(slot);
        true
    }

    /// The connections of all agents together.
    pub(super) fn connections(&self) -> u64 {
        self.connections
    }

    /// No longer remembered. The slot goes by [`Agents::tidy`] when nothing holds it.
    pub(super) fn forget(&mut self, slot: u32) {
        let agent = &mut self.slots[slot];
        agent.presence = Presence::Available;
        agent.last_accept = None;
        if agent.left_at.take().is_some() {
            self.remembered.remove(&agent.leave);
        }
    }

    /// Lets the slot rest if the agent is neither connected nor remembered nor held.
    pub(super) fn tidy(&mut self, slot: u32) {
        let agent = &self.slots[slot];
        if agent.is_connected() || agent.left_at.is_some() || agent.holders > 0 {
            return;
        }
        if agent.known_until > 0 {
            self.resting.insert((agent.known_until, slot));
        } else {
            self.remove(slot);
        }
    }

    /// Lets slots be used again that nothing open can know any more; `oldest` is the oldest open arrival.
    pub(super) fn release_rested(&mut self, oldest: Option<Arrival>) {
        while let Some(&(newest, slot)) = self.resting.first()
            && oldest.is_none_or(|oldest| oldest > newest)
        {
            self.resting.pop_first();
            self.remove(slot);
        }
    }

    fn remove(&mut self, slot: u32) {
        if let Some(agent) = self.slots.remove(slot) {
            self.by_name.remove(&agent.name);
        }
    }
}

#[cfg(test)]
impl Agents {
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Agent)> {
        self.slots.iter()
    }

    /// That every index says what the agents say.
    pub(super) fn check(&self) {
        for (slot, agent) in self.slots.iter() {
            assert_eq!(self.find(&agent.name), Some(slot), "by name");
            assert_eq!(self.connected.has(slot), agent.is_connected(), "connected");
            let left = agent.left_at;
            assert_eq!(left.is_some(), self.remembered.get(&agent.leave) == Some(&slot), "remembered");
            assert!(left.is_none() || !agent.is_connected(), "who is here has not left");
            let needed = agent.is_connected() || left.is_some() || agent.holders > 0;
            assert_ne!(needed, self.resting.contains(&(agent.known_until, slot)), "{} rests", agent.name);
            assert!(!agent.dirty, "a desk is still to be refilled");
        }
        assert_eq!(self.by_name.len(), self.slots.iter().count());
        assert_eq!(
            self.connected.count() as usize,
            self.slots.iter().filter(|(_, agent)| agent.is_connected()).count()
        );
        assert_eq!(self.remembered.len(), self.slots.iter().filter(|(_, agent)| agent.left_at.is_some()).count());
        let connections: usize = self.slots.iter().map(|(_, agent)| agent.connections.len()).sum();
        assert_eq!(self.connections, connections as u64);
        assert!(self.resting.iter().all(|&(_, slot)| self.slots.get(slot).is_some()));
    }
}
