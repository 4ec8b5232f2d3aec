//! One workspace: its state, the end of a step, and what time does to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::WorkspaceStats;
use super::agents::Agents;
use super::audience::{Arrival, Audiences, Groups, Stream};
use super::effect::{AgentSlot, Effect, Event};
use super::entry::Recipients;
use super::ids::{ConnectionId, Millis, Name, NotificationId, Timestamp};
use super::limits::AGENT_REMEMBERED;
use super::notification::Open;
use super::outcome::Outcome;
use super::providers::Providers;
use super::sessions::Sessions;
use super::slab::Slab;
use super::step::Step;

/// A tenant. Nothing crosses from one to another.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Workspace {
    pub(super) name: Name,
    /// Its own slot among the workspaces; stands in the deadlines.
    pub(super) slot: u32,
    pub(super) agents: Agents,
    pub(super) groups: Groups,
    pub(super) audiences: Audiences,
    /// What is open for everybody.
    pub(super) everybody: Stream,
    pub(super) open: Slab<Open>,
    pub(super) open_by_id: BTreeMap<NotificationId, u32>,
    /// Everything open, in order of arrival.
    pub(super) arrivals: BTreeMap<Arrival, u32>,
    /// How many of them wait to be accepted automatically.
    pub(super) autos: u32,
    /// How many of them were never displayed to anyone.
    pub(super) never_displayed: u32,
    pub(super) providers: Providers,
    pub(super) sessions: Sessions,
    pub(super) observers: Vec<ConnectionId>,
    /// Settled so far, in the order of [`Outcome::ALL`].
    pub(super) outcomes: [u64; Outcome::ALL.len()],
    /// Agents who were connected before a hub went, and until when each is waited for (rule 10).
    pub(super) regrouping: BTreeMap<u32, Timestamp>,
    #[serde(skip)]
    pub(super) scratch: Scratch,
}

/// What one step gathers. Empty between steps.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    /// Agents whose desk may have a free place, each once.
    pub(super) dirty: Vec<u32>,
    /// Room for the agents of one audience, so that no arrival allocates it.
    pub(super) audience: Vec<u32>,
    /// What was put on desks: by arrival, to whom.
    pub(super) shows: BTreeMap<Arrival, Vec<AgentSlot>>,
    /// A session ended or moved away: its agent may take an automatic accept again.
    pub(super) released: bool,
}

impl Workspace {
    pub(super) fn new(name: Name, slot: u32) -> Self {
        Self { name, slot, ..Self::default() }
    }

    /// The end of a step: waiting automatic accepts by arrival, then the desks, then what these show.
    pub(super) fn finish(&mut self, step: &mut Step<'_>) {
        self.give_autos(step, None);
        self.refill_dirty(step);
        for (arrival, agents) in std::mem::take(&mut self.scratch.shows) {
            if let Some(&slot) = self.arrivals.get(&arrival) {
                let shown = self.open[slot].shown(step.now);
                step.emit(&self.name, Effect::Display { agents, card: shown });
            }
        }
        self.agents.release_rested(self.arrivals.keys().next().copied());
    }

    /// Marks an agent's desk for the end of the step.
    pub(super) fn soil(&mut self, agent: u32) {
        let desk = self.agents.get_mut(agent);
        if !desk.dirty {
            desk.dirty = true;
            self.scratch.dirty.push(agent);
        }
    }

    /// How many connections an audience has.
    pub(super) fn cost_of(&self, to: &Recipients) -> u64 {
        if to.is_everyone() {
            return self.agents.connections();
        }
        let named = to.agents.iter().filter_map(|name| self.agents.find(name));
        let groups = to.groups.iter().filter_map(|name| self.groups.find(name));
        let members = groups.flat_map(|group| self.groups.get(group).members.iter().copied());
        let mut agents: Vec<u32> = named.chain(members).collect();
        agents.sort_unstable();
        agents.dedup();
        agents.into_iter().map(|agent| self.agents.get(agent).connections.len() as u64).sum()
    }

    /// Tells observers, if there are any.
    pub(super) fn observe(&self, step: &mut Step<'_>, event: impl FnOnce() -> Event) {
        if !self.observers.is_empty() {
            step.emit(&self.name, Effect::Event { at: step.now, event: event() });
        }
    }

    /// Rule 10: whether rules 2 and 3 refuse nothing now.
    pub(super) fn is_regrouping(&mut self, now: Timestamp) -> bool {
        let waits = self.regrouping.values().any(|until| now < *until);
        if !waits {
            self.regrouping.clear();
        }
        waits
    }

    /// Ends the session or mark that nothing has touched for longest, if that is long enough.
    pub(super) fn end_idle(&mut self, step: &mut Step<'_>) {
        let session = self.sessions.idlest();
        let mark = self.sessions.idlest_mark();
        let mark_first = mark.is_some_and(|(at, _)| session.is_none_or(|(touched, _)| at < touched));
        let Some((touched, id)) = (if mark_first { mark } else { session }) else { return };
        if touched.plus(step.limits.session_idle) > step.now {
            return;
        }
        let id = id.clone();
        if mark_first {
            self.clear_mark(step, &id, None);
        } else {
            self.end_session(step, &id, None);
        }
    }

    /// Forgets what has been kept for long enough.
    pub(super) fn forget(&mut self, step: &mut Step<'_>) {
        let now = step.now;
        while self.providers.oldest().is_some_and(|settled| settled.settled_at.plus(step.limits.retention) <= now) {
            self.providers.forget_oldest();
        }
        while self.sessions.oldest_ended().is_some_and(|at| at.plus(step.limits.retention) <= now) {
            self.sessions.forget_ended();
        }
        while let Some((left_at, agent)) = self.agents.oldest_remembered()
            && left_at.plus(AGENT_REMEMBERED) <= now
        {
            self.forget_agent(agent);
        }
    }

    /// The limits changed: what is past the counts goes, and what waits is chosen anew.
    pub(super) fn reconfigured(&mut self, step: &mut Step<'_>) {
        self.keep_session_counts(step, None);
        self.keep_retained_count(step);
        self.keep_remembered_count(step);
        let connected: Vec<u32> = self.agents.connected().iter().collect();
        for agent in connected {
            self.requeue(agent);
        }
    }

    /// When a session or mark ends by itself: clients see that.
    pub(super) fn idle_deadline(&self, session_idle: Millis) -> Option<Timestamp> {
        let session = self.sessions.idlest().map(|(touched, _)| touched);
        let mark = self.sessions.idlest_mark().map(|(touched, _)| touched);
        session.into_iter().chain(mark).min().map(|touched| touched.plus(session_idle))
    }

    /// When something is forgotten: nobody sees that until they ask.
    pub(super) fn forget_deadline(&self, retention: Millis) -> Option<Timestamp> {
        let settled = self.providers.oldest().map(|settled| settled.settled_at.plus(retention));
        let ended = self.sessions.oldest_ended().map(|at| at.plus(retention));
        let agent = self.agents.oldest_remembered().map(|(at, _)| at.plus(AGENT_REMEMBERED));
        settled.into_iter().chain(ended).chain(agent).min()
    }

    /// Forgets an agent's presence and groups.
    pub(super) fn forget_agent(&mut self, agent: u32) {
        let groups = std::mem::take(&mut self.agents.get_mut(agent).groups);
        for group in groups {
            self.groups.let_go(group);
        }
        self.regrouping.remove(&agent);
        self.agents.forget(agent);
        self.agents.tidy(agent);
    }

    /// Whether nothing is left to know.
    pub(super) fn is_empty(&self) -> bool {
        self.agents.is_empty()
            && self.arrivals.is_empty()
            && self.providers.is_empty()
            && self.sessions.is_empty()
            && self.observers.is_empty()
    }

    /// The workspace in numbers.
    pub(super) fn stats(&self) -> WorkspaceStats {
        WorkspaceStats {
            agents: u64::from(self.agents.connected().count()),
            providers: u64::from(self.providers.connected),
            observers: self.observers.len() as u64,
            open: self.arrivals.len() as u64,
            waiting: u64::from(self.never_displayed),
            outcomes: self.outcomes,
        }
    }
}
