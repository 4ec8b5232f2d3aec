//! Long random histories: after each step the invariants hold, the simple model agrees, and a replay is the same.
//!
//! `DESKBELL_CASES` says how many histories are tried (for long campaigns); failing ones are kept in
//! `proptest-regressions/`.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, FileFailurePersistence};

use super::happening::{AGENTS, GROUPS, Happens, LETTERS, PROVIDERS, chosen, happens, limits};
use super::model::{Model, Place};
use super::world::World;
use crate::entry::{Action, AgentAction, Presence, Resume};
use crate::ids::NotificationId;
use crate::limits::Limits;
use crate::outcome::{Outcome, Reach};
use crate::state_machine::Core;

/// Histories tried by default: a few seconds in a debug build.
const CASES: u32 = 96;

/// A world and the model of it, moving together.
#[derive(Debug)]
struct Both {
    world: World,
    model: Model,
    /// Records that the model knows.
    modelled: usize,
    /// Notifications so far, by number, and in which workspace.
    raised: Vec<u128>,
}

impl Both {
    fn new(limits: Limits) -> Self {
        let mut world = World::with_limits(|own| *own = limits);
        for client in ["ada", "bob", "acme:ada"] {
            world.agent(client);
        }
        let mut both = Self { world, model: Model::default(), modelled: 0, raised: Vec::new() };
        both.compare();
        both
    }

    fn happens(&mut self, what: &Happens) {
        self.act(what);
        if !self.world.is_gathering() {
            self.compare();
        }
    }

    fn act(&mut self, what: &Happens) {
        let world = &mut self.world;
        match what {
            Happens::Agent { client, groups, away, goes } => {
                let client = AGENTS[*client as usize];
                if !world.is_connected(client) {
                    let groups = groups.map(|bits| chosen(&GROUPS, bits));
                    world.agent_with(client, groups.as_deref(), away.map(presence));
                } else if *goes {
                    world.leave(client);
                }
            }
            Happens::Provider { client, resume, goes } => {
                let client = PROVIDERS[*client as usize];
                if !world.is_connected(client) {
                    let resume = match resume {
                        0 => Resume::Nothing,
                        1 => Resume::All,
                        2 => Resume::After(None),
                        // The incarnation may be one that no hub has had yet.
                        more => world.position(u64::from(*more) * 3),
                    };
                    world.provider_from(client, resume);
                } else if *goes {
                    world.leave(client);
                }
            }
            Happens::Observer { workspace } => {
                let client = if *workspace { "acme:eye" } else { "eye" };
                if world.is_connected(client) {
                    world.leave(client)
                } else {
                    world.observer(client)
                };
            }
            Happens::Notify { client, what } => {
                let client = PROVIDERS[*client as usize];
                ensure_provider(world, client);
                let number = self.raised.len() as u128 + 1;
                self.raised.push(number);
                world.notify(client, what.raise(number));
            }
            Happens::Answer { client, which, accept, mine } => self.answer(*client, which, *accept, *mine),
            Happens::Seen { client, which } => {
                if let Some(number) = self.recent(which) {
                    let client = AGENTS[*client as usize];
                    self.if_agent(client, AgentAction::Seen { notification_id: NotificationId(number) });
                }
            }
            Happens::Cancel { client, token } => {
                let client = PROVIDERS[*client as usize];
                ensure_provider(world, client);
                world.cancel(client, LETTERS[*token as usize]);
            }
            Happens::Recall { client, which } => {
                let client = PROVIDERS[*client as usize];
                ensure_provider(world, client);
                if let Some(number) = self.recent(which) {
                    self.world.recall(client, number);
                }
            }
            Happens::Presence { client, away } => {
                self.if_agent(AGENTS[*client as usize], AgentAction::Presence(presence(*away)));
            }
            Happens::Kpi { client, session, reset } => {
                let (client, session) = (PROVIDERS[*client as usize], LETTERS[*session as usize]);
                ensure_provider(world, client);
                if *reset {
                    world.unmark(client, session)
                } else {
                    world.mark(client, session, "late")
                };
            }
            Happens::Activity { client, session, count } => {
                let client = PROVIDERS[*client as usize];
                ensure_provider(world, client);
                world.activity(client, LETTERS[*session as usize], *count);
            }
            Happens::EndSession { client, by_agent, session } => {
                let session = LETTERS[*session as usize];
                let client = *client as usize;
                if *by_agent {
                    self.if_agent(AGENTS[client], AgentAction::EndSession { session_id: session.into() });
                } else {
                    let client = PROVIDERS[client % PROVIDERS.len()];
                    ensure_provider(world, client);
                    world.end_session(client, session);
                }
            }
            Happens::Wait(ms) => self.wait(*ms),
            Happens::Oversleep(ms) => {
                world.together();
                world.oversleep(*ms);
            }
            Happens::Restart => {
                world.together();
                world.restart();
            }
            Happens::Limits(limits) => {
                world.configure(|own| *own = limits.clone());
            }
            Happens::Gather => world.gather(),
            Happens::Together => {
                world.together();
            }
        }
    }

    fn wait(&mut self, ms: u64) {
        self.world.together();
        self.compare();
        let until = self.world.now + ms;
        // What was overslept is due at once.
        self.world.tick();
        self.compare();
        while let Some(due) = self.world.core.next_deadline().filter(|due| due.0 <= until) {
            self.world.now = due.0;
            self.world.tick();
            self.compare();
        }
        self.world.now = until;
        self.world.tick();
    }

    fn answer(&mut self, client: u8, which: &Index, accept: bool, mine: bool) {
        let displayed = self.world.displayed(AGENTS[client as usize]);
        let own = (mine && !displayed.is_empty()).then(|| *which.get(&displayed));
        let Some(number) = own.or_else(|| self.recent(which)) else { return };
        let notification_id = NotificationId(number);
        let action = if accept {
            AgentAction::Accept { notification_id }
        } else {
            AgentAction::Reject { notification_id, reason: None }
        };
        self.if_agent(AGENTS[client as usize], action);
    }

    /// One of the last few notifications.
    fn recent(&self, which: &Index) -> Option<u128> {
        let last = self.raised.len().saturating_sub(8);
        let recent = &self.raised[last..];
        (!recent.is_empty()).then(|| *which.get(recent))
    }

    fn if_agent(&mut self, client: &str, action: impl Into<Action>) {
        if self.world.is_connected(client) {
            self.world.call(client, action);
        }
    }

    /// Lets the model do what the core did, and compares what can be seen.
    fn compare(&mut self) {
        for record in &self.world.records[self.modelled..] {
            let replies: Vec<_> =
                record.entries.iter().map(|entry| self.model.step(record.time.0, record.incarnation, entry)).collect();
            if self.modelled + 1 == self.world.records.len() {
                // The core's words begin with the message's id.
                let said = |reply: &Option<String>| {
                    reply.as_ref().map(|words| words.split_once("] ").map_or(words.as_str(), |(_, w)| w).to_owned())
                };
                assert_eq!(self.world.replies.iter().map(said).collect::<Vec<_>>(), replies, "replies");
            }
            self.modelled += 1;
        }
        for place in &self.model.places {
            compare_place(&self.world, place);
        }
    }
}

fn compare_place(world: &World, place: &Place) {
    let workspace = world.core.all_workspaces().find(|(_, workspace)| workspace.name == place.name);
    for item in &place.notifications {
        let ended = world.watch.ended().get(&item.id);
        let outcome = item.outcome.as_ref();
        assert_eq!(ended.map(|ended| (&ended.0, &ended.1)), outcome.map(|o| (&o.0, &o.1)), "outcome of {:?}", item.id);
        if let Some(settled) = workspace.and_then(|(_, found)| found.providers.by_notification(item.id)) {
            let (displayed, seen, rejected) = Place::reach(item);
            let expected = Reach { displayed: displayed as u32, seen: seen as u32, rejected: rejected as u32 };
            assert_eq!(settled.reach, expected, "reach of {:?}", item.id);
        }
    }
    for agent in &place.agents {
        let number = |n: &usize| place.notifications[*n].id.0;
        let displayed: Vec<u128> = agent.displayed.iter().map(number).collect();
        let waiting: Vec<u128> = agent.waiting.iter().map(number).collect();
        assert_eq!(world.desk_of(&place.name, &agent.name), (displayed, waiting), "desk of {}", agent.name);
    }
    let mut sessions: Vec<_> =
        place.sessions.iter().map(|session| (&session.id, &session.agent, session.unread)).collect();
    let mut marks: Vec<_> = place.marks.iter().map(|mark| (&mark.id, mark.since)).collect();
    sessions.sort();
    marks.sort();
    let Some((_, workspace)) = workspace else {
        assert!(sessions.is_empty() && marks.is_empty(), "{} is gone", place.name);
        return;
    };
    let found: Vec<_> = workspace
        .sessions
        .iter()
        .map(|(id, session)| (id, &workspace.agents.get(session.agent).name, session.unread))
        .collect();
    assert_eq!(found, sessions, "sessions");
    let mut found = workspace.sessions.marks();
    found.sort_by(|a, b| a.session_id.cmp(&b.session_id));
    assert!(found.iter().map(|mark| (&mark.session_id, mark.since.0)).eq(marks), "marks");
}

fn ensure_provider(world: &mut World, client: &str) {
    if !world.is_connected(client) {
        world.provider(client);
    }
}

fn presence(away: bool) -> Presence {
    if away { Presence::Away } else { Presence::Available }
}

fn bytes(core: &Core) -> Vec<u8> {
    postcard::to_allocvec(core).expect("it serializes")
}

/// From the snapshot taken after `records` on, the rest of the log gives the same state and the same effects.
fn replay(snapshot: &[u8], world: &World, records: usize) {
    let mut core: Core = postcard::from_bytes(snapshot).expect("it reads back");
    assert_eq!(bytes(&core), snapshot, "a snapshot reads back as itself");
    for (record, expected) in world.records.iter().zip(&world.effects).skip(records) {
        let mut effects = Vec::new();
        core.apply(record, |_, caused| effects.push(format!("{caused:?}")));
        assert_eq!(effects, *expected);
        core.apply(record, |_, caused| panic!("applied twice: {caused:?}"));
    }
    assert!(bytes(&core) == bytes(&world.core), "the state after the replay");
}

fn config() -> Config {
    let cases = std::env::var("DESKBELL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/histories.txt");
    Config {
        cases,
        max_shrink_iters: 4_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(kept))),
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_histories_keep_the_contract(
        limits in limits(),
        history in prop::collection::vec(happens(), 1..160),
        snapshot_at in any::<Index>(),
    ) {
        let mut both = Both::new(limits);
        let snapshot_at = snapshot_at.index(history.len());
        let mut snapshot = (Vec::new(), 0);
        for (at, happens) in history.iter().enumerate() {
            both.happens(happens);
            if at == snapshot_at {
                snapshot = (bytes(&both.world.core), both.world.records.len());
            }
        }
        both.happens(&Happens::Together);
        replay(&snapshot.0, &both.world, snapshot.1);
        replay(&bytes(&Core::default()), &both.world, 0);
        // In the end everything ends.
        both.happens(&Happens::Wait(600_000));
        for place in &both.model.places {
            prop_assert!(place.notifications.iter().all(|item| item.outcome.is_some()));
        }
    }
}

/// The histories are worth something only if they come to every outcome.
#[test]
fn random_histories_come_to_every_outcome() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut counts = [0_u64; Outcome::ALL.len()];
    for _ in 0..20 {
        let strategy = (limits(), prop::collection::vec(happens(), 160));
        let (limits, history) = strategy.new_tree(&mut runner).expect("a history").current();
        let mut both = Both::new(limits);
        history.iter().for_each(|happens| both.happens(happens));
        for (outcome, _) in both.world.watch.ended().values() {
            counts[*outcome as usize] += 1;
        }
    }
    assert!(counts.iter().all(|&count| count >= 5), "{counts:?} of {:?}", Outcome::ALL);
}
