//! From the core's effects to the messages of the wire.

use std::borrow::Cow;

use deskbell_core::Name;
use deskbell_core::effect::{self, EventKind, MarkView, Refusal, ReplyTo, SessionView, Shown, Welcome};

use crate::protocol::outbound::{self, Buttons, Kpi, Notification, OpenNotification, Session, WelcomeState};
use crate::protocol::{CallName, Envelope, ErrorCode};

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
        effect::CallName::Notify => Some(CallName::NotifyEvent),
        effect::CallName::Cancel => Some(CallName::CancelEvent),
        effect::CallName::Kpi => Some(CallName::NotifyKpiBreach),
        effect::CallName::Activity => Some(CallName::NotifyNewActivity),
        effect::CallName::EndSession => None,
    }
}

pub(crate) fn notification(shown: &Shown) -> Notification<'_> {
    let content = &*shown.content;
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
        timeout_ms: rendered.timeout_ms,
        remaining_ms: shown.remaining_ms,
        show_timeout: rendered.show_timeout,
    }
}

pub(crate) fn session(session: &SessionView) -> Session<'_> {
    Session {
        session_id: text(&session.session_id),
        notification_id: session.notification_id,
        correlation_id: text(&session.correlation_id),
        title: text(&session.title),
        started_at: session.started_at,
        breached: session.breached,
        unread: session.unread,
    }
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
            sessions: sessions.iter().map(session).collect(),
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

pub(crate) fn event(event: &effect::Event) -> outbound::Event<'_> {
    outbound::Event {
        event: match event.kind {
            EventKind::Notified => outbound::EventKind::Notified,
            EventKind::Displayed => outbound::EventKind::Displayed,
            EventKind::Settled => outbound::EventKind::Settled,
            EventKind::Cancelled => outbound::EventKind::Cancelled,
            EventKind::Kpi => outbound::EventKind::Kpi,
            EventKind::AgentJoined => outbound::EventKind::AgentJoined,
            EventKind::AgentLeft => outbound::EventKind::AgentLeft,
            EventKind::ProviderJoined => outbound::EventKind::ProviderJoined,
            EventKind::ProviderLeft => outbound::EventKind::ProviderLeft,
            EventKind::Presence => outbound::EventKind::Presence,
        },
        at: event.at,
        notification_id: event.notification_id,
        correlation_id: event.correlation_id.as_deref(),
        agent_id: event.agent_id.as_deref(),
        provider_id: event.provider_id.as_deref(),
        session_id: event.session_id.as_deref(),
        value: event.outcome,
        breached: event.breached,
        presence: event.presence,
    }
}

/// The error code of a refusal, its `detail` for people, and its `retryAfterMs`.
pub(crate) fn refusal(refusal: &Refusal) -> (ErrorCode, Name, Option<u64>) {
    let (code, detail) = match refusal {
        Refusal::UnknownTemplate { detail } => (ErrorCode::UnknownTemplate, Name::clone(detail)),
        Refusal::UnresolvedParameter { detail } => (ErrorCode::UnresolvedParameter, Name::clone(detail)),
        Refusal::RenderedTooLong { detail } => (ErrorCode::BadParameter, Name::clone(detail)),
        Refusal::OpenNotifications { limit } => (
            ErrorCode::Limit,
            format!("the workspace has {limit} open notifications; it may not have more (limits.openNotifications)")
                .into(),
        ),
        Refusal::IdTaken => (ErrorCode::IdTaken, "this `id` belongs to another notify with different content".into()),
        Refusal::TokenTaken => {
            (ErrorCode::TokenTaken, "an open notification of this provider already has this `cancellationToken`".into())
        }
        Refusal::SessionNotYours => {
            (ErrorCode::NotAllowed, "the session belongs to another provider or another agent".into())
        }
        Refusal::NoSuchToken => (
            ErrorCode::NotFound,
            "no notification of this provider, open or retained, has this `cancellationToken`".into(),
        ),
        Refusal::NoneOfYours => (
            ErrorCode::NotFound,
            "no notification of this provider, open or retained, has this `notificationId`".into(),
        ),
        Refusal::NoSuchSession => (ErrorCode::NotFound, "there is no open session with this `sessionId`".into()),
        Refusal::NoSuchNotification => {
            (ErrorCode::NotFound, "the hub has no such notification, or it was never displayed to this agent".into())
        }
        Refusal::NotJoined => (ErrorCode::Unavailable, "the hub has removed this connection; reconnect".into()),
    };
    (code, detail, (code == ErrorCode::Unavailable).then_some(1000))
}
