//! What may happen in a random history, and how often.

use proptest::prelude::*;
use proptest::sample::Index;

use super::world::{Raise, raise};
use crate::entry::RenderError;
use crate::ids::Millis;
use crate::limits::Limits;

/// Something that happens. Small numbers stand for names and choices, so that shrinking makes them simpler.
#[derive(Debug, Clone)]
pub(super) enum Happens {
    /// Comes, or goes if it is there already and `goes`.
    Agent {
        client: u8,
        groups: Option<u8>,
        away: Option<bool>,
        goes: bool,
    },
    Provider {
        client: u8,
        resume: u8,
        goes: bool,
    },
    Observer {
        workspace: bool,
    },
    Notify {
        client: u8,
        what: What,
    },
    /// To what is displayed to that agent if there is something and `mine`, else to one of the last.
    Answer {
        client: u8,
        which: Index,
        accept: bool,
        mine: bool,
    },
    Seen {
        client: u8,
        which: Index,
    },
    Cancel {
        client: u8,
        token: u8,
    },
    Recall {
        client: u8,
        which: Index,
    },
    Presence {
        client: u8,
        away: bool,
    },
    Kpi {
        client: u8,
        session: u8,
        reset: bool,
    },
    Activity {
        client: u8,
        session: u8,
        count: u32,
    },
    EndSession {
        client: u8,
        by_agent: bool,
        session: u8,
    },
    Wait(u64),
    Oversleep(u64),
    Restart,
    Limits(Limits),
    /// What follows, until the next of these or until time passes, is one record.
    Gather,
    Together,
}

/// What is raised.
#[derive(Debug, Clone)]
pub(super) struct What {
    id: Option<u8>,
    says: bool,
    token: Option<u8>,
    session: Option<u8>,
    agents: u8,
    groups: u8,
    timeout: u64,
    queue_timeout: u64,
    auto: bool,
    on_timeout: bool,
    first_accept: bool,
    fault: bool,
    priority: u8,
}

pub(super) const AGENTS: [&str; 8] = ["ada", "ada#2", "bob", "bob#2", "cy", "dan", "acme:ada", "acme:bob"];
pub(super) const PROVIDERS: [&str; 4] = ["bot", "bot#2", "pod", "acme:bot"];
const NAMES: [&str; 3] = ["ada", "bob", "eve"];
pub(super) const GROUPS: [&str; 3] = ["g", "h", "i"];
pub(super) const LETTERS: [&str; 4] = ["a", "b", "c", "d"];

impl What {
    pub(super) fn raise(&self, number: u128) -> Raise {
        let mut raise = raise(number)
            .says(u128::from(self.says))
            .agents(&chosen(&NAMES, self.agents))
            .groups(&chosen(&GROUPS, self.groups))
            .timeout(self.timeout)
            .queue_timeout(self.queue_timeout)
            .with(|rendered| {
                rendered.auto_accept = self.auto;
                rendered.auto_accept_on_timeout = self.on_timeout;
                rendered.priority = self.priority;
            });
        let letter = |at: u8| LETTERS[at as usize].into();
        raise.id = self.id.map(letter);
        raise.token = self.token.map(letter);
        raise.session = self.session.map(letter);
        if self.first_accept {
            raise = raise.first_accept();
        }
        if self.fault {
            raise = raise.fault(RenderError::UnknownTemplate { detail: "gone".into() });
        }
        raise
    }
}

/// Those of `names` whose bit is set.
pub(super) fn chosen<'a>(names: &[&'a str], bits: u8) -> Vec<&'a str> {
    names.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0).map(|(_, &name)| name).collect()
}

fn agent() -> impl Strategy<Value = u8> {
    0..AGENTS.len() as u8
}

fn provider() -> impl Strategy<Value = u8> {
    0..PROVIDERS.len() as u8
}

fn letter() -> impl Strategy<Value = u8> {
    0..LETTERS.len() as u8
}

fn what() -> impl Strategy<Value = What> {
    let seldom = |p| prop::bool::weighted(p);
    let some = |p| prop::option::weighted(p, letter());
    // Half of them are for all.
    let bits = || prop_oneof![3 => Just(0_u8), 2 => 0..8_u8];
    let time = || prop_oneof![2 => (1..20_u64).prop_map(|tenths| tenths * 100), 3 => Just(120_000)];
    let priority = prop_oneof![2 => Just(0_u8), 1 => 0..10_u8];
    let names = (some(0.2), seldom(0.2), some(0.4), some(0.3), bits(), bits());
    let template = (time(), time(), seldom(0.25), seldom(0.3), seldom(0.4), seldom(0.03), priority);
    (names, template).prop_map(|((id, says, token, session, agents, groups), template)| {
        let (timeout, queue_timeout, auto, on_timeout, first_accept, fault, priority) = template;
        What {
            id,
            says,
            token,
            session,
            agents,
            groups,
            timeout,
            queue_timeout,
            auto,
            on_timeout,
            first_accept,
            fault,
            priority,
        }
    })
}

pub(super) fn limits() -> impl Strategy<Value = Limits> {
    let desk = (1..4_u32, 0..4_u32);
    let counts = (3..16_u32, 1..5_u32, 1..4_u32, 1..8_u32, 0..3_u32, 0..4_u32);
    let times = (1..10_u64, 1..10_u64, 0..4_u64);
    (desk, counts, times).prop_map(|((display_limit, queue_limit), counts, (retention, idle, regroup))| Limits {
        display_limit,
        queue_limit,
        retention: Millis::from_secs(retention),
        open_notifications: counts.0,
        sessions: counts.1,
        kpi_marks: counts.2,
        retained_outcomes: counts.3,
        remembered_agents: counts.4,
        session_idle: Millis::from_secs(idle),
        session_limit: counts.5,
        regroup_time: Millis::from_secs(regroup),
        ..Limits::default()
    })
}

pub(super) fn happens() -> impl Strategy<Value = Happens> {
    let away = || prop::option::weighted(0.3, any::<bool>());
    let groups = || prop::option::weighted(0.5, 0..8_u8);
    let coming = (agent(), groups(), away(), prop::bool::weighted(0.2))
        .prop_map(|(client, groups, away, goes)| Happens::Agent { client, groups, away, goes });
    prop_oneof![
        10 => coming,
        3 => (provider(), 0..6_u8, any::<bool>())
            .prop_map(|(client, resume, goes)| Happens::Provider { client, resume, goes }),
        1 => any::<bool>().prop_map(|workspace| Happens::Observer { workspace }),
        20 => (provider(), what()).prop_map(|(client, what)| Happens::Notify { client, what }),
        24 => (agent(), any::<Index>(), any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(client, which, accept, mine)| Happens::Answer { client, which, accept, mine }),
        2 => (agent(), any::<Index>()).prop_map(|(client, which)| Happens::Seen { client, which }),
        4 => (provider(), letter()).prop_map(|(client, token)| Happens::Cancel { client, token }),
        2 => (provider(), any::<Index>()).prop_map(|(client, which)| Happens::Recall { client, which }),
        5 => (agent(), any::<bool>()).prop_map(|(client, away)| Happens::Presence { client, away }),
        3 => (provider(), letter(), any::<bool>())
            .prop_map(|(client, session, reset)| Happens::Kpi { client, session, reset }),
        2 => (provider(), letter(), 0..3_u32)
            .prop_map(|(client, session, count)| Happens::Activity { client, session, count }),
        3 => (0..8_u8, any::<bool>(), letter())
            .prop_map(|(client, by_agent, session)| Happens::EndSession { client, by_agent, session }),
        6 => prop_oneof![3 => 0..500_u64, 1 => 500..5_000_u64].prop_map(Happens::Wait),
        3 => prop_oneof![9 => 0..500_u64, 3 => 500..5_000_u64, 1 => Just(86_400_000)].prop_map(Happens::Oversleep),
        1 => Just(Happens::Restart),
        1 => limits().prop_map(Happens::Limits),
        4 => Just(Happens::Gather),
        4 => Just(Happens::Together),
    ]
}
