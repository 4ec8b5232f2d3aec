//! The whole state of one log, and how an entry changes it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ageing::Ageing;
use super::effect::{AgentSlot, Effect, Effects, Refusal, ReplyTo, Welcome};
use super::entry::{Action, Call, Client, Entry, Input, Record, To};
use super::ids::{ConnectionId, Incarnation, Name, NotificationId, Timestamp};
use super::limits::Limits;
use super::look::Look;
use super::outcome::Settled;
use super::slab::Slab;
use super::state::Workspace;
use super::step::{Deadline, Numbers, Step};
use super::{Stats, Totals};

/// Removed incarnations that are remembered, so that a late record of theirs is known for what it is.
const REMOVED_MAX: usize = 1_000;

/// A hub of which nothing came for so long, while others' records came, is gone (a cluster).
const SILENCE_MAX_MS: u64 = 10_000;

/// A pause of the whole log counts as at most so much silence of each hub: while nobody's records came, nobody was
/// silent. Twice the time within which each hub of a cluster writes something.
const PAUSE_COUNTED_MAX_MS: u64 = 2_000;

/// How long what nobody sees (a result past its retention, an agent past memory) may outstay its time while
/// nothing else happens: so an idle hub does not write a record for each.
const FORGET_SLACK_MS: u64 = 60_000;

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
    now: Timestamp,
    limits: Limits,
    numbers: Numbers,
    deadlines: BTreeSet<Deadline>,
    hubs: BTreeMap<Incarnation, Hub>,
    /// Time during which the log moved on, in milliseconds: what silence is measured by.
    moving_ms: u64,
    removed: BTreeSet<Incarnation>,
    workspaces: Slab<Workspace>,
    by_name: BTreeMap<Name, u32>,
    /// Workspaces with observers: they are asked for by the second, however many others there are.
    observed: BTreeSet<u32>,
    /// When workspaces have something that ends by itself, or is to be forgotten.
    idle: Ageing,
    forgetting: Ageing,
}

/// One hub, while it is alive.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Hub {
    /// The number of its last group that was applied.
    group: u64,
    /// [`Core::moving_ms`] at its last record.
    heard_ms: u64,
    connections: BTreeMap<u64, Member>,
}

/// What a connection is.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Member {
    workspace: u32,
    role: Role,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Role {
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
        let forget = self.forgetting.first().map(|(at, _)| at.max(self.now.plus_ms(FORGET_SLACK_MS)));
        notification.into_iter().chain(idle).chain(forget).min()
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What marks positions of this log; 0 before its first entry.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.numbers.epoch
    }

    /// The hubs that are alive as far as the log says.
    pub fn incarnations(&self) -> impl Iterator<Item = Incarnation> + '_ {
        self.hubs.keys().copied()
    }

    /// The hubs that have been silent for so long that they are taken for gone: whoever sees one says so in the log
    /// ([`Input::Silent`]).
    pub fn silent_hubs(&self) -> impl Iterator<Item = Incarnation> + '_ {
        let silent = |hub: &Hub| self.moving_ms.saturating_sub(hub.heard_ms) >= SILENCE_MAX_MS;
        self.hubs.iter().filter(move |(_, hub)| silent(hub)).map(|(&incarnation, _)| incarnation)
    }

    /// The connections of the provider of what falls due next; none if it is nobody's.
    #[must_use]
    pub fn next_due_connections(&self) -> &[ConnectionId] {
        let Some(&(at, _, slot, notification)) = self.deadlines.first() else { return &[] };
        if self.next_deadline() != Some(at) {
            return &[];
        }
        let Some(workspace) = self.workspaces.get(slot) else { return &[] };
        let provider =
            workspace.open.get(notification).and_then(|open| workspace.providers.get(&open.content.provider_id));
        provider.map_or(&[], |provider| &provider.connections)
    }

    /// The number of a hub's last group that was applied; 0: none.
    #[must_use]
    pub fn last_group(&self, incarnation: Incarnation) -> u64 {
        self.hubs.get(&incarnation).map_or(0, |hub| hub.group)
    }

    /// Which provider, of which workspace, a connection is.
    #[must_use]
    pub fn provider_of(&self, connection: ConnectionId) -> Option<(&Name, &Name)> {
        let member = self.hubs.get(&connection.incarnation)?.connections.get(&connection.serial)?;
        let Role::Provider(id) = &member.role else { return None };
        Some((&self.workspaces.get(member.workspace)?.name, id))
    }

    /// Which agent, of which workspace, a connection is.
    #[must_use]
    pub fn agent_of(&self, connection: ConnectionId) -> Option<(&Name, &Name)> {
        let member = self.hubs.get(&connection.incarnation)?.connections.get(&connection.serial)?;
        let Role::Agent(agent) = member.role else { return None };
        let workspace = self.workspaces.get(member.workspace)?;
        Some((&workspace.name, &workspace.agents.try_get(agent)?.name))
    }

    /// What the agent in that slot of a workspace is called.
    #[must_use]
    pub fn agent_name(&self, workspace: &str, agent: AgentSlot) -> Option<&Name> {
        self.workspace(workspace)?.agents.try_get(agent).map(|agent| &agent.name)
    }

    /// An open notification.
    #[must_use]
    pub fn open(&self, workspace: &str, id: NotificationId) -> Option<Look<'_>> {
        let workspace = self.workspace(workspace)?;
        Look::new(workspace, *workspace.open_by_id.get(&id)?)
    }

    /// Everything open, of all workspaces.
    pub fn all_open(&self) -> impl Iterator<Item = Look<'_>> {
        let workspaces = self.workspaces.iter().map(|(_, workspace)| workspace);
        workspaces.flat_map(|workspace| workspace.arrivals.values().filter_map(|&slot| Look::new(workspace, slot)))
    }

    /// Everything settled that is retained, of all workspaces.
    pub fn all_retained(&self) -> impl Iterator<Item = (&Name, &Settled)> {
        let workspaces = self.workspaces.iter().map(|(_, workspace)| workspace);
        workspaces.flat_map(|workspace| workspace.providers.retained().map(|settled| (&workspace.name, settled)))
    }

    /// The connections of some agents of a workspace, agent by agent.
    pub fn agent_connections<'a>(
        &'a self,
        workspace: &str,
        agents: &'a [AgentSlot],
    ) -> impl Iterator<Item = ConnectionId> + use<'a> {
        let workspace = self.workspace(workspace);
        let desks = agents.iter().filter_map(move |&agent| workspace?.agents.try_get(agent));
        desks.flat_map(|desk| desk.connections.as_slice()).copied()
    }

    /// The connections of a provider.
    #[must_use]
    pub fn provider_connections(&self, workspace: &str, provider: &str) -> &[ConnectionId] {
        let provider = self.workspace(workspace).and_then(|workspace| workspace.providers.get(provider));
        provider.map_or(&[], |provider| &provider.connections)
    }

    /// The connections of all agents of a workspace.
    pub fn all_agent_connections<'a>(&'a self, workspace: &str) -> impl Iterator<Item = ConnectionId> + use<'a> {
        let agents = self.workspace(workspace).map(|workspace| &workspace.agents);
        let desks = agents.into_iter().flat_map(|agents| agents.connected().iter().map(|agent| agents.get(agent)));
        desks.flat_map(|desk| desk.connections.as_slice()).copied()
    }

    /// The connections of all observers of a workspace.
    #[must_use]
    pub fn observer_connections(&self, workspace: &str) -> &[ConnectionId] {
        self.workspace(workspace).map_or(&[], |workspace| &workspace.observers)
    }

    /// How many connections a provider's call would go to, so that it can be weighed before it is taken.
    #[must_use]
    pub fn cost(&self, workspace: &str, action: &Action) -> u64 {
        let Some(workspace) = self.workspace(workspace) else { return 0 };
        let connections = |agent: u32| workspace.agents.try_get(agent).map_or(0, |desk| desk.connections.len() as u64);
        match action {
            Action::Notify(notify) => workspace.cost_of(&notify.to),
            Action::Kpi { .. } => workspace.cost_of(&To::default()),
            Action::Activity { session_id, .. } | Action::EndSession { session_id } => {
                workspace.sessions.get(session_id).map_or(0, |session| connections(session.agent))
            }
            Action::Cancel { .. } | Action::Accept { .. } | Action::Reject { .. } => 0,
            Action::Seen { .. } | Action::Presence(_) | Action::Recall { .. } => 0,
        }
    }

    /// The names of all workspaces that have observers.
    pub fn observed_workspaces(&self) -> impl Iterator<Item = &Name> + '_ {
        self.observed.iter().filter_map(|&slot| self.workspaces.get(slot)).map(|workspace| &workspace.name)
    }

    /// A workspace in numbers; `None` if it is not there.
    #[must_use]
    pub fn stats(&self, workspace: &str) -> Option<Stats> {
        self.workspace(workspace).map(Workspace::stats)
    }

    /// All workspaces in numbers; looks at each of them.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (_, workspace) in self.workspaces.iter() {
            totals.open += workspace.arrivals.len() as u64;
            totals.waiting += u64::from(workspace.never_displayed);
            totals.sessions += workspace.sessions.len() as u64;
            totals.workspaces += 1;
        }
        totals
    }

    fn workspace(&self, name: &str) -> Option<&Workspace> {
        self.workspaces.get(*self.by_name.get(name)?)
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
        let passed_ms = record.time.since_ms(self.now);
        self.now = self.now.max(record.time);
        self.moving_ms = self.moving_ms.saturating_add(passed_ms.min(PAUSE_COUNTED_MAX_MS));
        if let Some(hub) = self.hubs.get_mut(&record.incarnation) {
            hub.heard_ms = self.moving_ms;
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

    fn join(&mut self, connection: ConnectionId, name: &Name, client: &Client, out: &mut Effects) -> u32 {
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
            Client::Provider { id, .. } => {
                workspace.join_provider(step, connection, id);
                Role::Provider(id.clone())
            }
            Client::Agent { id, groups, presence } => {
                Role::Agent(workspace.join_agent(step, connection, id, groups.as_deref(), *presence))
            }
            Client::Observer => {
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
        let until = self.now.plus_ms(self.limits.regroup_time_ms);
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
        self.on(workspace, out, |workspace, step| match role {
            Role::Provider(id) => workspace.provider_call(step, to, &id, call.action.clone()),
            Role::Agent(agent) => workspace.agent_call(step, to, agent, call.action.clone()),
            Role::Observer => {}
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
        self.idle.set(slot, workspace.idle_deadline(self.limits.session_idle_ms));
        self.forgetting.set(slot, workspace.forget_deadline(self.limits.retention_ms));
    }

    /// The joiner's welcome shows everything as the step left it.
    fn welcome(&mut self, out: &mut Effects, entry: &Entry) {
        let (Some(joiner), Input::Join { client, .. }) = (out.joiner, &entry.input) else { return };
        let hub = self.hubs.get(&joiner.incarnation);
        let Some(member) = hub.and_then(|hub| hub.connections.get(&joiner.serial)).cloned() else { return };
        self.on(member.workspace, out, |workspace, step| match (&member.role, client) {
            (Role::Provider(id), Client::Provider { resume, .. }) => {
                workspace.welcome_provider(step, joiner, id, *resume);
            }
            (Role::Agent(agent), _) => workspace.welcome_agent(step, *agent),
            _ => step.emit(&workspace.name, Effect::Welcome(Box::new(Welcome::Observer))),
        });
    }

    /// Runs `act` on a workspace with what a step needs.
    fn on<T>(&mut self, slot: u32, out: &mut Effects, act: impl FnOnce(&mut Workspace, &mut Step<'_>) -> T) -> T {
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

#[cfg(test)]
impl Core {
    /// Every connection, with its workspace and, for an agent's, the slot.
    pub(super) fn members(&self) -> impl Iterator<Item = (ConnectionId, u32, Option<u32>)> + '_ {
        self.hubs.iter().flat_map(|(&incarnation, hub)| {
            hub.connections.iter().map(move |(&serial, member)| {
                let agent = if let Role::Agent(agent) = member.role { Some(agent) } else { None };
                (ConnectionId { incarnation, serial }, member.workspace, agent)
            })
        })
    }

    /// The workspaces by slot.
    pub(super) fn all_workspaces(&self) -> impl Iterator<Item = (u32, &Workspace)> {
        self.workspaces.iter()
    }

    /// The deadlines of what is open.
    pub(super) fn deadlines(&self) -> &BTreeSet<Deadline> {
        &self.deadlines
    }

    /// The same state, whatever the number of groups that led to it.
    pub(super) fn without_groups(&self) -> Self {
        let mut core = self.clone();
        core.hubs.values_mut().for_each(|hub| hub.group = 0);
        core
    }

    /// The welcome that another tab of that agent would get now.
    pub(super) fn welcome_now(&mut self, workspace: u32, agent: u32) -> Welcome {
        let mut out = Effects::default();
        self.on(workspace, &mut out, |workspace, step| workspace.welcome_agent(step, agent));
        match out.list.pop() {
            Some((_, Effect::Welcome(welcome))) => *welcome,
            other => panic!("no welcome but {other:?}"),
        }
    }

    /// That the log's own indexes say what the workspaces say.
    pub(super) fn check(&self) {
        for (slot, workspace) in self.workspaces.iter() {
            assert_eq!(workspace.slot, slot);
            assert_eq!(self.by_name.get(&workspace.name), Some(&slot));
            assert!(!workspace.is_empty(), "{} is kept for nothing", workspace.name);
            let idle = workspace.idle_deadline(self.limits.session_idle_ms);
            assert_eq!(self.idle.get(slot), idle, "idle deadline");
            let forget = workspace.forget_deadline(self.limits.retention_ms);
            assert_eq!(self.forgetting.get(slot), forget, "forget deadline");
        }
        assert_eq!(self.by_name.len(), self.workspaces.iter().count());
        self.idle.check();
        self.forgetting.check();
        assert!(self.removed.len() <= REMOVED_MAX);
        assert!(self.removed.iter().all(|incarnation| !self.hubs.contains_key(incarnation)));
    }
}
