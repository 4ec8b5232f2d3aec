//! The agents of a workspace: their connections, what the hub remembers of them, and their desks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::audiences::{Arrival, OpenIndex, Rank};
use super::{GroupSlot, OpenSlot};
use crate::collections::connection_list::ConnectionList;
use crate::collections::slab::Slab;
use crate::collections::slot_set::SlotSet;
use crate::effect::AgentSlot;
use crate::entry::Presence;
use crate::ids::{ConnectionId, Name, Timestamp};

/// One agent and the agent's desk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Agent {
    pub(crate) name: Name,
    /// One for each tab; empty while the agent is not connected.
    pub(crate) connections: ConnectionList,
    pub(crate) presence: Presence,
    /// The agent's groups. Each is a reference.
    pub(crate) groups: Vec<GroupSlot>,
    /// When the last connection closed; `Some` exactly while the agent is remembered and not connected.
    pub(crate) left_at: Option<Timestamp>,
    /// The number of that departure in the workspace. Agents who left first are forgotten first.
    departure: u64,
    /// The agent's last accept of any kind, as the number of the settled notification. The agent with the lowest
    /// number has been idle longest, even among accepts of the same millisecond.
    pub(crate) last_accept: Option<u64>,
    /// The open notifications that name the agent.
    pub(crate) addressed: OpenIndex,
    /// The displayed notifications, in the order of display; at most the display limit.
    pub(crate) displayed: Vec<OpenSlot>,
    /// The notifications queued behind the desk, by rank; at most the queue limit.
    pub(crate) waiting: VecDeque<OpenSlot>,
    /// Everything open for the agent up to this rank has been on the desk or was rejected.
    pub(crate) cursor: Rank,
    /// Whether the agent may have been passed over after the cursor. If so, a free place is filled from there, and a
    /// new arrival must not move the cursor. If not, everything open has been on the desk or was rejected.
    pub(crate) has_backlog: bool,
    /// The agent's open sessions.
    pub(crate) sessions: BTreeSet<Name>,
    /// How many audiences and sessions refer to this slot.
    pub(crate) references: u32,
    /// The newest arrival when the last connection closed. The sets of notifications up to it may contain the slot. 0
    /// if the agent was never connected.
    known_until: Arrival,
}

impl Agent {
    pub(crate) fn is_connected(&self) -> bool {
        !self.connections.is_empty()
    }

    /// Whether the agent is connected and available. The audience is not part of it.
    pub(crate) fn is_available(&self) -> bool {
        self.is_connected() && self.presence == Presence::Available
    }

    /// The order of automatic accepts: agents who never accepted first, then the longest idle, then by name.
    pub(crate) fn idle_order(&self) -> (Option<u64>, &Name) {
        (self.last_accept, &self.name)
    }
}

/// The agents of a workspace who are connected or remembered, or to whom something open refers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Agents {
    slots: Slab<Agent>,
    by_name: BTreeMap<Name, AgentSlot>,
    connected: SlotSet<Agent>,
    /// The number of connections of all agents.
    connections: u64,
    /// Agents who are remembered and not connected, by departure.
    remembered: BTreeMap<u64, AgentSlot>,
    /// The number of departures so far.
    departures: u64,
    /// Agents who are no longer needed but whose slot the sets of open notifications may contain, by the newest arrival
    /// that may. An agent who returns before those are settled keeps the slot, so that nothing rejected is offered again.
    retired: BTreeSet<(Arrival, AgentSlot)>,
}

impl Agents {
    pub(crate) fn get(&self, slot: AgentSlot) -> &Agent {
        &self.slots[slot]
    }

    pub(crate) fn get_mut(&mut self, slot: AgentSlot) -> &mut Agent {
        &mut self.slots[slot]
    }

    pub(crate) fn try_get(&self, slot: AgentSlot) -> Option<&Agent> {
        self.slots.get(slot)
    }

    pub(crate) fn find(&self, name: &str) -> Option<AgentSlot> {
        self.by_name.get(name).copied()
    }

    /// Whether the agent is connected or remembered. An agent that only a notification names is neither.
    pub(crate) fn has_seen(&self, name: &str) -> bool {
        self.find(name).is_some_and(|slot| {
            let agent = &self.slots[slot];
            agent.is_connected() || agent.left_at.is_some()
        })
    }

    pub(crate) fn connected(&self) -> &SlotSet<Agent> {
        &self.connected
    }

    /// The remembered agent who left first, and when.
    pub(crate) fn oldest_remembered(&self) -> Option<(Timestamp, AgentSlot)> {
        let (_, &slot) = self.remembered.first_key_value()?;
        Some((self.slots[slot].left_at?, slot))
    }

    pub(crate) fn remembered_len(&self) -> usize {
        self.remembered.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The slot of the agent with this name, created if need be. The caller keeps the agent alive from here on.
    pub(crate) fn ensure(&mut self, name: &Name) -> AgentSlot {
        if let Some(slot) = self.find(name) {
            self.retired.remove(&(self.slots[slot].known_until, slot));
            return slot;
        }
        let slot = self.slots.insert(Agent {
            name: name.clone(),
            connections: ConnectionList::default(),
            presence: Presence::Available,
            groups: Vec::new(),
            left_at: None,
            departure: 0,
            last_accept: None,
            addressed: OpenIndex::default(),
            displayed: Vec::new(),
            waiting: VecDeque::new(),
            cursor: Rank::BEGIN,
            has_backlog: false,
            sessions: BTreeSet::new(),
            references: 0,
            known_until: 0,
        });
        self.by_name.insert(name.clone(), slot);
        slot
    }

    /// Adds a connection and returns whether it is the agent's first.
    pub(crate) fn connect(&mut self, slot: AgentSlot, connection: ConnectionId) -> bool {
        let agent = &mut self.slots[slot];
        agent.connections.push(connection);
        self.connections += 1;
        if agent.left_at.take().is_some() {
            let removed = self.remembered.remove(&agent.departure);
            assert_eq!(removed, Some(slot), "agent {} was not among the remembered", agent.name);
        }
        self.connected.insert(slot)
    }

    /// Removes a connection and returns whether it was the agent's last. `newest` is the newest arrival.
    pub(crate) fn disconnect(
        &mut self,
        slot: AgentSlot,
        connection: ConnectionId,
        now: Timestamp,
        newest: Arrival,
    ) -> bool {
        let agent = &mut self.slots[slot];
        assert!(agent.connections.remove(connection), "connection {connection} of agent {} is unknown", agent.name);
        self.connections -= 1;
        if agent.is_connected() {
            return false;
        }
        agent.left_at = Some(now);
        agent.known_until = newest;
        self.departures += 1;
        agent.departure = self.departures;
        self.remembered.insert(agent.departure, slot);
        assert!(self.connected.remove(slot), "an agent leaves who was not connected");
        true
    }

    /// The number of connections of all agents.
    pub(crate) fn connections(&self) -> u64 {
        self.connections
    }

    /// Stops remembering an agent. [`Agents::collect`] frees the slot when nothing refers to it.
    pub(crate) fn forget(&mut self, slot: AgentSlot) {
        let agent = &mut self.slots[slot];
        agent.presence = Presence::Available;
        agent.last_accept = None;
        if agent.left_at.take().is_some() {
            let removed = self.remembered.remove(&agent.departure);
            assert_eq!(removed, Some(slot), "agent {} was not among the remembered", agent.name);
        }
    }

    /// Adds a reference to an agent.
    pub(crate) fn retain(&mut self, slot: AgentSlot) {
        self.slots[slot].references += 1;
    }

    /// Removes a reference to an agent, and the agent if nothing needs it.
    pub(crate) fn release(&mut self, slot: AgentSlot) {
        let agent = &mut self.slots[slot];
        assert!(agent.references > 0, "agent {} is released more often than retained", agent.name);
        agent.references -= 1;
        self.collect(slot);
    }

    /// Removes or retires an agent who is neither connected nor remembered and to whom nothing refers.
    pub(crate) fn collect(&mut self, slot: AgentSlot) {
        let agent = &self.slots[slot];
        if agent.is_connected() || agent.left_at.is_some() || agent.references > 0 {
            return;
        }
        if agent.known_until > 0 {
            self.retired.insert((agent.known_until, slot));
        } else {
            self.remove(slot);
        }
    }

    /// Removes the retired agents whose slot no open notification can contain any more. `oldest` is the oldest open
    /// arrival.
    pub(crate) fn collect_retired(&mut self, oldest: Option<Arrival>) {
        while let Some(&(newest, slot)) = self.retired.first()
            && oldest.is_none_or(|oldest| oldest > newest)
        {
            self.retired.pop_first();
            self.remove(slot);
        }
    }

    fn remove(&mut self, slot: AgentSlot) {
        if let Some(agent) = self.slots.remove(slot) {
            let empty = agent.displayed.is_empty() && agent.waiting.is_empty() && agent.sessions.is_empty();
            assert!(empty, "agent {} is removed and has something on the desk", agent.name);
            assert!(self.by_name.remove(&agent.name).is_some(), "agent {} has no entry by name", agent.name);
        }
    }
}

#[cfg(test)]
impl Agents {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (AgentSlot, &Agent)> {
        self.slots.iter()
    }

    /// Checks that every index agrees with the agents.
    pub(crate) fn check(&self) {
        for (slot, agent) in self.slots.iter() {
            assert_eq!(self.find(&agent.name), Some(slot), "by name");
            assert_eq!(self.connected.contains(slot), agent.is_connected(), "connected");
            let left = agent.left_at;
            assert_eq!(left.is_some(), self.remembered.get(&agent.departure) == Some(&slot), "remembered");
            assert!(left.is_none() || !agent.is_connected(), "a connected agent has not left");
            let needed = agent.is_connected() || left.is_some() || agent.references > 0;
            assert_ne!(needed, self.retired.contains(&(agent.known_until, slot)), "{} is retired", agent.name);
        }
        assert_eq!(self.by_name.len(), self.slots.iter().count());
        assert_eq!(self.connected.len() as usize, self.slots.iter().filter(|(_, agent)| agent.is_connected()).count());
        assert_eq!(self.remembered.len(), self.slots.iter().filter(|(_, agent)| agent.left_at.is_some()).count());
        let connections: usize = self.slots.iter().map(|(_, agent)| agent.connections.len()).sum();
        assert_eq!(self.connections, connections as u64);
        assert!(self.retired.iter().all(|&(_, slot)| self.slots.get(slot).is_some()));
    }
}
