//! What the hub writes, a client reads back whole.

use super::super::super::{Position, Time};
use super::super::{self as sent_by_hub, Encode, encode};
use super::*;

fn through(message: &impl Encode) -> HubMessage {
    decode(&encode(message)).unwrap()
}

const IDS: sent_by_hub::ReplyIds<'_> = sent_by_hub::ReplyIds { id: Some("1"), correlation_id: Some("c") };

#[test]
fn a_result_comes_through_whole() {
    for value in Outcome::ALL {
        let sent = sent_by_hub::NotifyResult {
            ids: IDS,
            call: CallName::NotifyEvent,
            notification_id: sent_by_hub::Uuid(5),
            value,
            agent_id: Some("ada"),
            decline_reason: None,
            session_id: Some("s"),
            cancellation_token: Some("t"),
            elapsed_ms: 7,
            reach: sent_by_hub::Reach { displayed: 3, seen: 2, rejected: 1 },
            position: Position { epoch: 1, number: 2 },
        };
        let HubMessage::Result(result) = through(&sent) else { panic!("no result") };
        assert_eq!((result.id.as_deref(), result.call), (Some("1"), Some(CallName::NotifyEvent)));
        assert_eq!((result.value, result.agent_id.as_deref()), (Some(value), Some("ada")));
        assert_eq!(result.reach, Some(Reach { displayed: 3, seen: 2, rejected: 1 }));
        assert_eq!(result.position, Some(Position { epoch: 1, number: 2 }.text()));
        assert_eq!(result.notification_id.as_deref(), Some("00000000-0000-0000-0000-000000000005"));
    }
}

#[test]
fn every_error_code_comes_through() {
    for row in ERRORS {
        let call = Some(CallName::CancelEvent);
        let sent = sent_by_hub::ErrorReply { ids: IDS, call, code: row.code, detail: "d", retry_after_ms: Some(5) };
        let HubMessage::Error(refusal) = through(&sent) else { panic!("no error") };
        assert_eq!((refusal.code, refusal.message.as_str()), (row.code, row.message));
        assert_eq!((refusal.retry_after_ms, refusal.call), (Some(5), call));
    }
}

#[test]
fn a_welcome_comes_through_whole() {
    let notification = sent_by_hub::Notification {
        notification_id: sent_by_hub::Uuid(1),
        correlation_id: "c",
        template_name: "t",
        title: "Grace \"wants\" to chat",
        icon: None,
        fields: vec![sent_by_hub::Field { label: "Customer", value: "Grace" }],
        buttons: sent_by_hub::Buttons { accept: "Accept", reject: "Reject" },
        provider_id: "p",
        session_id: "s",
        notified_at: Time(0),
        timeout_ms: 120_000,
        remaining_ms: 1,
        show_timeout: true,
    };
    let agent = sent_by_hub::WelcomeState::Agent {
        agent_id: "ada",
        groups: vec!["billing"],
        presence: Presence::Away,
        notifications: vec![notification],
        sessions: Vec::new(),
        kpi: Vec::new(),
    };
    let limits = sent_by_hub::Limits { max_message_bytes: 1, display_limit: 3, queue_limit: 10 };
    let sent = |who| sent_by_hub::Welcome {
        ids: IDS,
        who,
        workspace: "default",
        connection_id: "x",
        ping_interval_ms: 15_000,
        server_time: Time(0),
        limits,
    };
    let HubMessage::Welcome(agent) = through(&sent(agent)) else { panic!("no welcome") };
    assert_eq!((agent.role, agent.agent_id.as_deref()), (Role::Agent, Some("ada")));
    assert_eq!((agent.presence, agent.groups.len()), (Some(Presence::Away), 1));
    assert_eq!(agent.notifications[0].title, "Grace \"wants\" to chat");
    assert_eq!(agent.limits.display_limit, 3);
    let provider = sent_by_hub::WelcomeState::Provider { provider_id: "p", open: Vec::new(), missed: true };
    let HubMessage::Welcome(provider) = through(&sent(provider)) else { panic!("no welcome") };
    assert!(provider.missed && provider.open.is_empty());
}

#[test]
fn what_it_does_not_know_is_no_fault() {
    assert_eq!(decode(br#"{"type":"tomorrow","x":[1]}"#), Ok(HubMessage::Unknown));
    assert!(matches!(decode(br#"{"type":"pong","y":2}"#), Ok(HubMessage::Pong(Reply { id: None }))));
    assert!(decode(b"[]").is_err());
}
