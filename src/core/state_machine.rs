//! The state of one log, and how an entry changes it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::collections::expiry_index::ExpiryIndex;
use crate::collections::slab::Slab;
use crate::effect::{AgentSlot, Effect, Effects, Refusal, ReplyTo, Welcome};
use crate::entry::{Action, Call, Entry, Input, Joiner, Record, Resume};
use crate::ids::{ConnectionId, Incarnation, LogTime, Millis, Name, Timestamp};
use crate::limits::Limits;
use crate::revocations::Revocations;
use crate::rules::Rules;
use crate::workspace::step::{Counters, Deadline, Scratch, Step};
use crate::workspace::{Workspace, WorkspaceSlot};

/// How many removed incarnations are remembered, so that late records of theirs are ignored.
pub(crate) const REMOVED_MAX: usize = 1_000;

/// The most that a pause of the whole log adds to the log's own time: while no hub writes, no hub is silent. It is twice
/// the time within which each hub of a cluster writes something.
const PAUSE_COUNTED_MAX: Millis = Millis::from_secs(2);

/// How long something that clients do not see (a result past its retention, an agent past the memory) may be kept past
/// its time, so that an idle hub does not write a record for each.
const FORGET_SLACK: Millis = Millis::from_minutes(1);

/// The replicated state machine: the state that results from the records of one log.
///
/// # Contract
///
/// - [`Core::apply`] takes one record and cannot fail. A request that cannot be done results in an effect that says so.
/// - It has no clock: time comes with the record and never runs back. The caller appends a record at
///   [`Core::next_deadline`]; a record that comes early changes nothing.
/// - The same records in the same order result in the same state and the same effects everywhere. Writing the state to
///   a snapshot and reading it back changes nothing.
/// - Within one record each entry is a step: first everything that is due, by deadline, then arrival; then the entry;
///   then the places that these free; then waiting automatic accepts; then the desks.
/// - It checks its own indexes while it changes them. A failed check panics: the state is wrong, and every hub that
///   applies the record fails alike. The caller must not deliver effects of earlier entries of that record.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Core {
    pub(crate) now: Timestamp,
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    pub(crate) deadlines: BTreeSet<Deadline>,
    pub(crate) hubs: BTreeMap<Incarnation, HubState>,
    /// The log's own time, by which the silence of hubs is measured.
    pub(crate) log_time: LogTime,
    pub(crate) removed: BTreeSet<Incarnation>,
    pub(crate) workspaces: Slab<Workspace>,
    pub(crate) by_name: BTreeMap<Name, WorkspaceSlot>,
    /// The workspaces with observers. They are listed every second, however many other workspaces there are.
    pub(crate) observed: BTreeSet<WorkspaceSlot>,
    /// When sessions and marks of a workspace end by themselves.
    pub(crate) idle: ExpiryIndex,
    /// When results, ended sessions and agents of a workspace are forgotten.
    pub(crate) forgetting: ExpiryIndex,
    #[serde(default)]
    pub(crate) rules: Rules,
    #[serde(default)]
    pub(crate) revocations: Revocations,
}

/// One living hub.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct HubState {
    /// The number of its last group that was applied.
    pub(crate) group: u64,
    /// [`Core::log_time`] at its last record.
    pub(crate) last_record_at: LogTime,
    pub(crate) connections: BTreeMap<u64, ConnectionState>,
    /// The newest rules that it can apply.
    #[serde(default)]
    pub(crate) newest_rules: u32,
}

/// One connection that has joined.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ConnectionState {
    pub(crate) workspace: WorkspaceSlot,
    pub(crate) role: ConnectionRole,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum ConnectionRole {
    Provider(Name),
    Agent(AgentSlot),
    Observer,
}

/// The effects of one step and its data for each workspace that it touched.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    pub(crate) out: Effects,
    touched: BTreeMap<WorkspaceSlot, Scratch>,
}

impl Core {
    /// Applies a record and calls `each` with the effects after each of its entries. A record that was applied before
    /// changes nothing, nor does one of a hub that is unknown or removed.
    ///
    /// # Panics
    /// If a check of the state fails.
    pub fn apply(&mut self, record: &Record, mut each: impl FnMut(&Self, Effects)) {
        if !self.admit(record) {
            return;
        }
        self.pass_time(record);
        for entry in &record.entries {
            // Entries after the hub's own removal are as late as its next record.
            if !self.hubs.contains_key(&record.incarnation) {
                return;
            }
            let effects = self.step(record.incarnation, entry);
            each(self, effects);
        }
    }

    /// The core's time: the latest time of a record so far.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The number of the rules in force; 0 before the first hub started. They never fall. A program that cannot apply
    /// them must stop.
    #[must_use]
    pub fn rules(&self) -> u32 {
        self.rules.0
    }

    /// The revoked subjects.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// When something happens by itself.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let notification = self.deadlines.first().map(|deadline| deadline.0);
        let idle = self.idle.first().map(|(at, _)| at);
        let forget = self.forgetting.first().map(|(at, _)| at.max(self.now.plus(FORGET_SLACK)));
        notification.into_iter().chain(idle).chain(forget).min()
    }

    /// Whether a record is new and its hub is alive. The first record of a hub begins with `Started`, and counts only if
    /// the hub can apply the rules in force.
    fn admit(&mut self, record: &Record) -> bool {
        if self.removed.contains(&record.incarnation) {
            return false;
        }
        let starts = match record.entries.first() {
            Some(Entry { input: Input::Started { newest_rules, .. }, .. }) => *newest_rules >= self.rules.0,
            _ => false,
        };
        let hub = match self.hubs.entry(record.incarnation) {
            std::collections::btree_map::Entry::Occupied(hub) => hub.into_mut(),
            std::collections::btree_map::Entry::Vacant(hub) if starts => hub.insert(HubState::default()),
            std::collections::btree_map::Entry::Vacant(_) => return false,
        };
        let new = record.group > hub.group;
        hub.group = hub.group.max(record.group);
        new
    }

    fn pass_time(&mut self, record: &Record) {
        let passed = record.time.since(self.now);
        self.now = self.now.max(record.time);
        self.log_time.advance(passed.min(PAUSE_COUNTED_MAX));
        if let Some(hub) = self.hubs.get_mut(&record.incarnation) {
            hub.last_record_at = self.log_time;
        }
    }

    fn step(&mut self, incarnation: Incarnation, entry: &Entry) -> Effects {
        let mut pass = Pass::default();
        // A hub was gone before its removal was written, so its agents are gone before anything that is due is settled.
        let removes = matches!(entry.input, Input::Removed { .. } | Input::Silent { .. });
        if !removes && !matches!(entry.input, Input::Started { .. }) {
            self.settle_due(&mut pass);
        }
        self.input(incarnation, entry, &mut pass);
        // Under other limits more may be due.
        if removes || matches!(entry.input, Input::Configured(_)) {
            self.settle_due(&mut pass);
        }
        for slot in pass.touched.keys().copied().collect::<Vec<_>>() {
            self.finish(slot, &mut pass);
        }
        self.welcome(&mut pass, entry);
        pass.out
    }

    /// Settles everything that is due in all workspaces, by deadline, then by arrival.
    fn settle_due(&mut self, pass: &mut Pass) {
        loop {
            let expires = self.deadlines.first().map(|&(at, _, slot, notification)| (at, slot, notification));
            let ends = self.idle.first();
            let end_first = ends.is_some_and(|(at, _)| expires.is_none_or(|(expiry, ..)| at < expiry));
            let slot = match (expires, ends) {
                (_, Some((at, slot))) if end_first && at <= self.now => {
                    self.on(slot, pass, Workspace::end_idle);
                    slot
                }
                (Some((at, slot, notification)), _) if !end_first && at <= self.now => {
                    self.on(slot, pass, |workspace, step| workspace.expire(step, notification));
                    slot
                }
                _ => break,
            };
            self.schedule(slot);
        }
        while let Some((at, slot)) = self.forgetting.first()
            && at <= self.now
        {
            self.on(slot, pass, Workspace::forget);
            self.schedule(slot);
        }
    }

    fn input(&mut self, incarnation: Incarnation, entry: &Entry, pass: &mut Pass) {
        match &entry.input {
            Input::Started { epoch, newest_rules, .. } => {
                if self.counters.epoch == 0 {
                    self.counters.epoch = *epoch;
                }
                if let Some(hub) = self.hubs.get_mut(&incarnation) {
                    hub.newest_rules = *newest_rules;
                }
                self.raise_rules();
            }
            Input::Configured(limits) => {
                self.limits.clone_from(limits);
                for slot in self.workspaces.iter().map(|(slot, _)| slot).collect::<Vec<_>>() {
                    self.on(slot, pass, Workspace::limits_changed);
                    self.schedule(slot);
                }
            }
            Input::Removed { incarnation } => self.remove_hub(*incarnation, pass),
            Input::Silent { incarnation } => {
                // The hub may have written since that was written.
                if self.silent_hubs().any(|silent| silent == *incarnation) {
                    self.remove_hub(*incarnation, pass);
                }
            }
            Input::Tick => {}
            Input::Revoke { subject, revocation } => self.revocations.revoke(subject, *revocation, self.now),
            Input::LiftRevocation { subject } => self.revocations.lift(subject),
            Input::Join { connection, client } => {
                let connection = ConnectionId { incarnation, serial: *connection };
                self.join(connection, &entry.workspace, client, pass);
            }
            Input::Leave { connection } => self.leave(ConnectionId { incarnation, serial: *connection }, pass),
            Input::Call { connection, call } => {
                self.call(ConnectionId { incarnation, serial: *connection }, call, pass);
            }
        }
    }

    fn join(&mut self, connection: ConnectionId, name: &Name, client: &Joiner, pass: &mut Pass) {
        // A hub gives each connection a number of its own, so this is a repetition.
        if self.connection(connection).is_some() {
            return;
        }
        let slot = match self.by_name.get(name) {
            Some(&slot) => slot,
            None => {
                let slot = self.workspaces.insert_with(|slot| Workspace::new(name.clone(), slot));
                self.by_name.insert(name.clone(), slot);
                slot
            }
        };
        let role = self.on(slot, pass, |workspace, step| match client {
            Joiner::Provider { id, .. } => {
                workspace.join_provider(step, connection, id);
                ConnectionRole::Provider(id.clone())
            }
            Joiner::Agent { id, groups, presence } => {
                ConnectionRole::Agent(workspace.join_agent(step, connection, id, groups.as_deref(), *presence))
            }
            Joiner::Observer => {
                workspace.observers.push(connection);
                ConnectionRole::Observer
            }
        });
        pass.out.joiner = Some(connection);
        if let Some(hub) = self.hubs.get_mut(&connection.incarnation) {
            hub.connections.insert(connection.serial, ConnectionState { workspace: slot, role });
        }
    }

    fn leave(&mut self, connection: ConnectionId, pass: &mut Pass) {
        let hub = self.hubs.get_mut(&connection.incarnation);
        let Some(left) = hub.and_then(|hub| hub.connections.remove(&connection.serial)) else { return };
        self.on(left.workspace, pass, |workspace, step| match &left.role {
            ConnectionRole::Provider(id) => workspace.leave_provider(step, connection, id),
            ConnectionRole::Agent(agent) => workspace.leave_agent(step, connection, *agent),
            ConnectionRole::Observer => workspace.observers.retain(|&other| other != connection),
        });
    }

    /// Removes a hub with all its connections. Rule 10 waits for its agents.
    fn remove_hub(&mut self, incarnation: Incarnation, pass: &mut Pass) {
        let Some(hub) = self.hubs.get(&incarnation) else { return };
        let connections: Vec<_> = hub.connections.iter().map(|(&serial, state)| (serial, state.clone())).collect();
        let until = self.now.plus(self.limits.regroup_time);
        let mut agents: BTreeMap<WorkspaceSlot, Vec<AgentSlot>> = BTreeMap::new();
        for (serial, state) in connections {
            if let ConnectionRole::Agent(agent) = state.role {
                agents.entry(state.workspace).or_default().push(agent);
            }
            self.leave(ConnectionId { incarnation, serial }, pass);
        }
        for (slot, agents) in agents {
            self.on(slot, pass, |workspace, _| workspace.regroup(until, agents));
        }
        self.hubs.remove(&incarnation);
        self.raise_rules();
        self.removed.insert(incarnation);
        if self.removed.len() > REMOVED_MAX {
            self.removed.pop_first();
        }
        pass.out.list.push((Name::default(), Effect::HubRemoved { incarnation }));
    }

    /// Raises the rules to the highest that every living hub can apply.
    fn raise_rules(&mut self) {
        let all_can = self.hubs.values().map(|hub| Rules(hub.newest_rules)).min();
        self.rules = self.rules.max(all_can.unwrap_or_default());
    }

    fn call(&mut self, connection: ConnectionId, call: &Call, pass: &mut Pass) {
        let to = ReplyTo::new(connection, call);
        let Some(ConnectionState { workspace, role }) = self.connection(connection).cloned() else {
            pass.out.list.push((Name::default(), Effect::Refused { to, refusal: Refusal::NotJoined }));
            return;
        };
        self.on(workspace, pass, |workspace, step| match (role, &call.action) {
            (ConnectionRole::Provider(id), Action::Provider(action)) => workspace.provider_call(step, to, &id, action),
            (ConnectionRole::Agent(agent), Action::Agent(action)) => workspace.agent_call(step, to, agent, action),
            _ => step.emit(&workspace.name, Effect::Refused { to, refusal: Refusal::WrongRole }),
        });
    }

    fn finish(&mut self, slot: WorkspaceSlot, pass: &mut Pass) {
        self.on(slot, pass, Workspace::finish);
        if self.workspaces[slot].observers.is_empty() {
            self.observed.remove(&slot);
        } else {
            self.observed.insert(slot);
        }
        self.schedule(slot);
        if self.workspaces[slot].is_empty()
            && let Some(workspace) = self.workspaces.remove(slot)
        {
            let removed = self.by_name.remove(&workspace.name);
            assert_eq!(removed, Some(slot), "workspace {} has no entry by name", workspace.name);
        }
    }

    /// Records when something of a workspace ends by itself or is forgotten.
    fn schedule(&mut self, slot: WorkspaceSlot) {
        let workspace = &self.workspaces[slot];
        self.idle.set(slot, workspace.idle_deadline(self.limits.session_idle));
        self.forgetting.set(slot, workspace.forget_deadline(self.limits.retention));
    }

    /// The welcome of the connection that joined shows everything as it is at the end of the step.
    fn welcome(&mut self, pass: &mut Pass, entry: &Entry) {
        let (Some(joiner), Input::Join { client, .. }) = (pass.out.joiner, &entry.input) else { return };
        let Some(ConnectionState { workspace, role }) = self.connection(joiner).cloned() else { return };
        self.on(workspace, pass, |workspace, step| match role {
            ConnectionRole::Provider(id) => {
                let resume = if let Joiner::Provider { resume, .. } = client { *resume } else { Resume::Nothing };
                workspace.welcome_provider(step, joiner, &id, resume);
            }
            ConnectionRole::Agent(agent) => workspace.welcome_agent(step, agent),
            ConnectionRole::Observer => step.emit(&workspace.name, Effect::Welcome(Box::new(Welcome::Observer))),
        });
    }

    pub(crate) fn connection(&self, connection: ConnectionId) -> Option<&ConnectionState> {
        self.hubs.get(&connection.incarnation)?.connections.get(&connection.serial)
    }

    /// Runs `act` on a workspace with everything that a step needs.
    pub(crate) fn on<T>(
        &mut self,
        slot: WorkspaceSlot,
        pass: &mut Pass,
        act: impl FnOnce(&mut Workspace, &mut Step<'_>) -> T,
    ) -> T {
        let mut step = Step {
            now: self.now,
            rules: self.rules,
            limits: &self.limits,
            counters: &mut self.counters,
            deadlines: &mut self.deadlines,
            out: &mut pass.out,
            scratch: pass.touched.entry(slot).or_default(),
        };
        act(&mut self.workspaces[slot], &mut step)
    }
}
