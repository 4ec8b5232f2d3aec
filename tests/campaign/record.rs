//! The compact record that a client of the campaign keeps of its messages.

use std::collections::BTreeMap;

use serde_json::Value;

/// A notificationId.
pub(crate) type Nid = u128;

/// An outcome, by its `responseReason`; each belongs to one `actionName`.
pub(crate) type Outcome = &'static str;

/// The contract's outcomes.
const OUTCOMES: [(&str, &str); 8] = [
    ("Accept", "Accept"),
    ("Accept", "AutoAccept"),
    ("Accept", "AutoAcceptOnTimeout"),
    ("Reject", "DeclinedByAgent"),
    ("Reject", "NotificationQueueLimitExceeded"),
    ("Reject", "NotificationQueueTimeLimitExceeded"),
    ("Timeout", "DisplayTimeout"),
    ("Cancel", "Cancelled"),
];

/// A message that a connection received.
#[derive(Debug, Clone)]
pub(crate) enum Saw {
    /// The beginning of a connection.
    Welcome(Welcome),
    Shown(Card),
    Closed {
        nid: Nid,
        outcome: Option<Outcome>,
        agent: Option<String>,
    },
    Answered {
        nid: Nid,
        outcome: Option<Outcome>,
        agent: Option<String>,
        won: bool,
    },
    Session {
        session: String,
        nid: Nid,
        breached: bool,
        unread: u64,
    },
    SessionEnded {
        session: String,
    },
    Kpi {
        session: String,
        breached: bool,
        details: Option<String>,
    },
    Activity {
        session: String,
        count: u64,
    },
    Presence,
    Ack {
        call: u32,
        nid: Nid,
        duplicate: bool,
    },
    Result(Settled),
    Cancelled {
        nid: Nid,
        outcome: Outcome,
    },
    Done {
        id: String,
    },
    Error {
        id: String,
        code: String,
        detail: String,
    },
    /// An observer's event that ends a notification.
    Event {
        nid: Nid,
        outcome: Outcome,
    },
    Stats,
    Pong {
        id: String,
    },
}

/// The parts of a welcome that the promise is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Welcome {
    pub(crate) desk: Vec<Card>,
    pub(crate) state: Told,
    pub(crate) open: Vec<Nid>,
    pub(crate) missed: bool,
}

/// An agent's sessions and marks, as received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Whether it is in breach, and its unread count.
    pub(crate) sessions: BTreeMap<String, (bool, u64)>,
    /// The current marks, with their details.
    pub(crate) marks: BTreeMap<String, Option<String>>,
}

/// A notification on a desk. Its title names the call: `<provider>/<call>`.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    pub(crate) nid: Nid,
    pub(crate) provider: String,
    pub(crate) call: u32,
}

/// The one `result` of a notify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) call: u32,
    pub(crate) nid: Nid,
    pub(crate) outcome: Outcome,
    pub(crate) agent: Option<String>,
    pub(crate) elapsed_ms: u64,
    pub(crate) position: String,
}

/// One connection, from its welcome to its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    pub(crate) saw: Vec<Saw>,
    /// It was there to the end of the campaign, and everything that the hub had for it had come.
    pub(crate) to_the_end: bool,
    /// The code with which the hub closed it.
    pub(crate) close: Option<u16>,
}

/// A notify as its provider sent it.
#[derive(Debug, Clone)]
pub(crate) struct Notified {
    pub(crate) template: &'static str,
    pub(crate) text: String,
    pub(crate) token: Option<String>,
    pub(crate) nid: Option<Nid>,
    pub(crate) settled: bool,
}

/// Everything that one client knows at the end.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// `provider-3`, `agent-12`, `observer-0`; of an agent's tabs each has its own record under one name.
    pub(crate) name: String,
    pub(crate) connections: Vec<Connection>,
    /// A provider's, by call.
    pub(crate) notified: BTreeMap<u32, Notified>,
    /// A provider's own marks as they were last confirmed: the details, or `None` for a reset.
    pub(crate) marks: BTreeMap<String, Option<String>>,
    /// What could not even be recorded.
    pub(crate) faults: Vec<String>,
}

impl Told {
    /// Folds the messages that a connection receives.
    pub(crate) fn apply(&mut self, saw: &Saw) {
        match saw {
            Saw::Welcome(welcome) => *self = welcome.state.clone(),
            Saw::Session { session, breached, unread, .. } => {
                self.sessions.insert(session.clone(), (*breached, *unread));
            }
            Saw::SessionEnded { session } => drop(self.sessions.remove(session)),
            Saw::Kpi { session, breached, details } => {
                if *breached {
                    self.marks.insert(session.clone(), details.clone());
                } else {
                    self.marks.remove(session);
                }
                if let Some((mark, _)) = self.sessions.get_mut(session) {
                    *mark = *breached;
                }
            }
            Saw::Activity { session, count } => {
                if let Some((_, unread)) = self.sessions.get_mut(session) {
                    *unread = *count;
                }
            }
            _ => {}
        }
    }
}

impl Saw {
    /// Reads one message of the hub; a message that violates the contract is an error.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let message: Value = serde_json::from_str(text).map_err(|error| format!("no JSON ({error}): {text}"))?;
        Self::understand(&message).ok_or_else(|| format!("not as the contract has it: {text}"))
    }

    fn understand(message: &Value) -> Option<Self> {
        Some(match message["type"].as_str()? {
            "welcome" => Self::Welcome(welcome(message)?),
            "notification" => Self::Shown(card(message)?),
            "closed" => Self::Closed {
                nid: nid(message)?,
                outcome: maybe_outcome(&message["value"])?,
                agent: text(message, "agentId"),
            },
            "session" => Self::Session {
                session: text(message, "sessionId")?,
                nid: nid(message)?,
                breached: message["breached"].as_bool()?,
                unread: message["unread"].as_u64()?,
            },
            "sessionEnded" => Self::SessionEnded { session: text(message, "sessionId")? },
            "kpi" => Self::Kpi {
                session: text(message, "sessionId")?,
                breached: message["breached"].as_bool()?,
                details: text(message, "details"),
            },
            "activity" => Self::Activity { session: text(message, "sessionId")?, count: message["count"].as_u64()? },
            "presence" => Self::Presence,
            "ack" => Self::Ack {
                call: call(&text(message, "id")?)?,
                nid: nid(message)?,
                duplicate: message["duplicate"].as_bool()?,
            },
            "result" => result(message)?,
            "error" => Self::Error {
                id: text(message, "id").unwrap_or_default(),
                code: text(message, "code")?,
                detail: text(message, "detail")?,
            },
            "event" => match message["event"].as_str()? {
                "settled" | "cancelled" => Self::Event { nid: nid(message)?, outcome: outcome(&message["value"])? },
                _ => Self::Stats,
            },
            "stats" => Self::Stats,
            "pong" => Self::Pong { id: text(message, "id")? },
            _ => return None,
        })
    }
}

fn welcome(message: &Value) -> Option<Welcome> {
    let list = |name: &str| message[name].as_array().map_or(&[][..], Vec::as_slice);
    let mut state = Told::default();
    for session in list("sessions") {
        let told = (session["breached"].as_bool()?, session["unread"].as_u64()?);
        state.sessions.insert(text(session, "sessionId")?, told);
    }
    for mark in list("kpi") {
        state.marks.insert(text(mark, "sessionId")?, text(mark, "details"));
    }
    Some(Welcome {
        desk: list("notifications").iter().map(card).collect::<Option<_>>()?,
        state,
        open: list("open").iter().map(nid).collect::<Option<_>>()?,
        missed: message["missed"] == true,
    })
}

fn result(message: &Value) -> Option<Saw> {
    if let Some(won) = message.get("won") {
        let (nid, outcome, agent) = (nid(message)?, maybe_outcome(&message["value"])?, text(message, "agentId"));
        return Some(Saw::Answered { nid, outcome, agent, won: won.as_bool()? });
    }
    match message["msdyn_name"].as_str() {
        Some("NotifyEvent") => Some(Saw::Result(Settled {
            call: call(&text(message, "id")?)?,
            nid: nid(message)?,
            outcome: outcome(&message["value"])?,
            agent: text(message, "agentId"),
            elapsed_ms: message["elapsedMs"].as_u64()?,
            position: text(message, "position").filter(|position| position.len() <= 32)?,
        })),
        Some("CancelEvent") => Some(Saw::Cancelled { nid: nid(message)?, outcome: outcome(&message["value"])? }),
        _ => message["value"].is_null().then_some(Saw::Done { id: text(message, "id")? }),
    }
}

fn card(message: &Value) -> Option<Card> {
    let (provider, call) = message["title"].as_str()?.split_once('/')?;
    let same = message["providerId"] == provider;
    same.then_some(Card { nid: nid(message)?, provider: provider.to_owned(), call: call.parse().ok()? })
}

fn text(message: &Value, field: &str) -> Option<String> {
    Some(message[field].as_str()?.to_owned())
}

/// A notify's id is its number, written `call-17`.
fn call(id: &str) -> Option<u32> {
    id.strip_prefix("call-")?.parse().ok()
}

fn nid(message: &Value) -> Option<Nid> {
    read_nid(message["notificationId"].as_str()?)
}

pub(crate) fn read_nid(text: &str) -> Option<Nid> {
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    (text.len() == 36).then(|| u128::from_str_radix(&hex, 16).ok())?
}

pub(crate) fn write_nid(nid: Nid) -> String {
    let hex = format!("{nid:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn outcome(value: &Value) -> Option<Outcome> {
    let (action, reason) = (value["actionName"].as_str()?, value["responseReason"].as_str()?);
    OUTCOMES.iter().find(|known| **known == (action, reason)).map(|known| known.1)
}

/// `null` means "still open elsewhere"; anything else must be an outcome.
#[expect(clippy::option_option, reason = "ill-formed, open, settled")]
fn maybe_outcome(value: &Value) -> Option<Option<Outcome>> {
    if value.is_null() { Some(None) } else { outcome(value).map(Some) }
}
