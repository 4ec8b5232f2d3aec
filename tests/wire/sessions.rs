//! Sessions: their start, transfer, activity, end, and owner.

use serde_json::{Value, json};

use crate::harness::{Client, Setup, has, hub, is_error, is_time, text};

async fn ring(bot: &mut Client, session: &str, agent: &str) -> String {
    bot.ring_with("chat", json!({"sessionId": session, "to": {"agents": [agent]}})).await
}

async fn done(client: &mut Client, call: Value) {
    let result = client.call(call).await;
    has(&result, json!({"type": "result"}));
    assert_eq!(result.get("value"), Some(&Value::Null), "{result}");
}

#[tokio::test]
async fn an_accept_starts_a_session_at_the_winners_desk_only() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let more = json!({"sessionId": "conv-42", "templateParameters": {"customerName": "Grace"}});
    let id = bot.ring_with("chat", more).await;
    let shown = ada.shown(&id).await;
    ada.accept(&id).await;
    let session = ada.expect("session").await;
    has(
        &session,
        json!({"sessionId": "conv-42", "notificationId": id, "correlationId": shown["correlationId"],
        "title": "Grace wants to chat", "breached": false, "unread": 0}),
    );
    is_time(&session["startedAt"]);
    bob.shown(&id).await;
    bob.closed(&id).await;
    bob.expect_silence().await;
}

#[tokio::test]
async fn a_session_keeps_the_card_that_began_it() {
    let template = r#"
        [[templates]]
        name = "case"
        title = "{name}"
        icon = "phone"
        link = "https://crm.example/{name}/{id|x}"
        fields = [ { label = "Number", value = "{number}" } ]"#;
    let hub = Setup::on_disk().config(template).start().await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let more = |name: &str| json!({"sessionId": "s-1", "to": {"agents": ["ada"]}, "templateParameters": {"name": name, "number": "+1 555"}});
    let card = json!({"title": "Grace/1", "icon": "phone", "fields": [{"label": "Number", "value": "+1 555"}],
        "link": "https://crm.example/Grace%2F1/x"});
    let id = bot.ring_with("case", more("Grace/1")).await;
    ada.accept(&id).await;
    has(&ada.expect("session").await, card.clone());
    // Another notification for the session changes the card no more than the title.
    let id = bot.ring_with("case", more("Someone else")).await;
    ada.accept(&id).await;
    has(&ada.expect("session").await, card.clone());
    let tab = hub.agent("ada").await;
    has(&tab.welcome["sessions"][0], card.clone());
    let hub = hub.crash_and_restart().await;
    has(&hub.agent("ada").await.welcome["sessions"][0], card);
}

#[tokio::test]
async fn a_value_that_would_leave_the_path_gives_no_link() {
    let template = "[[templates]]\nname = \"case\"\ntitle = \"t\"\nlink = \"https://crm.example/{id}\"";
    let hub = hub(template).await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    for (id, link) in [("..", None), (".", None), ("...", Some("https://crm.example/..."))] {
        let id = bot.ring_with("case", json!({"templateParameters": {"id": id}})).await;
        assert_eq!(ada.shown(&id).await["link"].as_str(), link);
    }
    is_error(
        &bot.call(json!({"type": "notify", "templateName": "case"})).await,
        "unresolvedParameter",
        Some("NotifyEvent"),
    );
}

#[tokio::test]
async fn a_transfer_keeps_mark_and_title_and_unread_becomes_0() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let first = bot
        .ring_with(
            "chat",
            json!({"sessionId": "s", "to": {"agents": ["ada"]}, "templateParameters": {"customerName": "Grace"}}),
        )
        .await;
    let started = ada.take_on(&first).await;
    done(&mut bot, json!({"type": "kpi", "sessionId": "s"})).await;
    done(&mut bot, json!({"type": "activity", "sessionId": "s", "count": 5})).await;
    ada.expect("kpi").await;
    ada.expect("activity").await;
    bob.expect("kpi").await;
    let second = ring(&mut bot, "s", "bob").await;
    let moved = bob.take_on(&second).await;
    has(&ada.next().await, json!({"type": "sessionEnded", "sessionId": "s"}));
    has(
        &moved,
        json!({"sessionId": "s", "notificationId": second, "title": "Grace wants to chat",
        "startedAt": started["startedAt"], "breached": true, "unread": 0}),
    );
    // It is bob's now.
    done(&mut bot, json!({"type": "activity", "sessionId": "s", "count": 1})).await;
    has(&bob.next().await, json!({"type": "activity", "count": 1}));
    ada.expect_silence().await;
    has(&hub.agent("ada").await.welcome, json!({"sessions": []}));
}

#[tokio::test]
async fn a_session_is_accepted_again_by_its_own_agent() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let first = ring(&mut bot, "s", "ada").await;
    ada.take_on(&first).await;
    let second = ring(&mut bot, "s", "ada").await;
    has(&ada.take_on(&second).await, json!({"sessionId": "s", "notificationId": second}));
    ada.expect_silence().await;
    assert_eq!(hub.agent("ada").await.welcome["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn activity_sets_the_unread_count_at_the_sessions_agent() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let (mut bot, mut monitor) = (hub.provider("bot").await, hub.provider("monitor").await);
    let id = ring(&mut bot, "s", "ada").await;
    ada.take_on(&id).await;
    bot.result_of(&id).await;
    let result = bot.call(json!({"type": "activity", "id": "a", "sessionId": "s", "count": 3})).await;
    has(&result, json!({"type": "result", "id": "a", "msdyn_name": "NotifyNewActivity"}));
    has(&ada.next().await, json!({"type": "activity", "sessionId": "s", "count": 3}));
    // A monitor's is welcome too.
    done(&mut monitor, json!({"type": "activity", "sessionId": "s", "count": 0})).await;
    has(&ada.next().await, json!({"type": "activity", "sessionId": "s", "count": 0}));
    done(&mut bot, json!({"type": "activity", "sessionId": "s", "count": 7})).await;
    has(&hub.agent("ada").await.welcome["sessions"][0], json!({"unread": 7}));
    bob.expect_silence().await;
}

#[tokio::test]
async fn activity_of_an_unknown_session_is_an_error() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let error = bot.call(json!({"type": "activity", "sessionId": "nope", "count": 1})).await;
    is_error(&error, "notFound", Some("NotifyNewActivity"));
}

#[tokio::test]
async fn the_provider_that_raised_it_or_its_agent_may_end_it() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    for by_agent in [false, true] {
        let session = format!("s-{by_agent}");
        let id = ring(&mut bot, &session, "ada").await;
        ada.take_on(&id).await;
        bot.result_of(&id).await;
        let end = json!({"type": "endSession", "id": "e", "sessionId": session});
        done(if by_agent { &mut ada } else { &mut bot }, end.clone()).await;
        has(&ada.expect("sessionEnded").await, json!({"sessionId": session}));
        // Ending a session twice is not an error for its provider.
        done(&mut bot, end.clone()).await;
        done(&mut ada, end).await;
        ada.expect_silence().await;
    }
    has(&hub.agent("ada").await.welcome, json!({"sessions": []}));
}

#[tokio::test]
async fn only_its_provider_may_end_a_session() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let (mut bot, mut other) = (hub.provider("bot").await, hub.provider("other").await);
    let id = ring(&mut bot, "s", "ada").await;
    ada.take_on(&id).await;
    let end = json!({"type": "endSession", "sessionId": "s"});
    is_error(&bob.call(end.clone()).await, "notAllowed", None);
    is_error(&other.call(end).await, "notAllowed", None);
    ada.expect_silence().await;
    for client in [&mut ada, &mut bot] {
        is_error(&client.call(json!({"type": "endSession", "sessionId": "nope"})).await, "notFound", None);
    }
}

#[tokio::test]
async fn after_a_transfer_the_session_is_the_new_agents_to_end() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let mut bot = hub.provider("bot").await;
    let id = ring(&mut bot, "s", "ada").await;
    ada.take_on(&id).await;
    let id = ring(&mut bot, "s", "bob").await;
    bob.take_on(&id).await;
    ada.expect("sessionEnded").await;
    let end = json!({"type": "endSession", "sessionId": "s"});
    is_error(&ada.call(end.clone()).await, "notAllowed", None);
    done(&mut bob, end).await;
    bob.expect("sessionEnded").await;
    ada.expect_silence().await;
}

#[tokio::test]
async fn a_session_id_belongs_to_the_first_provider_that_used_it() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let (mut bot, mut other) = (hub.provider("bot").await, hub.provider("other").await);
    let notify = json!({"type": "notify", "templateName": "chat", "sessionId": "s"});
    // While the notification is open, and while its session is.
    let id = ring(&mut bot, "s", "ada").await;
    is_error(&other.call(notify.clone()).await, "notAllowed", Some("NotifyEvent"));
    ada.take_on(&id).await;
    is_error(&other.call(notify.clone()).await, "notAllowed", Some("NotifyEvent"));
    done(&mut bot, json!({"type": "endSession", "sessionId": "s"})).await;
    // Then it is free.
    has(&other.call(notify).await, json!({"type": "ack"}));
}

#[tokio::test]
async fn a_notification_that_ends_without_a_session_frees_its_session_id() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let (mut bot, mut other) = (hub.provider("bot").await, hub.provider("other").await);
    let id = ring(&mut bot, "s", "ada").await;
    ada.shown(&id).await;
    ada.reject(&id).await;
    bot.result_of(&id).await;
    let notify = json!({"type": "notify", "templateName": "chat", "sessionId": "s"});
    has(&other.call(notify).await, json!({"type": "ack"}));
}

#[tokio::test]
async fn a_session_that_nothing_touches_ends_by_itself() {
    let hub = hub("[limits]\nsessionIdle = \"1s\"").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = ring(&mut bot, "s", "ada").await;
    ada.take_on(&id).await;
    done(&mut bot, json!({"type": "kpi", "sessionId": "lone mark"})).await;
    let touched = tokio::time::Instant::now();
    done(&mut bot, json!({"type": "kpi", "sessionId": "s", "details": "again"})).await;
    has(&ada.expect("sessionEnded").await, json!({"sessionId": "s"}));
    assert!(touched.elapsed().as_millis() >= 1_000, "{:?}", touched.elapsed());
    for session in ["s", "lone mark"] {
        let cleared = |m: &Value| m["type"] == "kpi" && m["breached"] == false && m["sessionId"] == session;
        ada.take("the mark to be cleared", cleared).await;
    }
    let welcome = hub.agent("bob").await.welcome;
    has(&welcome, json!({"kpi": [], "sessions": []}));
    assert_eq!(text(&welcome["agentId"]), "bob");
}

#[tokio::test]
async fn an_automatic_accept_moves_a_session_too() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = ring(&mut bot, "s", "ada").await;
    ada.take_on(&id).await;
    let mut bob = hub.agent("bob").await;
    let id = bot.ring_with("auto", json!({"sessionId": "s"})).await;
    has(
        &bob.expect("session").await,
        json!({"sessionId": "s", "notificationId": id, "title": "Someone wants to chat"}),
    );
    has(&ada.next().await, json!({"type": "sessionEnded", "sessionId": "s"}));
}

#[tokio::test]
async fn activity_of_a_session_that_has_ended_is_an_error() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = ring(&mut bot, "s", "ada").await;
    ada.take_on(&id).await;
    done(&mut bot, json!({"type": "endSession", "sessionId": "s"})).await;
    let error = bot.call(json!({"type": "activity", "sessionId": "s", "count": 1})).await;
    is_error(&error, "notFound", Some("NotifyNewActivity"));
}

#[tokio::test]
async fn a_mark_does_not_claim_a_session_id() {
    let hub = hub("").await;
    let (mut bot, mut monitor) = (hub.provider("bot").await, hub.provider("monitor").await);
    done(&mut monitor, json!({"type": "kpi", "sessionId": "s"})).await;
    let notify = json!({"type": "notify", "templateName": "chat", "sessionId": "s"});
    has(&bot.call(notify).await, json!({"type": "ack"}));
}
