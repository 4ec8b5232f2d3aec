//! An explanation as text for people.

use std::fmt::{self, Display};

use super::timeline::{Explanation, Timeline, TimelineEvent, TimelineEventKind};
use crate::telemetry::escape;

/// Names in one line. Further names are only counted.
const NAMES_SAID: usize = 20;

impl Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for timeline in &self.notifications {
            writeln!(f, "{timeline}")?;
        }
        for refused in &self.refused {
            let by = refused.provider_id.as_deref().unwrap_or("a provider");
            let (at, by, workspace) = (refused.at.to_string(), escape(by), escape(&refused.workspace));
            writeln!(f, "{at}  a call of {by} (workspace {workspace}) was refused: {}", refused.code)?;
        }
        if self.cut {
            writeln!(f, "There are more; these are the first.")?;
        }
        match (self.is_empty(), self.since) {
            (false, None) => Ok(()),
            (false, Some(since)) => writeln!(f, "The log has records since {since}."),
            (true, None) => {
                writeln!(
                    f,
                    "The log has no notification with the id {}. It has all records since it was founded.",
                    escape(&self.asked)
                )
            }
            (true, Some(since)) => writeln!(
                f,
                "The log has no notification with the id {}. It has records since {}; notifications that were settled \
                 before are erased ([log] history and historyBytes).",
                escape(&self.asked),
                since
            ),
        }
    }
}

impl Display for Timeline {
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
            writeln!(f, "  (earlier events are not in the log any more)")?;
        }
        for event in &self.events {
            writeln!(f, "  {:>10} ms  {}", format!("+{}", event.after_ms), event_text(event, self))?;
        }
        if self.end.is_none() {
            writeln!(f, "  it is still open")?;
        }
        if self.cut {
            writeln!(f, "  (there were more events than fit here)")?;
        }
        Ok(())
    }
}

fn event_text(event: &TimelineEvent, timeline: &Timeline) -> String {
    let who = names(event);
    match event.event {
        TimelineEventKind::Notified => "it arrived at the hub".to_owned(),
        TimelineEventKind::Repeated => "its provider repeated the notify".to_owned(),
        TimelineEventKind::NobodyThere => "no agent is available: it waits".to_owned(),
        TimelineEventKind::DisplayedBefore => format!("was displayed before to {who}"),
        TimelineEventKind::SeenBefore => format!("was seen before by {who}"),
        TimelineEventKind::Displayed => format!("displayed to {who}"),
        TimelineEventKind::Waits => format!("queued behind other notifications on the desk of {who}"),
        TimelineEventKind::Seen => format!("seen by {who}"),
        TimelineEventKind::Accepted => answered(event, &format!("{who} accepted")),
        TimelineEventKind::Rejected => {
            let reason = event.reason.as_deref().map_or(String::new(), |reason| format!(" ({})", escape(reason)));
            answered(event, &format!("{who} rejected{reason}"))
        }
        TimelineEventKind::NotTheirs => format!("{who} answered without having it displayed, and received an error"),
        TimelineEventKind::CancelAsked => answered(event, "its provider cancelled it"),
        TimelineEventKind::Session => format!("its session is on the desk of {who}"),
        TimelineEventKind::Settled => settled(timeline),
    }
}

fn answered(event: &TimelineEvent, what: &str) -> String {
    match (event.won, event.late_ms) {
        (_, Some(late)) => format!("{what}, {late} ms too late"),
        (Some(false), None) => format!("{what}; it stays open for the other agents"),
        _ => what.to_owned(),
    }
}

fn settled(timeline: &Timeline) -> String {
    let Some(end) = &timeline.end else { return "settled".to_owned() };
    let by = end.agent_id.as_deref().map_or(String::new(), |agent| format!(" by {}", escape(agent)));
    let reason = end.decline_reason.as_deref().map_or(String::new(), |reason| format!(" ({})", escape(reason)));
    format!(
        "settled: {}/{}{by}{reason}, after {} ms; displayed to {}, seen by {}, rejected by {}",
        end.action_name, end.response_reason, end.elapsed_ms, end.displayed, end.seen, end.rejected
    )
}

fn names(event: &TimelineEvent) -> String {
    let said: Vec<_> = event.agents.iter().take(NAMES_SAID).map(|name| escape(name)).collect();
    let said = said.join(", ");
    match event.count.saturating_sub(NAMES_SAID) {
        0 if said.is_empty() => "an unknown agent".to_owned(),
        0 => said,
        more => format!("{said} and {more} more"),
    }
}
