//! The events and figures that an observer receives.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Client, accepted, cancelled, declined, has, hub, is_time};

async fn event(watcher: &mut Client, name: &str) -> Value {
    let event = watcher.take(name, |m| m["type"] == "event" && m["event"] == name).await;
    is_time(&event["at"]);
    event
}

#[tokio::test]
async fn events_as_things_happen() {
    let hub = hub("").await;
    let mut watcher = hub.observer().await;
    let mut ada = hub.agent("ada").await;
    has(&event(&mut watcher, "agentJoined").await, json!({"agentId": "ada"}));
    let mut bot = hub.provider("bot").await;
    has(&event(&mut watcher, "providerJoined").await, json!({"providerId": "bot"}));

    let guid = "7f9c24e8-3b12-4fef-91e0-56e0c5a1b001";
    let id = bot.ring_with("chat", json!({"correlationId": guid, "sessionId": "s"})).await;
    let about = json!({"notificationId": id, "correlationId": guid});
    let notified = event(&mut watcher, "notified").await;
    has(&notified, about.clone());
    has(&notified, json!({"providerId": "bot", "sessionId": "s"}));
    has(&event(&mut watcher, "displayed").await, about.clone());
    ada.take_on(&id).await;
    let settled = event(&mut watcher, "settled").await;
    has(&settled, about);
    has(&settled, json!({"value": accepted(), "agentId": "ada"}));

    bot.call(json!({"type": "kpi", "sessionId": "s"})).await;
    has(&event(&mut watcher, "kpi").await, json!({"sessionId": "s", "breached": true}));
    bot.call(json!({"type": "kpi", "sessionId": "s", "shouldReset": true})).await;
    has(&event(&mut watcher, "kpi").await, json!({"sessionId": "s", "breached": false}));
    ada.set_presence("away").await;
    has(&event(&mut watcher, "presence").await, json!({"agentId": "ada", "presence": "away"}));
    ada.leave().await;
    has(&event(&mut watcher, "agentLeft").await, json!({"agentId": "ada"}));
    bot.leave().await;
    has(&event(&mut watcher, "providerLeft").await, json!({"providerId": "bot"}));
    let rest = watcher.rest().await;
    assert!(rest.iter().all(|m| m["type"] == "stats"), "{rest:?}");
}

#[tokio::test]
async fn displayed_is_sent_once_at_the_first_display() {
    let hub = hub("").await;
    let mut watcher = hub.observer().await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    let mut ada = hub.agent("ada").await;
    let _bob = hub.agent("bob").await;
    ada.reject(&id).await;
    has(&event(&mut watcher, "settled").await, json!({"notificationId": id, "sessionId": id, "value": declined()}));
    let rest = watcher.rest().await;
    let told = |name: &str| rest.iter().filter(|m| m["event"] == name).count();
    assert_eq!((told("notified"), told("displayed"), told("agentJoined")), (1, 1, 2), "{rest:?}");
}

#[tokio::test]
async fn cancelled_instead_of_settled() {
    let hub = hub("").await;
    let mut watcher = hub.observer().await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"cancellationToken": "t", "sessionId": "s"})).await;
    bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await;
    let event = event(&mut watcher, "cancelled").await;
    has(&event, json!({"notificationId": id, "sessionId": "s", "value": cancelled()}));
    let rest = watcher.rest().await;
    assert!(rest.iter().all(|m| m["event"] != "settled"), "{rest:?}");
}

#[tokio::test]
async fn stats_once_a_second() {
    let hub = hub("").await;
    let began = tokio::time::Instant::now();
    let mut watcher = hub.observer().await;
    let mut ada = hub.agent("ada").await;
    let _tab = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    ada.shown(&id).await;
    ada.reject(&id).await;
    bot.result_of(&id).await;
    bot.ring("chat").await;
    bot.ring_to("chat", &["nobody"]).await;
    let settled = |m: &Value| m["type"] == "stats" && m["outcomes"]["DeclinedByAgent"] == 1;
    watcher.take("stats", settled).await;
    let stats = watcher.expect("stats").await;
    // Not at every event, and not much more often than once a second. A reader that is late may find two at once.
    watcher.expect("stats").await;
    assert!(began.elapsed() >= Duration::from_millis(1_500), "{:?}", began.elapsed());
    has(&stats, json!({"agents": 1, "providers": 1, "observers": 1, "open": 2, "waiting": 1}));
    for field in ["notifiesPerSecond", "deliveriesPerSecond"] {
        assert!(stats[field].is_number(), "{field} in {stats}");
    }
    assert!(stats["notifyToResultMs"]["p50"].is_number(), "{stats}");
    assert!(stats["notifyToResultMs"]["p99"].is_number(), "{stats}");
}

#[tokio::test]
async fn an_observer_has_no_desk_and_is_not_an_agent() {
    let hub = hub("").await;
    let mut watcher = hub.observer().await;
    let mut bot = hub.provider("bot").await;
    bot.ring("chat").await;
    bot.call(json!({"type": "kpi", "sessionId": "s"})).await;
    event(&mut watcher, "kpi").await;
    let rest = watcher.rest().await;
    assert!(rest.iter().all(|m| m["type"] == "event" || m["type"] == "stats"), "{rest:?}");
}
