//! The Rust client against a real hub: rings, answers, and what a hub that dies in mid-ring does to neither.

mod hub;

use std::time::Duration;

use deskbell_client::{
    Agent, AgentEvent, AgentOptions, CallError, ConnectError, EndReason, ErrorCode, Events, NotificationId, Notify,
    Outcome, Presence, Provider, ProviderOptions, Status, Trust, Tuning,
};
use hub::Hub;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const TEMPLATE: &str = "msdyn_chat_incoming_unauthenticated";

fn quick() -> Tuning {
    Tuning { backoff_first: Duration::from_millis(20), backoff_max: Duration::from_millis(100), ..Tuning::default() }
}

async fn provider(hub: &Hub) -> Provider {
    Provider::connect(&hub.url(), ProviderOptions::new().id("bot").tuning(quick())).await.expect("connected")
}

async fn agent(hub: &Hub, id: &str) -> (Agent, Events) {
    let options = AgentOptions::new().id(id).groups(["billing"]).tuning(quick());
    Agent::connect(&hub.url(), options).await.expect("connected")
}

/// Waits for the first event that matches.
async fn next<T>(events: &mut Events, mut what: impl FnMut(AgentEvent) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = what(events.next().await.expect("the agent is not over")) {
                return found;
            }
        }
    };
    timeout(PATIENCE, found).await.expect("in time")
}

async fn ringing(events: &mut Events) -> NotificationId {
    next(events, |event| match event {
        AgentEvent::Notification(one) => Some(one.notification_id),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_ring_is_accepted_and_everybody_knows() {
    let hub = Hub::start();
    let provider = provider(&hub).await;
    let mut results = provider.results();
    let ((ada, mut at_ada), (bob, mut at_bob)) = (agent(&hub, "ada").await, agent(&hub, "bob").await);
    let notify = Notify::template(TEMPLATE).parameter("customerName", "Grace").session("conv-1").to_group("billing");
    let mut ring = provider.ring(notify).await.expect("asked");
    let acked = ring.acked().await.expect("held");
    assert!(!acked.duplicate);
    let id = ringing(&mut at_ada).await;
    assert_eq!((id, id), (acked.notification_id, ringing(&mut at_bob).await));
    assert_eq!(ada.state().notifications.len(), 1);
    bob.seen(id).await.expect("said");
    let (first, second) = tokio::join!(ada.accept(id), bob.accept(id));
    let (first, second) = (first.expect("answered"), second.expect("answered"));
    assert!(first.won != second.won && first.agent_id == second.agent_id && first.value == Some(Outcome::Accepted));
    let result = ring.outcome().await.expect("settled");
    assert_eq!((result.value, &result.agent_id), (Outcome::Accepted, &first.agent_id));
    assert_eq!((result.session_id.as_deref(), result.reach.displayed), (Some("conv-1"), 2));
    assert_eq!(results.next().await.expect("told").notification_id, id);
    let winner = if first.won { (&ada, &mut at_ada) } else { (&bob, &mut at_bob) };
    next(winner.1, |event| matches!(event, AgentEvent::Session(_)).then_some(())).await;
    provider.kpi("conv-1", Some("first response > 60 s")).await.expect("marked");
    provider.activity("conv-1", 3).await.expect("counted");
    next(winner.1, |event| matches!(event, AgentEvent::Activity(_)).then_some(())).await;
    let desk = winner.0.state();
    assert!(desk.notifications.is_empty() && desk.sessions[0].breached && desk.sessions[0].unread == 3);
    provider.reset_kpi("conv-1").await.expect("reset");
    provider.end_session("conv-1").await.expect("ended");
    next(winner.1, |event| matches!(event, AgentEvent::SessionEnded(_)).then_some(())).await;
    assert!(winner.0.state().kpi.is_empty() && winner.0.state().sessions.is_empty());
}

#[tokio::test]
async fn a_reject_carries_its_reason_and_a_cancel_withdraws() {
    let hub = Hub::start();
    let provider = provider(&hub).await;
    let (ada, mut events) = agent(&hub, "ada").await;
    let ring = provider.ring(Notify::template(TEMPLATE)).await.expect("asked");
    let id = ringing(&mut events).await;
    assert!(ada.reject(id, Some("on break")).await.expect("answered").won);
    let result = ring.outcome().await.expect("settled");
    assert_eq!((result.value, result.decline_reason.as_deref()), (Outcome::Declined, Some("on break")));
    let ring = provider.ring(Notify::template(TEMPLATE).cancellation_token("tok")).await.expect("asked");
    ringing(&mut events).await;
    assert_eq!(provider.cancel("tok").await.expect("withdrawn").value, Outcome::Cancelled);
    assert_eq!(ring.outcome().await.expect("settled").value, Outcome::Cancelled);
    let refused = |error| matches!(error, CallError::Refused(refused) if refused.code == ErrorCode::NotFound);
    assert!(refused(provider.cancel("no such").await.expect_err("unknown")));
    assert!(refused(ada.accept(NotificationId(1)).await.expect_err("unknown")));
    let unknown = provider.notify(Notify::template("no such")).await.expect_err("unknown");
    assert!(matches!(unknown, CallError::Refused(refused) if refused.code == ErrorCode::UnknownTemplate));
    ada.presence(Presence::Away).await.expect("set");
    assert_eq!(ada.state().presence, Some(Presence::Away));
}

#[tokio::test]
async fn one_id_rings_once_over_http_and_over_a_socket() {
    let hub = Hub::start();
    let (one, other) = (provider(&hub).await, provider(&hub).await);
    let (ada, mut events) = agent(&hub, "ada").await;
    let notify = || Notify::template(TEMPLATE).id("conversation-7");
    let mut first = one.ring(notify()).await.expect("asked");
    assert!(!first.acked().await.expect("held").duplicate);
    let twice = one.ring(notify()).await.expect("asked").outcome().await;
    assert_eq!(twice, Err(CallError::DuplicateId("conversation-7".to_owned())));
    let mut second = other.ring(notify()).await.expect("asked");
    assert!(second.acked().await.expect("held").duplicate);
    let id = ringing(&mut events).await;
    ada.accept(id).await.expect("answered");
    let results = (first.outcome().await.expect("settled"), second.outcome().await.expect("settled"));
    assert_eq!(results.0.notification_id, results.1.notification_id);
}

#[tokio::test]
async fn a_hub_killed_in_mid_ring_changes_nothing_but_the_time() {
    let mut hub = Hub::start();
    let provider = provider(&hub).await;
    let mut results = provider.results();
    let (ada, mut events) = agent(&hub, "ada").await;
    let mut ring = provider.ring(Notify::template(TEMPLATE)).await.expect("asked");
    let id = ring.acked().await.expect("held").notification_id;
    assert_eq!(ringing(&mut events).await, id);
    hub.kill();
    next(&mut events, |event| (event == AgentEvent::Disconnected).then_some(())).await;
    assert!(!ada.state().connected);
    // A call made without a connection waits, and is sent when there is one.
    let late = provider.ring(Notify::template(TEMPLATE).id("late").cancellation_token("late")).await.expect("asked");
    hub.start_again();
    next(&mut events, |event| (event == AgentEvent::Connected).then_some(())).await;
    assert!(ada.state().notifications.iter().any(|one| one.notification_id == id));
    assert!(ada.accept(id).await.expect("answered").won);
    let result = timeout(PATIENCE, ring.outcome()).await.expect("in time").expect("settled");
    assert_eq!((result.value, result.notification_id), (Outcome::Accepted, id));
    let cancelled = async { while provider.cancel("late").await.is_err() {} };
    timeout(PATIENCE, cancelled).await.expect("the late call is known to the hub in time");
    assert_eq!(timeout(PATIENCE, late.outcome()).await.expect("in time").expect("settled").value, Outcome::Cancelled);
    let told = [results.next().await.expect("told"), results.next().await.expect("told")];
    assert_eq!(told.iter().filter(|result| result.notification_id == id).count(), 1);
}

#[tokio::test]
async fn the_next_connection_of_a_provider_receives_missed_outcomes() {
    let mut hub = Hub::start();
    let first = provider(&hub).await;
    let (ada, mut events) = agent(&hub, "ada").await;
    drop(first.ring(Notify::template(TEMPLATE)).await.expect("asked"));
    let id = ringing(&mut events).await;
    drop(first);
    ada.accept(id).await.expect("answered");
    hub.kill();
    hub.start_again();
    let options = ProviderOptions::new().id("bot").resume_all().tuning(quick());
    let (second, mut results) = Provider::connect_with_results(&hub.url(), options).await.expect("connected");
    assert_eq!(timeout(PATIENCE, results.next()).await.expect("in time").expect("told").notification_id, id);
    assert!(second.position().is_some() && !second.missed());
}

#[tokio::test]
async fn disconnecting_a_client_reports_how_many_were_found() {
    let hub = Hub::start();
    let wrong = ProviderOptions::new().id("\u{1}").tuning(quick());
    let error = Provider::connect(&hub.url(), wrong).await.expect_err("a name with a control character");
    assert!(matches!(error, ConnectError::Ended(EndReason::ClosedByHub { code: 4400, .. })), "{error}");
    let tuning = Tuning { connect_within: Duration::from_millis(300), ..quick() };
    let nobody = ProviderOptions::new().tuning(tuning);
    let error = Provider::connect("ws://127.0.0.1:1/ws", nobody).await.expect_err("nobody is there");
    assert!(matches!(error, ConnectError::TimedOut { .. }), "{error}");
    let ftp = Provider::connect("ftp://127.0.0.1:1/ws", ProviderOptions::new()).await.expect_err("no such scheme");
    assert!(matches!(ftp, ConnectError::Ended(EndReason::Address(_))), "{ftp}");
    let nobody = ProviderOptions::new().trust(Trust::Authorities(b"none".to_vec()));
    let wss = Provider::connect("wss://127.0.0.1:1/ws", nobody).await.expect_err("nobody to believe");
    assert!(matches!(wss, ConnectError::Ended(EndReason::Tls(_))), "{wss}");
}

#[tokio::test]
async fn status_follows_the_connection() {
    let mut hub = Hub::start();
    let provider = provider(&hub).await;
    assert_eq!(provider.status(), Status::Open);
    assert_eq!(provider.id().as_deref(), Some("bot"));
    hub.kill();
    let waiting = async {
        while provider.status() == Status::Open {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it notices");
}
