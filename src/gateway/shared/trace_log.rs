//! Lines in the operator's log that show the course of every conversation: target `deskbell::story`, level `debug`.
//!
//! Each event is one line, however many clients it concerns. It has the ids, so that one `grep` for a notificationId, a
//! correlationId or a client finds the whole conversation. It is off by default, because each notification causes about four
//! lines. The logger escapes texts from clients.

use std::fmt::{self, Display};
use std::net::IpAddr;

use crate::protocol::outbound::ErrorReply;
use crate::protocol::{ErrorCode, Role};
use deskbell_core::effect::{Effect, ReplyTo};
use deskbell_core::{ConnectionId, Core, Name};

/// How many names of agents a line lists. It also has their number.
const NAMES_MAX: usize = 10;

macro_rules! trace_line {
    ($($fields:tt)*) => { tracing::debug!(target: "deskbell::story", $($fields)*) };
}

/// Whether these lines are logged. This is one atomic load.
pub(crate) fn is_enabled() -> bool {
    tracing::enabled!(target: "deskbell::story", tracing::Level::DEBUG)
}

/// Traces an effect. Refusals have [a function of their own](refused_by_the_hub).
pub(crate) fn effect(core: &Core, workspace: &Name, effect: &Effect) {
    match effect {
        Effect::Ack { to, notification_id, duplicate, .. } => {
            let client = client_of(core, to);
            let what = if *duplicate { "notify repeated or queried" } else { "notify acknowledged" };
            trace_line!(%workspace, client, notificationId = %notification_id, correlationId = of(to), connection = %to.connection, "{what}");
        }
        Effect::Display { agents, card } => {
            let content = &card.content;
            let names: Vec<&Name> =
                agents.iter().take(NAMES_MAX).filter_map(|agent| core.agent_name(workspace, *agent)).collect();
            trace_line!(
                %workspace, client = %content.provider_id, notificationId = %content.notification_id,
                correlationId = %content.correlation_id, agents = agents.len(), to = %Names(&names), "displayed"
            );
        }
        Effect::Answered { to, notification_id, outcome, won, .. } => {
            let outcome = outcome.map_or("", |outcome| outcome.response_reason());
            trace_line!(
                %workspace, client = client_of(core, to), notificationId = %notification_id, correlationId = of(to),
                connection = %to.connection, won, outcome, "answered"
            );
        }
        Effect::Settled { settled, .. } => {
            let outcome = settled.outcome.response_reason();
            trace_line!(
                %workspace, client = %settled.provider_id, notificationId = %settled.notification_id,
                correlationId = %settled.correlation_id, outcome, agent = settled.agent_id.as_deref().unwrap_or_default(),
                elapsedMs = settled.elapsed().0, displayed = settled.reach.displayed, seen = settled.reach.seen, "settled"
            );
        }
        Effect::CancelResult { to, notification_id, outcome, .. } => {
            let outcome = outcome.response_reason();
            trace_line!(
                %workspace, client = client_of(core, to), notificationId = %notification_id, correlationId = of(to),
                connection = %to.connection, outcome, "cancel answered"
            );
        }
        Effect::SessionStarted { agent, session, .. } => {
            let client = core.agent_name(workspace, *agent).map_or("", |name| &**name);
            trace_line!(
                %workspace, client, notificationId = %session.notification_id, correlationId = %session.correlation_id,
                session = %session.session_id, "session started"
            );
        }
        Effect::Kpi { mark, breached } => {
            let correlation = mark.correlation_id.as_deref().unwrap_or_default();
            trace_line!(%workspace, correlationId = correlation, session = %mark.session_id, breached, "kpi");
        }
        _ => {}
    }
}

/// Traces a call that the hub refused.
pub(crate) fn refused_by_the_hub(core: &Core, workspace: &Name, to: &ReplyTo, code: ErrorCode, detail: &str) {
    trace_line!(
        %workspace, client = client_of(core, to), correlationId = of(to), connection = %to.connection,
        id = to.id.as_deref().unwrap_or_default(), code = name_of(code), detail, "refused"
    );
}

/// Traces a client that joined or left; `what` says which.
pub(crate) fn client(what: &str, connection: u64, workspace: &str, role: Role, client: Option<&str>, from: IpAddr) {
    trace_line!(
        workspace, client = client.unwrap_or_default(), connection = format_args!("{connection:x}"), role = role.as_str(),
        %from, "{what}"
    );
}

/// Traces a message that the gateway refused.
pub(crate) fn refused_before_the_hub(
    connection: u64,
    workspace: &str,
    client: Option<&str>,
    from: IpAddr,
    reply: &ErrorReply<'_>,
) {
    trace_line!(
        workspace,
        client = client.unwrap_or_default(),
        connection = format_args!("{connection:x}"),
        %from,
        correlationId = reply.ids.correlation_id.as_deref().unwrap_or_default(),
        id = reply.ids.id.as_deref().unwrap_or_default(),
        code = name_of(reply.code),
        detail = &*reply.detail,
        "refused"
    );
}

fn name_of(code: ErrorCode) -> &'static str {
    crate::protocol::error::ERRORS[code as usize].name
}

fn of(to: &ReplyTo) -> &str {
    to.correlation_id.as_deref().unwrap_or_default()
}

fn client_of<'c>(core: &'c Core, to: &ReplyTo) -> &'c str {
    let connection: ConnectionId = to.connection;
    let client = core.provider_of(connection).or_else(|| core.agent_of(connection));
    client.map_or("", |(_, name)| name)
}

struct Names<'n>(&'n [&'n Name]);

impl Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
