//! One workspace: its state and the end of a step. Each file adds the methods for one part of the life of a
//! notification (docs/PROTOCOL.md); the rules that the comments number are those of that chapter.
//!
//! Data: [`agents`], [`audiences`], [`notification`], [`providers`], [`sessions`], [`step`]. Behaviour: `dispatch`
//! (requests by role), `notify` (notify, cancel, lookup), `desk` (displays and queues), `answer` (accept, reject,
//! seen), `auto_accept`, `settle`, `session_requests` (sessions and KPI marks), `join` (connections, presence,
//! groups), `retention` (everything that is forgotten).

pub(crate) mod agents;
mod answer;
pub(crate) mod audiences;
mod auto_accept;
mod desk;
mod dispatch;
mod join;
pub(crate) mod notification;
mod notify;
pub(crate) mod providers;
mod retention;
mod session_requests;
pub(crate) mod sessions;
mod settle;
pub(crate) mod step;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::agents::Agents;
use self::audiences::{Arrival, Audience, Audiences, Group, Groups, OpenIndex};
use self::notification::OpenNotification;
use self::providers::Providers;
use self::sessions::Sessions;
use self::step::Step;
use crate::WorkspaceStats;
use crate::collections::slab::{Slab, Slot};
use crate::effect::{AgentSlot, Effect, Event};
use crate::entry::Recipients;
use crate::ids::{ConnectionId, Name, NotificationId, Timestamp};
use crate::outcome::Outcome;

pub(crate) type WorkspaceSlot = Slot<Workspace>;
pub(crate) type OpenSlot = Slot<OpenNotification>;
pub(crate) type AudienceSlot = Slot<Audience>;
pub(crate) type GroupSlot = Slot<Group>;

/// One workspace. Nothing passes from one workspace to another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) name: Name,
    /// Its own slot; part of its deadlines.
    pub(crate) slot: WorkspaceSlot,
    pub(crate) agents: Agents,
    pub(crate) groups: Groups,
    pub(crate) audiences: Audiences,
    /// The open notifications for everybody.
    pub(crate) everybody: OpenIndex,
    pub(crate) open: Slab<OpenNotification>,
    pub(crate) open_by_id: BTreeMap<NotificationId, OpenSlot>,
    /// All open notifications by arrival.
    pub(crate) arrivals: BTreeMap<Arrival, OpenSlot>,
    /// Open notifications that wait for an automatic accept.
    pub(crate) auto_accepts: u32,
    /// Open notifications that nobody has ever had displayed.
    pub(crate) never_displayed: u32,
    pub(crate) providers: Providers,
    pub(crate) sessions: Sessions,
    pub(crate) observers: Vec<ConnectionId>,
    /// Settled notifications so far, in the order of [`Outcome::ALL`].
    pub(crate) outcomes: [u64; Outcome::ALL.len()],
    /// Agents whose hub is gone, and until when rule 10 waits for each of them.
    pub(crate) regrouping: BTreeMap<AgentSlot, Timestamp>,
    /// Bytes of the contexts of all open notifications and sessions.
    #[serde(default)]
    pub(crate) context_bytes: u64,
}

impl Workspace {
    pub(crate) fn new(name: Name, slot: WorkspaceSlot) -> Self {
        Self {
            name,
            slot,
            agents: Agents::default(),
            groups: Groups::default(),
            audiences: Audiences::default(),
            everybody: OpenIndex::default(),
            open: Slab::default(),
            open_by_id: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            auto_accepts: 0,
            never_displayed: 0,
            providers: Providers::default(),
            sessions: Sessions::default(),
            observers: Vec::new(),
            outcomes: [0; Outcome::ALL.len()],
            regrouping: BTreeMap::new(),
            context_bytes: 0,
        }
    }

    /// The end of a step: waiting automatic accepts by rank, then the desks, then the messages to the desks.
    pub(crate) fn finish(&mut self, step: &mut Step<'_>) {
        self.auto_accept_waiting(step, None);
        self.refill_changed(step);
        for (rank, agents) in std::mem::take(&mut step.scratch.displays) {
            if let Some(&slot) = self.arrivals.get(&rank.arrival()) {
                let card = self.open[slot].card(step.now);
                step.emit(&self.name, Effect::Display { agents, card });
            }
        }
        self.agents.collect_retired(self.arrivals.keys().next().copied());
    }

    /// The number of connections of an audience.
    pub(crate) fn cost_of(&self, to: &Recipients) -> u64 {
        if to.is_everyone() {
            return self.agents.connections();
        }
        let named = to.agents.iter().filter_map(|name| self.agents.find(name));
        let groups = to.groups.iter().filter_map(|name| self.groups.find(name));
        let members = groups.flat_map(|group| self.groups.get(group).members.iter().copied());
        let mut agents: Vec<AgentSlot> = named.chain(members).collect();
        agents.sort_unstable();
        agents.dedup();
        agents.into_iter().map(|agent| self.agents.get(agent).connections.len() as u64).sum()
    }

    /// Sends an event to the observers, if there are any.
    pub(crate) fn observe(&self, step: &mut Step<'_>, event: impl FnOnce() -> Event) {
        if !self.observers.is_empty() {
            step.emit(&self.name, Effect::Event { at: step.now, event: event() });
        }
    }

    /// Rule 10: whether rules 2 and 3 refuse nothing now.
    pub(crate) fn is_regrouping(&mut self, now: Timestamp) -> bool {
        let waits = self.regrouping.values().any(|until| now < *until);
        if !waits {
            self.regrouping.clear();
        }
        waits
    }

    /// Whether the workspace has nothing to remember.
    pub(crate) fn is_empty(&self) -> bool {
        self.agents.is_empty()
            && self.arrivals.is_empty()
            && self.providers.is_empty()
            && self.sessions.is_empty()
            && self.observers.is_empty()
    }

    /// The figures of the workspace.
    pub(crate) fn stats(&self) -> WorkspaceStats {
        WorkspaceStats {
            agents: u64::from(self.agents.connected().len()),
            providers: u64::from(self.providers.connected),
            observers: self.observers.len() as u64,
            open: self.arrivals.len() as u64,
            waiting: u64::from(self.never_displayed),
            outcomes: self.outcomes,
        }
    }
}
