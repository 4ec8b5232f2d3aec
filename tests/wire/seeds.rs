//! Every row of the seed pages' tables, from a real client over a real socket.

use serde_json::json;

use crate::harness::{
    accepted, auto_accepted, declined, display_timeout, has, hub, is_error, queue_full, queue_timeout,
};

#[tokio::test]
async fn accept_accept_when_the_user_accepts_the_notification() {
    let hub = hub("").await;
    let (mut ada, mut bot) = (hub.agent("ada").await, hub.provider("bot").await);
    let id = bot.ring("msdyn_chat_incoming_unauthenticated").await;
    ada.take_on(&id).await;
    has(&bot.result_of(&id).await, json!({"value": accepted(), "msdyn_name": "NotifyEvent"}));
}

#[tokio::test]
async fn accept_auto_accept_when_the_template_accepts_by_default() {
    let hub = hub("").await;
    let (_ada, mut bot) = (hub.agent("ada").await, hub.provider("bot").await);
    let id = bot.ring("auto").await;
    has(&bot.result_of(&id).await, json!({"value": auto_accepted(), "agentId": "ada"}));
}

#[tokio::test]
async fn reject_declined_by_agent_when_the_user_rejects_the_notification() {
    let hub = hub("").await;
    let (mut ada, mut bot) = (hub.agent("ada").await, hub.provider("bot").await);
    let id = bot.ring("msdyn_chat_incoming_unauthenticated").await;
    ada.shown(&id).await;
    ada.reject(&id).await;
    has(&bot.result_of(&id).await, json!({"value": declined(), "agentId": "ada"}));
}

#[tokio::test]
async fn reject_queue_limit_exceeded_when_there_are_more_than_ten_in_the_queue() {
    let hub = hub("").await;
    let (mut ada, mut bot) = (hub.agent("ada").await, hub.provider("bot").await);
    for _ in 0..13 {
        bot.ring("chat").await;
    }
    let over = bot.ring("chat").await;
    let result = bot.result_of(&over).await;
    has(&result, json!({"value": queue_full(), "agentId": null, "reach": {"displayed": 0, "seen": 0, "rejected": 0}}));
    bot.expect_silence().await;
    assert_eq!(ada.rest().await.len(), 3);
}

#[tokio::test]
async fn reject_queue_time_limit_exceeded_when_one_waits_past_its_time() {
    let hub = hub("[limits]\ndisplayLimit = 1").await;
    let (_ada, mut bot) = (hub.agent("ada").await, hub.provider("bot").await);
    bot.ring("chat").await;
    let waits = bot.ring("impatient").await;
    has(&bot.result_of(&waits).await, json!({"value": queue_timeout(), "agentId": null}));
}

#[tokio::test]
async fn timeout_display_timeout_when_the_user_does_not_respond_in_time() {
    let hub = hub("").await;
    let (mut ada, mut bot) = (hub.agent("ada").await, hub.provider("bot").await);
    let id = bot.ring("short").await;
    ada.shown(&id).await;
    has(&bot.result_of(&id).await, json!({"value": display_timeout(), "agentId": null}));
    has(&ada.closed(&id).await, json!({"value": display_timeout(), "agentId": null}));
}

#[tokio::test]
async fn template_not_found_error_when_the_template_name_is_not_found() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let error = bot.call(json!({"type": "notify", "templateName": "no such template"})).await;
    is_error(&error, "unknownTemplate", Some("NotifyEvent"));
}

#[tokio::test]
async fn reject_after_client_error_when_some_input_parameter_is_missing() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    is_error(&bot.call(json!({"type": "notify"})).await, "badParameter", Some("NotifyEvent"));
    is_error(&bot.call(json!({"type": "cancel"})).await, "badParameter", Some("CancelEvent"));
    is_error(&bot.call(json!({"type": "kpi"})).await, "badParameter", Some("NotifyKpiBreach"));
}

#[tokio::test]
async fn notify_kpi_breach_with_its_three_parameters() {
    let hub = hub("").await;
    let (mut ada, mut bot) = (hub.agent("ada").await, hub.provider("bot").await);
    let id = bot.ring_with("chat", json!({"sessionId": "s"})).await;
    ada.take_on(&id).await;
    let call = json!({"type": "kpi", "sessionId": "s", "shouldReset": false, "details": "first response > 60 s"});
    let result = bot.call(call).await;
    has(&result, json!({"type": "result", "msdyn_name": "NotifyKpiBreach"}));
    assert!(result.get("value").is_some_and(serde_json::Value::is_null), "{result}");
    has(&ada.expect("kpi").await, json!({"sessionId": "s", "breached": true, "details": "first response > 60 s"}));
    bot.call(json!({"type": "kpi", "sessionId": "s", "shouldReset": true})).await;
    has(&ada.expect("kpi").await, json!({"sessionId": "s", "breached": false}));
}
