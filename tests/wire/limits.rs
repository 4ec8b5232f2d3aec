//! Counts at their bound, and rates.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Client, PATIENCE, cancelled, has, hub, is_error};

// ---------------------------------------------------------------- counts

#[tokio::test]
async fn one_open_notification_more_than_may_be_is_an_error() {
    let hub = hub("[limits]\nopenNotifications = 2").await;
    let mut bot = hub.provider("bot").await;
    bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    bot.ring("chat").await;
    let more = json!({"type": "notify", "id": "more", "templateName": "chat"});
    is_error(&bot.call(more.clone()).await, "limit", Some("NotifyEvent"));
    // The count is the workspace's.
    let mut other = hub.provider("other").await;
    is_error(&other.call(more.clone()).await, "limit", Some("NotifyEvent"));
    has(&bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await, json!({"value": cancelled()}));
    has(&bot.call(more).await, json!({"type": "ack", "duplicate": false}));
}

/// The names in this list of a welcome, sorted.
fn names(list: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        list.as_array().unwrap().iter().map(|item| item["sessionId"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

// Which was touched first is a matter of the hub's one order, not of its clock's milliseconds: so these are done as fast
// as can be, and more than once.

#[tokio::test]
async fn at_the_bound_the_session_untouched_longest_ends_first() {
    let hub = hub("[limits]\nsessions = 2").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let start = async |ada: &mut Client, bot: &mut Client, session: &str| {
        let id = bot.ring_with("chat", json!({"sessionId": session})).await;
        ada.take_on(&id).await;
        bot.result_of(&id).await;
    };
    for _ in 0..10 {
        start(&mut ada, &mut bot, "a").await;
        start(&mut ada, &mut bot, "b").await;
        has(&bot.call(json!({"type": "activity", "sessionId": "a", "count": 1})).await, json!({"type": "result"}));
        ada.expect("activity").await;
        start(&mut ada, &mut bot, "c").await;
        has(&ada.expect("sessionEnded").await, json!({"sessionId": "b"}));
        assert_eq!(names(&hub.agent("ada").await.welcome["sessions"]), ["a", "c"]);
        for session in ["a", "c"] {
            bot.call(json!({"type": "endSession", "sessionId": session})).await;
            has(&ada.expect("sessionEnded").await, json!({"sessionId": session}));
        }
        ada.expect_silence().await;
    }
}

#[tokio::test]
async fn at_the_bound_the_mark_untouched_longest_ends_first() {
    let hub = hub("[limits]\nkpiMarks = 2").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    for _ in 0..10 {
        for session in ["a", "b", "a", "c"] {
            has(&bot.call(json!({"type": "kpi", "sessionId": session})).await, json!({"type": "result"}));
        }
        let cleared = ada.take("a mark to be cleared", |m| m["type"] == "kpi" && m["breached"] == false).await;
        has(&cleared, json!({"sessionId": "b"}));
        assert_eq!(names(&hub.agent("bob").await.welcome["kpi"]), ["a", "c"]);
        for session in ["a", "c"] {
            bot.call(json!({"type": "kpi", "sessionId": session, "shouldReset": true})).await;
        }
        ada.rest().await;
    }
}

#[tokio::test]
async fn past_the_bound_the_oldest_outcome_is_forgotten_with_its_id_and_token() {
    let hub = hub("[limits]\nretainedOutcomes = 1").await;
    let mut bot = hub.provider("bot").await;
    let notify = |n: u32| json!({"type": "notify", "id": format!("n-{n}"), "templateName": "chat", "cancellationToken": format!("t-{n}")});
    for n in [1, 2] {
        has(&bot.call(notify(n)).await, json!({"duplicate": false}));
        bot.call(json!({"type": "cancel", "cancellationToken": format!("t-{n}")})).await;
    }
    is_error(&bot.call(json!({"type": "cancel", "cancellationToken": "t-1"})).await, "notFound", Some("CancelEvent"));
    has(&bot.call(notify(2)).await, json!({"duplicate": true}));
    has(&bot.call(notify(1)).await, json!({"duplicate": false}));
}

#[tokio::test]
async fn past_the_bound_the_oldest_agent_is_forgotten() {
    let hub = hub("[limits]\nrememberedAgents = 1").await;
    for id in ["ada", "bob"] {
        let agent = hub.join(json!({"role": "agent", "agentId": id, "presence": "away", "groups": ["g"]})).await;
        hub.depart(agent).await;
    }
    has(&hub.agent("bob").await.welcome, json!({"presence": "away", "groups": ["g"]}));
    has(&hub.agent("ada").await.welcome, json!({"presence": "available", "groups": []}));
}

// ---------------------------------------------------------------- rates

#[tokio::test]
async fn a_message_over_the_rate_is_an_error_and_is_not_carried_out() {
    let hub = hub("[limits]\nmessagesPerSecond = 1").await;
    let mut bot = hub.provider("bot").await;
    let guid = "7f9c24e8-3b12-4fef-91e0-56e0c5a1b001";
    for n in 0..8 {
        bot.send(json!({"type": "notify", "id": format!("n-{n}"), "correlationId": guid, "templateName": "chat"}))
            .await;
    }
    let (mut taken, mut refused) = (Vec::new(), 0);
    for n in 0..8 {
        let reply = bot.reply(&format!("n-{n}")).await;
        if reply["type"] == "ack" {
            taken.push(reply["notificationId"].clone());
        } else {
            is_error(&reply, "rateLimited", Some("NotifyEvent"));
            has(&reply, json!({"correlationId": guid}));
            refused += 1;
        }
    }
    assert!(refused >= 4 && !taken.is_empty(), "{refused} refused, {} taken", taken.len());
    let again = hub.provider("bot").await;
    let open = again.welcome["open"].as_array().unwrap();
    assert_eq!(open.iter().map(|n| n["notificationId"].clone()).collect::<Vec<_>>(), taken);
}

#[tokio::test]
async fn a_burst_of_twice_the_rate_is_served() {
    let hub = hub("[limits]\nmessagesPerSecond = 50").await;
    let mut ada = hub.agent("ada").await;
    for n in 0..90 {
        ada.send(json!({"type": "ping", "id": format!("{n}")})).await;
    }
    for n in 0..90 {
        has(&ada.reply(&format!("{n}")).await, json!({"type": "pong"}));
    }
}

#[tokio::test]
async fn more_than_a_hundred_over_the_rate_in_a_row_close_with_4429() {
    let hub = hub("[limits]\nmessagesPerSecond = 1").await;
    let mut other = hub.agent("bob").await;
    for flood in [json!({"type": "ping"}), json!({"type": "notify", "templateName": "chat"}), json!({"nonsense": true})]
    {
        let mut bot = hub.provider("bot").await;
        for _ in 0..150 {
            bot.send_text(&flood.to_string()).await;
        }
        bot.expect_close(4429).await;
    }
    has(&other.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn a_hundred_messages_over_the_rate_are_refused_without_a_close() {
    let hub = hub("[limits]\nmessagesPerSecond = 1").await;
    let mut bot = hub.provider("bot").await;
    for n in 0..100 {
        bot.send(json!({"type": "ping", "id": format!("{n}")})).await;
    }
    let mut limited = 0;
    for n in 0..100 {
        let reply = bot.reply(&format!("{n}")).await;
        if reply["type"] != "pong" {
            is_error(&reply, "rateLimited", None);
            limited += 1;
        }
    }
    // The burst, and one for each second that this took.
    assert!((50..=98).contains(&limited), "{limited} of 100 were refused");
}

#[tokio::test]
async fn a_provider_pays_for_the_deliveries_that_its_calls_cause() {
    let hub = hub("[limits]\ndeliveriesPerSecond = 10\ndisplayLimit = 100").await;
    let mut agents = Vec::new();
    for n in 0..10 {
        agents.push(hub.agent(&format!("agent-{n}")).await);
    }
    let mut bot = hub.provider("bot").await;
    let mut calls = 0;
    let error = loop {
        calls += 1;
        assert!(calls < 20, "never limited");
        let reply = bot.call(json!({"type": "notify", "templateName": "chat"})).await;
        if reply["type"] == "error" {
            break reply;
        }
    };
    is_error(&error, "rateLimited", Some("NotifyEvent"));
    assert!(calls > 1, "a burst of twice the rate is there");
    is_error(&bot.call(json!({"type": "kpi", "sessionId": "s"})).await, "rateLimited", Some("NotifyKpiBreach"));
    // It is per provider.
    let mut other = hub.provider("other").await;
    has(&other.call(json!({"type": "notify", "templateName": "chat"})).await, json!({"type": "ack"}));
    // Its advice about reconnecting is right.
    let retry = Duration::from_millis(error["retryAfterMs"].as_u64().unwrap());
    assert!(retry > Duration::ZERO && retry < PATIENCE, "{retry:?}");
    tokio::time::sleep(retry).await;
    has(&bot.call(json!({"type": "notify", "templateName": "chat"})).await, json!({"type": "ack"}));
    agents[0].expect("notification").await;
}

#[tokio::test]
async fn a_welcome_larger_than_the_outbound_limit_arrives() {
    let hub = hub("[limits]\noutboundBytes = 4096\noutboundFrames = 1\ndisplayLimit = 100").await;
    let mut bot = hub.provider("bot").await;
    let name = "x".repeat(500);
    for _ in 0..10 {
        bot.ring_with("chat", json!({"templateParameters": {"customerName": name}})).await;
    }
    let mut ada = hub.agent("ada").await;
    assert_eq!(ada.welcome["notifications"].as_array().unwrap().len(), 10);
    ada.expect_silence().await;
}
