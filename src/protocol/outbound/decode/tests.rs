//! A client reads each message exactly as the hub wrote it.

use deskbell_core::entry::{Field, Presence, Sound};
use deskbell_core::{NotificationId, Outcome, Reach, Timestamp};

use super::super::encode::{Encode, encode};
use super::super::welcome::{ClientLimits, OpenNotification, WelcomeState};
use super::*;
use crate::envelope::Envelope;
use crate::error::ERRORS;
use crate::raw_json::RawJson;
use crate::vocabulary::CallName;

const ID: NotificationId = NotificationId(5);

fn ids() -> Envelope<'static> {
    Envelope::of(Some("1"), Some("c"))
}

fn sent(message: &impl Encode) -> HubMessage {
    decode(&encode(message)).unwrap()
}

fn result(message: &impl Encode) -> CallResult {
    match sent(message) {
        HubMessage::Result(result) => *result,
        other => panic!("not a result: {other:?}"),
    }
}

#[test]
fn results_are_told_apart() {
    for value in Outcome::ALL {
        let notify = NotifyResult {
            ids: ids(),
            call: CallName::NotifyEvent,
            notification_id: ID,
            value,
            agent_id: Some("ada".into()),
            decline_reason: None,
            session_id: Some("s".into()),
            cancellation_token: Some("t".into()),
            elapsed_ms: 7,
            reach: Reach { displayed: 3, seen: 2, rejected: 1 },
            position: "7".into(),
        };
        assert_eq!(result(&notify), CallResult::Notify(notify.clone()));
        let cancel = CancelResult {
            ids: ids(),
            call: CallName::CancelEvent,
            cancellation_token: "t".into(),
            notification_id: ID,
            value,
        };
        assert_eq!(result(&cancel), CallResult::Cancel(cancel.clone()));
        for value in [None, Some(value)] {
            let answer = AnswerResult { ids: ids(), notification_id: ID, value, agent_id: None, won: value.is_none() };
            assert_eq!(result(&answer), CallResult::Answer(answer.clone()));
        }
    }
    let done = DoneResult { ids: ids(), call: Some(CallName::NotifyKpiBreach), value: () };
    assert_eq!(result(&done), CallResult::Done(done.clone()));
    assert_eq!(result(&done).id(), Some("1"));
}

#[test]
fn every_error_code_is_read() {
    for row in ERRORS {
        let error = ErrorReply::new(ids(), Some(CallName::CancelEvent), row.code, "d").retry_after_ms(5);
        assert_eq!(sent(&error), HubMessage::Error(error.clone()));
        assert_eq!(error.message, row.message);
    }
}

fn notification() -> Notification<'static> {
    Notification {
        notification_id: ID,
        correlation_id: "c".into(),
        template_name: "t".into(),
        title: "Grace \"wants\" to chat".into(),
        icon: None,
        fields: vec![Field { label: "Customer".into(), value: "Grace".into() }].into(),
        buttons: super::super::desk::Buttons { accept: "Accept".into(), reject: "Reject".into() },
        provider_id: "p".into(),
        session_id: "s".into(),
        notified_at: Timestamp(0),
        timeout_ms: 120_000,
        remaining_ms: 1,
        show_timeout: true,
        priority: 0,
        link: Some("https://crm.example/1".into()),
        sound: Some(Sound::Soft),
    }
}

fn welcome(state: WelcomeState<'static>) -> Welcome<'static> {
    Welcome {
        ids: ids(),
        workspace: "default".into(),
        connection_id: "x".into(),
        protocol: 1,
        ping_interval_ms: 15_000,
        retention_ms: 600_000,
        server_time: Timestamp(1),
        limits: ClientLimits { max_message_bytes: 1, display_limit: 3, queue_limit: 10 },
        state,
    }
}

#[test]
fn a_welcome_is_read_for_each_role() {
    let agent = WelcomeState::Agent {
        agent_id: "ada".into(),
        groups: vec!["billing".into()],
        presence: Presence::Away,
        notifications: vec![notification()],
        sessions: Vec::new(),
        kpi: Vec::new(),
    };
    let open = OpenNotification {
        notification_id: ID,
        id: None,
        correlation_id: "c".into(),
        cancellation_token: Some("k".into()),
    };
    let provider = |missed| WelcomeState::Provider { provider_id: "p".into(), open: vec![open.clone()], missed };
    for state in [agent, provider(false), provider(true), WelcomeState::Observer] {
        let welcome = welcome(state);
        assert_eq!(sent(&welcome), HubMessage::Welcome(Box::new(welcome.clone())));
    }
}

#[test]
fn messages_to_a_desk_are_read() {
    let card = notification();
    assert_eq!(sent(&card), HubMessage::Notification(Box::new(card.clone())));
    let closed = Closed { notification_id: ID, correlation_id: "c".into(), value: None, agent_id: None };
    assert_eq!(sent(&closed), HubMessage::Closed(closed.clone()));
    let update = PresenceUpdate { ids: ids(), presence: Presence::Available };
    assert_eq!(sent(&update), HubMessage::Presence(update.clone()));
}

#[test]
fn a_context_is_read_as_it_was_written() {
    // A number that no type holds, two equal keys, and nesting that a recursive reader refuses.
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let text = format!(r#"{{ "a":1e999,"a" : 2.50,"d":{deep} }}"#);
    let context = RawJson::parse(text).unwrap();
    let session = Session {
        session_id: "s".into(),
        notification_id: ID,
        correlation_id: "c".into(),
        title: "t".into(),
        started_at: Timestamp(1),
        breached: false,
        unread: 0,
        icon: None,
        fields: Vec::new().into(),
        link: None,
        context: Some(context.clone()),
        has_context: false,
    };
    assert_eq!(sent(&session), HubMessage::Session(session.clone()));
    let reply = SessionContext { ids: ids(), session_id: "s".into(), context };
    assert_eq!(sent(&reply), HubMessage::Context(reply.clone()));
}

#[test]
fn unknown_types_and_fields_are_skipped() {
    assert_eq!(decode(br#"{"type":"tomorrow","x":[1]}"#), Ok(HubMessage::Unknown));
    let pong = HubMessage::Pong(Pong { ids: Envelope::default() });
    assert_eq!(decode(br#"{"type":"pong","y":2}"#), Ok(pong));
    assert!(decode(b"[]").is_err());
}
