//! Idempotence: the same id is the same notification, by whatever way it comes.

use serde_json::json;

use crate::ask::{Ask, recall, ring};
use crate::harness::{accepted, has, hub, with};

#[tokio::test]
async fn the_id_may_stand_in_the_body_or_in_the_header() {
    let hub = hub("").await;
    let first = ring("", json!({"id": "conv-1"})).of(&hub).await;
    has(&first.is(202, "").body, json!({"duplicate": false}));
    for again in [
        ring("", json!({"id": "conv-1"})),
        ring("", json!({})).header("Idempotency-Key", "conv-1"),
        ring("", json!({})).header("Idempotency-Key", "\"conv-1\""),
        ring("", json!({"id": "conv-1", "type": "notify"})).header("Idempotency-Key", "conv-1"),
        ring("", json!({"id": null, "type": null, "to": {}})).header("idempotency-key", "conv-1"),
    ] {
        let answer = again.of(&hub).await;
        has(
            &answer.is(202, "").body,
            json!({"duplicate": true, "id": "conv-1", "notificationId": first.notification()}),
        );
    }
    ring("", json!({"sessionId": "other"})).header("Idempotency-Key", "conv-1").of(&hub).await.is(409, "idTaken");
    ring("", json!({"id": "conv-2"})).header("Idempotency-Key", "conv-1").of(&hub).await.is(400, "badParameter");
    ring("", json!({})).header("Idempotency-Key", "").of(&hub).await.is(400, "badParameter");
    ring("?providerId=other", json!({"id": "conv-1"})).of(&hub).await.is(202, "");
}

#[tokio::test]
async fn http_after_a_socket_and_a_socket_after_http_are_one() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let by_socket = bot.ring_with("chat", json!({"id": "a"})).await;
    let by_http = ring("?providerId=bot", json!({"id": "b"})).of(&hub).await;
    has(
        &ring("?providerId=bot", json!({"id": "a"})).of(&hub).await.is(202, "").body,
        json!({"duplicate": true, "notificationId": by_socket}),
    );
    let ack = bot.call(json!({"type": "notify", "id": "b", "templateName": "chat"})).await;
    has(&ack, json!({"type": "ack", "duplicate": true, "notificationId": by_http.notification()}));
    recall(&by_socket, "?providerId=bot").of(&hub).await.is(202, "");
    for id in [by_socket, by_http.notification()] {
        let again = recall(&id, "?providerId=bot&wait=30s");
        let (answer, _) = tokio::join!(again.of(&hub), ada.accept(&id));
        has(&answer.is(200, "").body, json!({"value": accepted()}));
        has(&bot.result_of(&id).await, json!({"value": accepted(), "position": answer.body["position"]}));
    }
}

#[tokio::test]
async fn a_hundred_repeats_at_once_ring_once() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let ask = ring("", json!({"id": "once"}));
    let answers = ask.many(&hub, 100).await;
    let first = answers[0].notification();
    assert!(answers.iter().all(|answer| answer.is(202, "").notification() == first));
    assert_eq!(answers.iter().filter(|answer| answer.body["duplicate"] == false).count(), 1);
    ada.expect("notification").await;
    ada.expect_silence().await;
}

#[tokio::test]
async fn an_id_that_was_answered_with_an_error_is_free_again() {
    let hub = hub("").await;
    let ask = |name: &str| Ask::post("/api/notify", &json!({"id": "a", "templateName": name}));
    ask("none").of(&hub).await.is(404, "unknownTemplate");
    has(&ask("chat").of(&hub).await.is(202, "").body, json!({"duplicate": false}));
    let other = with(json!({"id": "a"}), json!({"templateName": "first"}));
    Ask::post("/api/notify", &other).of(&hub).await.is(409, "idTaken");
}
