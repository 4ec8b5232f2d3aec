//! The clients of a simulated world: a provider and agents, each over all its connections. They write down what they
//! were told, and hold it against the promise.

use std::collections::{BTreeMap, BTreeSet};

use deskbell_core::entry::{
    Action, AgentAction, Call, Input, Joiner, NewNotification, ProviderAction, Recipients, Rendered, Resume, Settle,
};
use deskbell_core::{Millis, Name, NotificationId, Outcome, Position};

use super::dice::Dice;
use super::recorder::Told;

/// How many agents there are.
pub(super) const AGENTS: usize = 3;

/// One client over all its connections.
#[derive(Debug, Default)]
pub(super) struct SimClient {
    /// The connection that it has now.
    pub(super) serial: Option<u64>,
    on_desk: BTreeSet<NotificationId>,
}

#[derive(Debug)]
pub(super) struct Clients {
    seed: u64,
    pub(super) provider: SimClient,
    pub(super) agents: Vec<SimClient>,
    /// Up to where the provider knows its outcomes.
    position: Option<Position>,
    notified: u64,
    acked: BTreeSet<Name>,
    /// Every outcome that the provider was ever told, by its own id.
    outcomes: BTreeMap<Name, BTreeSet<Outcome>>,
    /// Notifies whose fate the provider does not know, with the number of tries: repeated after the next welcome.
    pending: BTreeMap<Name, u32>,
    /// Told at the first and only try that nothing was done.
    refused: BTreeSet<Name>,
    /// Which agent's answer won.
    winners: BTreeMap<NotificationId, usize>,
}

impl Clients {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            provider: SimClient::default(),
            agents: (0..AGENTS).map(|_| SimClient::default()).collect(),
            position: None,
            notified: 0,
            acked: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            pending: BTreeMap::new(),
            refused: BTreeSet::new(),
            winners: BTreeMap::new(),
        }
    }

    /// The agent that has this connection.
    pub(super) fn agent_at(&self, serial: u64) -> Option<usize> {
        self.agents.iter().position(|agent| agent.serial == Some(serial))
    }

    /// The hub is gone, and every connection with it.
    pub(super) fn all_lost(&mut self) {
        for person in std::iter::once(&mut self.provider).chain(&mut self.agents) {
            person.serial = None;
            person.on_desk.clear();
        }
    }

    /// The provider is told something other than the end of its connection; what it has to say again then.
    pub(super) fn provider_told(&mut self, told: Told) -> Vec<Name> {
        match told {
            Told::Welcome { missed, .. } => {
                assert!(!missed, "seed {}: nothing is forgotten here", self.seed);
                return self.pending();
            }
            Told::Ack { id, .. } => drop(self.acked.insert(id)),
            Told::Result { id, outcome, position } => {
                self.pending.remove(&id);
                self.position = self.position.max(Some(position));
                self.outcomes.entry(id).or_default().insert(outcome);
            }
            Told::Unavailable { id } => {
                // Nothing was done this time. An earlier try may have been, so only a first one is given up.
                if let Some(id) = id.filter(|id| !self.acked.contains(id) && self.pending.get(id) == Some(&1)) {
                    self.pending.remove(&id);
                    self.refused.insert(id);
                }
            }
            other => panic!("seed {}: a provider was told {other:?}", self.seed),
        }
        Vec::new()
    }

    /// An agent is told something other than the end of its connection.
    pub(super) fn agent_told(&mut self, at: usize, told: Told) {
        let seed = self.seed;
        let agent = &mut self.agents[at];
        match told {
            Told::Welcome { shown, .. } => agent.on_desk = shown.into_iter().collect(),
            Told::Shown(id) => assert!(agent.on_desk.insert(id), "seed {seed}: shown twice"),
            Told::Closed(id) => assert!(agent.on_desk.remove(&id), "seed {seed}: closed, but not shown"),
            Told::Answered { won: true, notification, outcome } => {
                assert!(matches!(outcome, Some(Outcome::Accepted | Outcome::Declined)), "seed {seed}");
                let winner = *self.winners.entry(notification).or_insert(at);
                assert_eq!(winner, at, "seed {seed}: two agents won one notification");
            }
            Told::Answered { .. } | Told::Unavailable { .. } | Told::Refused => {}
            other => panic!("seed {seed}: an agent was told {other:?}"),
        }
    }

    /// The provider as it comes back: whatever it missed, it wants.
    pub(super) fn provider_client(&self) -> Joiner {
        let resume = if self.position.is_some() { Resume::After(self.position) } else { Resume::All };
        Joiner::Provider { id: "bot".into(), resume }
    }

    pub(super) fn agent_client(at: usize) -> Joiner {
        Joiner::Agent { id: format!("agent-{at}").into(), groups: None, presence: None }
    }

    /// An id that no notify had yet.
    pub(super) fn next_id(&mut self) -> Name {
        self.notified += 1;
        format!("n{}", self.notified).into()
    }

    /// Notifies whose fate is not known.
    pub(super) fn pending(&self) -> Vec<Name> {
        self.pending.keys().cloned().collect()
    }

    /// The provider's notify under that id, if it is connected.
    pub(super) fn notify(&mut self, id: &Name) -> Option<(u64, Input)> {
        let connection = self.provider.serial?;
        *self.pending.entry(id.clone()).or_default() += 1;
        let call = Call {
            id: Some(id.clone()),
            correlation_id: Some("c".into()),
            number: None,
            action: ProviderAction::Notify(notify(id)).into(),
        };
        Some((connection, Input::Call { connection, call }))
    }

    /// All who see the same notification answer at once, a race: by whom, over which connection, with what.
    pub(super) fn answers(&self, dice: &mut Dice) -> Vec<(usize, u64, Input)> {
        let Some(id) = self.agents.iter().find_map(|agent| agent.on_desk.first().copied()) else { return Vec::new() };
        let accept = !dice.one_in(3);
        let seeing = self.agents.iter().enumerate().filter(|(_, agent)| agent.on_desk.contains(&id));
        let answer = |connection| {
            let action = if accept {
                Action::from(AgentAction::Accept { notification_id: id })
            } else {
                AgentAction::Reject { notification_id: id, reason: None }.into()
            };
            Input::Call { connection, call: Call { id: None, correlation_id: None, number: None, action } }
        };
        seeing.filter_map(|(at, agent)| agent.serial.map(|serial| (at, serial, answer(serial)))).collect()
    }

    /// The promise, at the end of a history.
    pub(super) fn check(&self) {
        let seed = self.seed;
        for id in &self.acked {
            let outcomes = self.outcomes.get(id).map_or(0, BTreeSet::len);
            assert_eq!(outcomes, 1, "seed {seed}: {id} was acknowledged and has {outcomes} outcomes");
        }
        for id in &self.refused {
            assert!(!self.outcomes.contains_key(id), "seed {seed}: {id} was refused and yet done");
        }
        assert!(self.pending.is_empty(), "seed {seed}: without an answer: {:?}", self.pending);
    }
}

/// What many histories came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) outcomes: usize,
    notified: u64,
    refused: usize,
    faults: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(super) fn add(&mut self, clients: &Clients, faults: &BTreeMap<&'static str, u64>) {
        self.notified += clients.notified;
        self.outcomes += clients.outcomes.len();
        self.refused += clients.refused.len();
        for (fault, count) in faults {
            *self.faults.entry(fault).or_default() += count;
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { notified, outcomes, refused, faults } = self;
        write!(f, "{notified} notifies, {outcomes} outcomes, {refused} refused, 0 violations; appends: {faults:?}")
    }
}

fn notify(id: &Name) -> Box<NewNotification> {
    let n: u128 = id[1..].parse().unwrap();
    Box::new(NewNotification {
        notification_id: NotificationId(n << 64),
        template_name: "t".into(),
        fingerprint: n,
        session_id: None,
        cancellation_token: None,
        to: Recipients::default(),
        context: None,
        rendered: Ok(Rendered {
            auto_accept: n.is_multiple_of(7),
            auto_accept_on_timeout: n.is_multiple_of(5),
            priority: (n % 3) as u8,
            settle: if n.is_multiple_of(3) { Settle::FirstAccept } else { Settle::FirstResponse },
            ..Rendered::titled("title", Millis(5_000))
        }),
        unused: Vec::new(),
    })
}
