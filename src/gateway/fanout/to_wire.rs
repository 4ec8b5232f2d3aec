//! The mapping from the core's types to the wire's. Nothing else makes messages of the hub from core types.

use crate::protocol::outbound::{
    AnswerResult, Buttons, Closed, Field, Kpi, Notification, NotifyResult, Reach, ReplyIds, Session, Uuid,
};
use crate::protocol::outbound::{OpenNotification, WelcomeState};
use crate::protocol::{self, CallName, ErrorCode, Time, outbound};
use deskbell_core::effect::{self, EventKind, MarkView, Refusal, ReplyTo, SessionView, Shown, Welcome};
use deskbell_core::entry::Presence;
use deskbell_core::{self, Name, NotificationId, Outcome, Position, Settled, Timestamp};

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
        effect::CallName::Notify => Some(CallName::NotifyEvent),
        effect::CallName::Cancel => Some(CallName::CancelEvent),
        effect::CallName::Kpi => Some(CallName::NotifyKpiBreach),
        effect::CallName::Activity => Some(CallName::NotifyNewActivity),
        effect::CallName::EndSession => None,
    }
}

/// The result of a notify.
pub(crate) fn result(settled: &Settled, position: Position) -> NotifyResult<'_> {
    NotifyResult {
        ids: ReplyIds { id: settled.id.as_deref(), correlation_id: Some(&settled.correlation_id) },
        call: CallName::NotifyEvent,
        notification_id: uuid(settled.notification_id),
        value: outcome(settled.outcome),
        agent_id: settled.agent_id.as_deref(),
        decline_reason: settled.decline_reason.as_deref(),
        session_id: settled.outcome.is_accept().then_some(&*settled.session_id),
        cancellation_token: settled.cancellation_token.as_deref(),
        elapsed_ms: settled.elapsed_ms(),
        reach: reach(settled.reach),
        position: self::position(position),
    }
}

/// The reply to an accept or reject.
pub(crate) fn answered<'a>(
    to: &'a ReplyTo,
    notification_id: NotificationId,
    value: Option<Outcome>,
    agent_id: Option<&'a str>,
    won: bool,
) -> AnswerResult<'a> {
    AnswerResult {
        id: to.id.as_deref(),
        notification_id: uuid(notification_id),
        correlation_id: to.correlation_id.as_deref(),
        value: value.map(outcome),
        agent_id,
        won,
    }
}

pub(crate) fn closed<'a>(
    notification_id: NotificationId,
    correlation_id: &'a str,
    value: Option<Outcome>,
    agent_id: Option<&'a str>,
) -> Closed<'a> {
    Closed { notification_id: uuid(notification_id), correlation_id, value: value.map(outcome), agent_id }
}

pub(crate) fn notification(shown: &Shown) -> Notification<'_> {
    let content = &*shown.content;
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
        timeout_ms: rendered.timeout_ms,
        remaining_ms: shown.remaining_ms,
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

pub(crate) fn welcome_state(welcome: &Welcome) -> WelcomeState<'_> {
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
        at: time(event.at),
        notification_id: event.notification_id.map(uuid),
        correlation_id: event.correlation_id.as_deref(),
        agent_id: event.agent_id.as_deref(),
        provider_id: event.provider_id.as_deref(),
        session_id: event.session_id.as_deref(),
        value: event.outcome.map(outcome),
        breached: event.breached,
        presence: event.presence.map(presence),
    }
}

/// The code of a refusal and what it says to people; `retryAfterMs` where there is one.
pub(crate) fn refusal(refusal: &Refusal) -> (ErrorCode, Name, Option<u64>) {
    let (code, detail) = match refusal {
        Refusal::UnknownTemplate { detail } => (ErrorCode::UnknownTemplate, Name::clone(detail)),
        Refusal::UnresolvedParameter { detail } => (ErrorCode::UnresolvedParameter, Name::clone(detail)),
        Refusal::RenderedTooLong { detail } => (ErrorCode::BadParameter, Name::clone(detail)),
        Refusal::OpenNotifications { limit } => {
            (ErrorCode::Limit, format!("the workspace has {limit} open notifications, as many as it may").into())
        }
        Refusal::IdTaken => (ErrorCode::IdTaken, "the id stands for another notify that says something else".into()),
        Refusal::TokenTaken => {
            (ErrorCode::TokenTaken, "an open notification of this provider bears the cancellationToken".into())
        }
        Refusal::SessionNotYours => (ErrorCode::NotAllowed, "the session belongs to another".into()),
        Refusal::NoSuchToken => (
            ErrorCode::NotFound,
            "no notification of this provider, open or retained, bears the cancellationToken".into(),
        ),
        Refusal::NoneOfYours => {
            (ErrorCode::NotFound, "no notification of this provider, open or retained, has that notificationId".into())
        }
        Refusal::NoSuchSession => (ErrorCode::NotFound, "no such session".into()),
        Refusal::NoSuchNotification => {
            (ErrorCode::NotFound, "no such notification, or it was never displayed to this agent".into())
        }
        Refusal::NotJoined => (ErrorCode::Unavailable, "the hub does not know this connection (any more)".into()),
    };
    (code, detail, (code == ErrorCode::Unavailable).then_some(1000))
}
