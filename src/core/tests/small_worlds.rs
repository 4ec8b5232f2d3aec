//! All histories of small worlds: two agents, two notifications, one place on each desk and one behind it; every
//! order of everything that can happen, to a depth.
//!
//! `DESKBELL_DEPTH` says how deep (for long campaigns).

use std::collections::BTreeSet;

use super::invariants::check_invariants;
use super::told::BEGIN;
use super::watch::Watch;
use super::world::{Raise, raise};
use crate::entry::{Action, AgentAction, Call, Entry, Input, Joiner, ProviderAction, Record, Resume};
use crate::ids::{Incarnation, Name, NotificationId, Timestamp};
use crate::limits::Limits;
use crate::rules::RULES;
use crate::state_machine::Core;

/// How many things happen in the longest histories tried: some seconds in a debug build.
const DEPTH: u32 = 5;

const AGENTS: [&str; 2] = ["ada", "bob"];

/// The kinds of notifications, each with each.
const KINDS: [fn(Raise) -> Raise; 4] =
    [|plain| plain, Raise::first_accept, Raise::auto, |plain| plain.auto_on_timeout().first_accept()];

/// A moment in one history.
#[derive(Clone)]
struct Moment {
    core: Core,
    watch: Watch,
    limits: Limits,
    now: u64,
    hub: u64,
    group: u64,
    connected: [bool; 2],
    raised: [bool; 2],
}

/// What may happen next. Agents and notifications by number.
#[derive(Debug, Clone, Copy)]
enum Next {
    Notify(usize),
    Cancel(usize),
    Accept(usize, usize),
    Reject(usize, usize),
    Join(usize),
    Leave(usize),
    /// To the next deadline.
    Timer,
    /// The hub goes and starts again; the provider is back at once.
    Crash,
}

impl Moment {
    fn new() -> Self {
        let limits = Limits { display_limit: 1, queue_limit: 1, ..Limits::default() };
        let mut moment = Self {
            core: Core::default(),
            watch: Watch::default(),
            limits: limits.clone(),
            now: BEGIN,
            hub: 1,
            group: 0,
            connected: [false; 2],
            raised: [false; 2],
        };
        moment.apply(vec![Input::started(7, RULES.newest), Input::Configured(limits), provider_joins()]);
        moment
    }

    /// Everything that may happen now.
    fn choices(&self) -> Vec<Next> {
        let mut choices = vec![Next::Crash];
        choices.extend(self.core.deadlines().first().map(|_| Next::Timer));
        for agent in 0..2 {
            choices.push(if self.connected[agent] { Next::Leave(agent) } else { Next::Join(agent) });
        }
        for number in 0..2 {
            if !self.raised[number] {
                // The second comes after the first: the other order is the other pair of kinds.
                if number == 0 || self.raised[0] {
                    choices.push(Next::Notify(number));
                }
                continue;
            }
            choices.push(Next::Cancel(number));
            for agent in (0..2).filter(|&agent| self.connected[agent]) {
                choices.extend([Next::Accept(agent, number), Next::Reject(agent, number)]);
            }
        }
        choices
    }

    fn after(&self, next: Next, kinds: [usize; 2]) -> Self {
        let mut then = self.clone();
        let id = |number: usize| NotificationId(number as u128 + 1);
        match next {
            Next::Notify(number) => {
                then.raised[number] = true;
                let raise = KINDS[kinds[number]](raise(id(number).0)).token(["a", "b"][number]);
                then.call(0, raise.session("s").timeout(1_000).queue_timeout(1_500).action());
            }
            Next::Cancel(number) => {
                then.call(0, ProviderAction::Cancel { cancellation_token: ["a", "b"][number].into() })
            }
            Next::Accept(agent, number) => then.call(agent + 1, AgentAction::Accept { notification_id: id(number) }),
            Next::Reject(agent, number) => {
                then.call(agent + 1, AgentAction::Reject { notification_id: id(number), reason: None });
            }
            Next::Join(agent) => {
                then.connected[agent] = true;
                let client = Joiner::Agent { id: AGENTS[agent].into(), groups: None, presence: None };
                then.apply(vec![Input::Join { connection: agent as u64 + 1, client }]);
            }
            Next::Leave(agent) => {
                then.connected[agent] = false;
                then.apply(vec![Input::Leave { connection: agent as u64 + 1 }]);
            }
            Next::Timer => {
                then.now = self.core.deadlines().first().map_or(self.now, |(at, ..)| at.0);
                then.apply(vec![Input::Tick]);
            }
            Next::Crash => {
                let incarnation = Incarnation(self.hub);
                then.connected = [false; 2];
                (then.hub, then.group) = (self.hub + 1, 0);
                then.apply(vec![Input::started(7, RULES.newest), Input::Removed { incarnation }, provider_joins()]);
            }
        }
        then
    }

    fn call(&mut self, connection: usize, action: impl Into<Action>) {
        let call = Call { id: None, correlation_id: Some("c".into()), number: None, action: action.into() };
        self.apply(vec![Input::Call { connection: connection as u64, call }]);
    }

    /// One record; then everything is checked.
    fn apply(&mut self, inputs: Vec<Input>) {
        self.group += 1;
        let workspace: Name = "default".into();
        let record = Record {
            rules: RULES.newest,
            incarnation: Incarnation(self.hub),
            group: self.group,
            time: Timestamp(self.now),
            entries: inputs.into_iter().map(|input| Entry { workspace: workspace.clone(), input }).collect(),
        };
        let watch = &mut self.watch;
        self.core.apply(&record, |core, effects| watch.take(core, &effects));
        check_invariants(&self.core, &self.limits);
        self.watch.check(&mut self.core);
    }

    /// What distinguishes this moment from others: the state, but for how many groups led to it.
    fn key(&self) -> Vec<u8> {
        postcard::to_allocvec(&(self.core.without_groups(), self.raised)).expect("it serializes")
    }
}

fn provider_joins() -> Input {
    Input::Join { connection: 0, client: Joiner::Provider { id: "bot".into(), resume: Resume::Nothing } }
}

/// Tries everything from the beginning to `depth`; how many different states there were, and histories led to them.
fn explore(kinds: [usize; 2], depth: u32) -> (usize, usize) {
    let mut seen = BTreeSet::new();
    let mut tried = 0;
    let mut moments = vec![Moment::new()];
    for _ in 0..depth {
        let mut then = Vec::new();
        for moment in moments {
            for next in moment.choices() {
                tried += 1;
                let after = moment.after(next, kinds);
                if seen.insert(after.key()) {
                    then.push(after);
                }
            }
        }
        moments = then;
    }
    (seen.len(), tried)
}

#[test]
fn every_history_of_a_small_world_keeps_the_contract() {
    let depth = std::env::var("DESKBELL_DEPTH").ok().and_then(|depth| depth.parse().ok()).unwrap_or(DEPTH);
    let (mut states, mut steps) = (0, 0);
    for first in 0..KINDS.len() {
        for second in 0..KINDS.len() {
            let (seen, tried) = explore([first, second], depth);
            states += seen;
            steps += tried;
        }
    }
    eprintln!("small worlds: {states} states, {steps} steps, depth {depth}");
    assert!(states > 1_000);
}
