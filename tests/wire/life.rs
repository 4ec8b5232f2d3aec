//! "The life of a notification", rule by rule.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::harness::{
    accepted, auto_accepted, cancelled, declined, desk, display_timeout, has, hub, is_error, queue_full, queue_timeout,
};

const NARROW: &str = "[limits]\ndisplayLimit = 1\nqueueLimit = 1\n";

fn auto_on_timeout() -> serde_json::Value {
    json!({"actionName": "Accept", "responseReason": "AutoAcceptOnTimeout"})
}

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
async fn rule_1_an_agent_whose_desk_and_queue_are_full_is_passed_over() {
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
async fn rule_3_who_becomes_eligible_is_offered_everything_open_in_order_of_arrival() {
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
async fn rule_3_what_an_agent_rejected_is_not_offered_again() {
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
async fn rule_4_closed_comes_before_what_takes_its_place() {
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
async fn one_desk_loses_what_another_answered() {
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
    assert!((300..2_000).contains(&result["elapsedMs"].as_u64().unwrap()), "{result}");
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
async fn what_is_past_its_queue_time_is_gone_from_the_queue() {
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
async fn what_is_due_is_settled_by_deadline_then_by_arrival() {
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
async fn rule_6_agents_who_leave_do_not_stop_it_and_agents_who_come_see_what_remains() {
    let hub = hub("[[templates]]\nname = \"t\"\ntitle = \"t\"\ntimeout = \"1s\"").await;
    let ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let began = Instant::now();
    let id = bot.ring("t").await;
    hub.depart(ada).await;
    bot.let_time_pass().await;
    let mut bob = hub.agent("bob").await;
    let remaining = bob.welcome["notifications"][0]["remainingMs"].as_u64().unwrap();
    assert!(remaining <= 700, "{remaining}");
    has(&bob.welcome["notifications"][0], json!({"timeoutMs": 1_000}));
    has(&bob.closed(&id).await, json!({"value": display_timeout()}));
    assert!(began.elapsed() < Duration::from_millis(1_600), "it was restarted: {:?}", began.elapsed());
    bot.result_of(&id).await;
}

#[tokio::test]
async fn an_answer_after_the_time_is_told_the_timeout() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("short").await;
    ada.closed(&id).await;
    has(&ada.accept(&id).await, json!({"type": "result", "value": display_timeout(), "won": false, "agentId": null}));
}

// ---------------------------------------------------------------- rule 7

#[tokio::test]
async fn rule_7_the_first_answer_settles_it_and_later_ones_are_told_what_did() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut cleo = hub.join(json!({"role": "agent", "agentId": "cleo", "presence": "away"})).await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    ada.shown(&id).await;
    bob.shown(&id).await;
    let won = ada.accept(&id).await;
    has(
        &won,
        json!({"type": "result", "notificationId": id, "value": accepted(), "agentId": "ada", "won": true, "msdyn_name": null}),
    );
    has(&ada.closed(&id).await, json!({"value": accepted(), "agentId": "ada"}));
    has(&bob.closed(&id).await, json!({"value": accepted(), "agentId": "ada"}));
    // Whoever asks, displayed to or not, is told; it is per agent.
    for (agent, won) in [(&mut bob, false), (&mut cleo, false), (&mut ada, true)] {
        let told = json!({"value": accepted(), "agentId": "ada", "won": won});
        has(&agent.reject(&id).await, told.clone());
        has(&agent.accept(&id).await, told);
    }
    ada.expect("session").await;
    ada.expect_silence().await;
    bob.expect_silence().await;
    bot.result_of(&id).await;
    bot.expect_silence().await;
}

#[tokio::test]
async fn rule_7_a_reject_settles_it_for_all() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    bob.shown(&id).await;
    ada.shown(&id).await;
    has(&ada.reject(&id).await, json!({"value": declined(), "won": true, "agentId": "ada"}));
    has(&bob.closed(&id).await, json!({"value": declined(), "agentId": "ada"}));
    has(&bob.accept(&id).await, json!({"value": declined(), "won": false, "agentId": "ada"}));
    bob.expect_silence().await;
}

#[tokio::test]
async fn rule_7_under_first_accept_a_reject_takes_it_off_that_desk_only() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut tab = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("first").await;
    ada.shown(&id).await;
    tab.shown(&id).await;
    bob.shown(&id).await;
    let reply = ada.reject(&id).await;
    has(&reply, json!({"type": "result", "won": false, "agentId": null}));
    assert!(reply.get("value").is_some_and(serde_json::Value::is_null), "{reply}");
    for desk in [&mut ada, &mut tab] {
        let closed = desk.closed(&id).await;
        assert!(closed.get("value").is_some_and(serde_json::Value::is_null), "{closed}");
        has(&closed, json!({"agentId": null}));
    }
    // An accept after one's own unsettling reject is answered as that reject was.
    let late = ada.accept(&id).await;
    has(&late, json!({"type": "result", "won": false}));
    assert!(late.get("value").is_some_and(serde_json::Value::is_null), "{late}");
    has(&bob.accept(&id).await, json!({"value": accepted(), "won": true}));
    has(
        &bot.result_of(&id).await,
        json!({"value": accepted(), "agentId": "bob", "reach": {"displayed": 2, "seen": 0, "rejected": 1}}),
    );
    has(&ada.accept(&id).await, json!({"value": accepted(), "agentId": "bob", "won": false}));
    // That desk had its one `closed`.
    ada.expect_silence().await;
    tab.expect_silence().await;
}

#[tokio::test]
async fn rule_7_under_first_accept_the_last_reject_declines_it() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("first").await;
    ada.shown(&id).await;
    bob.shown(&id).await;
    ada.reject(&id).await;
    let reply = bob.call(json!({"type": "reject", "notificationId": id, "reason": "no"})).await;
    has(&reply, json!({"value": declined(), "won": true, "agentId": "bob"}));
    has(&bob.closed(&id).await, json!({"value": declined(), "agentId": "bob"}));
    has(&bot.result_of(&id).await, json!({"value": declined(), "agentId": "bob", "declineReason": "no"}));
}

#[tokio::test]
async fn rule_7_who_is_away_but_has_it_displayed_may_still_take_it() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("first").await;
    ada.shown(&id).await;
    bob.shown(&id).await;
    bob.set_presence("away").await;
    has(&ada.reject(&id).await, json!({"won": false}));
    has(&bob.accept(&id).await, json!({"won": true, "value": accepted()}));
}

#[tokio::test]
async fn rule_7_who_is_eligible_but_was_passed_over_keeps_it_open() {
    let hub = hub(NARROW).await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let one = bot.ring_to("chat", &["bob"]).await;
    bot.ring_to("chat", &["bob"]).await;
    let id = bot.ring("first").await;
    ada.shown(&id).await;
    has(&ada.reject(&id).await, json!({"won": false}));
    bob.shown(&one).await;
    bot.expect_silence().await;
}

#[tokio::test]
async fn rule_7_an_agents_leaving_never_settles_it() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("first").await;
    ada.shown(&id).await;
    has(&ada.reject(&id).await, json!({"won": false}));
    hub.depart(bob).await;
    bot.expect_silence().await;
    let mut cleo = hub.agent("cleo").await;
    assert_eq!(desk(&cleo.welcome), [id.as_str()]);
    has(&cleo.reject(&id).await, json!({"won": true, "value": declined()}));
}

#[tokio::test]
async fn an_open_notification_that_was_never_displayed_to_the_agent_is_not_found() {
    let hub = hub("[limits]\ndisplayLimit = 1").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    bot.ring("chat").await;
    let waits = bot.ring("chat").await;
    let others = bot.ring_to("chat", &["cleo"]).await;
    for id in [&waits, &others] {
        is_error(&ada.accept(id).await, "notFound", None);
        is_error(&bob.reject(id).await, "notFound", None);
    }
}

#[tokio::test]
async fn one_that_was_displayed_may_be_answered_after_it_left_the_desk() {
    let hub = hub("").await;
    let ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    hub.depart(ada).await;
    let mut ada = hub.join(json!({"role": "agent", "agentId": "ada", "presence": "away"})).await;
    assert_eq!(desk(&ada.welcome), [""; 0]);
    has(&ada.accept(&id).await, json!({"type": "result", "won": true, "value": accepted()}));
    has(&bot.result_of(&id).await, json!({"value": accepted(), "agentId": "ada"}));
}

// ---------------------------------------------------------------- rule 8

#[tokio::test]
async fn rule_8_auto_accept_goes_to_who_has_been_idle_longest() {
    let hub = hub("").await;
    // By name, not by order of coming, among those who never accepted.
    let mut cleo = hub.agent("cleo").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    for expected in ["ada", "bob", "cleo", "ada"] {
        let id = bot.ring("auto").await;
        has(&bot.result_of(&id).await, json!({"value": auto_accepted(), "agentId": expected, "sessionId": id}));
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
    // Nobody has room: it waits, and goes to the first who has.
    let blocks_too = bot.ring_to("chat", &["bob"]).await;
    let id = bot.ring("auto").await;
    bot.expect_silence().await;
    ada.shown(&blocks).await;
    ada.reject(&blocks).await;
    has(&bot.result_of(&id).await, json!({"value": auto_accepted(), "agentId": "ada"}));
    bob.shown(&blocks_too).await;
}

#[tokio::test]
async fn rule_8_with_nobody_to_take_it_it_waits_as_others_do() {
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
async fn rule_8_of_an_automatic_accept_nobody_has_won() {
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
async fn rule_8_a_display_time_that_runs_out_is_an_accept_if_the_template_says_so() {
    let hub = hub(AUTO_ON_TIMEOUT).await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let before = bot.ring_to("chat", &["ada"]).await;
    ada.take_on(&before).await;
    let id = bot.ring_with("late", json!({"sessionId": "s"})).await;
    ada.shown(&id).await;
    bob.shown(&id).await;
    // bob, who never accepted, has been idle longest.
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
    // Only the away have it displayed: one of them.
    let id = bot.ring_to("late", &["bob"]).await;
    bob.shown(&id).await;
    bob.set_presence("away").await;
    has(&bot.result_of(&id).await, json!({"value": auto_on_timeout(), "agentId": "bob"}));
}

#[tokio::test]
async fn rule_8_on_timeout_with_nobody_left_it_is_a_display_timeout() {
    let hub = hub(AUTO_ON_TIMEOUT).await;
    let ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("late").await;
    hub.depart(ada).await;
    // Who waits for it, behind a full desk, does not have it displayed.
    has(&bot.result_of(&id).await, json!({"value": display_timeout(), "agentId": null}));
}

#[tokio::test]
async fn rule_8_an_agent_at_the_session_limit_gets_no_auto_accept() {
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

// ---------------------------------------------------------------- rule 9

#[tokio::test]
async fn rule_9_the_providers_cancel_settles_it() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    ada.shown(&id).await;
    bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await;
    has(&ada.closed(&id).await, json!({"value": cancelled(), "agentId": null}));
    has(&bot.result_of(&id).await, json!({"value": cancelled(), "agentId": null, "sessionId": null}));
    has(&ada.accept(&id).await, json!({"value": cancelled(), "won": false, "agentId": null}));
}

// ---------------------------------------------------------------- all at once

#[tokio::test]
async fn what_the_providers_disconnecting_does_is_nothing() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    hub.depart(bot).await;
    ada.shown(&id).await;
    has(&ada.accept(&id).await, json!({"won": true, "value": accepted()}));
}

#[tokio::test]
async fn of_a_hundred_agents_who_accept_at_once_one_has_won_and_all_are_told_the_same() {
    let hub = hub("").await;
    let mut agents = Vec::new();
    for n in 0..100 {
        agents.push(hub.agent(&format!("agent-{n:02}")).await);
    }
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    for agent in &mut agents {
        agent.shown(&id).await;
    }
    for agent in &mut agents {
        agent.send(json!({"type": "accept", "id": "mine", "notificationId": id})).await;
    }
    let result = bot.result_of(&id).await;
    has(&result, json!({"value": accepted(), "reach": {"displayed": 100, "seen": 0, "rejected": 0}}));
    let winner = result["agentId"].clone();
    let mut winners = 0;
    for agent in &mut agents {
        let reply = agent.reply("mine").await;
        has(&reply, json!({"value": accepted(), "agentId": winner}));
        has(&agent.closed(&id).await, json!({"value": accepted(), "agentId": winner}));
        let won = reply["won"].as_bool().unwrap();
        assert_eq!(won, agent.welcome["agentId"] == winner);
        if won {
            winners += 1;
            agent.expect("session").await;
        }
        agent.expect_silence().await;
    }
    assert_eq!(winners, 1);
    bot.expect_silence().await;
}
