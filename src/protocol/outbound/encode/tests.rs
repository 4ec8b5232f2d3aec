//! Every message as the contract shows it.

use std::borrow::Cow;

use serde_json::Value;

use super::super::observer::{EventKind, Quantiles};
use super::super::welcome::{ClientLimits, OpenNotification, WelcomeState};
use deskbell_core::entry::Sound;

use super::super::{Buttons, Field};
use super::*;
use crate::{CallName, Envelope, ErrorCode, NotificationId, Outcome, Presence, RawJson, Reach, Timestamp};

const ID: NotificationId = NotificationId(0x0192_f0c4_7e3a_7b21_8c55_0123_4567_89ab);
const TIME: Timestamp = Timestamp(1_795_255_200_000);
const IDS: Envelope<'static> =
    Envelope { id: Some(Cow::Borrowed("0d7e")), correlation_id: Some(Cow::Borrowed("7f9c")) };
const NONE: Envelope<'static> = Envelope { id: None, correlation_id: None };

#[track_caller]
fn check(message: &impl Encode, expected: &str) {
    let json = String::from_utf8(encode(message)).unwrap();
    let value: Value = serde_json::from_str(&json).unwrap();
    assert!(value["type"].is_string());
    assert_eq!(json, expected.replace("\n ", "").replace("$ID", "0192f0c4-7e3a-7b21-8c55-0123456789ab"));
}

fn notification() -> Notification<'static> {
    Notification {
        notification_id: ID,
        correlation_id: "7f9c".into(),
        template_name: "t".into(),
        title: "Grace wants to chat".into(),
        icon: Some("chat".into()),
        fields: vec![Field { label: "Customer".into(), value: "Grace".into() }].into(),
        buttons: Buttons { accept: "Accept".into(), reject: "Reject".into() },
        provider_id: "chat-bot-1".into(),
        session_id: "conv-42".into(),
        notified_at: TIME,
        timeout_ms: 120_000,
        remaining_ms: 118_200,
        show_timeout: true,
        priority: 0,
        link: Some("https://crm.example/1".into()),
        sound: Some(Sound::None),
    }
}

const NOTIFICATION: &str = r#"{"type":"notification","notificationId":"$ID","correlationId":"7f9c","templateName":"t","title":"Grace wants to chat","icon":"chat",
 "fields":[{"label":"Customer","value":"Grace"}],"buttons":{"accept":"Accept","reject":"Reject"},
 "providerId":"chat-bot-1","sessionId":"conv-42","notifiedAt":"2026-11-21T10:00:00.000Z","timeoutMs":120000,"remainingMs":118200,"showTimeout":true,"priority":0,"link":"https://crm.example/1","sound":"none"}"#;

fn session() -> Session<'static> {
    Session {
        session_id: "conv-42".into(),
        notification_id: ID,
        correlation_id: "7f9c".into(),
        title: "Grace wants to chat".into(),
        started_at: TIME,
        breached: false,
        unread: 0,
        icon: Some("chat".into()),
        fields: vec![Field { label: "Customer".into(), value: "Grace".into() }].into(),
        link: None,
        context: None,
        has_context: false,
    }
}

const SESSION: &str = r#"{"type":"session","sessionId":"conv-42","notificationId":"$ID","correlationId":"7f9c","title":"Grace wants to chat","startedAt":"2026-11-21T10:00:00.000Z","breached":false,"unread":0,"icon":"chat",
 "fields":[{"label":"Customer","value":"Grace"}]}"#;

fn kpi() -> Kpi<'static> {
    Kpi {
        session_id: "conv-42".into(),
        breached: true,
        details: Some("slow".into()),
        correlation_id: Some("7f9c".into()),
        since: Some(TIME),
    }
}

const KPI: &str = r#"{"type":"kpi","sessionId":"conv-42","breached":true,"details":"slow","correlationId":"7f9c","since":"2026-11-21T10:00:00.000Z"}"#;

fn welcome<'a>(ids: Envelope<'a>, state: WelcomeState<'a>) -> Welcome<'a> {
    Welcome {
        ids,
        workspace: "default".into(),
        connection_id: "c".into(),
        protocol: crate::VERSION,
        ping_interval_ms: 15000,
        retention_ms: 600_000,
        server_time: TIME,
        limits: ClientLimits { max_message_bytes: 65536, display_limit: 3, queue_limit: 10 },
        state,
    }
}

const COMMON: &str = r#""workspace":"default",
 "connectionId":"c","protocol":1,"pingIntervalMs":15000,"retentionMs":600000,"serverTime":"2026-11-21T10:00:00.000Z",
 "limits":{"maxMessageBytes":65536,"displayLimit":3,"queueLimit":10}"#;

#[test]
fn welcome_of_an_agent() {
    let who = WelcomeState::Agent {
        agent_id: "ada".into(),
        groups: vec!["billing".into()],
        presence: Presence::Available,
        notifications: vec![notification()],
        sessions: vec![session()],
        kpi: vec![kpi()],
    };
    let expected = format!(
        r#"{{"type":"welcome",{COMMON},"role":"agent","agentId":"ada","groups":["billing"],"presence":"available","notifications":[{NOTIFICATION}],"sessions":[{SESSION}],"kpi":[{KPI}]}}"#
    );
    check(&welcome(NONE, who), &expected);
    let who = WelcomeState::Agent {
        agent_id: "ada".into(),
        groups: vec![],
        presence: Presence::Away,
        notifications: vec![],
        sessions: vec![],
        kpi: vec![],
    };
    let expected = format!(
        r#"{{"type":"welcome","id":"0d7e","correlationId":"7f9c",{COMMON},"role":"agent","agentId":"ada","groups":[],"presence":"away","notifications":[],"sessions":[],"kpi":[]}}"#
    );
    check(&welcome(IDS, who), &expected);
}

#[test]
fn welcome_of_a_provider_and_an_observer() {
    let full = OpenNotification {
        notification_id: ID,
        id: Some("0d7e".into()),
        correlation_id: "7f9c".into(),
        cancellation_token: Some("tok-1".into()),
    };
    let bare = OpenNotification { id: None, cancellation_token: None, ..full.clone() };
    let who = WelcomeState::Provider { provider_id: "bot".into(), open: vec![full, bare], missed: true };
    let expected = format!(
        r#"{{"type":"welcome",{COMMON},"role":"provider","providerId":"bot","open":[{{"notificationId":"$ID","id":"0d7e","correlationId":"7f9c","cancellationToken":"tok-1"}},{{"notificationId":"$ID","correlationId":"7f9c"}}],"missed":true}}"#
    );
    check(&welcome(NONE, who), &expected);
    let who = WelcomeState::Provider { provider_id: "bot".into(), open: vec![], missed: false };
    let expected = format!(r#"{{"type":"welcome",{COMMON},"role":"provider","providerId":"bot","open":[]}}"#);
    check(&welcome(NONE, who), &expected);
    check(&welcome(NONE, WelcomeState::Observer), &format!(r#"{{"type":"welcome",{COMMON},"role":"observer"}}"#));
}

#[test]
fn direct_replies() {
    check(&Refreshed { ids: IDS }, r#"{"type":"refreshed","id":"0d7e","correlationId":"7f9c"}"#);
    check(&Pong { ids: NONE }, r#"{"type":"pong"}"#);
    check(&Pong { ids: Envelope::of(Some("p"), None) }, r#"{"type":"pong","id":"p"}"#);
    let ack = Ack {
        ids: IDS,
        call: CallName::NotifyEvent,
        notification_id: ID,
        duplicate: false,
        unused: Vec::new(),
        unknown: vec!["to.agents.Ada".into()],
    };
    check(
        &ack,
        r#"{"type":"ack","id":"0d7e","correlationId":"7f9c","msdyn_name":"NotifyEvent","notificationId":"$ID","duplicate":false,"unknown":["to.agents.Ada"]}"#,
    );
    let cancelled = CancelResult {
        ids: IDS,
        call: CallName::CancelEvent,
        cancellation_token: "tok-1".into(),
        notification_id: ID,
        value: Outcome::Cancelled,
    };
    check(
        &cancelled,
        r#"{"type":"result","id":"0d7e","correlationId":"7f9c","msdyn_name":"CancelEvent","cancellationToken":"tok-1","notificationId":"$ID",
 "value":{"actionName":"Cancel","responseReason":"Cancelled"}}"#,
    );
    check(
        &DoneResult { ids: IDS, call: Some(CallName::NotifyKpiBreach), value: () },
        r#"{"type":"result","id":"0d7e","correlationId":"7f9c","msdyn_name":"NotifyKpiBreach","value":null}"#,
    );
    check(&DoneResult { ids: NONE, call: None, value: () }, r#"{"type":"result","value":null}"#);
}

#[test]
fn the_result_of_a_notify() {
    let result = NotifyResult {
        ids: IDS,
        call: CallName::NotifyEvent,
        notification_id: ID,
        value: Outcome::Accepted,
        agent_id: Some("ada".into()),
        decline_reason: None,
        session_id: Some("conv-42".into()),
        cancellation_token: Some("tok-1".into()),
        elapsed_ms: 4210,
        reach: Reach { displayed: 3, seen: 2, rejected: 0 },
        position: "00000000000000010000000000000002".into(),
    };
    check(
        &result,
        r#"{"type":"result","id":"0d7e","correlationId":"7f9c","msdyn_name":"NotifyEvent","notificationId":"$ID",
 "value":{"actionName":"Accept","responseReason":"Accept"},"agentId":"ada","sessionId":"conv-42","cancellationToken":"tok-1",
 "elapsedMs":4210,"reach":{"displayed":3,"seen":2,"rejected":0},"position":"00000000000000010000000000000002"}"#,
    );
    let declined = NotifyResult {
        ids: NONE,
        value: Outcome::Declined,
        decline_reason: Some("".into()),
        session_id: None,
        cancellation_token: None,
        ..result
    };
    check(
        &declined,
        r#"{"type":"result","msdyn_name":"NotifyEvent","notificationId":"$ID",
 "value":{"actionName":"Reject","responseReason":"DeclinedByAgent"},"agentId":"ada","declineReason":"",
 "elapsedMs":4210,"reach":{"displayed":3,"seen":2,"rejected":0},"position":"00000000000000010000000000000002"}"#,
    );
}

#[test]
fn the_result_of_an_answer() {
    let answered = AnswerResult {
        ids: Envelope::of(Some("a-1"), Some("7f9c")),
        notification_id: ID,
        value: Some(Outcome::Accepted),
        agent_id: Some("ada".into()),
        won: true,
    };
    check(
        &answered,
        r#"{"type":"result","id":"a-1","correlationId":"7f9c","notificationId":"$ID","value":{"actionName":"Accept","responseReason":"Accept"},"agentId":"ada","won":true}"#,
    );
    let unsettled =
        AnswerResult { ids: Envelope::of(None, Some("7f9c")), value: None, agent_id: None, won: false, ..answered };
    check(&unsettled, r#"{"type":"result","correlationId":"7f9c","notificationId":"$ID","value":null,"won":false}"#);
}

#[test]
fn errors() {
    let error =
        ErrorReply::new(IDS, Some(CallName::NotifyEvent), ErrorCode::UnknownTemplate, "no template named \"x\"");
    check(
        &error,
        r#"{"type":"error","id":"0d7e","correlationId":"7f9c","msdyn_name":"NotifyEvent","message":"NotificationTemplateNotFoundError","code":"unknownTemplate","detail":"no template named \"x\""}"#,
    );
    let limited = ErrorReply::new(NONE, None, ErrorCode::RateLimited, "").retry_after_ms(5);
    check(
        &limited,
        r#"{"type":"error","message":"RejectAfterClientError","code":"rateLimited","detail":"","retryAfterMs":5}"#,
    );
}

#[test]
fn what_agents_are_told() {
    check(&notification(), NOTIFICATION);
    let plain = Notification { icon: None, fields: vec![].into(), ..notification() };
    let json: Value = serde_json::from_slice(&encode(&plain)).unwrap();
    assert_eq!((json.get("icon"), &json["fields"]), (None, &serde_json::json!([])));
    let closed = Closed {
        notification_id: ID,
        correlation_id: "7f9c".into(),
        value: Some(Outcome::Accepted),
        agent_id: Some("bob".into()),
    };
    check(
        &closed,
        r#"{"type":"closed","notificationId":"$ID","correlationId":"7f9c","value":{"actionName":"Accept","responseReason":"Accept"},"agentId":"bob"}"#,
    );
    let open_elsewhere = Closed { value: None, agent_id: None, ..closed };
    check(&open_elsewhere, r#"{"type":"closed","notificationId":"$ID","correlationId":"7f9c","value":null}"#);
    check(&session(), SESSION);
    check(
        &SessionEnded { session_id: "conv-42".into(), correlation_id: None },
        r#"{"type":"sessionEnded","sessionId":"conv-42"}"#,
    );
    check(&kpi(), KPI);
    let cleared = Kpi { session_id: "s".into(), breached: false, details: None, correlation_id: None, since: None };
    check(&cleared, r#"{"type":"kpi","sessionId":"s","breached":false}"#);
    check(
        &Activity { session_id: "conv-42".into(), count: 3, correlation_id: None },
        r#"{"type":"activity","sessionId":"conv-42","count":3}"#,
    );
    check(&PresenceUpdate { ids: NONE, presence: Presence::Away }, r#"{"type":"presence","presence":"away"}"#);
    check(
        &PresenceUpdate { ids: IDS, presence: Presence::Available },
        r#"{"type":"presence","id":"0d7e","correlationId":"7f9c","presence":"available"}"#,
    );
}

#[test]
fn what_observers_are_told() {
    let event = ObserverEvent {
        event: EventKind::Settled,
        at: TIME,
        notification_id: Some(ID),
        correlation_id: Some("7f9c"),
        agent_id: Some("ada"),
        provider_id: Some("bot"),
        session_id: Some("s"),
        value: Some(Outcome::DisplayTimeout),
        breached: Some(true),
        presence: Some(Presence::Away),
    };
    check(
        &event,
        r#"{"type":"event","event":"settled","at":"2026-11-21T10:00:00.000Z","notificationId":"$ID","correlationId":"7f9c","agentId":"ada","providerId":"bot","sessionId":"s",
 "value":{"actionName":"Timeout","responseReason":"DisplayTimeout"},"breached":true,"presence":"away"}"#,
    );
    let stats = Stats {
        agents: 1,
        providers: 2,
        observers: 3,
        open: 4,
        waiting: 5,
        notifies_per_second: 6,
        deliveries_per_second: 7,
        outcomes: &[(Outcome::Declined, 3), (Outcome::AutoAccepted, 0)],
        notify_to_result_ms: Quantiles { p50: 8, p99: 9 },
    };
    check(
        &stats,
        r#"{"type":"stats","agents":1,"providers":2,"observers":3,"open":4,"waiting":5,"notifiesPerSecond":6,
 "deliveriesPerSecond":7,"outcomes":{"DeclinedByAgent":3,"AutoAccept":0},"notifyToResultMs":{"p50":8,"p99":9}}"#,
    );
}

#[test]
fn kinds_of_events_are_the_contracts() {
    use EventKind::{
        AgentJoined, AgentLeft, Cancelled, Displayed, Kpi, Notified, Presence, ProviderJoined, ProviderLeft, Settled,
    };
    let all =
        [Notified, Displayed, Settled, Cancelled, Kpi, AgentJoined, AgentLeft, ProviderJoined, ProviderLeft, Presence];
    let names = "notified displayed settled cancelled kpi agentJoined agentLeft providerJoined providerLeft presence";
    for (kind, name) in all.into_iter().zip(names.split(' ')) {
        assert_eq!(serde_json::to_value(kind).unwrap(), name);
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_escaped_so_that_it_comes_back(detail in ".{0,200}", id in ".{1,40}") {
        let error = ErrorReply::new(Envelope::of(Some(&id), None), None, ErrorCode::Limit, detail.as_str());
        let json: Value = serde_json::from_slice(&encode(&error)).unwrap();
        assert_eq!((&json["type"], &json["detail"], &json["id"]), (&"error".into(), &detail.into(), &id.into()));
    }
}

#[test]
fn a_context_is_written_as_the_provider_wrote_it() {
    let context = r#"{ "b":1e999,"a" : 2.50,"b":"\u00e4/\/" }"#;
    let message = Session { context: Some(RawJson::checked(context)), ..session() };
    let json = String::from_utf8(encode(&message)).unwrap();
    assert!(json.ends_with(&format!(",\"context\":{context}}}")), "{json}");
    let reply = SessionContext { ids: IDS, session_id: "conv-42".into(), context: RawJson::checked(context) };
    let expected =
        format!(r#"{{"type":"context","id":"0d7e","correlationId":"7f9c","sessionId":"conv-42","context":{context}}}"#);
    assert_eq!(String::from_utf8(encode(&reply)).unwrap(), expected);
    check(&Session { has_context: true, ..session() }, &SESSION.replace("}]}", "}],\"hasContext\":true}"));
}
