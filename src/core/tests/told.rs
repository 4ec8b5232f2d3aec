//! Effects as what each connection is told: resolved as `Effects` says, and put into short words.

use std::fmt::Write as _;

use crate::content::Content;
use crate::effect::{AgentSlot, Effect, Effects, Event, MarkView, Refusal, ReplyTo, SessionView, Welcome};
use crate::entry::{Presence, Recipients};
use crate::ids::{ConnectionId, Name, NotificationId};
use crate::outcome::{Outcome, Settled};
use crate::state_machine::Core;

/// When the worlds of these tests begin.
pub(super) const BEGIN: u64 = 1_000_000_000_000;

/// To which connections an effect goes; the joiner is told by its welcome and what follows it, and by nothing else.
pub(super) fn resolve(core: &Core, effects: &Effects, workspace: &str, effect: &Effect) -> Vec<ConnectionId> {
    let agents = |slots: &[AgentSlot]| -> Vec<ConnectionId> { core.agent_connections(workspace, slots).collect() };
    let broadcast = match effect {
        Effect::Welcome(_) => return effects.joiner.into_iter().collect(),
        Effect::SettledAgain { to, .. } => return vec![*to],
        Effect::Ack { to, .. }
        | Effect::CancelResult { to, .. }
        | Effect::Done { to }
        | Effect::Context { to, .. }
        | Effect::Answered { to, .. }
        | Effect::Refused { to, .. } => return vec![to.connection],
        Effect::AudienceFull { .. } | Effect::HubRemoved { .. } => return Vec::new(),
        Effect::Settled { settled, .. } => core.provider_connections(workspace, &settled.provider_id).to_vec(),
        Effect::Display { agents: slots, .. } | Effect::Close { agents: slots, .. } => agents(slots),
        Effect::SessionStarted { agent, .. }
        | Effect::SessionEnded { agent, .. }
        | Effect::Activity { agent, .. }
        | Effect::Presence { agent, .. } => agents(&[*agent]),
        Effect::Kpi { .. } => core.all_agent_connections(workspace).collect(),
        Effect::Event { .. } => core.observer_connections(workspace).to_vec(),
    };
    broadcast.into_iter().filter(|&connection| Some(connection) != effects.joiner).collect()
}

/// What the operator's log is told by an effect that goes to no connection.
pub(super) fn log_line(effect: &Effect) -> Option<String> {
    match effect {
        Effect::AudienceFull { to, .. } => Some(format!("log: full {}", audience(to))),
        Effect::HubRemoved { .. } => Some("log: hub removed".to_owned()),
        _ => None,
    }
}

fn audience(to: &Recipients) -> String {
    if to.is_everyone() { "all".to_owned() } else { [to.agents.join("+"), to.groups.join("+")].join("/") }
}

/// An effect in short words, as one connection is told it.
pub(super) fn words(effect: &Effect) -> String {
    match effect {
        Effect::Welcome(welcome) => welcome_words(welcome),
        Effect::Ack { to, notification_id, duplicate, .. } => {
            let again = if *duplicate { " again" } else { "" };
            format!("{}ack {}{again}", asked(to), short(*notification_id))
        }
        Effect::Settled { settled, .. } => settled_words(settled),
        Effect::SettledAgain { settled, .. } => format!("again {}", settled_words(settled)),
        Effect::CancelResult { to, cancellation_token, notification_id, outcome } => {
            format!("{}cancel {cancellation_token} = {} {outcome:?}", asked(to), short(*notification_id))
        }
        Effect::Done { to } => format!("{}done", asked(to)),
        Effect::Answered { to, notification_id, outcome, agent_id, won } => {
            let won = if *won { " won" } else { "" };
            format!("{}answer {} {}{won}", asked(to), short(*notification_id), ended(*outcome, agent_id.as_ref()))
        }
        Effect::Refused { to, refusal: Refusal::Render(error) } => format!("{}refused {error:?}", asked(to)),
        Effect::Refused { to, refusal } => format!("{}refused {refusal:?}", asked(to)),
        Effect::Display { card, .. } => {
            format!("show {} {}", short(card.content.notification_id), card.remaining.0)
        }
        Effect::Close { notification_id, outcome, agent_id, .. } => {
            format!("close {} {}", short(*notification_id), ended(*outcome, agent_id.as_ref()))
        }
        Effect::SessionStarted { session, context, .. } => {
            let context = context.as_ref().map_or_else(String::new, |context| format!(" context {}", context.json()));
            format!("session {}{context}", session_words(session))
        }
        Effect::Context { to, session_id, context } => {
            format!("{}context {session_id} {}", asked(to), context.json())
        }
        Effect::SessionEnded { session_id, .. } => format!("session {session_id} ended"),
        Effect::Kpi { mark, breached: true } => format!("kpi {}", mark_words(mark)),
        Effect::Kpi { mark, breached: false } => format!("kpi {} clear", mark.session_id),
        Effect::Activity { session_id, count, .. } => format!("unread {session_id} {count}"),
        Effect::Presence { presence, .. } => format!("presence {}", presence_word(*presence)),
        Effect::Event { event, .. } => format!("event {}", event_words(event)),
        Effect::AudienceFull { .. } | Effect::HubRemoved { .. } => String::new(),
    }
}

/// An event: its kind, then what it concerns.
fn event_words(event: &Event) -> String {
    let of = |content: &Content| {
        format!("{} {} {}", short(content.notification_id), content.provider_id, content.session_id)
    };
    match event {
        Event::Notified { content } => format!("Notified {}", of(content)),
        Event::Displayed { content } => format!("Displayed {}", of(content)),
        Event::Settled { settled } => {
            let kind = if settled.outcome == Outcome::Cancelled { "Cancelled" } else { "Settled" };
            let agent = settled.agent_id.as_ref().map_or_else(String::new, |agent| format!(" {agent}"));
            let names = format!("{} {}", settled.provider_id, settled.session_id);
            format!("{kind} {}{agent} {names} {:?}", short(settled.notification_id), settled.outcome)
        }
        Event::Kpi { session_id, agent_id, breached, .. } => {
            let agent = agent_id.as_ref().map_or_else(String::new, |agent| format!(" {agent}"));
            format!("Kpi{agent} {session_id} breached={breached}")
        }
        Event::AgentJoined { agent_id, presence } => format!("AgentJoined {agent_id} {}", presence_word(*presence)),
        Event::AgentLeft { agent_id } => format!("AgentLeft {agent_id}"),
        Event::ProviderJoined { provider_id } => format!("ProviderJoined {provider_id}"),
        Event::ProviderLeft { provider_id } => format!("ProviderLeft {provider_id}"),
        Event::Presence { agent_id, presence } => format!("Presence {agent_id} {}", presence_word(*presence)),
    }
}

/// The message's id, where it bore one.
fn asked(to: &ReplyTo) -> String {
    to.id.as_ref().map_or_else(String::new, |id| format!("[{id}] "))
}

fn ended(outcome: Option<Outcome>, agent: Option<&Name>) -> String {
    let outcome = outcome.map_or_else(|| "still open".to_owned(), |outcome| format!("{outcome:?}"));
    agent.map_or_else(|| outcome.clone(), |agent| format!("{outcome} by {agent}"))
}

/// `n7 Accepted by ada (2/1/0) because …`, in brackets how many it was displayed to, seen by, rejected by.
fn settled_words(settled: &Settled) -> String {
    let reach = settled.reach;
    let because = settled.decline_reason.as_ref().map_or_else(String::new, |reason| format!(" because {reason}"));
    format!(
        "{} {} ({}/{}/{}){because}",
        short(settled.notification_id),
        ended(Some(settled.outcome), settled.agent_id.as_ref()),
        reach.displayed,
        reach.seen,
        reach.rejected
    )
}

fn welcome_words(welcome: &Welcome) -> String {
    let mut line = "welcome".to_owned();
    let mut add = |label: &str, words: Vec<String>| {
        if !words.is_empty() {
            let _ = write!(line, " {label}={}", words.join(","));
        }
    };
    match welcome {
        Welcome::Observer => {}
        Welcome::Provider { open, missed, .. } => {
            add("open", open.iter().map(|view| short(view.notification_id)).collect());
            add("missed", missed.then(|| "true".to_owned()).into_iter().collect());
        }
        Welcome::Agent { groups, presence, notifications, sessions, kpi, .. } => {
            add("presence", vec![presence_word(*presence).to_owned()]);
            add("groups", groups.iter().map(ToString::to_string).collect());
            let shown = notifications.iter().map(|card| (card.content.notification_id, card.remaining.0));
            add("desk", shown.map(|(id, remaining)| format!("{}@{remaining}", short(id))).collect());
            add("sessions", sessions.iter().map(session_words).collect());
            add("kpi", kpi.iter().map(mark_words).collect());
        }
    }
    line
}

fn session_words(session: &SessionView) -> String {
    let breached = if session.breached { "!" } else { "" };
    let unread = if session.unread > 0 { format!("+{}", session.unread) } else { String::new() };
    let context = if session.has_context { "~" } else { "" };
    format!("{}{breached}{unread}{context}({})", session.session_id, short(session.notification_id))
}

fn mark_words(mark: &MarkView) -> String {
    let details = mark.details.as_deref().map_or_else(String::new, |details| format!("({details})"));
    format!("{}{details}@{}", mark.session_id, mark.since.0 - BEGIN)
}

fn presence_word(presence: Presence) -> &'static str {
    match presence {
        Presence::Available => "available",
        Presence::Away => "away",
    }
}

/// `n7` for the notification numbered 7 by a test.
pub(super) fn short(id: NotificationId) -> String {
    format!("n{}", id.0)
}
