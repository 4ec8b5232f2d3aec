//! The language of these tests: a core with virtual time and named clients; what each was told comes back as lines.

use std::collections::{BTreeMap, BTreeSet};

use super::invariants::check_invariants;
use super::told::{BEGIN, log_line, resolve, words};
use super::watch::Watch;
use crate::context::Context;
use crate::effect::{Effect, Effects};
use crate::entry::{
    Action, AgentAction, Call, Entry, Input, Joiner, NewNotification, Presence, ProviderAction, Recipients, Record,
    RenderError, Rendered, Resume, Settle,
};
use crate::ids::{ConnectionId, Incarnation, Millis, Name, NotificationId, Position, Timestamp};
use crate::limits::Limits;
use crate::rules::RULES;
use crate::state_machine::Core;
use crate::workspace::OpenSlot;

/// A log with one hub, its clients, and their time.
///
/// A client is named `name`, or `name#2` for its second connection, in the workspace `default`; `acme:name` is in
/// the workspace `acme`.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: u64,
    pub(super) watch: Watch,
    /// Everything that was applied.
    pub(super) records: Vec<Record>,
    /// Every effect, as words, by record.
    pub(super) effects: Vec<Vec<String>>,
    pub(super) widest: Limits,
    /// The direct reply to each entry of the last record.
    pub(super) replies: Vec<Option<String>>,
    /// What is to be one record, while it is gathered.
    gathered: Option<Vec<Entry>>,
    hub: u64,
    group: u64,
    serial: u64,
    clients: BTreeMap<String, ConnectionId>,
    /// The clients that are or were providers.
    providers: BTreeSet<String>,
}

/// What a provider raises.
#[derive(Debug, Clone)]
pub(super) struct Raise {
    pub(super) number: u128,
    pub(super) id: Option<Name>,
    pub(super) says: u128,
    pub(super) session: Option<Name>,
    pub(super) token: Option<Name>,
    pub(super) to: Recipients,
    pub(super) rendered: Result<Rendered, RenderError>,
    pub(super) context: Option<Context>,
}

/// A notification numbered `number`, for all, shown for 120 s, without id, token and session.
pub(super) fn raise(number: u128) -> Raise {
    let rendered = Rendered::titled(format!("title {number}"), Millis(120_000));
    let to = Recipients::default();
    Raise { number, id: None, says: number, session: None, token: None, to, rendered: Ok(rendered), context: None }
}

impl Raise {
    pub(super) fn id(mut self, id: &str) -> Self {
        self.id = Some(id.into());
        self
    }

    /// What it says, for idempotence.
    pub(super) fn says(mut self, says: u128) -> Self {
        self.says = says;
        self
    }

    pub(super) fn token(mut self, token: &str) -> Self {
        self.token = Some(token.into());
        self
    }

    pub(super) fn context(mut self, json: &str) -> Self {
        self.context = Some(Context::new(json));
        self
    }

    pub(super) fn session(mut self, session: &str) -> Self {
        self.session = Some(session.into());
        self
    }

    pub(super) fn agents(mut self, names: &[&str]) -> Self {
        self.to.agents = names.iter().map(|&name| name.into()).collect();
        self
    }

    pub(super) fn groups(mut self, names: &[&str]) -> Self {
        self.to.groups = names.iter().map(|&name| name.into()).collect();
        self
    }

    pub(super) fn timeout(self, ms: u64) -> Self {
        self.with(|rendered| rendered.timeout = Millis(ms))
    }

    pub(super) fn queue_timeout(self, ms: u64) -> Self {
        self.with(|rendered| rendered.queue_timeout = Millis(ms))
    }

    pub(super) fn first_accept(self) -> Self {
        self.with(|rendered| rendered.settle = Settle::FirstAccept)
    }

    pub(super) fn auto(self) -> Self {
        self.with(|rendered| rendered.auto_accept = true)
    }

    pub(super) fn auto_on_timeout(self) -> Self {
        self.with(|rendered| rendered.auto_accept_on_timeout = true)
    }

    pub(super) fn priority(self, priority: u8) -> Self {
        self.with(|rendered| rendered.priority = priority)
    }

    pub(super) fn fault(mut self, fault: RenderError) -> Self {
        self.rendered = Err(fault);
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Rendered)) -> Self {
        change(self.rendered.as_mut().expect("a template that renders"));
        self
    }
}

impl World {
    /// A new log with a hub that has started, under the contract's limits.
    pub(super) fn new() -> Self {
        Self::with_limits(|_| {})
    }

    /// Likewise, under other limits.
    pub(super) fn with_limits(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let mut world = Self {
            core: Core::default(),
            now: BEGIN,
            watch: Watch::default(),
            records: Vec::new(),
            effects: Vec::new(),
            widest: limits.clone(),
            replies: Vec::new(),
            gathered: None,
            hub: 1,
            group: 0,
            serial: 0,
            clients: BTreeMap::new(),
            providers: BTreeSet::new(),
        };
        world.apply(vec![Input::started(7, RULES.newest), Input::Configured(limits)]);
        world
    }

    /// Other limits from here on.
    pub(super) fn configure(&mut self, change: impl FnOnce(&mut Limits)) -> Vec<String> {
        let mut limits = self.core.limits().clone();
        change(&mut limits);
        self.widest.display_limit = self.widest.display_limit.max(limits.display_limit);
        self.widest.open_notifications = self.widest.open_notifications.max(limits.open_notifications);
        self.apply(vec![Input::Configured(limits)])
    }

    /// An agent's connection, without groups and presence in its hello.
    pub(super) fn agent(&mut self, client: &str) -> Vec<String> {
        self.agent_with(client, None, None)
    }

    /// An agent's connection whose hello names groups.
    pub(super) fn agent_in(&mut self, client: &str, groups: &[&str]) -> Vec<String> {
        self.agent_with(client, Some(groups), None)
    }

    /// An agent's connection.
    pub(super) fn agent_with(
        &mut self,
        client: &str,
        groups: Option<&[&str]>,
        presence: Option<Presence>,
    ) -> Vec<String> {
        let groups = groups.map(|groups| groups.iter().map(|&group| group.into()).collect());
        self.join(client, Joiner::Agent { id: id_of(client), groups, presence })
    }

    /// A provider's connection.
    pub(super) fn provider(&mut self, client: &str) -> Vec<String> {
        self.provider_from(client, Resume::Nothing)
    }

    /// A provider's connection that resumes.
    pub(super) fn provider_from(&mut self, client: &str, resume: Resume) -> Vec<String> {
        self.providers.insert(client.to_owned());
        self.join(client, Joiner::Provider { id: id_of(client), resume })
    }

    /// An observer's connection.
    pub(super) fn observer(&mut self, client: &str) -> Vec<String> {
        self.join(client, Joiner::Observer)
    }

    fn join(&mut self, client: &str, hello: Joiner) -> Vec<String> {
        self.serial += 1;
        let connection = ConnectionId { incarnation: Incarnation(self.hub), serial: self.serial };
        let old = self.clients.insert(client.to_owned(), connection);
        assert_eq!(old, None, "{client} is connected");
        let input = Input::Join { connection: self.serial, client: hello };
        self.apply_in(&workspace_of(client), vec![input])
    }

    /// A connection goes.
    pub(super) fn leave(&mut self, client: &str) -> Vec<String> {
        let connection = self.clients.remove(client).expect("a connected client").serial;
        self.apply_in(&workspace_of(client), vec![Input::Leave { connection }])
    }

    /// Whether a client is connected.
    pub(super) fn is_connected(&self, client: &str) -> bool {
        self.clients.contains_key(client)
    }

    /// A call without id.
    pub(super) fn call(&mut self, client: &str, action: impl Into<Action>) -> Vec<String> {
        self.call_as(client, None, action)
    }

    /// A call with an id.
    pub(super) fn call_as(&mut self, client: &str, id: Option<Name>, action: impl Into<Action>) -> Vec<String> {
        let connection = self.clients.get(client).expect("a connected client").serial;
        let correlation_id = Some(format!("c{}", self.records.len()).into());
        let input = Input::Call { connection, call: Call { id, correlation_id, number: None, action: action.into() } };
        self.apply_in(&workspace_of(client), vec![input])
    }

    pub(super) fn notify(&mut self, client: &str, raise: Raise) -> Vec<String> {
        let id = raise.id.clone();
        self.call_as(client, id, raise.action())
    }

    pub(super) fn cancel(&mut self, client: &str, token: &str) -> Vec<String> {
        self.call(client, ProviderAction::Cancel { cancellation_token: token.into() })
    }

    pub(super) fn recall(&mut self, client: &str, number: u128) -> Vec<String> {
        self.call(client, ProviderAction::Lookup { notification_id: NotificationId(number) })
    }

    pub(super) fn accept(&mut self, client: &str, number: u128) -> Vec<String> {
        self.call(client, AgentAction::Accept { notification_id: NotificationId(number) })
    }

    pub(super) fn reject(&mut self, client: &str, number: u128) -> Vec<String> {
        self.call(client, AgentAction::Reject { notification_id: NotificationId(number), reason: None })
    }

    pub(super) fn seen(&mut self, client: &str, number: u128) -> Vec<String> {
        self.call(client, AgentAction::Seen { notification_id: NotificationId(number) })
    }

    pub(super) fn presence(&mut self, client: &str, presence: Presence) -> Vec<String> {
        self.call(client, AgentAction::Presence(presence))
    }

    pub(super) fn mark(&mut self, client: &str, session: &str, details: &str) -> Vec<String> {
        let details = Some(details.into());
        self.call(client, ProviderAction::Kpi { session_id: session.into(), should_reset: false, details })
    }

    pub(super) fn unmark(&mut self, client: &str, session: &str) -> Vec<String> {
        self.call(client, ProviderAction::Kpi { session_id: session.into(), should_reset: true, details: None })
    }

    pub(super) fn activity(&mut self, client: &str, session: &str, count: u32) -> Vec<String> {
        self.call(client, ProviderAction::Activity { session_id: session.into(), count })
    }

    pub(super) fn get_context(&mut self, client: &str, session: &str) -> Vec<String> {
        self.call(client, AgentAction::GetContext { session_id: session.into() })
    }

    pub(super) fn end_session(&mut self, client: &str, session: &str) -> Vec<String> {
        let session_id = session.into();
        if self.providers.contains(client) {
            self.call(client, ProviderAction::EndSession { session_id })
        } else {
            self.call(client, AgentAction::EndSession { session_id })
        }
    }

    /// Time goes on, the hub ticking whenever something is due, and at the end.
    pub(super) fn wait(&mut self, ms: u64) -> Vec<String> {
        let until = self.now + ms;
        let mut lines = Vec::new();
        while let Some(due) = self.core.next_deadline().filter(|due| due.0 <= until) {
            assert!(due.0 > self.now, "time stands still at {}", self.now);
            self.now = due.0;
            lines.extend(self.tick());
        }
        self.now = until;
        lines.extend(self.tick());
        lines
    }

    /// The hub ticks, whatever is due.
    pub(super) fn tick(&mut self) -> Vec<String> {
        self.apply(vec![Input::Tick])
    }

    /// Time passes while the hub is suspended.
    pub(super) fn oversleep(&mut self, ms: u64) {
        self.now += ms;
    }

    /// The hub goes, and its next run finds what it left in the log.
    pub(super) fn restart(&mut self) -> Vec<String> {
        let old = Incarnation(self.hub);
        self.hub += 1;
        self.group = 0;
        self.clients.clear();
        self.apply(vec![Input::started(8, RULES.newest), Input::Removed { incarnation: old }])
    }

    /// Everything from here until [`World::together`] goes into one record.
    pub(super) fn gather(&mut self) {
        self.gathered.get_or_insert_default();
    }

    /// Whether what happens is gathered at the moment.
    pub(super) fn is_gathering(&self) -> bool {
        self.gathered.is_some()
    }

    /// Applies what was gathered as one record.
    pub(super) fn together(&mut self) -> Vec<String> {
        let entries = self.gathered.take().unwrap_or_default();
        if entries.is_empty() { Vec::new() } else { self.record(entries) }
    }

    pub(super) fn apply(&mut self, inputs: Vec<Input>) -> Vec<String> {
        self.apply_in(&Name::default(), inputs)
    }

    fn apply_in(&mut self, workspace: &Name, inputs: Vec<Input>) -> Vec<String> {
        self.record(inputs.into_iter().map(|input| Entry { workspace: workspace.clone(), input }).collect())
    }

    /// Applies entries as one record, with everything checked after it; what each client was told.
    fn record(&mut self, entries: Vec<Entry>) -> Vec<String> {
        if let Some(gathered) = &mut self.gathered {
            gathered.extend(entries);
            return Vec::new();
        }
        self.group += 1;
        let record = Record {
            rules: RULES.newest,
            incarnation: Incarnation(self.hub),
            group: self.group,
            time: Timestamp(self.now),
            entries,
        };
        let mut lines = Vec::new();
        let mut raw = Vec::new();
        let mut replies = Vec::new();
        let (watch, clients) = (&mut self.watch, &self.clients);
        self.core.apply(&record, |core, effects| {
            lines.extend(lines_of(core, clients, &effects));
            raw.push(format!("{effects:?}"));
            replies.push(effects.list.iter().filter(|(_, effect)| is_reply(effect)).map(|(_, e)| words(e)).next());
            watch.take(core, &effects);
        });
        check_invariants(&self.core, &self.widest);
        self.watch.check(&mut self.core);
        self.replies = replies;
        self.records.push(record);
        self.effects.push(raw);
        lines
    }

    /// The position of the result numbered `settled`.
    pub(super) fn position(&self, settled: u64) -> Resume {
        Resume::After(Some(Position { epoch: self.core.epoch(), settled }))
    }

    /// What is displayed to an agent and what waits, as `n1 n2 | n3`; empty if there is no such agent.
    pub(super) fn desk(&self, agent: &str) -> String {
        let (displayed, waiting) = self.desk_of(&workspace_of(agent), &id_of(agent));
        let words = |ids: Vec<u128>| ids.iter().map(|id| format!("n{id}")).collect::<Vec<_>>().join(" ");
        format!("{} | {}", words(displayed), words(waiting)).trim().to_owned()
    }

    /// What is displayed to an agent, as numbers.
    pub(super) fn displayed(&self, agent: &str) -> Vec<u128> {
        self.desk_of(&workspace_of(agent), &id_of(agent)).0
    }

    /// What is displayed to an agent and what waits, as numbers.
    pub(super) fn desk_of(&self, workspace: &str, agent: &str) -> (Vec<u128>, Vec<u128>) {
        let found = self.core.all_workspaces().find(|(_, found)| *found.name == *workspace);
        let Some((_, workspace)) = found else { return Default::default() };
        let Some(slot) = workspace.agents.find(agent) else { return Default::default() };
        let desk = workspace.agents.get(slot);
        let number = |slot: &OpenSlot| workspace.open[*slot].content.notification_id.0;
        (desk.displayed.iter().map(number).collect(), desk.waiting.iter().map(number).collect())
    }
}

impl Raise {
    pub(super) fn action(self) -> ProviderAction {
        ProviderAction::Notify(Box::new(NewNotification {
            notification_id: NotificationId(self.number),
            template_name: "template".into(),
            fingerprint: self.says,
            session_id: self.session,
            cancellation_token: self.token,
            to: self.to,
            rendered: self.rendered,
            unused: Vec::new(),
            context: self.context,
        }))
    }
}

/// The lines must be these, one a row.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "so that a test reads: check what this told, against that")]
pub(super) fn check(lines: Vec<String>, expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, expected, "\ngot:\n{}\nexpected:\n{}\n", lines.join("\n"), expected.join("\n"));
}

fn lines_of(core: &Core, clients: &BTreeMap<String, ConnectionId>, effects: &Effects) -> Vec<String> {
    let welcome = |(_, effect): &&(Name, Effect)| matches!(effect, Effect::Welcome(_));
    // The joiner is told its welcome first of all.
    let first = effects.list.iter().filter(welcome);
    let others = effects.list.iter().filter(|effect| !welcome(effect));
    let mut lines = Vec::new();
    for (workspace, effect) in first.chain(others) {
        let told = resolve(core, effects, workspace, effect);
        // By name, so that no slot shows.
        for (client, _) in clients.iter().filter(|(_, connection)| told.contains(connection)) {
            lines.push(format!("{client}: {}", words(effect)));
        }
        lines.extend(log_line(effect));
    }
    lines
}

/// Whether it is the direct reply to a call (that of `presence` goes to all connections).
fn is_reply(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Ack { .. }
            | Effect::CancelResult { .. }
            | Effect::Done { .. }
            | Effect::Answered { .. }
            | Effect::Refused { .. }
    )
}

fn workspace_of(client: &str) -> Name {
    client.split_once(':').map_or("default", |(workspace, _)| workspace).into()
}

fn id_of(client: &str) -> Name {
    let name = client.split_once(':').map_or(client, |(_, name)| name);
    name.split_once('#').map_or(name, |(name, _)| name).into()
}
