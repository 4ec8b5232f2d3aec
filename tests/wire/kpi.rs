//! kpi: marks, resets, and their receivers.

use serde_json::{Value, json};

use crate::harness::{Client, has, hub, is_time};

const GUID: &str = "7f9c24e8-3b12-4fef-91e0-56e0c5a1b001";

async fn mark(bot: &mut Client, more: Value) {
    let result = bot.call(crate::harness::with(json!({"type": "kpi", "sessionId": "s"}), more)).await;
    has(&result, json!({"type": "result", "msdyn_name": "NotifyKpiBreach"}));
    assert_eq!(result.get("value"), Some(&Value::Null), "{result}");
}

#[tokio::test]
async fn it_marks_the_session_at_every_agent() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut away = hub.join(json!({"role": "agent", "agentId": "bob", "presence": "away"})).await;
    let mut bot = hub.provider("bot").await;
    mark(&mut bot, json!({"details": "first response > 60 s", "correlationId": GUID})).await;
    for agent in [&mut ada, &mut away] {
        let kpi = agent.next().await;
        has(
            &kpi,
            json!({"type": "kpi", "sessionId": "s", "breached": true, "details": "first response > 60 s", "correlationId": GUID}),
        );
        is_time(&kpi["since"]);
    }
    bot.expect_silence().await;
}

#[tokio::test]
async fn should_reset_clears_a_mark_and_is_sent_only_if_there_was_one() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    mark(&mut bot, json!({"shouldReset": true})).await;
    ada.expect_silence().await;
    mark(&mut bot, json!({})).await;
    has(&ada.next().await, json!({"breached": true}));
    mark(&mut bot, json!({"shouldReset": true, "correlationId": GUID})).await;
    has(&ada.next().await, json!({"type": "kpi", "sessionId": "s", "breached": false, "correlationId": GUID}));
    mark(&mut bot, json!({"shouldReset": true})).await;
    ada.expect_silence().await;
    has(&hub.agent("bob").await.welcome, json!({"kpi": []}));
}

#[tokio::test]
async fn the_default_and_false_mark() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    for more in [json!({}), json!({"shouldReset": false}), json!({"shouldReset": null})] {
        mark(&mut bot, more).await;
        has(&ada.next().await, json!({"breached": true}));
    }
}

#[tokio::test]
async fn a_mark_set_again_keeps_its_since_and_takes_the_new_details() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    mark(&mut bot, json!({"details": "one"})).await;
    let first = ada.next().await;
    bot.let_time_pass().await;
    mark(&mut bot, json!({"details": "two"})).await;
    has(&ada.next().await, json!({"details": "two", "since": first["since"]}));
    let welcome = hub.agent("bob").await.welcome;
    has(&welcome["kpi"][0], json!({"sessionId": "s", "details": "two", "since": first["since"]}));
    // A mark without details has none.
    mark(&mut bot, json!({})).await;
    has(&ada.next().await, json!({"details": null, "since": first["since"]}));
}

#[tokio::test]
async fn whichever_provider_of_the_workspace_may_mark() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let (mut bot, mut monitor) = (hub.provider("bot").await, hub.provider("monitor").await);
    let id = bot.ring_with("chat", json!({"sessionId": "s"})).await;
    ada.take_on(&id).await;
    mark(&mut monitor, json!({})).await;
    has(&ada.next().await, json!({"type": "kpi", "sessionId": "s", "breached": true}));
    mark(&mut bot, json!({"shouldReset": true})).await;
    has(&ada.next().await, json!({"breached": false}));
}

#[tokio::test]
async fn a_session_that_starts_with_a_mark_shows_it() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    mark(&mut bot, json!({})).await;
    let id = bot.ring_with("chat", json!({"sessionId": "s"})).await;
    has(&ada.take_on(&id).await, json!({"sessionId": "s", "breached": true, "unread": 0}));
}

#[tokio::test]
async fn the_end_of_a_marked_session_clears_the_mark_for_all() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"sessionId": "s", "to": {"agents": ["ada"]}})).await;
    ada.take_on(&id).await;
    mark(&mut bot, json!({})).await;
    bob.next().await;
    bot.call(json!({"type": "endSession", "sessionId": "s"})).await;
    has(&ada.expect("sessionEnded").await, json!({"sessionId": "s"}));
    has(&bob.next().await, json!({"type": "kpi", "sessionId": "s", "breached": false}));
    has(&hub.agent("cleo").await.welcome, json!({"kpi": []}));
}

#[tokio::test]
async fn the_welcome_holds_the_breaches_that_stand() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    for session in ["a", "b", "c"] {
        bot.call(json!({"type": "kpi", "sessionId": session, "details": session})).await;
    }
    bot.call(json!({"type": "kpi", "sessionId": "b", "shouldReset": true})).await;
    let welcome = hub.agent("ada").await.welcome;
    let mut standing: Vec<_> = welcome["kpi"].as_array().unwrap().iter().map(|m| m["sessionId"].clone()).collect();
    standing.sort_by_key(ToString::to_string);
    assert_eq!(standing, ["a", "c"]);
}
