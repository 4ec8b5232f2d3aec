//! cancel: its answers, the providers that may send it, and the life of its tokens.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{accepted, cancelled, has, hub, is_error, queue_timeout};

const GUID: &str = "7f9c24e8-3b12-4fef-91e0-56e0c5a1b001";

#[tokio::test]
async fn a_cancel_that_settles_it() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"id": "n-1", "cancellationToken": "tok-1"})).await;
    ada.shown(&id).await;
    let cancel = json!({"type": "cancel", "id": "c-1", "cancellationToken": "tok-1", "correlationId": GUID});
    bot.send(cancel).await;
    has(
        &bot.reply("c-1").await,
        json!({"type": "result", "correlationId": GUID, "msdyn_name": "CancelEvent",
        "cancellationToken": "tok-1", "notificationId": id, "value": cancelled()}),
    );
    let result = bot.result_of(&id).await;
    has(
        &result,
        json!({"id": "n-1", "value": cancelled(), "cancellationToken": "tok-1", "agentId": null, "sessionId": null}),
    );
    assert_ne!(result["correlationId"], GUID);
    bot.expect_silence().await;
    ada.closed(&id).await;
    ada.expect_silence().await;
}

#[tokio::test]
async fn a_cancel_of_one_that_waits() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    has(&bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await, json!({"value": cancelled()}));
    has(&bot.result_of(&id).await, json!({"value": cancelled()}));
    has(&hub.agent("ada").await.welcome, json!({"notifications": []}));
}

#[tokio::test]
async fn a_late_cancel_receives_the_outcome_that_came_first() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    ada.take_on(&id).await;
    bot.result_of(&id).await;
    for _ in 0..2 {
        let reply = bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await;
        has(&reply, json!({"type": "result", "notificationId": id, "value": accepted(), "msdyn_name": "CancelEvent"}));
    }
    bot.expect_silence().await;
}

#[tokio::test]
async fn a_second_cancel_receives_the_outcome_of_the_first() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    for _ in 0..2 {
        has(&bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await, json!({"value": cancelled()}));
    }
    bot.result_of(&id).await;
    bot.expect_silence().await;
}

#[tokio::test]
async fn a_token_that_the_hub_does_not_hold_is_an_error() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let error = bot.call(json!({"type": "cancel", "cancellationToken": "nope", "correlationId": GUID})).await;
    is_error(&error, "notFound", Some("CancelEvent"));
    has(&error, json!({"correlationId": GUID}));
}

#[tokio::test]
async fn one_provider_cannot_cancel_anothers() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let (mut bot, mut other) = (hub.provider("bot").await, hub.provider("other").await);
    let id = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    is_error(&other.call(json!({"type": "cancel", "cancellationToken": "t"})).await, "notFound", Some("CancelEvent"));
    ada.shown(&id).await;
    ada.expect_silence().await;
    bot.expect_silence().await;
}

#[tokio::test]
async fn of_several_that_bore_the_token_it_is_the_open_one_else_the_one_settled_last() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let first = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    ada.take_on(&first).await;
    let second = bot.ring_with("impatient", json!({"cancellationToken": "t", "to": {"agents": ["nobody"]}})).await;
    has(&bot.result_of(&second).await, json!({"value": queue_timeout()}));
    let cancel = json!({"type": "cancel", "cancellationToken": "t"});
    has(&bot.call(cancel.clone()).await, json!({"notificationId": second, "value": queue_timeout()}));
    let third = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    has(&bot.call(cancel).await, json!({"notificationId": third, "value": cancelled()}));
}

#[tokio::test]
async fn the_result_goes_to_all_connections_of_the_provider_the_reply_to_the_one_that_asked() {
    let hub = hub("").await;
    let (mut one, mut two) = (hub.provider("bot").await, hub.provider("bot").await);
    let id = one.ring_with("chat", json!({"cancellationToken": "t"})).await;
    has(&two.call(json!({"type": "cancel", "cancellationToken": "t"})).await, json!({"value": cancelled()}));
    one.result_of(&id).await;
    two.result_of(&id).await;
    one.expect_silence().await;
    two.expect_silence().await;
}

#[tokio::test]
async fn a_token_is_forgotten_after_the_retention_time() {
    let hub = hub("[limits]\nretention = \"1s\"").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    let cancel = json!({"type": "cancel", "cancellationToken": "t"});
    let settling = Instant::now();
    has(&bot.call(cancel.clone()).await, json!({"value": cancelled()}));
    bot.result_of(&id).await;
    let mut rounds = 0;
    let error = loop {
        bot.let_time_pass().await;
        let reply = bot.call(cancel.clone()).await;
        rounds += 1;
        if reply["type"] == "error" || rounds == 10 {
            break reply;
        }
    };
    is_error(&error, "notFound", Some("CancelEvent"));
    assert!(settling.elapsed() >= Duration::from_secs(1), "forgotten too early");
}
