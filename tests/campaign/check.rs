//! Checks the clients' records against the promise.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Client, Connection, Nid, Outcome, Saw, Settled, read_nid};
use crate::scene::TEMPLATES;

/// At most so many violations are named; the rest is counted.
const NAMED_MAX: usize = 40;

/// The result of the check.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<String>,
    pub(crate) more: usize,
    pub(crate) displays: u64,
    pub(crate) outcomes: BTreeMap<Outcome, u64>,
    pub(crate) won: u64,
    pub(crate) duplicates: u64,
    pub(crate) replayed: u64,
    pub(crate) connections: u64,
}

impl Verdict {
    pub(crate) fn add(&mut self, what: String) {
        if self.violations.len() < NAMED_MAX {
            self.violations.push(what);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.violations.len() + self.more
    }
}

/// How a notification ended, and the client that reports it.
#[derive(Debug)]
#[expect(dead_code, reason = "who said so first is printed with a violation")]
struct Ended {
    outcome: Outcome,
    agent: Option<String>,
    said_by: String,
}

/// The records of all notifications.
#[derive(Debug, Default)]
struct Known {
    /// By provider and call: under which notificationIds it was acknowledged, shown or settled.
    ids: BTreeMap<(String, u32), BTreeSet<Nid>>,
    ended: BTreeMap<Nid, Ended>,
    results: BTreeMap<Nid, Settled>,
    winners: BTreeMap<Nid, BTreeSet<String>>,
    shown: BTreeSet<(String, Nid)>,
}

/// Checks everything but the end state.
pub(crate) fn check(clients: &[Client]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut known = Known::default();
    for client in clients {
        for fault in &client.faults {
            verdict.add(format!("{}: {fault}", client.name));
        }
        for (number, connection) in client.connections.iter().enumerate() {
            let whose = format!("{} (connection {number})", client.name);
            verdict.connections += 1;
            known.gather(&mut verdict, client, connection, &whose);
            displays(&mut verdict, connection, &whose);
            positions(&mut verdict, connection, &whose);
        }
    }
    for client in clients {
        errors(&mut verdict, client, &known);
        promises(&mut verdict, client, &known);
    }
    known.judge(&mut verdict);
    verdict
}

impl Known {
    fn gather(&mut self, verdict: &mut Verdict, client: &Client, connection: &Connection, whose: &str) {
        for saw in &connection.saw {
            match saw {
                Saw::Welcome(welcome) => {
                    if welcome.missed {
                        verdict.add(format!("{whose}: told that it missed results, within the retention time"));
                    }
                    for card in &welcome.desk {
                        self.ids.entry((card.provider.clone(), card.call)).or_default().insert(card.nid);
                        self.shown.insert((client.name.clone(), card.nid));
                    }
                }
                Saw::Shown(card) => {
                    verdict.displays += 1;
                    self.ids.entry((card.provider.clone(), card.call)).or_default().insert(card.nid);
                    self.shown.insert((client.name.clone(), card.nid));
                }
                Saw::Closed { nid, outcome: Some(outcome), agent } => {
                    self.end(verdict, *nid, outcome, agent.as_ref(), whose);
                }
                Saw::Answered { nid, outcome: Some(outcome), agent, won } => {
                    self.end(verdict, *nid, outcome, agent.as_ref(), whose);
                    if *won {
                        self.winners.entry(*nid).or_default().insert(client.name.clone());
                        if agent.as_ref() != Some(&client.name) {
                            verdict.add(format!("{whose}: won {nid:x}, but by {agent:?}"));
                        }
                    }
                }
                Saw::Answered { nid, outcome: None, won: true, .. } => {
                    verdict.add(format!("{whose}: won {nid:x}, which is open"));
                }
                Saw::Ack { call, nid, duplicate } => {
                    verdict.duplicates += u64::from(*duplicate);
                    self.ids.entry((client.name.clone(), *call)).or_default().insert(*nid);
                }
                Saw::Result(settled) => {
                    self.ids.entry((client.name.clone(), settled.call)).or_default().insert(settled.nid);
                    self.end(verdict, settled.nid, settled.outcome, settled.agent.as_ref(), whose);
                    match self.results.get(&settled.nid) {
                        Some(first) if first != settled => {
                            verdict.add(format!("{whose}: another result of one notification: {first:?}, {settled:?}"));
                        }
                        Some(_) => verdict.replayed += 1,
                        None => drop(self.results.insert(settled.nid, settled.clone())),
                    }
                }
                Saw::Cancelled { nid, outcome } => self.end_as(verdict, *nid, outcome, whose),
                Saw::Event { nid, outcome } => self.end_as(verdict, *nid, outcome, whose),
                Saw::Session { nid, .. } => {
                    let ended = self.ended.get(nid);
                    if ended.is_some_and(|ended| ended.agent.as_ref() != Some(&client.name)) {
                        verdict.add(format!("{whose}: a session for {nid:x}, which ended as {ended:?}"));
                    }
                }
                _ => {}
            }
        }
    }

    fn end(&mut self, verdict: &mut Verdict, nid: Nid, outcome: Outcome, agent: Option<&String>, said_by: &str) {
        let agent = agent.cloned();
        match self.ended.get(&nid) {
            Some(first) if first.outcome != outcome || first.agent != agent => {
                verdict.add(format!("{nid:x} ended twice: {first:?}; {outcome} by {agent:?} says {said_by}"));
            }
            Some(_) => {}
            None => drop(self.ended.insert(nid, Ended { outcome, agent, said_by: said_by.to_owned() })),
        }
    }

    /// From a client that does not learn which agent answered.
    fn end_as(&self, verdict: &mut Verdict, nid: Nid, outcome: Outcome, said_by: &str) {
        if let Some(first) = self.ended.get(&nid).filter(|first| first.outcome != outcome) {
            verdict.add(format!("{nid:x} ended twice: {first:?}; {outcome} says {said_by}"));
        }
    }

    fn judge(&self, verdict: &mut Verdict) {
        for ((provider, call), ids) in &self.ids {
            if ids.len() > 1 {
                verdict.add(format!("{provider}'s call {call} became several notifications: {ids:x?}"));
            }
        }
        for (nid, ended) in &self.ended {
            *verdict.outcomes.entry(ended.outcome).or_default() += 1;
            let winners = self.winners.get(nid).cloned().unwrap_or_default();
            verdict.won += winners.len() as u64;
            let answered = matches!(ended.outcome, "Accept" | "DeclinedByAgent");
            if winners.len() > 1 || !winners.is_empty() && (!answered || ended.agent.as_ref() != winners.first()) {
                verdict.add(format!("{nid:x}: won by {winners:?}, but {ended:?}"));
            }
            if ended.agent.is_some() != (answered || ended.outcome.starts_with("AutoAccept")) {
                verdict.add(format!("{nid:x}: whose outcome is that? {ended:?}"));
            }
        }
    }
}

/// Each notification is displayed on a connection at most once, and then has exactly one `closed`, unless the
/// connection ended first.
fn displays(verdict: &mut Verdict, connection: &Connection, whose: &str) {
    let mut open = BTreeSet::new();
    let mut ever = BTreeSet::new();
    for saw in &connection.saw {
        let shown: &[_] = match saw {
            Saw::Welcome(welcome) => &welcome.desk,
            Saw::Shown(card) => std::slice::from_ref(card),
            Saw::Closed { nid, .. } => {
                if !open.remove(nid) {
                    verdict.add(format!("{whose}: {nid:x} closed, but it was not displayed"));
                }
                continue;
            }
            _ => continue,
        };
        for card in shown {
            if !ever.insert(card.nid) {
                verdict.add(format!("{whose}: {:x} displayed twice", card.nid));
            }
            open.insert(card.nid);
        }
    }
    if connection.to_the_end && !open.is_empty() {
        verdict.add(format!("{whose}: displayed and never closed: {open:x?}"));
    }
}

/// Checks that the positions of results rise on a connection, except for results of repeated calls.
fn positions(verdict: &mut Verdict, connection: &Connection, whose: &str) {
    let mut repeated = BTreeSet::new();
    let mut last = "";
    for saw in &connection.saw {
        match saw {
            Saw::Ack { nid, duplicate: true, .. } => drop(repeated.insert(*nid)),
            Saw::Result(settled) if !repeated.contains(&settled.nid) => {
                // All positions of one log have the same prefix and length.
                if settled.position.as_str() <= last {
                    verdict.add(format!("{whose}: position {} after {last}", settled.position));
                }
                last = &settled.position;
            }
            _ => {}
        }
    }
}

/// Which refusals there may be.
fn errors(verdict: &mut Verdict, client: &Client, known: &Known) {
    for connection in &client.connections {
        for saw in &connection.saw {
            let Saw::Error { id, code, detail } = saw else { continue };
            let may = match id.split_once('-').map_or(id.as_str(), |(kind, _)| kind) {
                // Its token may never have arrived; a session may be nobody's, or be over.
                "endSession" if code == "notAllowed" => client.name.starts_with("agent"),
                "cancel" | "endSession" | "activity" | "end" => code == "notFound",
                "answer" => {
                    let nid = id.splitn(3, '-').nth(2).and_then(read_nid).unwrap_or_default();
                    code == "notFound" && !known.shown.contains(&(client.name.clone(), nid))
                }
                _ => false,
            };
            if !may {
                verdict.add(format!("{}: {id:?} was refused: {code}: {detail}", client.name));
            }
        }
    }
}

/// What a provider was promised.
fn promises(verdict: &mut Verdict, client: &Client, known: &Known) {
    for (call, notified) in &client.notified {
        let Some(nid) = notified.nid else {
            verdict.add(format!("{}: call {call} was never acknowledged", client.name));
            continue;
        };
        let Some(settled) = known.results.get(&nid) else {
            verdict.add(format!("{}: {nid:x} (call {call}) was acknowledged and has no result", client.name));
            continue;
        };
        let template = TEMPLATES.iter().find(|template| template.name == notified.template).unwrap();
        let earliest = match settled.outcome {
            "DisplayTimeout" | "AutoAcceptOnTimeout" => template.timeout_ms,
            "NotificationQueueTimeLimitExceeded" => template.queue_ms,
            _ => 0,
        };
        let auto = template.name == "c-auto";
        let shown = auto && known.shown.iter().any(|(_, shown)| *shown == nid);
        if settled.elapsed_ms < earliest || shown || settled.outcome == "AutoAccept" && !auto {
            verdict.add(format!("{}: cannot be with template {}: {settled:?}", client.name, template.name));
        }
    }
}

/// Compares what new connections receive after the end with what the old ones received.
pub(crate) fn check_end(verdict: &mut Verdict, clients: &[Client], fresh: &[Client]) {
    let mut marks: BTreeMap<&String, &Option<String>> = BTreeMap::new();
    for client in clients {
        marks.extend(&client.marks);
    }
    for late in fresh {
        let Some(connection) = late.connections.last() else { continue };
        let Some(Saw::Welcome(welcome)) = connection.saw.first() else {
            verdict.add(format!("{}: no welcome after the end", late.name));
            continue;
        };
        if !welcome.desk.is_empty() || !welcome.open.is_empty() || welcome.missed {
            verdict.add(format!("{}: after the end something is open: {welcome:?}", late.name));
        }
        if late.name.starts_with("provider") {
            results_again(verdict, clients, late, connection);
            continue;
        }
        for (session, details) in &marks {
            let told = welcome.state.marks.get(*session);
            if told.is_some() != details.is_some() || details.is_some() && told != Some(*details) {
                verdict.add(format!("{}: mark {session} was set to {details:?}, told {told:?}", late.name));
            }
        }
        for client in clients.iter().filter(|client| client.name == late.name) {
            let Some(last) = client.connections.last().filter(|last| last.to_the_end) else { continue };
            let mut told = crate::record::Told::default();
            last.saw.iter().for_each(|saw| told.apply(saw));
            if told != welcome.state {
                let now = &welcome.state;
                verdict.add(format!("{}: told bit by bit {told:?}, told at once {now:?}", late.name));
            }
        }
    }
}

/// `resume: true` gives every result that was ever given, and no other.
fn results_again(verdict: &mut Verdict, clients: &[Client], late: &Client, connection: &Connection) {
    let results = |connection: &Connection| -> BTreeMap<Nid, Settled> {
        let settled = connection.saw.iter().filter_map(|saw| match saw {
            Saw::Result(settled) => Some((settled.nid, settled.clone())),
            _ => None,
        });
        settled.collect()
    };
    let again = results(connection);
    let client = clients.iter().find(|client| client.name == late.name);
    let before: BTreeMap<_, _> = client.into_iter().flat_map(|client| &client.connections).flat_map(results).collect();
    for (nid, settled) in &before {
        if again.get(nid) != Some(settled) {
            verdict.add(format!("{}: {settled:?} became {:?}", late.name, again.get(nid)));
        }
    }
    if again.len() > before.len() {
        verdict.add(format!("{}: {} results more than ever were told", late.name, again.len() - before.len()));
    }
}
