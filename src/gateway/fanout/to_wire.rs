//! From the core's words to the wire's.

use crate::protocol::outbound::{Buttons, Field, Kpi, Notification, Reach, ReplyIds, Session, Uuid};
use crate::protocol::outbound::{OpenNotification, WelcomeState};
use crate::protocol::{self, CallName, ErrorCode, Time, outbound};
use deskbell_core::effect::{self, Card, MarkView, Refusal, ReplyTo, SessionView, Welcome};
use deskbell_core::entry::{Presence, RenderError};
use deskbell_core::{Content, Name, NotificationId, Position, Timestamp};

pub(crate) fn uuid(id: NotificationId) -> Uuid {
    Uuid(id.0)
}

pub(crate) fn time(at: Timestamp) -> Time {
    Time(at.0)
}

pub(crate) fn position(position: Position) -> protocol::Position {
    protocol::Position { epoch: position.epoch, number: position.settled }
}

pub(crate) fn presence(presence: Presence) -> protocol::Presence {
    match presence {
        Presence::Available => protocol::Presence::Available,
        Presence::Away => protocol::Presence::Away,
    }
}

pub(crate) fn outcome(outcome: deskbell_core::Outcome) -> protocol::Outcome {
    use deskbell_core::Outcome as Core;
    use protocol::Outcome as Wire;
    match outcome {
        Core::Accepted => Wire::Accept,
        Core::AutoAccepted => Wire::AutoAccept,
        Core::AutoAcceptedOnTimeout => Wire::AutoAcceptOnTimeout,
        Core::Declined => Wire::DeclinedByAgent,
        Core::QueueFull => Wire::NotificationQueueLimitExceeded,
        Core::QueueTimeout => Wire::NotificationQueueTimeLimitExceeded,
        Core::DisplayTimeout => Wire::DisplayTimeout,
        Core::Cancelled => Wire::Cancelled,
    }
}

pub(crate) fn reach(reach: deskbell_core::Reach) -> Reach {
    Reach { displayed: reach.displayed, seen: reach.seen, rejected: reach.rejected }
}

pub(crate) fn ids(to: &ReplyTo) -> ReplyIds<'_> {
    ReplyIds { id: to.id.as_deref(), correlation_id: to.correlation_id.as_deref() }
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

pub(crate) fn notification(card: &Card) -> Notification<'_> {
    let content = &*card.content;
    let rendered = &content.rendered;
    Notification {
        notification_id: uuid(content.notification_id),
        correlation_id: &content.correlation_id,
        template_name: &content.template_name,
        title: &rendered.title,
        icon: rendered.icon.as_deref(),
        fields: rendered.fields.iter().map(|field| Field { label: &field.label, value: &field.value }).collect(),
        buttons: Buttons { accept: &rendered.accept_label, reject: &rendered.reject_label },
        provider_id: &content.provider_id,
        session_id: &content.session_id,
        notified_at: time(content.notified_at),
        timeout_ms: rendered.timeout.0,
        remaining_ms: card.remaining.0,
        show_timeout: rendered.show_timeout,
    }
}

pub(crate) fn session(session: &SessionView) -> Session<'_> {
    Session {
        session_id: &session.session_id,
        notification_id: uuid(session.notification_id),
        correlation_id: &session.correlation_id,
        title: &session.title,
        started_at: time(session.started_at),
        breached: session.breached,
        unread: session.unread,
    }
}

pub(crate) fn kpi(mark: &MarkView, breached: bool) -> Kpi<'_> {
    Kpi {
        session_id: &mark.session_id,
        breached,
        details: mark.details.as_deref(),
        correlation_id: mark.correlation_id.as_deref(),
        since: Some(time(mark.since)),
    }
}

pub(crate) fn found(welcome: &Welcome) -> WelcomeState<'_> {
    match welcome {
        Welcome::Provider { id, open, missed } => {
            WelcomeState::Provider { provider_id: id, open: open.iter().map(open_view).collect(), missed: *missed }
        }
        Welcome::Agent { id, groups, presence: now, notifications, sessions, kpi: marks } => WelcomeState::Agent {
            agent_id: id,
            groups: groups.iter().map(|group| &**group).collect(),
            presence: presence(*now),
            notifications: notifications.iter().map(notification).collect(),
            sessions: sessions.iter().map(session).collect(),
            kpi: marks.iter().map(|mark| kpi(mark, true)).collect(),
        },
        Welcome::Observer => WelcomeState::Observer,
    }
}

fn open_view(open: &effect::OpenView) -> OpenNotification<'_> {
    OpenNotification {
        notification_id: uuid(open.notification_id),
        id: open.id.as_deref(),
        correlation_id: &open.correlation_id,
        cancellation_token: open.cancellation_token.as_deref(),
    }
}

pub(crate) fn event<'a>(at: Timestamp, event: &'a effect::Event) -> outbound::Event<'a> {
    use effect::Event as Core;
    use outbound::EventKind as Kind;
    let empty = |event| outbound::Event {
        event,
        at: time(at),
        notification_id: None,
        correlation_id: None,
        agent_id: None,
        provider_id: None,
        session_id: None,
        value: None,
        breached: None,
        presence: None,
    };
    let agent = |kind, agent_id, now: Option<Presence>| outbound::Event {
        agent_id: Some(agent_id),
        presence: now.map(presence),
        ..empty(kind)
    };
    let about = |kind, content: &'a Content| outbound::Event {
        notification_id: Some(uuid(content.notification_id)),
        correlation_id: Some(&content.correlation_id),
        provider_id: Some(&content.provider_id),
        session_id: Some(&content.session_id),
        ..empty(kind)
    };
    match event {
        Core::Notified { content } => about(Kind::Notified, content),
        Core::Displayed { content } => about(Kind::Displayed, content),
        Core::Settled { settled } => {
            let cancelled = settled.outcome == deskbell_core::Outcome::Cancelled;
            outbound::Event {
                notification_id: Some(uuid(settled.notification_id)),
                correlation_id: Some(&settled.correlation_id),
                agent_id: settled.agent_id.as_deref(),
                provider_id: Some(&settled.provider_id),
                session_id: Some(&settled.session_id),
                value: Some(outcome(settled.outcome)),
                ..empty(if cancelled { Kind::Cancelled } else { Kind::Settled })
            }
        }
        Core::Kpi { session_id, correlation_id, agent_id, breached } => outbound::Event {
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
            outbound::Event { provider_id: Some(provider_id), ..empty(Kind::ProviderJoined) }
        }
        Core::ProviderLeft { provider_id } => {
            outbound::Event { provider_id: Some(provider_id), ..empty(Kind::ProviderLeft) }
        }
    }
}

/// The code of a refusal and what it says to people; `retryAfterMs` where there is one.
pub(crate) fn refusal(refusal: &Refusal) -> (ErrorCode, Name, Option<u64>) {
    let (code, detail) = match refusal {
        Refusal::Render(RenderError::UnknownTemplate { detail }) => (ErrorCode::UnknownTemplate, Name::clone(detail)),
        Refusal::Render(RenderError::Unresolved { detail }) => (ErrorCode::UnresolvedParameter, Name::clone(detail)),
        Refusal::Render(RenderError::TooLong { detail }) => (ErrorCode::BadParameter, Name::clone(detail)),
        Refusal::OpenNotifications { limit } => {
            (ErrorCode::Limit, format!("the workspace has {limit} open notifications, as many as it may").into())
        }
        Refusal::IdTaken => (ErrorCode::IdTaken, "the id stands for another notify that says something else".into()),
        Refusal::TokenTaken => {
            (ErrorCode::TokenTaken, "an open notification of this provider bears the cancellationToken".into())
        }
        Refusal::SessionOwnedByAnother => (ErrorCode::NotAllowed, "the session belongs to another".into()),
        Refusal::TokenNotFound => (
            ErrorCode::NotFound,
            "no notification of this provider, open or retained, bears the cancellationToken".into(),
        ),
        Refusal::NotificationUnknownToProvider => {
            (ErrorCode::NotFound, "no notification of this provider, open or retained, has that notificationId".into())
        }
        Refusal::SessionNotFound => (ErrorCode::NotFound, "no such session".into()),
        Refusal::NotificationUnknownToAgent => {
            (ErrorCode::NotFound, "no such notification, or it was never displayed to this agent".into())
        }
        Refusal::WrongRole => (ErrorCode::NotAllowed, "a client of this role may not send this message".into()),
        Refusal::NotJoined => (ErrorCode::Unavailable, "the hub does not know this connection (any more)".into()),
    };
    (code, detail, (code == ErrorCode::Unavailable).then_some(1000))
}
