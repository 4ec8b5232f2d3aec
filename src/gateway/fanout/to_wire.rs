//! The mapping from the core's effects to the messages of the wire. Nothing else makes messages of the hub from core types.

use std::borrow::Cow;

use deskbell_core::effect::{self, Card, MarkView, Refusal, ReplyTo, SessionView, Welcome};
use deskbell_core::entry::{Presence, RenderError};
use deskbell_core::{Content, Context, Name, NotificationId, Outcome, Position, Settled, Timestamp};

use crate::protocol::outbound::{
    self, Ack, AnswerResult, Buttons, Closed, Kpi, Notification, NotifyResult, OpenNotification, Session, WelcomeState,
};
use crate::protocol::{CallName, Envelope, ErrorCode, RawJson};

/// The ids that the direct reply carries back.
pub(crate) fn ids(to: &ReplyTo) -> Envelope<'_> {
    Envelope::of(to.id.as_deref(), to.correlation_id.as_deref())
}

/// Borrows a text of the core for a message.
pub(crate) fn text(text: &Name) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

/// Borrows an optional text of the core for a message.
pub(crate) fn optional(text: Option<&Name>) -> Option<Cow<'_, str>> {
    text.map(|text| Cow::Borrowed(&**text))
}

pub(crate) fn call(to: &ReplyTo) -> Option<CallName> {
    match to.call? {
        effect::CallKind::Notify => Some(CallName::NotifyEvent),
        effect::CallKind::Cancel => Some(CallName::CancelEvent),
        effect::CallKind::Kpi => Some(CallName::NotifyKpiBreach),
        effect::CallKind::Activity => Some(CallName::NotifyNewActivity),
        effect::CallKind::EndSession => None,
    }
}

/// The first reply to a notify. `unused` and `unknown` are named by their place in it.
pub(crate) fn ack<'a>(
    to: &'a ReplyTo,
    notification_id: NotificationId,
    duplicate: bool,
    unused: &[Name],
    unknown: &[Name],
) -> Ack<'a> {
    let places = |place: &str, names: &[Name]| names.iter().map(|name| format!("{place}.{name}").into()).collect();
    Ack {
        ids: ids(to),
        call: CallName::NotifyEvent,
        notification_id,
        duplicate,
        unused: places("templateParameters", unused),
        unknown: places("to.agents", unknown),
    }
}

/// The result of a notify.
pub(crate) fn result(settled: &Settled, position: Position) -> NotifyResult<'_> {
    NotifyResult {
        ids: Envelope::of(settled.id.as_deref(), Some(&settled.correlation_id)),
        call: CallName::NotifyEvent,
        notification_id: settled.notification_id,
        value: settled.outcome,
        agent_id: optional(settled.agent_id.as_ref()),
        decline_reason: optional(settled.decline_reason.as_ref()),
        session_id: settled.outcome.is_accept().then(|| text(&settled.session_id)),
        cancellation_token: optional(settled.cancellation_token.as_ref()),
        elapsed_ms: settled.elapsed().0,
        reach: settled.reach,
        position: position.to_string().into(),
    }
}

/// The reply to an accept or reject.
pub(crate) fn answered<'a>(
    to: &'a ReplyTo,
    notification_id: NotificationId,
    outcome: Option<Outcome>,
    agent_id: Option<&'a Name>,
    won: bool,
) -> AnswerResult<'a> {
    AnswerResult { ids: ids(to), notification_id, value: outcome, agent_id: optional(agent_id), won }
}

pub(crate) fn closed<'a>(
    notification_id: NotificationId,
    correlation_id: &'a Name,
    outcome: Option<Outcome>,
    agent_id: Option<&'a Name>,
) -> Closed<'a> {
    Closed { notification_id, correlation_id: text(correlation_id), value: outcome, agent_id: optional(agent_id) }
}

pub(crate) fn notification(card: &Card) -> Notification<'_> {
    let content = &*card.content;
    let rendered = &content.rendered;
    Notification {
        notification_id: content.notification_id,
        correlation_id: text(&content.correlation_id),
        template_name: text(&content.template_name),
        title: text(&rendered.title),
        icon: optional(rendered.icon.as_ref()),
        fields: Cow::Borrowed(&rendered.fields),
        buttons: Buttons { accept: text(&rendered.accept_label), reject: text(&rendered.reject_label) },
        provider_id: text(&content.provider_id),
        session_id: text(&content.session_id),
        notified_at: content.notified_at,
        timeout_ms: rendered.timeout.0,
        remaining_ms: card.remaining.0,
        show_timeout: rendered.show_timeout,
        priority: rendered.priority,
        link: optional(rendered.link.as_ref()),
        sound: rendered.sound,
    }
}

/// A session that starts or moves here, with its context.
pub(crate) fn session<'a>(session: &'a SessionView, context: Option<&'a Context>) -> Session<'a> {
    Session {
        session_id: text(&session.session_id),
        notification_id: session.notification_id,
        correlation_id: text(&session.correlation_id),
        title: text(&session.title),
        started_at: session.started_at,
        breached: session.breached,
        unread: session.unread,
        icon: optional(session.icon.as_ref()),
        fields: Cow::Borrowed(&session.fields),
        link: optional(session.link.as_ref()),
        context: context.map(|context| RawJson::checked(context.json())),
        has_context: false,
    }
}

/// A session in a welcome. Contexts are not in it, so that it does not become too large.
fn session_in_welcome(view: &SessionView) -> Session<'_> {
    Session { has_context: view.has_context, ..session(view, None) }
}

pub(crate) fn kpi(mark: &MarkView, breached: bool) -> Kpi<'_> {
    Kpi {
        session_id: text(&mark.session_id),
        breached,
        details: optional(mark.details.as_ref()),
        correlation_id: optional(mark.correlation_id.as_ref()),
        since: Some(mark.since),
    }
}

pub(crate) fn welcome_state(welcome: &Welcome) -> WelcomeState<'_> {
    match welcome {
        Welcome::Provider { id, open, missed } => WelcomeState::Provider {
            provider_id: text(id),
            open: open.iter().map(open_notification).collect(),
            missed: *missed,
        },
        Welcome::Agent { id, groups, presence, notifications, sessions, kpi: marks } => WelcomeState::Agent {
            agent_id: text(id),
            groups: groups.iter().map(text).collect(),
            presence: *presence,
            notifications: notifications.iter().map(notification).collect(),
            sessions: sessions.iter().map(session_in_welcome).collect(),
            kpi: marks.iter().map(|mark| kpi(mark, true)).collect(),
        },
        Welcome::Observer => WelcomeState::Observer,
    }
}

fn open_notification(open: &effect::OpenView) -> OpenNotification<'_> {
    OpenNotification {
        notification_id: open.notification_id,
        id: optional(open.id.as_ref()),
        correlation_id: text(&open.correlation_id),
        cancellation_token: optional(open.cancellation_token.as_ref()),
    }
}

pub(crate) fn event<'a>(at: Timestamp, event: &'a effect::Event) -> outbound::ObserverEvent<'a> {
    use effect::Event as Core;
    use outbound::EventKind as Kind;
    let empty = |event| outbound::ObserverEvent {
        event,
        at,
        notification_id: None,
        correlation_id: None,
        agent_id: None,
        provider_id: None,
        session_id: None,
        value: None,
        breached: None,
        presence: None,
    };
    let agent = |kind, agent_id, now: Option<Presence>| outbound::ObserverEvent {
        agent_id: Some(agent_id),
        presence: now,
        ..empty(kind)
    };
    let about = |kind, content: &'a Content| outbound::ObserverEvent {
        notification_id: Some(content.notification_id),
        correlation_id: Some(&content.correlation_id),
        provider_id: Some(&content.provider_id),
        session_id: Some(&content.session_id),
        ..empty(kind)
    };
    match event {
        Core::Notified { content } => about(Kind::Notified, content),
        Core::Displayed { content } => about(Kind::Displayed, content),
        Core::Settled { settled } => {
            let cancelled = settled.outcome == Outcome::Cancelled;
            outbound::ObserverEvent {
                notification_id: Some(settled.notification_id),
                correlation_id: Some(&settled.correlation_id),
                agent_id: settled.agent_id.as_deref(),
                provider_id: Some(&settled.provider_id),
                session_id: Some(&settled.session_id),
                value: Some(settled.outcome),
                ..empty(if cancelled { Kind::Cancelled } else { Kind::Settled })
            }
        }
        Core::Kpi { session_id, correlation_id, agent_id, breached } => outbound::ObserverEvent {
            correlation_id: correlation_id.as_deref(),
            agent_id: agent_id.as_deref(),
            session_id: Some(session_id),
            breached: Some(*breached),
            ..empty(Kind::Kpi)
        },
        Core::AgentJoined { agent_id, presence } => agent(Kind::AgentJoined, agent_id, Some(*presence)),
        Core::AgentLeft { agent_id } => agent(Kind::AgentLeft, agent_id, None),
        Core::Presence { agent_id, presence } => agent(Kind::Presence, agent_id, Some(*presence)),
        Core::ProviderJoined { provider_id } => {
            outbound::ObserverEvent { provider_id: Some(provider_id), ..empty(Kind::ProviderJoined) }
        }
        Core::ProviderLeft { provider_id } => {
            outbound::ObserverEvent { provider_id: Some(provider_id), ..empty(Kind::ProviderLeft) }
        }
    }
}

/// The error code of a refusal, its `detail` for people, and its `retryAfterMs`.
pub(crate) fn refusal(refusal: &Refusal) -> (ErrorCode, Name, Option<u64>) {
    let (code, detail) = match refusal {
        Refusal::Render(RenderError::UnknownTemplate { detail }) => (ErrorCode::UnknownTemplate, Name::clone(detail)),
        Refusal::Render(RenderError::Unresolved { detail }) => (ErrorCode::UnresolvedParameter, Name::clone(detail)),
        Refusal::Render(RenderError::TooLong { detail }) => (ErrorCode::BadParameter, Name::clone(detail)),
        Refusal::OpenNotifications { limit } => (
            ErrorCode::Limit,
            format!("the workspace has {limit} open notifications; it may not have more (limits.openNotifications)")
                .into(),
        ),
        Refusal::ContextBytes { limit } => (
            ErrorCode::Limit,
            format!("the contexts of the workspace may have {limit} bytes in all (limits.contextBytes)").into(),
        ),
        Refusal::IdTaken => (ErrorCode::IdTaken, "this `id` belongs to another notify with different content".into()),
        Refusal::TokenTaken => {
            (ErrorCode::TokenTaken, "an open notification of this provider already has this `cancellationToken`".into())
        }
        Refusal::SessionOwnedByAnother => {
            (ErrorCode::NotAllowed, "the session belongs to another provider or another agent".into())
        }
        Refusal::TokenNotFound => (
            ErrorCode::NotFound,
            "no notification of this provider, open or retained, has this `cancellationToken`".into(),
        ),
        Refusal::NotificationUnknownToProvider => (
            ErrorCode::NotFound,
            "no notification of this provider, open or retained, has this `notificationId`".into(),
        ),
        Refusal::SessionNotFound => (ErrorCode::NotFound, "there is no open session with this `sessionId`".into()),
        Refusal::NoContext => (ErrorCode::NotFound, "the session has no context".into()),
        Refusal::NotificationUnknownToAgent => {
            (ErrorCode::NotFound, "the hub has no such notification, or it was never displayed to this agent".into())
        }
        Refusal::WrongRole => (ErrorCode::NotAllowed, "a client of this role may not send this message".into()),
        Refusal::NotJoined => (ErrorCode::Unavailable, "the hub has removed this connection; reconnect".into()),
    };
    (code, detail, (code == ErrorCode::Unavailable).then_some(1000))
}
