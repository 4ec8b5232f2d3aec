//! A notify that is repeated is one notification.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{accepted, cancelled, has, hub, is_error, text, with};

const GUID: &str = "7f9c24e8-3b12-4fef-91e0-56e0c5a1b001";
const OTHER_GUID: &str = "11111111-2222-4333-8444-555555555555";

fn notify(more: Value) -> Value {
    with(json!({"type": "notify", "id": "n-1", "templateName": "chat"}), more)
}

#[tokio::test]
async fn the_same_again_while_it_is_open_is_a_duplicate_with_one_result() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let first = bot.call(notify(json!({"correlationId": GUID}))).await;
    has(&first, json!({"type": "ack", "duplicate": false}));
    let again = bot.call(notify(json!({"correlationId": OTHER_GUID}))).await;
    has(&again, json!({"type": "ack", "id": "n-1", "duplicate": true, "notificationId": first["notificationId"]}));
    let id = text(&first["notificationId"]);
    ada.take_on(&id).await;
    ada.expect_silence().await;
    has(&bot.result_of(&id).await, json!({"id": "n-1", "correlationId": GUID, "value": accepted()}));
    bot.expect_silence().await;
}

#[tokio::test]
async fn the_same_again_after_it_is_settled_gets_the_result_at_once() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let more = json!({"correlationId": GUID, "cancellationToken": "t", "sessionId": "s", "to": {"agents": ["ada"]}});
    let id = text(&bot.call(notify(more.clone())).await["notificationId"]);
    ada.take_on(&id).await;
    let result = bot.result_of(&id).await;
    let again = bot.call(notify(with(more, json!({"correlationId": OTHER_GUID})))).await;
    has(&again, json!({"type": "ack", "duplicate": true, "notificationId": id}));
    assert_eq!(bot.result_of(&id).await, result);
    bot.expect_silence().await;
    ada.expect_silence().await;
}

#[tokio::test]
async fn it_is_the_same_as_the_hub_understands_it() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let pairs = [
        (json!({"templateParameters": {"customerName": 1}}), json!({"templateParameters": {"customerName": "1"}})),
        (
            json!({"templateParameters": {"customerName": true}}),
            json!({"templateParameters": {"customerName": "true"}}),
        ),
        (json!({"templateParameters": {"a": "1", "b": "2"}}), json!({"templateParameters": {"b": "2", "a": "1"}})),
        (json!({"templateParameters": {}}), json!({})),
        (json!({"templateParameters": {"a": null}}), json!({})),
        (json!({"to": {}}), json!({})),
        (
            json!({"to": {"agents": ["a", "b"], "groups": ["g", "h"]}}),
            json!({"to": {"groups": ["h", "g"], "agents": ["b", "a"]}}),
        ),
        (json!({"to": {"agents": ["a", "a"]}}), json!({"to": {"agents": ["a"]}})),
        (json!({"cancellationToken": null}), json!({})),
        (json!({"unknown": 1}), json!({"unknown": 2})),
    ];
    for (n, (one, two)) in pairs.into_iter().enumerate() {
        let id = json!({"id": format!("n-{n}")});
        let first = bot.call(notify(with(one.clone(), id.clone()))).await;
        has(&first, json!({"type": "ack", "duplicate": false}));
        let second = bot.call(notify(with(two.clone(), id))).await;
        assert_eq!(second["duplicate"], true, "{one} and {two}: {second}");
        has(&second, json!({"notificationId": first["notificationId"]}));
    }
}

#[tokio::test]
async fn the_same_id_that_says_something_else_is_taken() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let base = json!({"templateParameters": {"customerName": "x"}, "sessionId": "s", "cancellationToken": "t", "to": {"agents": ["ada"]}});
    let id = text(&bot.call(notify(base.clone())).await["notificationId"]);
    let others = [
        json!({"templateName": "first"}),
        json!({"templateName": "nope"}),
        json!({"templateName": "needs", "templateParameters": {}}),
        json!({"templateParameters": {"customerName": "y"}}),
        json!({"templateParameters": {"customerName": "x", "more": "1"}}),
        json!({"templateParameters": {"customerName": ""}}),
        json!({"templateParameters": {}}),
        json!({"sessionId": "s2"}),
        json!({"sessionId": null}),
        json!({"cancellationToken": "t2"}),
        json!({"cancellationToken": null}),
        json!({"to": {"agents": ["bob"]}}),
        json!({"to": {"groups": ["ada"]}}),
        json!({"to": null}),
    ];
    for settled in [false, true] {
        for other in &others {
            let call = notify(with(base.clone(), other.clone()));
            let error = bot.call(call.clone()).await;
            assert_eq!(error["code"], "idTaken", "{call} was answered with {error}");
            is_error(&error, "idTaken", Some("NotifyEvent"));
        }
        if !settled {
            ada.take_on(&id).await;
            bot.result_of(&id).await;
        }
    }
    ada.expect_silence().await;
}

#[tokio::test]
async fn another_providers_ids_are_its_own() {
    let hub = hub("").await;
    let (mut bot, mut other) = (hub.provider("bot").await, hub.provider("other").await);
    let one = bot.call(notify(json!({}))).await;
    let two = other.call(notify(json!({}))).await;
    has(&two, json!({"type": "ack", "duplicate": false}));
    assert_ne!(one["notificationId"], two["notificationId"]);
}

#[tokio::test]
async fn without_an_id_each_notify_is_its_own() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let call = json!({"type": "notify", "templateName": "chat"});
    bot.send(call.clone()).await;
    bot.send(call).await;
    let (one, two) = (bot.next().await, bot.next().await);
    has(&two, json!({"type": "ack", "duplicate": false}));
    assert_ne!(one["notificationId"], two["notificationId"]);
}

#[tokio::test]
async fn an_id_answered_with_an_error_is_free_again() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    is_error(&bot.call(notify(json!({"templateName": "nope"}))).await, "unknownTemplate", Some("NotifyEvent"));
    is_error(&bot.call(notify(json!({"templateName": "needs"}))).await, "unresolvedParameter", Some("NotifyEvent"));
    is_error(&bot.call(notify(json!({"cancellationToken": "t"}))).await, "tokenTaken", Some("NotifyEvent"));
    has(&bot.call(notify(json!({}))).await, json!({"type": "ack", "duplicate": false}));
}

#[tokio::test]
async fn a_duplicate_from_another_connection_gets_its_ack_and_the_result_once() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let (mut one, mut two) = (hub.provider("bot").await, hub.provider("bot").await);
    let id = text(&one.call(notify(json!({}))).await["notificationId"]);
    has(&two.call(notify(json!({}))).await, json!({"duplicate": true, "notificationId": id}));
    ada.take_on(&id).await;
    for connection in [&mut one, &mut two] {
        has(&connection.result_of(&id).await, json!({"value": accepted()}));
        connection.expect_silence().await;
    }
    // Settled: only the one that asks again gets it again.
    has(&two.call(notify(json!({}))).await, json!({"duplicate": true}));
    two.result_of(&id).await;
    one.expect_silence().await;
}

#[tokio::test]
async fn a_duplicate_is_known_after_its_template_was_removed() {
    let hub = hub("[[templates]]\nname = \"gone soon\"\ntitle = \"t\"").await;
    let mut bot = hub.provider("bot").await;
    let call = notify(json!({"templateName": "gone soon", "cancellationToken": "t"}));
    let id = text(&bot.call(call.clone()).await["notificationId"]);
    hub.setup.write_config("[[templates]]\nname = \"new\"\ntitle = \"t\"");
    hub.signal("-HUP");
    bot.await_template("new", true).await;
    is_error(
        &bot.call(json!({"type": "notify", "templateName": "gone soon"})).await,
        "unknownTemplate",
        Some("NotifyEvent"),
    );
    has(&bot.call(call).await, json!({"type": "ack", "duplicate": true, "notificationId": id}));
    bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await;
    has(&bot.result_of(&id).await, json!({"value": cancelled()}));
}

#[tokio::test]
async fn after_the_retention_time_the_id_is_free() {
    let hub = hub("[limits]\nretention = \"1s\"").await;
    let mut bot = hub.provider("bot").await;
    let more = json!({"cancellationToken": "t"});
    let id = text(&bot.call(notify(more.clone())).await["notificationId"]);
    let settling = Instant::now();
    bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await;
    bot.result_of(&id).await;
    let mut rounds = 0;
    loop {
        let ack = bot.call(notify(more.clone())).await;
        if ack["duplicate"] == false {
            assert_ne!(ack["notificationId"], json!(id));
            break;
        }
        bot.result_of(&id).await;
        rounds += 1;
        assert!(rounds < 10, "still a duplicate");
        bot.let_time_pass().await;
    }
    assert!(settling.elapsed() >= Duration::from_secs(1), "forgotten too early");
}

#[tokio::test]
async fn a_duplicate_is_one_even_where_a_new_one_would_be_refused() {
    let hub = hub("[limits]\nopenNotifications = 1").await;
    let mut bot = hub.provider("bot").await;
    let more = json!({"cancellationToken": "t"});
    let id = text(&bot.call(notify(more.clone())).await["notificationId"]);
    is_error(&bot.call(notify(json!({"id": "n-2"}))).await, "limit", Some("NotifyEvent"));
    has(&bot.call(notify(more)).await, json!({"type": "ack", "duplicate": true, "notificationId": id}));
}
