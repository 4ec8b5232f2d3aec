//! A story as people read it.

use std::fmt::{self, Display};

use super::story::{Event, Explained, Happened, Story};
use crate::telemetry::escape;

/// Names that a line says before it only counts.
const NAMES_SAID: usize = 20;

impl Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for story in &self.notifications {
            writeln!(f, "{story}")?;
        }
        for refused in &self.refused {
            let by = refused.provider_id.as_deref().unwrap_or("a provider");
            let (at, by, workspace) = (refused.at.to_string(), escape(by), escape(&refused.workspace));
            writeln!(f, "{at}  a call of {by} (workspace {workspace}) was refused: {}", refused.code)?;
        }
        if self.cut {
            writeln!(f, "There are more of them; these are the first.")?;
        }
        match (self.is_empty(), self.since) {
            (false, None) => Ok(()),
            (false, Some(since)) => writeln!(f, "The log is kept from {since} on."),
            (true, None) => {
                writeln!(f, "The log knows nothing of {}, and it is kept from its beginning.", escape(&self.asked))
            }
            (true, Some(since)) => writeln!(
                f,
                "The log knows nothing of {}. It is kept from {} on; what was settled before is erased ([log] history \
                 and historyBytes).",
                escape(&self.asked),
                since
            ),
        }
    }
}

impl Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "notification {}", self.notification_id)?;
        let mut line = |name: &str, value: &str| writeln!(f, "  {name:<14}{}", escape(value));
        line("workspace", &self.workspace)?;
        line("correlationId", &self.correlation_id)?;
        line("provider", &self.provider_id)?;
        line("session", &self.session_id)?;
        if let Some(id) = &self.id {
            line("id", id)?;
        }
        if let (Some(template), Some(title)) = (&self.template_name, &self.title) {
            line("template", template)?;
            line("title", title)?;
        }
        if let (Some(agents), Some(groups)) = (&self.to_agents, &self.to_groups) {
            let agents = agents.iter().map(|agent| format!("agent {agent}"));
            let named: Vec<_> = agents.chain(groups.iter().map(|group| format!("group {group}"))).collect();
            line("for", if named.is_empty() { "everybody".to_owned() } else { named.join(", ") }.as_str())?;
        }
        line("arrived", &self.notified_at.to_string())?;
        if !self.whole {
            writeln!(f, "  (its beginning is older than what the log keeps)")?;
        }
        for event in &self.events {
            writeln!(f, "  {:>10} ms  {}", format!("+{}", event.after_ms), said(event, self))?;
        }
        if self.end.is_none() {
            writeln!(f, "  it is open")?;
        }
        if self.cut {
            writeln!(f, "  (more happened than fits here)")?;
        }
        Ok(())
    }
}

fn said(event: &Event, story: &Story) -> String {
    let who = names(event);
    match event.event {
        Happened::Notified => "it rang".to_owned(),
        Happened::Repeated => "its provider said the same again".to_owned(),
        Happened::NobodyThere => "nobody was there to be offered it: it waits".to_owned(),
        Happened::DisplayedBefore => format!("had been displayed to {who}"),
        Happened::SeenBefore => format!("had been seen by {who}"),
        Happened::Displayed => format!("displayed to {who}"),
        Happened::Waits => format!("waits behind others on the desk of {who}"),
        Happened::Seen => format!("seen by {who}"),
        Happened::Accepted => answered(event, &format!("{who} accepted")),
        Happened::Rejected => {
            let reason = event.reason.as_deref().map_or(String::new(), |reason| format!(" ({})", escape(reason)));
            answered(event, &format!("{who} rejected{reason}"))
        }
        Happened::NotTheirs => format!("{who} answered, to whom it was never displayed: an error"),
        Happened::CancelAsked => answered(event, "its provider withdrew it"),
        Happened::Session => format!("its session is at {who}"),
        Happened::Settled => settled(story),
    }
}

fn answered(event: &Event, what: &str) -> String {
    match (event.won, event.late_ms) {
        (_, Some(late)) => format!("{what}, too late by {late} ms"),
        (Some(false), None) => format!("{what}; it stays open for the others"),
        _ => what.to_owned(),
    }
}

fn settled(story: &Story) -> String {
    let Some(end) = &story.end else { return "settled".to_owned() };
    let by = end.agent_id.as_deref().map_or(String::new(), |agent| format!(" by {}", escape(agent)));
    let reason = end.decline_reason.as_deref().map_or(String::new(), |reason| format!(" ({})", escape(reason)));
    format!(
        "settled: {}/{}{by}{reason}, after {} ms; displayed to {}, seen by {}, rejected by {}",
        end.action_name, end.response_reason, end.elapsed_ms, end.displayed, end.seen, end.rejected
    )
}

fn names(event: &Event) -> String {
    let said: Vec<_> = event.agents.iter().take(NAMES_SAID).map(|name| escape(name)).collect();
    let said = said.join(", ");
    match event.count.saturating_sub(NAMES_SAID) {
        0 if said.is_empty() => "somebody".to_owned(),
        0 => said,
        more => format!("{said} and {more} more"),
    }
}
