//! "The life of a notification", rule 8: templates that accept by themselves.

use serde_json::json;

use crate::harness::{auto_accepted, display_timeout, has, hub, queue_full, queue_timeout};

const NARROW: &str = "[limits]\ndisplayLimit = 1\nqueueLimit = 1\n";

fn auto_on_timeout() -> serde_json::Value {
    json!({"actionName": "Accept", "responseReason": "AutoAcceptOnTimeout"})
}

#[tokio::test]
async fn rule_8_auto_accept_chooses_the_agent_idle_longest() {
    let hub = hub("").await;
    // By name, not by order of arrival, among agents that never accepted.
    let mut cleo = hub.agent("cleo").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    for expected in ["ada", "bob", "cleo", "ada"] {
        let id = bot.ring("auto").await;
        has(&bot.result_of(&id).await, json!({"value": auto_accepted(), "agentId": expected, "sessionId": id}));
        // Agents that accepted in the same millisecond may come in the order of their names.
        bot.let_time_pass().await;
    }
    // An accept of any kind counts.
    let id = bot.ring_to("chat", &["bob"]).await;
    bob.take_on(&id).await;
    let id = bot.ring("auto").await;
    has(&bot.result_of(&id).await, json!({"agentId": "cleo"}));
    // It is displayed to nobody; that agent alone gets a session.
    for (agent, sessions) in [(&mut ada, 2), (&mut bob, 1), (&mut cleo, 2)] {
        let rest = agent.rest().await;
        assert_eq!(rest.len(), sessions, "{rest:?}");
        assert!(rest.iter().all(|m| m["type"] == "session"), "{rest:?}");
    }
}

#[tokio::test]
async fn rule_8_it_takes_room_on_the_desk() {
    let hub = hub(NARROW).await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let blocks = bot.ring_to("chat", &["ada"]).await;
    let id = bot.ring("auto").await;
    has(&bot.result_of(&id).await, json!({"agentId": "bob"}));
    // No agent has room: it waits, and goes to the first that has.
    let blocks_too = bot.ring_to("chat", &["bob"]).await;
    let id = bot.ring("auto").await;
    bot.expect_silence().await;
    ada.shown(&blocks).await;
    ada.reject(&blocks).await;
    has(&bot.result_of(&id).await, json!({"value": auto_accepted(), "agentId": "ada"}));
    bob.shown(&blocks_too).await;
}

#[tokio::test]
async fn rule_8_without_an_agent_it_waits_in_the_queue() {
    let hub = hub("[limits]\nqueueLimit = 1\n[[templates]]\nname = \"auto-short\"\ntitle = \"t\"\nautoAccept = true\nqueueTimeout = \"300ms\"").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("auto-short").await;
    let over = bot.ring("auto").await;
    has(&bot.result_of(&over).await, json!({"value": queue_full()}));
    has(
        &bot.result_of(&id).await,
        json!({"value": queue_timeout(), "reach": {"displayed": 0, "seen": 0, "rejected": 0}}),
    );
}

#[tokio::test]
async fn rule_8_waiting_ones_are_taken_by_arrival_on_available() {
    let hub = hub("").await;
    let mut ada = hub.join(json!({"role": "agent", "agentId": "ada", "presence": "away"})).await;
    let mut bot = hub.provider("bot").await;
    let ids = [bot.ring("auto").await, bot.ring("auto").await];
    ada.set_presence("available").await;
    for id in &ids {
        has(&ada.expect("session").await, json!({"notificationId": id}));
        has(&bot.next().await, json!({"type": "result", "notificationId": id, "agentId": "ada"}));
    }
}

#[tokio::test]
async fn rule_8_an_automatic_accept_has_no_winner() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("auto").await;
    bot.result_of(&id).await;
    has(&ada.accept(&id).await, json!({"value": auto_accepted(), "agentId": "ada", "won": false}));
}

const AUTO_ON_TIMEOUT: &str =
    "[[templates]]\nname = \"late\"\ntitle = \"t\"\ntimeout = \"500ms\"\nautoAcceptOnTimeout = true\n";

#[tokio::test]
async fn rule_8_the_display_timeout_accepts_if_the_template_says_so() {
    let hub = hub(AUTO_ON_TIMEOUT).await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let before = bot.ring_to("chat", &["ada"]).await;
    ada.take_on(&before).await;
    let id = bot.ring_with("late", json!({"sessionId": "s"})).await;
    ada.shown(&id).await;
    bob.shown(&id).await;
    // bob never accepted, so he has been idle longest.
    let closed = json!({"value": auto_on_timeout(), "agentId": "bob"});
    has(&ada.closed(&id).await, closed.clone());
    has(&bob.closed(&id).await, closed);
    has(&bob.expect("session").await, json!({"sessionId": "s", "notificationId": id}));
    has(&bot.result_of(&id).await, json!({"value": auto_on_timeout(), "agentId": "bob", "sessionId": "s"}));
    ada.expect_silence().await;
}

#[tokio::test]
async fn rule_8_on_timeout_the_available_come_before_the_away() {
    let hub = hub(AUTO_ON_TIMEOUT).await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let before = bot.ring_to("chat", &["bob"]).await;
    bob.take_on(&before).await;
    let id = bot.ring("late").await;
    ada.shown(&id).await;
    ada.set_presence("away").await;
    has(&bot.result_of(&id).await, json!({"value": auto_on_timeout(), "agentId": "bob"}));
    // Only agents that are away have it displayed: one of them gets it.
    let id = bot.ring_to("late", &["bob"]).await;
    bob.shown(&id).await;
    bob.set_presence("away").await;
    has(&bot.result_of(&id).await, json!({"value": auto_on_timeout(), "agentId": "bob"}));
}

#[tokio::test]
async fn rule_8_a_timeout_without_agents_is_a_display_timeout() {
    let hub = hub(AUTO_ON_TIMEOUT).await;
    let ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("late").await;
    hub.depart(ada).await;
    // An agent with a full desk does not have it displayed.
    has(&bot.result_of(&id).await, json!({"value": display_timeout(), "agentId": null}));
}

#[tokio::test]
async fn rule_8_auto_accept_skips_agents_at_the_session_limit() {
    let hub = hub("[limits]\nsessionLimit = 1").await;
    let _ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let first = bot.ring_with("auto", json!({"sessionId": "s-1"})).await;
    has(&bot.result_of(&first).await, json!({"agentId": "ada"}));
    let second = bot.ring("auto").await;
    bot.expect_silence().await;
    bot.call(json!({"type": "endSession", "sessionId": "s-1"})).await;
    has(&bot.result_of(&second).await, json!({"value": auto_accepted(), "agentId": "ada"}));
}

#[tokio::test]
async fn rule_8_a_place_that_falls_free_serves_waiting_auto_accepts_first_and_then_the_desk() {
    let hub = hub("[limits]\ndisplayLimit = 1\nqueueLimit = 5").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let blocks = bot.ring("chat").await;
    let waits = bot.ring("chat").await;
    let autos = [bot.ring("auto").await, bot.ring("auto").await];
    bot.expect_silence().await;
    ada.shown(&blocks).await;
    ada.reject(&blocks).await;
    for id in &autos {
        has(&bot.result_of(id).await, json!({"value": auto_accepted(), "agentId": "ada"}));
    }
    ada.shown(&waits).await;
}

#[tokio::test]
async fn rule_8_when_every_desk_and_queue_is_full_it_is_rejected_too() {
    let hub = hub(NARROW).await;
    let _ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    bot.ring("chat").await;
    bot.ring("chat").await;
    let over = bot.ring("auto").await;
    has(&bot.result_of(&over).await, json!({"value": queue_full(), "agentId": null}));
}
