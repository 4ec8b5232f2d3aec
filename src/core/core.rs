//! The whole state of one log, and how an entry changes it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ageing::Ageing;
use super::effect::{Effect, Effects, Refusal, ReplyTo, Welcome};
use super::entry::{Action, Call, Entry, Input, Joiner, Record};
use super::ids::{ConnectionId, Incarnation, LogTime, Millis, Name, Timestamp};
use super::limits::Limits;
use super::slab::Slab;
use super::state::Workspace;
use super::step::{Deadline, Numbers, Step};

/// Removed incarnations that are remembered, so that a late record of theirs is known for what it is.
pub(super) const REMOVED_MAX: usize = 1_000;

/// A pause of the whole log counts as at most so much silence of each hub: while nobody's records came, nobody was
/// silent. Twice the time within which each hub of a cluster writes something.
const PAUSE_COUNTED_MAX: Millis = Millis::from_secs(2);

/// How long what nobody sees (a result past its retention, an agent past memory) may outstay its time while
/// nothing else happens: so an idle hub does not write a record for each.
const FORGET_SLACK: Millis = Millis::from_minutes(1);

/// The state machine: the fold of one log.
///
/// # Contract
///
/// - [`Core::apply`] takes one record and cannot fail; what cannot be done is an effect that says so.
/// - It knows no clock: time comes with the record and never runs back. Whoever runs it appends a record at
///   [`Core::next_deadline`]; one that comes early changes nothing.
/// - The same records in the same order give the same state and the same effects, everywhere. To write the state down
///   and read it back in between changes nothing.
/// - Within one record each entry is a step: first everything that is due, by deadline, then arrival; then the entry;
///   then the places that these free; then waiting automatic accepts; then the desks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Core {
    pub(super) now: Timestamp,
    pub(super) limits: Limits,
    pub(super) numbers: Numbers,
    pub(super) deadlines: BTreeSet<Deadline>,
    pub(super) hubs: BTreeMap<Incarnation, Hub>,
    /// Time during which the log moved on: what silence is measured by.
    pub(super) log_time: LogTime,
    pub(super) removed: BTreeSet<Incarnation>,
    pub(super) workspaces: Slab<Workspace>,
    pub(super) by_name: BTreeMap<Name, u32>,
    /// Workspaces with observers: they are asked for by the second, however many others there are.
    pub(super) observed: BTreeSet<u32>,
    /// When workspaces have something that ends by itself, or is to be forgotten.
    pub(super) idle: Ageing,
    pub(super) forgetting: Ageing,
}

/// One hub, while it is alive.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Hub {
    /// The number of its last group that was applied.
    pub(super) group: u64,
    /// [`Core::log_time`] at its last record.
    pub(super) heard_at: LogTime,
    pub(super) connections: BTreeMap<u64, Member>,
}

/// What a connection is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) workspace: u32,
    pub(super) role: Role,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Role {
    Provider(Name),
    Agent(u32),
    Observer,
}

impl Core {
    /// Applies a record, calling `each` after each of its entries with what that entry caused. A record that was
    /// applied before, or that is of a hub that is not or no longer known, changes nothing.
    pub fn apply(&mut self, record: &Record, mut each: impl FnMut(&Self, Effects)) {
        if !self.admit(record) {
            return;
        }
        self.pass_time(record);
        for entry in &record.entries {
            // What a hub wrote behind its own removal is as late as its next record.
            if !self.hubs.contains_key(&record.incarnation) {
                return;
            }
            let effects = self.step(record.incarnation, entry);
            each(self, effects);
        }
    }

    /// The core's time: that of the last record, or of a later one before it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// When something happens by itself.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let notification = self.deadlines.first().map(|deadline| deadline.0);
        let idle = self.idle.first().map(|(at, _)| at);
        let forget = self.forgetting.first().map(|(at, _)| at.max(self.now.plus(FORGET_SLACK)));
        notification.into_iter().chain(idle).chain(forget).min()
    }

    /// Whether a record is new and of a hub that lives: the first one of a hub begins with `Started`.
    fn admit(&mut self, record: &Record) -> bool {
        if self.removed.contains(&record.incarnation) {
            return false;
        }
        let starts = matches!(record.entries.first(), Some(Entry { input: Input::Started { .. }, .. }));
        let hub = match self.hubs.entry(record.incarnation) {
            std::collections::btree_map::Entry::Occupied(hub) => hub.into_mut(),
            std::collections::btree_map::Entry::Vacant(hub) if starts => hub.insert(Hub::default()),
            std::collections::btree_map::Entry::Vacant(_) => return false,
        };
        let new = record.group > hub.group;
        hub.group = hub.group.max(record.group);
        new
    }

    /// Time never runs back.
    fn pass_time(&mut self, record: &Record) {
        let passed = record.time.since(self.now);
        self.now = self.now.max(record.time);
        self.log_time.advance(passed.min(PAUSE_COUNTED_MAX));
        if let Some(hub) = self.hubs.get_mut(&record.incarnation) {
            hub.heard_at = self.log_time;
        }
    }

    fn step(&mut self, incarnation: Incarnation, entry: &Entry) -> Effects {
        let mut out = Effects::default();
        let mut touched = BTreeSet::new();
        // That a hub is gone was so before it is written: its agents are not there when what is due meanwhile is settled.
        let gone = matches!(entry.input, Input::Removed { .. } | Input::Silent { .. });
        let looks_back = gone || matches!(entry.input, Input::Started { .. });
        if !looks_back {
            self.settle_due(&mut out, &mut touched);
        }
        self.input(incarnation, entry, &mut out, &mut touched);
        // Under other limits more may be due.
        if gone || matches!(entry.input, Input::Configured(_)) {
            self.settle_due(&mut out, &mut touched);
        }
        for slot in touched {
            self.finish(slot, &mut out);
        }
        self.welcome(&mut out, entry);
        out
    }

    /// Everything that is due, over all workspaces: by deadline, then by arrival.
    fn settle_due(&mut self, out: &mut Effects, touched: &mut BTreeSet<u32>) {
        loop {
            let expires = self.deadlines.first().map(|&(at, _, slot, notification)| (at, slot, notification));
            let ends = self.idle.first();
            let end_first = ends.is_some_and(|(at, _)| expires.is_none_or(|(expiry, ..)| at < expiry));
            let slot = match (expires, ends) {
                (_, Some((at, slot))) if end_first && at <= self.now => {
                    self.on(slot, out, Workspace::end_idle);
                    slot
                }
                (Some((at, slot, notification)), _) if !end_first && at <= self.now => {
                    self.on(slot, out, |workspace, step| workspace.expire(step, notification));
                    slot
                }
                _ => break,
            };
            touched.insert(slot);
            self.schedule(slot);
        }
        while let Some((at, slot)) = self.forgetting.first()
            && at <= self.now
        {
            self.on(slot, out, Workspace::forget);
            touched.insert(slot);
            self.schedule(slot);
        }
    }

    fn input(&mut self, incarnation: Incarnation, entry: &Entry, out: &mut Effects, touched: &mut BTreeSet<u32>) {
        match &entry.input {
            Input::Started { epoch } => {
                if self.numbers.epoch == 0 {
                    self.numbers.epoch = *epoch;
                }
            }
            Input::Configured(limits) => {
                self.limits.clone_from(limits);
                touched.extend(self.workspaces.iter().map(|(slot, _)| slot));
                for &slot in touched.iter() {
                    self.on(slot, out, Workspace::reconfigured);
                    self.schedule(slot);
                }
            }
            Input::Removed { incarnation } => self.remove_hub(*incarnation, out, touched),
            Input::Silent { incarnation } => {
                // It may have spoken since that was written.
                if self.silent_hubs().any(|silent| silent == *incarnation) {
                    self.remove_hub(*incarnation, out, touched);
                }
            }
            Input::Tick => {}
            Input::Join { connection, client } => {
                let connection = ConnectionId { incarnation, serial: *connection };
                touched.insert(self.join(connection, &entry.workspace, client, out));
            }
            Input::Leave { connection } => {
                touched.extend(self.leave(ConnectionId { incarnation, serial: *connection }, out));
            }
            Input::Call { connection, call } => {
                touched.extend(self.call(ConnectionId { incarnation, serial: *connection }, call, out));
            }
        }
    }

    fn join(&mut self, connection: ConnectionId, name: &Name, client: &Joiner, out: &mut Effects) -> u32 {
        let slot = match self.by_name.get(name) {
            Some(&slot) => slot,
            None => {
                let slot = self.workspaces.insert(Workspace::default());
                self.workspaces[slot] = Workspace::new(name.clone(), slot);
                self.by_name.insert(name.clone(), slot);
                slot
            }
        };
        let role = self.on(slot, out, |workspace, step| match client {
            Joiner::Provider { id, .. } => {
                workspace.join_provider(step, connection, id);
                Role::Provider(id.clone())
            }
            Joiner::Agent { id, groups, presence } => {
                Role::Agent(workspace.join_agent(step, connection, id, groups.as_deref(), *presence))
            }
            Joiner::Observer => {
                workspace.observers.push(connection);
                Role::Observer
            }
        });
        out.joiner = Some(connection);
        if let Some(hub) = self.hubs.get_mut(&connection.incarnation) {
            hub.connections.insert(connection.serial, Member { workspace: slot, role });
        }
        slot
    }

    fn leave(&mut self, connection: ConnectionId, out: &mut Effects) -> Option<u32> {
        let hub = self.hubs.get_mut(&connection.incarnation)?;
        let member = hub.connections.remove(&connection.serial)?;
        self.on(member.workspace, out, |workspace, step| match &member.role {
            Role::Provider(id) => workspace.leave_provider(step, connection, id),
            Role::Agent(agent) => workspace.leave_agent(step, connection, *agent),
            Role::Observer => workspace.observers.retain(|&other| other != connection),
        });
        Some(member.workspace)
    }

    /// A hub is gone with all its connections; the agents who were at it are waited for.
    fn remove_hub(&mut self, incarnation: Incarnation, out: &mut Effects, touched: &mut BTreeSet<u32>) {
        let Some(hub) = self.hubs.get(&incarnation) else { return };
        let members: Vec<(u64, Member)> = hub.connections.iter().map(|(&s, member)| (s, member.clone())).collect();
        let until = self.now.plus(self.limits.regroup_time);
        let mut agents: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (serial, member) in members {
            if let Role::Agent(agent) = member.role {
                agents.entry(member.workspace).or_default().push(agent);
            }
            touched.extend(self.leave(ConnectionId { incarnation, serial }, out));
        }
        for (slot, agents) in agents {
            self.on(slot, out, |workspace, _| workspace.regroup(until, agents));
        }
        self.hubs.remove(&incarnation);
        self.removed.insert(incarnation);
        if self.removed.len() > REMOVED_MAX {
            self.removed.pop_first();
        }
        out.list.push((Name::default(), Effect::HubRemoved { incarnation }));
    }

    fn call(&mut self, connection: ConnectionId, call: &Call, out: &mut Effects) -> Option<u32> {
        let to = ReplyTo::new(connection, call);
        let member = self.hubs.get(&connection.incarnation).and_then(|hub| hub.connections.get(&connection.serial));
        let Some(Member { workspace, role }) = member.cloned() else {
            out.list.push((Name::default(), Effect::Refused { to, refusal: Refusal::NotJoined }));
            return None;
        };
        self.on(workspace, out, |workspace, step| match (role, call.action.clone()) {
            (Role::Provider(id), Action::Provider(action)) => workspace.provider_call(step, to, &id, action),
            (Role::Agent(agent), Action::Agent(action)) => workspace.agent_call(step, to, agent, action),
            _ => step.emit(&workspace.name, Effect::Refused { to, refusal: Refusal::WrongRole }),
        });
        Some(workspace)
    }

    fn finish(&mut self, slot: u32, out: &mut Effects) {
        self.on(slot, out, Workspace::finish);
        if self.workspaces[slot].observers.is_empty() {
            self.observed.remove(&slot);
        } else {
            self.observed.insert(slot);
        }
        self.schedule(slot);
        if self.workspaces[slot].is_empty()
            && let Some(workspace) = self.workspaces.remove(slot)
        {
            self.by_name.remove(&workspace.name);
        }
    }

    /// Notes when something ends by itself in a workspace, or is to be forgotten.
    fn schedule(&mut self, slot: u32) {
        let workspace = &self.workspaces[slot];
        self.idle.set(slot, workspace.idle_deadline(self.limits.session_idle));
        self.forgetting.set(slot, workspace.forget_deadline(self.limits.retention));
    }

    /// The joiner's welcome shows everything as the step left it.
    fn welcome(&mut self, out: &mut Effects, entry: &Entry) {
        let (Some(joiner), Input::Join { client, .. }) = (out.joiner, &entry.input) else { return };
        let hub = self.hubs.get(&joiner.incarnation);
        let Some(member) = hub.and_then(|hub| hub.connections.get(&joiner.serial)).cloned() else { return };
        self.on(member.workspace, out, |workspace, step| match (&member.role, client) {
            (Role::Provider(id), Joiner::Provider { resume, .. }) => {
                workspace.welcome_provider(step, joiner, id, *resume);
            }
            (Role::Agent(agent), _) => workspace.welcome_agent(step, *agent),
            _ => step.emit(&workspace.name, Effect::Welcome(Box::new(Welcome::Observer))),
        });
    }

    /// Runs `act` on a workspace with what a step needs.
    pub(super) fn on<T>(
        &mut self,
        slot: u32,
        out: &mut Effects,
        act: impl FnOnce(&mut Workspace, &mut Step<'_>) -> T,
    ) -> T {
        let mut step = Step {
            now: self.now,
            limits: &self.limits,
            numbers: &mut self.numbers,
            deadlines: &mut self.deadlines,
            out,
        };
        act(&mut self.workspaces[slot], &mut step)
    }
}
