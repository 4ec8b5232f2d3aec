//! "The life of a notification", rule by rule.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::harness::{accepted, declined, desk, display_timeout, has, hub, queue_full, queue_timeout};

const NARROW: &str = "[limits]\ndisplayLimit = 1\nqueueLimit = 1\n";

// ---------------------------------------------------------------- rule 1

#[tokio::test]
async fn rule_1_it_goes_to_every_eligible_agent() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut away = hub.join(json!({"role": "agent", "agentId": "cleo", "presence": "away"})).await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    ada.shown(&id).await;
    bob.shown(&id).await;
    away.expect_silence().await;
}

#[tokio::test]
async fn rule_1_displayed_if_there_is_room_else_waiting_first_come_first_displayed() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(bot.ring("chat").await);
    }
    for id in &ids[..3] {
        has(&ada.next().await, json!({"type": "notification", "notificationId": id}));
    }
    ada.expect_silence().await;
    for (n, id) in ids[3..].iter().enumerate() {
        ada.reject(&ids[n]).await;
        ada.closed(&ids[n]).await;
        has(&ada.next().await, json!({"type": "notification", "notificationId": id}));
    }
    ada.expect_silence().await;
}

#[tokio::test]
async fn rule_1_an_agent_with_a_full_desk_and_queue_is_skipped() {
    let hub = hub(NARROW).await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let first = bot.ring_to("chat", &["ada"]).await;
    bot.ring_to("chat", &["ada"]).await;
    ada.shown(&first).await;
    let third = bot.ring("chat").await;
    bob.shown(&third).await;
    ada.expect_silence().await;
    bot.expect_silence().await;
}

#[tokio::test]
async fn the_audience_is_all_or_those_named_by_agent_or_group() {
    let hub = hub("[limits]\ndisplayLimit = 10").await;
    let mut ada = hub.agent_in("ada", &["billing", "vip"]).await;
    let mut bob = hub.agent_in("bob", &["billing"]).await;
    let mut cleo = hub.agent("cleo").await;
    let mut bot = hub.provider("bot").await;
    let to_ada = bot.ring_with("chat", json!({"to": {"agents": ["ada"]}})).await;
    let to_billing = bot.ring_with("chat", json!({"to": {"groups": ["billing"]}})).await;
    let to_both = bot.ring_with("chat", json!({"to": {"agents": ["cleo", "ada"], "groups": ["vip", "no one"]}})).await;
    let to_all = bot.ring_with("chat", json!({"to": {}})).await;
    for id in [&to_ada, &to_billing, &to_both, &to_all] {
        has(&ada.next().await, json!({"notificationId": id}));
    }
    for id in [&to_billing, &to_all] {
        has(&bob.next().await, json!({"notificationId": id}));
    }
    for id in [&to_both, &to_all] {
        has(&cleo.next().await, json!({"notificationId": id}));
    }
    for agent in [&mut ada, &mut bob, &mut cleo] {
        agent.expect_silence().await;
    }
}

// ---------------------------------------------------------------- rule 2

#[tokio::test]
async fn rule_2_when_all_are_passed_over_it_is_rejected_at_once() {
    let hub = hub(NARROW).await;
    let mut agents = [hub.agent("ada").await, hub.agent("bob").await];
    let mut bot = hub.provider("bot").await;
    let first = bot.ring("chat").await;
    bot.ring("chat").await;
    bot.send(json!({"type": "notify", "id": "over", "templateName": "chat"})).await;
    has(&bot.next().await, json!({"type": "ack", "id": "over"}));
    has(&bot.next().await, json!({"type": "result", "id": "over", "value": queue_full(), "agentId": null}));
    for agent in &mut agents {
        agent.shown(&first).await;
        agent.expect_silence().await;
    }
}

#[tokio::test]
async fn a_busy_workspace_addresses_by_group() {
    let hub = hub(NARROW).await;
    let _ada = hub.agent_in("ada", &["a"]).await;
    let mut bob = hub.agent_in("bob", &["b"]).await;
    let mut bot = hub.provider("bot").await;
    for _ in 0..2 {
        bot.ring_with("chat", json!({"to": {"groups": ["a"]}})).await;
    }
    let over = bot.ring_with("chat", json!({"to": {"groups": ["a"]}})).await;
    has(&bot.result_of(&over).await, json!({"value": queue_full()}));
    let other = bot.ring_with("chat", json!({"to": {"groups": ["b"]}})).await;
    bob.shown(&other).await;
}

// ---------------------------------------------------------------- rule 3

#[tokio::test]
async fn rule_3_without_an_eligible_agent_it_waits_at_most_queue_limit_of_one_audience() {
    let hub = hub("[limits]\nqueueLimit = 2").await;
    let mut bot = hub.provider("bot").await;
    let everyone = [json!({}), json!({"to": {}}), json!({"to": null})];
    let some = [
        json!({"to": {"agents": ["a", "b"], "groups": ["g"]}}),
        json!({"to": {"agents": ["b", "a"], "groups": ["g"]}}),
        json!({"to": {"groups": ["g"], "agents": ["a", "b", "a"]}}),
    ];
    // `{}` is as absent; the order of names is nothing.
    for audience in [everyone, some] {
        let [one, two, three] = audience;
        bot.ring_with("chat", one).await;
        bot.ring_with("chat", two).await;
        let over = bot.ring_with("chat", three).await;
        has(&bot.result_of(&over).await, json!({"value": queue_full(), "agentId": null}));
    }
    bot.expect_silence().await;
}

#[tokio::test]
async fn rule_3_the_queue_counts_those_never_displayed_only() {
    let hub = hub("[limits]\nqueueLimit = 1").await;
    let mut bot = hub.provider("bot").await;
    let ada = hub.agent("ada").await;
    let displayed = bot.ring("chat").await;
    hub.depart(ada).await;
    let waits = bot.ring("chat").await;
    let over = bot.ring("chat").await;
    has(&bot.result_of(&over).await, json!({"value": queue_full()}));
    let ada = hub.agent("ada").await;
    assert_eq!(desk(&ada.welcome), [displayed, waits]);
}

#[tokio::test]
async fn rule_3_a_newly_eligible_agent_is_offered_everything_open_by_arrival() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let mut ids = Vec::new();
    for audience in [
        json!({}),
        json!({"to": {"groups": ["g"]}}),
        json!({"to": {"agents": ["bob"]}}),
        json!({"to": {"agents": ["ada"]}}),
        json!({}),
    ] {
        ids.push(bot.ring_with("chat", audience).await);
    }
    let mut ada = hub.agent_in("ada", &["g"]).await;
    assert_eq!(desk(&ada.welcome), [&*ids[0], &*ids[1], &*ids[3]]);
    ada.accept(&ids[1]).await;
    ada.shown(&ids[4]).await;
}

#[tokio::test]
async fn rule_3_on_available_the_desk_is_filled_again() {
    let hub = hub("").await;
    let mut ada = hub.join(json!({"role": "agent", "agentId": "ada", "presence": "away"})).await;
    let mut bot = hub.provider("bot").await;
    let one = bot.ring("chat").await;
    let two = bot.ring("chat").await;
    ada.expect_silence().await;
    ada.set_presence("available").await;
    has(&ada.expect("notification").await, json!({"notificationId": one}));
    has(&ada.expect("notification").await, json!({"notificationId": two}));
}

#[tokio::test]
async fn rule_3_a_rejected_notification_is_not_offered_again() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let _bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("first").await;
    ada.shown(&id).await;
    ada.reject(&id).await;
    ada.closed(&id).await;
    ada.set_presence("away").await;
    ada.set_presence("available").await;
    ada.expect_silence().await;
    hub.depart(ada).await;
    assert_eq!(desk(&hub.agent("ada").await.welcome), [""; 0]);
}

// ---------------------------------------------------------------- rule 4

#[tokio::test]
async fn rule_4_closed_comes_before_the_next_notification() {
    let hub = hub(NARROW).await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let one = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    let two = bot.ring("chat").await;
    ada.shown(&one).await;
    bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await;
    has(&ada.next().await, json!({"type": "closed", "notificationId": one}));
    has(&ada.next().await, json!({"type": "notification", "notificationId": two}));
}

#[tokio::test]
async fn rule_4_a_place_in_the_queue_is_taken_by_the_oldest_that_was_passed_over() {
    let hub = hub(NARROW).await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let one = bot.ring_to("chat", &["ada"]).await;
    let two = bot.ring_to("chat", &["ada"]).await;
    // Full at ada, so these are for bob at first.
    let three = bot.ring("chat").await;
    let four = bot.ring("chat").await;
    bob.shown(&three).await;
    ada.shown(&one).await;
    for (answered, next) in [(&one, &two), (&two, &three), (&three, &four)] {
        ada.accept(answered).await;
        ada.closed(answered).await;
        ada.shown(next).await;
    }
    has(&bob.closed(&three).await, json!({"agentId": "ada"}));
    bob.shown(&four).await;
}

#[tokio::test]
async fn rule_4_when_the_last_connection_goes_the_desk_is_dissolved_and_built_anew() {
    let hub = hub("[limits]\ndisplayLimit = 1").await;
    let ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let one = bot.ring("chat").await;
    let two = bot.ring("chat").await;
    bob.shown(&one).await;
    hub.depart(ada).await;
    bob.accept(&one).await;
    bob.shown(&two).await;
    let ada = hub.agent("ada").await;
    assert_eq!(desk(&ada.welcome), [two]);
}

#[tokio::test]
async fn an_answer_at_one_desk_removes_the_card_from_the_others() {
    let hub = hub("[limits]\ndisplayLimit = 1").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let ids = [bot.ring("chat").await, bot.ring("chat").await, bot.ring("chat").await];
    ada.shown(&ids[0]).await;
    ada.accept(&ids[0]).await;
    // What waits goes with it: the second is answered by bob while it waits for nobody any more.
    bob.shown(&ids[0]).await;
    has(&bob.next().await, json!({"type": "closed", "notificationId": ids[0], "value": accepted(), "agentId": "ada"}));
    has(&bob.next().await, json!({"type": "notification", "notificationId": ids[1]}));
    bob.reject(&ids[1]).await;
    ada.shown(&ids[1]).await;
    has(&ada.closed(&ids[1]).await, json!({"value": declined(), "agentId": "bob"}));
    ada.shown(&ids[2]).await;
    bob.shown(&ids[2]).await;
}

// ---------------------------------------------------------------- rule 5

#[tokio::test]
async fn rule_5_the_queue_time_runs_from_arrival() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let asked = Instant::now();
    let id = bot.ring("impatient").await;
    let result = bot.result_of(&id).await;
    has(&result, json!({"value": queue_timeout(), "agentId": null, "sessionId": null}));
    assert!(asked.elapsed() >= Duration::from_millis(300));
    assert!(result["elapsedMs"].as_u64().unwrap() >= 300, "{result}");
}

#[tokio::test]
async fn rule_5_the_queue_timeout_is_the_timeout_unless_given() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("short").await;
    has(&bot.result_of(&id).await, json!({"value": queue_timeout()}));
}

#[tokio::test]
async fn rule_5_it_ends_once_it_is_displayed_to_anyone() {
    let hub = hub("[[templates]]\nname = \"t\"\ntitle = \"t\"\ntimeout = \"900ms\"\nqueueTimeout = \"300ms\"").await;
    let ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("t").await;
    hub.depart(ada).await;
    has(&bot.result_of(&id).await, json!({"value": display_timeout()}));
}

#[tokio::test]
async fn a_notification_past_its_queue_time_leaves_the_queue() {
    let hub = hub("[limits]\ndisplayLimit = 1").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let one = bot.ring("chat").await;
    let two = bot.ring("impatient").await;
    let three = bot.ring("chat").await;
    bot.result_of(&two).await;
    ada.shown(&one).await;
    ada.accept(&one).await;
    ada.shown(&three).await;
    ada.closed(&one).await;
    ada.expect("session").await;
    ada.expect_silence().await;
}

#[tokio::test]
async fn due_notifications_settle_by_deadline_then_by_arrival() {
    let hub = hub("[[templates]]\nname = \"slow\"\ntitle = \"t\"\nqueueTimeout = \"600ms\"\n\
         [[templates]]\nname = \"fast\"\ntitle = \"t\"\nqueueTimeout = \"300ms\"")
    .await;
    let mut bot = hub.provider("bot").await;
    let slow = bot.ring("slow").await;
    let fast = bot.ring("fast").await;
    let fast_too = bot.ring("fast").await;
    for id in [fast, fast_too, slow] {
        has(&bot.next().await, json!({"type": "result", "notificationId": id, "value": queue_timeout()}));
    }
}

// ---------------------------------------------------------------- rule 6

#[tokio::test]
async fn rule_6_the_display_time_runs_from_the_first_display() {
    let hub = hub("[[templates]]\nname = \"t\"\ntitle = \"t\"\ntimeout = \"500ms\"\nqueueTimeout = \"1h\"").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("t").await;
    let shown = Instant::now();
    let mut ada = hub.agent("ada").await;
    assert_eq!(desk(&ada.welcome), [id.as_str()]);
    has(&ada.closed(&id).await, json!({"value": display_timeout(), "agentId": null}));
    assert!(shown.elapsed() >= Duration::from_millis(500));
    has(&bot.result_of(&id).await, json!({"value": display_timeout()}));
}

#[tokio::test]
async fn rule_6_the_timer_runs_on_when_agents_leave_and_newcomers_see_the_remaining_time() {
    let template = |ms: u64| format!("[[templates]]\nname = \"{ms}\"\ntitle = \"t\"\ntimeout = \"{ms}ms\"\n");
    let hub = hub(&[1_000, 4_000, 16_000].map(template).concat()).await;
    let mut bot = hub.provider("bot").await;
    // On a slow machine the shorter ones may be over before bob is there.
    for timeout in [1_000, 4_000, 16_000] {
        let ada = hub.agent("ada").await;
        let id = bot.ring(&timeout.to_string()).await;
        hub.depart(ada).await;
        bot.let_time_pass().await;
        let mut bob = hub.agent("bob").await;
        if let Some(remaining) = bob.welcome["notifications"][0]["remainingMs"].as_u64() {
            assert!(remaining <= timeout - 300, "{remaining}");
            has(&bob.welcome["notifications"][0], json!({"timeoutMs": timeout}));
            has(&bob.closed(&id).await, json!({"value": display_timeout()}));
            bot.result_of(&id).await;
            return;
        }
        hub.depart(bob).await;
    }
    panic!("no notification lasts until bob is there");
}

#[tokio::test]
async fn an_answer_after_the_timeout_receives_the_timeout() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("short").await;
    ada.closed(&id).await;
    has(&ada.accept(&id).await, json!({"type": "result", "value": display_timeout(), "won": false, "agentId": null}));
}
