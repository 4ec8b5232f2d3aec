//! "The life of a notification", rules 7 and 9: what settles it, and what all the others receive.

use serde_json::json;

use crate::harness::{accepted, cancelled, declined, desk, has, hub, is_error};

const NARROW: &str = "[limits]\ndisplayLimit = 1\nqueueLimit = 1\n";

// ---------------------------------------------------------------- rule 7

#[tokio::test]
async fn rule_7_the_first_answer_settles_it_and_later_answers_receive_that_outcome() {
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
    // Every agent that answers gets the outcome, displayed to or not.
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
async fn rule_7_an_away_agent_may_accept_a_displayed_notification() {
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
async fn rule_7_an_eligible_agent_that_was_skipped_keeps_it_open() {
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
async fn a_disconnected_provider_changes_nothing_for_its_notifications() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    hub.depart(bot).await;
    ada.shown(&id).await;
    has(&ada.accept(&id).await, json!({"won": true, "value": accepted()}));
}

#[tokio::test]
async fn of_a_hundred_simultaneous_accepts_one_wins_and_all_receive_the_same_result() {
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

#[tokio::test]
async fn an_accept_and_a_cancel_at_once_have_one_outcome() {
    let hub = hub("[limits]\nmessagesPerSecond = 10000").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    for n in 0..40 {
        let token = format!("t-{n}");
        let id = bot.ring_with("chat", json!({"cancellationToken": token})).await;
        ada.shown(&id).await;
        let accept = json!({"type": "accept", "id": "a", "notificationId": id});
        let cancel = json!({"type": "cancel", "id": "c", "cancellationToken": token});
        if n % 2 == 0 {
            tokio::join!(ada.send(accept), bot.send(cancel));
        } else {
            tokio::join!(bot.send(cancel), ada.send(accept));
        }
        let (answer, reply) = (ada.reply("a").await, bot.reply("c").await);
        let result = bot.result_of(&id).await;
        assert_eq!(answer["value"], reply["value"]);
        assert_eq!(answer["value"], result["value"]);
        assert_eq!(answer["won"] == true, result["value"] == accepted(), "{answer} {result}");
        has(&ada.closed(&id).await, json!({"value": result["value"]}));
        if answer["won"] == true {
            ada.expect("session").await;
        }
        ada.expect_silence().await;
    }
}

#[tokio::test]
async fn rule_7_under_first_accept_the_last_possible_reject_declines() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    // Neither of these is eligible, and neither has it displayed.
    let _away = hub.join(json!({"role": "agent", "agentId": "bob", "presence": "away"})).await;
    let _other = hub.agent("cleo").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("first", json!({"to": {"agents": ["ada", "bob", "gone"]}})).await;
    ada.shown(&id).await;
    has(&ada.reject(&id).await, json!({"won": true, "value": declined()}));
    has(&ada.closed(&id).await, json!({"value": declined(), "agentId": "ada"}));
    ada.expect_silence().await;
}

#[tokio::test]
async fn a_reject_repeated_is_answered_as_the_first_was() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let _bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("first").await;
    ada.shown(&id).await;
    for _ in 0..3 {
        let reply = ada.reject(&id).await;
        has(&reply, json!({"type": "result", "won": false, "notificationId": id}));
        assert!(reply.get("value").is_some_and(serde_json::Value::is_null), "{reply}");
    }
    ada.closed(&id).await;
    ada.expect_silence().await;
}

#[tokio::test]
async fn notifications_displayed_by_the_welcome_get_closed() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    let mut ada = hub.agent("ada").await;
    let mut away = hub.agent("bob").await;
    away.set_presence("away").await;
    bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await;
    for agent in [&mut ada, &mut away] {
        has(&agent.next().await, json!({"type": "closed", "notificationId": id, "value": cancelled()}));
        agent.expect_silence().await;
    }
}
