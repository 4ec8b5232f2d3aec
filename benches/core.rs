//! The cost of the core alone: time per entry as agents, open notifications and workspaces grow. It prints and asserts nothing.
//!
//! `cargo bench --bench core`. An entry's time is from the record to its effects, as the hub's thread does it; nothing is
//! logged, encoded or sent.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "it prints what it measured, and stops if it cannot")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use deskbell_core::effect::Effect;
use deskbell_core::entry::{
    Action, AgentAction, Call, Entry, Input, Joiner, NewNotification, ProviderAction, Recipients, Record, Rendered,
    Resume,
};
use deskbell_core::rules::RULES;
use deskbell_core::{ConnectionId, Core, Incarnation, Millis, Name, NotificationId, Timestamp};

const HUB: Incarnation = Incarnation(1);
const PROVIDER: u64 = 0;
const GROUP: usize = 10;
/// The number of entries of each kind.
const ENTRIES: usize = 1000;

fn main() {
    println!("median time per entry; in brackets, per agent of the audience\n");
    to_everybody();
    to_groups();
    many_workspaces();
}

/// One audience: everybody has it displayed, one accepts.
fn to_everybody() {
    println!("{:>8} {:>22} {:>22}", "agents", "arrival to all", "accept, off all desks");
    for agents in [10, 1_000, 10_000] {
        let mut world = World::new();
        let desk = world.workspace("default", agents, None);
        let [mut arrival, mut accept] = [Times::default(), Times::default()];
        for _ in 0..ENTRIES.min(2_000_000 / agents) {
            let id = arrival.time(|| world.notify(&desk, Recipients::default()));
            accept.time(|| world.accept(&desk, 1, id));
        }
        println!("{agents:>8} {:>22} {:>22}", arrival.each_of(agents), accept.each_of(agents));
    }
}

/// Groups of ten, as many notifications open as there are agents: three displayed on each desk, seven waiting.
fn to_groups() {
    println!(
        "\n{:>8} {:>8} {:>10} {:>16} {:>10} {:>10} {:>10} {:>10}",
        "agents", "open", "arrival", "reject + refill", "join", "leave", "deadline", "kpi"
    );
    for agents in [10, 1_000, 10_000] {
        let mut world = World::new();
        let desk = world.workspace("default", agents, Some(GROUP));
        let groups = agents / GROUP;
        let group = |number: usize| Recipients { agents: Vec::new(), groups: vec![group_name(number % groups)] };
        let mut open: Vec<_> = (0..agents).map(|number| world.notify(&desk, group(number))).collect();
        let [mut arrival, mut reject, mut join, mut leave, mut deadline, mut kpi]: [Times; 6] = Default::default();
        for turn in 0..ENTRIES {
            // The oldest of its group, so it is displayed; a waiting one gets its place.
            let (number, first) = (turn % agents, (turn % groups) * GROUP);
            reject.time(|| world.reject(&desk, first, open[number]));
            open[number] = arrival.time(|| world.notify(&desk, group(number)));
            leave.time(|| world.leave(&desk, first));
            join.time(|| world.join(&desk, first, Some(GROUP)));
            kpi.time(|| world.kpi());
        }
        for number in 0..ENTRIES {
            deadline.time(|| world.tick());
            world.notify(&desk, group(number));
        }
        println!(
            "{agents:>8} {agents:>8} {arrival:>10} {reject:>16} {join:>10} {leave:>10} {deadline:>10} {:>10}",
            kpi.each_of(1)
        );
    }
}

/// Ten agents in each of this many workspaces.
fn many_workspaces() {
    println!("\n{:>10} {:>22} {:>22}", "workspaces", "arrival to ten", "accept, off ten desks");
    for workspaces in [1, 1_000] {
        let mut world = World::new();
        let desks: Vec<_> =
            (0..workspaces).map(|number| world.workspace(&format!("workspace-{number}"), GROUP, None)).collect();
        let [mut arrival, mut accept] = [Times::default(), Times::default()];
        for turn in 0..ENTRIES {
            let desk = &desks[turn * 7 % workspaces];
            let id = arrival.time(|| world.notify(desk, Recipients::default()));
            accept.time(|| world.accept(desk, 1, id));
        }
        println!("{workspaces:>10} {:>22} {:>22}", arrival.each_of(GROUP), accept.each_of(GROUP));
    }
}

/// The times of one kind of entry. The result is their median, because a mean would include the machine's other work.
#[derive(Debug, Default)]
struct Times(Vec<Duration>);

impl Times {
    fn time<T>(&mut self, act: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = act();
        self.0.push(began.elapsed());
        done
    }

    fn each_of(&self, agents: usize) -> String {
        let mut times = self.0.clone();
        let (_, &mut each, _) = times.select_nth_unstable(self.0.len() / 2);
        if agents == 1 { format!("{each:.1?}") } else { format!("{each:.1?} ({:.0?})", each / agents as u32) }
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.each_of(1))
    }
}

/// A workspace's name, and the serial of its first connection: the provider's; the agents' follow.
#[derive(Debug)]
struct Desk {
    name: Name,
    serial: u64,
}

#[derive(Debug, Default)]
struct World {
    core: Core,
    group: u64,
    now: Timestamp,
    serials: u64,
    ids: u128,
}

impl World {
    fn new() -> Self {
        let mut world = Self { now: Timestamp(1_000_000), ..Self::default() };
        world.apply("", Input::started(1, RULES.newest));
        world
    }

    /// A workspace with one provider and this many agents, in groups of `group` if it is given.
    fn workspace(&mut self, name: &str, agents: usize, group: Option<usize>) -> Desk {
        let desk = Desk { name: name.into(), serial: self.serials };
        self.serials += 1 + agents as u64;
        let client = Joiner::Provider { id: "provider".into(), resume: Resume::Nothing };
        self.apply(name, Input::Join { connection: desk.serial + PROVIDER, client });
        for number in 0..agents {
            self.join(&desk, number, group);
        }
        desk
    }

    fn join(&mut self, desk: &Desk, number: usize, group: Option<usize>) {
        let groups = group.map(|group| vec![group_name(number / group)]);
        let client = Joiner::Agent { id: format!("agent-{number}").into(), groups, presence: None };
        let connection = agent_serial(desk, number);
        self.apply(&desk.name, Input::Join { connection, client });
    }

    fn leave(&mut self, desk: &Desk, number: usize) {
        self.apply(&desk.name, Input::Leave { connection: agent_serial(desk, number) });
    }

    fn notify(&mut self, desk: &Desk, to: Recipients) -> NotificationId {
        self.ids += 1;
        let notification_id = NotificationId(self.ids);
        let rendered = Rendered::titled("Grace wants to chat", Millis::from_hours(1));
        let notify = NewNotification {
            notification_id,
            template_name: "bench".into(),
            fingerprint: self.ids,
            session_id: None,
            cancellation_token: None,
            to,
            context: None,
            rendered: Ok(rendered),
            unused: Vec::new(),
        };
        self.call(desk, PROVIDER, ProviderAction::Notify(Box::new(notify)));
        notification_id
    }

    fn accept(&mut self, desk: &Desk, number: usize, notification_id: NotificationId) {
        self.call(desk, agent_serial(desk, number) - desk.serial, AgentAction::Accept { notification_id });
    }

    /// Settles it without starting a session.
    fn reject(&mut self, desk: &Desk, number: usize, notification_id: NotificationId) {
        let action = AgentAction::Reject { notification_id, reason: None };
        self.call(desk, agent_serial(desk, number) - desk.serial, action);
    }

    fn kpi(&mut self) {
        let action = ProviderAction::Kpi { session_id: "session".into(), should_reset: false, details: None };
        self.call(&Desk { name: "default".into(), serial: 0 }, PROVIDER, action);
    }

    /// Advances the time to the next deadline.
    fn tick(&mut self) {
        self.now = self.core.next_deadline().unwrap();
        self.apply("", Input::Tick);
    }

    fn call(&mut self, desk: &Desk, connection: u64, action: impl Into<Action>) {
        let correlation_id = Some("7f9c1d36-0000-4000-8000-000000000000".into());
        let call = Call { id: None, correlation_id, number: None, action: action.into() };
        self.apply(&desk.name, Input::Call { connection: desk.serial + connection, call });
    }

    fn apply(&mut self, workspace: &str, input: Input) {
        self.group += 1;
        self.now = self.now.plus_ms(1);
        let entries = vec![Entry { workspace: workspace.into(), input }];
        let record = Record { rules: RULES.newest, incarnation: HUB, group: self.group, time: self.now, entries };
        self.core.apply(&record, |core, effects| {
            for (workspace, effect) in &effects.list {
                black_box(resolve(core, workspace, effect));
            }
        });
    }
}

/// The number of connections that an effect goes to, found as the gateway finds them.
fn resolve(core: &Core, workspace: &str, effect: &Effect) -> usize {
    let count = |connections: &mut dyn Iterator<Item = ConnectionId>| connections.map(black_box).count();
    match effect {
        Effect::Display { agents, .. } | Effect::Close { agents, .. } => {
            count(&mut core.agent_connections(workspace, agents))
        }
        Effect::Kpi { .. } => count(&mut core.all_agent_connections(workspace)),
        _ => 1,
    }
}

fn group_name(number: usize) -> Name {
    format!("group-{number}").into()
}

fn agent_serial(desk: &Desk, number: usize) -> u64 {
    desk.serial + PROVIDER + 1 + number as u64
}
