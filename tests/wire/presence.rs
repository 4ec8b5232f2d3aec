//! Away and available.

use serde_json::json;

use crate::harness::{accepted, desk, has, hub};

#[tokio::test]
async fn presence_is_answered_with_the_presence() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    for presence in ["away", "away", "available", "available"] {
        ada.send(json!({"type": "presence", "id": "p", "presence": presence})).await;
        has(&ada.next().await, json!({"type": "presence", "id": "p", "presence": presence}));
    }
    ada.expect_silence().await;
}

#[tokio::test]
async fn an_away_agent_keeps_displayed_notifications_and_is_offered_nothing() {
    let hub = hub("[limits]\ndisplayLimit = 1").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let displayed = bot.ring("chat").await;
    let waits = bot.ring("chat").await;
    ada.shown(&displayed).await;
    ada.set_presence("away").await;
    let later = bot.ring("chat").await;
    has(&ada.accept(&displayed).await, json!({"won": true, "value": accepted()}));
    ada.closed(&displayed).await;
    ada.expect("session").await;
    ada.expect_silence().await;
    ada.set_presence("available").await;
    has(&ada.next().await, json!({"type": "notification", "notificationId": waits}));
    ada.accept(&waits).await;
    ada.shown(&later).await;
}

#[tokio::test]
async fn a_displayed_notification_is_not_shown_again_after_away() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    ada.shown(&id).await;
    ada.set_presence("away").await;
    assert_eq!(desk(&hub.agent("ada").await.welcome), [id.as_str()]);
    ada.set_presence("available").await;
    ada.expect_silence().await;
}

#[tokio::test]
async fn an_agent_back_from_away_receives_missed_notifications_once_available() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let ada = hub.join(json!({"role": "agent", "agentId": "ada", "presence": "away"})).await;
    hub.depart(ada).await;
    let id = bot.ring("chat").await;
    let mut ada = hub.agent("ada").await;
    has(&ada.welcome, json!({"presence": "away", "notifications": []}));
    ada.set_presence("available").await;
    ada.shown(&id).await;
    let tab = hub.join(json!({"role": "agent", "agentId": "ada", "presence": "available"})).await;
    assert_eq!(desk(&tab.welcome), [id]);
}

#[tokio::test]
async fn a_notification_waits_while_all_its_agents_are_away() {
    let hub = hub("[limits]\nqueueLimit = 1").await;
    let mut ada = hub.join(json!({"role": "agent", "agentId": "ada", "presence": "away"})).await;
    let mut bot = hub.provider("bot").await;
    let waits = bot.ring("chat").await;
    let over = bot.ring("chat").await;
    has(&bot.result_of(&over).await, json!({"value": crate::harness::queue_full()}));
    ada.expect_silence().await;
    ada.set_presence("available").await;
    ada.shown(&waits).await;
}
