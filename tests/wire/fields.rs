//! Each field of each message absent, empty, of the wrong type and far too long: an error with the right
//! code, and the connection stays open.

use serde_json::{Value, json};

use crate::harness::{Client, Hub, NOBODYS, has, hub, is_error, with};

/// Values that no name, id, token or group may have.
fn no_names() -> Vec<Value> {
    vec![
        Value::Null,
        json!(""),
        json!(5),
        json!(true),
        json!([]),
        json!({}),
        json!("x".repeat(129)),
        json!("é".repeat(65)),
        json!("x".repeat(10_000)),
        json!("a\nb"),
        json!("a\u{0}b"),
        json!("a\u{85}b"),
        json!("a\u{202e}b"),
        json!("a\u{2066}b"),
    ]
}

/// The same for a field that may be left out.
fn no_optional_names() -> Vec<Value> {
    no_names().into_iter().skip(1).collect()
}

/// Sends `message` with each of `values` in `field`; each is refused as `badParameter`, and nothing happens.
async fn refused(client: &mut Client, message: Value, field: &str, values: Vec<Value>, name: Option<&str>) {
    for value in values {
        let mut call = message.clone();
        if value.is_null() {
            call.as_object_mut().unwrap().remove(field);
        } else {
            call[field] = value;
        }
        let error = client.call(call.clone()).await;
        assert_eq!(error["type"], "error", "{field} of {call} was taken: {error}");
        is_error(&error, "badParameter", name);
    }
    has(&client.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
    client.expect_silence().await;
}

async fn bot_and_ada(hub: &Hub) -> (Client, Client) {
    let ada = hub.agent("ada").await;
    (hub.provider("bot").await, ada)
}

// ---------------------------------------------------------------- notify

#[tokio::test]
async fn notify_names() {
    let hub = hub("").await;
    let (mut bot, mut ada) = bot_and_ada(&hub).await;
    let notify = json!({"type": "notify", "templateName": "chat"});
    refused(&mut bot, notify.clone(), "templateName", no_names(), Some("NotifyEvent")).await;
    for field in ["cancellationToken", "sessionId", "correlationId"] {
        refused(&mut bot, notify.clone(), field, no_optional_names(), Some("NotifyEvent")).await;
    }
    ada.expect_silence().await;
}

#[tokio::test]
async fn notify_template_parameters() {
    let hub = hub("").await;
    let (mut bot, mut ada) = bot_and_ada(&hub).await;
    let bad = vec![
        json!(5),
        json!("x"),
        json!([]),
        json!(true),
        json!({"customerName": {}}),
        json!({"customerName": []}),
        json!({"customerName": ["Grace"]}),
    ];
    let notify = json!({"type": "notify", "templateName": "chat"});
    refused(&mut bot, notify, "templateParameters", bad, Some("NotifyEvent")).await;
    ada.expect_silence().await;
}

#[tokio::test]
async fn notify_to() {
    let hub = hub("").await;
    let (mut bot, mut ada) = bot_and_ada(&hub).await;
    let notify = json!({"type": "notify", "templateName": "chat"});
    let mut bad = vec![json!(5), json!("ada"), json!(["ada"]), json!(true)];
    for name in no_optional_names() {
        bad.push(json!({"agents": [name]}));
        bad.push(json!({"groups": ["x", name]}));
    }
    for list in [json!("ada"), json!(5), json!({"ada": true})] {
        bad.push(json!({"agents": list}));
        bad.push(json!({"groups": list}));
    }
    let many = |n: usize, of: &str| (0..n).map(|i| format!("{of}{i}")).collect::<Vec<_>>();
    bad.push(json!({"agents": many(101, "a")}));
    bad.push(json!({"agents": many(50, "a"), "groups": many(51, "g")}));
    refused(&mut bot, notify.clone(), "to", bad, Some("NotifyEvent")).await;
    let most = json!({"agents": many(50, "a"), "groups": many(50, "g")});
    has(&bot.call(with(notify, json!({"to": most}))).await, json!({"type": "ack"}));
    ada.expect_silence().await;
}

#[tokio::test]
async fn notify_id() {
    let hub = hub("").await;
    let (mut bot, mut ada) = bot_and_ada(&hub).await;
    for id in no_optional_names() {
        bot.send_wrong(json!({"type": "notify", "templateName": "chat", "id": id})).await;
        let error = bot.next().await;
        is_error(&error, "badParameter", Some("NotifyEvent"));
        has(&error, json!({"id": null}));
    }
    ada.expect_silence().await;
}

#[tokio::test]
async fn names_of_exactly_128_bytes_are_taken() {
    let hub = hub("").await;
    let (mut bot, mut ada) = bot_and_ada(&hub).await;
    let long = "é".repeat(64);
    let id = bot
        .ring_with(
            "chat",
            json!({"id": long, "sessionId": long, "cancellationToken": long, "to": {"agents": ["ada", long]}}),
        )
        .await;
    has(&ada.shown(&id).await, json!({"sessionId": long}));
    let cancel = bot.call(json!({"type": "cancel", "cancellationToken": long})).await;
    has(&cancel, json!({"type": "result", "cancellationToken": long}));
}

#[tokio::test]
async fn a_rendered_text_has_at_most_1_024_bytes() {
    let hub = hub("[[templates]]\nname = \"title\"\ntitle = \"{x}\"\n[[templates]]\nname = \"field\"\ntitle = \"t\"\n\
         fields = [{ label = \"l\", value = \"{x}\" }]")
    .await;
    let (mut bot, mut ada) = bot_and_ada(&hub).await;
    for template in ["title", "field"] {
        let notify =
            |n: usize| json!({"type": "notify", "templateName": template, "templateParameters": {"x": "é".repeat(n)}});
        is_error(&bot.call(notify(513)).await, "badParameter", Some("NotifyEvent"));
        ada.expect_silence().await;
        has(&bot.call(notify(512)).await, json!({"type": "ack"}));
        ada.expect("notification").await;
    }
}

// ---------------------------------------------------------------- the provider's other calls

#[tokio::test]
async fn cancel_fields() {
    let hub = hub("").await;
    let (mut bot, _ada) = bot_and_ada(&hub).await;
    let cancel = json!({"type": "cancel", "cancellationToken": "t"});
    refused(&mut bot, cancel.clone(), "cancellationToken", no_names(), Some("CancelEvent")).await;
    refused(&mut bot, cancel, "correlationId", no_optional_names(), Some("CancelEvent")).await;
}

#[tokio::test]
async fn kpi_fields() {
    let hub = hub("").await;
    let (mut bot, mut ada) = bot_and_ada(&hub).await;
    let kpi = json!({"type": "kpi", "sessionId": "s"});
    let name = Some("NotifyKpiBreach");
    refused(&mut bot, kpi.clone(), "sessionId", no_names(), name).await;
    let no_flags = vec![json!("true"), json!(1), json!(0), json!(""), json!([]), json!({})];
    refused(&mut bot, kpi.clone(), "shouldReset", no_flags, name).await;
    let no_details = vec![json!(5), json!([]), json!({}), json!(true), json!("x".repeat(513)), json!("é".repeat(257))];
    refused(&mut bot, kpi.clone(), "details", no_details, name).await;
    refused(&mut bot, kpi.clone(), "correlationId", no_optional_names(), name).await;
    ada.expect_silence().await;
    for details in ["x".repeat(512), String::new()] {
        has(&bot.call(with(kpi.clone(), json!({"details": details}))).await, json!({"type": "result"}));
        assert_eq!(ada.expect("kpi").await["details"].as_str().unwrap_or_default(), details);
    }
}

#[tokio::test]
async fn activity_fields() {
    let hub = hub("").await;
    let (mut bot, mut ada) = bot_and_ada(&hub).await;
    let id = bot.ring_with("chat", json!({"sessionId": "s"})).await;
    ada.take_on(&id).await;
    bot.result_of(&id).await;
    let activity = json!({"type": "activity", "sessionId": "s", "count": 3});
    let name = Some("NotifyNewActivity");
    refused(&mut bot, activity.clone(), "sessionId", no_names(), name).await;
    let no_counts = vec![
        Value::Null,
        json!("3"),
        json!(-1),
        json!(1.5),
        json!(true),
        json!([]),
        json!({}),
        json!(1e300),
        json!(""),
    ];
    refused(&mut bot, activity.clone(), "count", no_counts, name).await;
    ada.expect_silence().await;
    for count in [0, 1, 1_000_000] {
        has(&bot.call(with(activity.clone(), json!({"count": count}))).await, json!({"type": "result"}));
        has(&ada.expect("activity").await, json!({"count": count}));
    }
}

#[tokio::test]
async fn end_session_fields() {
    let hub = hub("").await;
    let (mut bot, mut ada) = bot_and_ada(&hub).await;
    let end = json!({"type": "endSession", "sessionId": "s"});
    refused(&mut bot, end.clone(), "sessionId", no_names(), None).await;
    refused(&mut ada, end, "sessionId", no_names(), None).await;
}

// ---------------------------------------------------------------- the agent's messages

#[tokio::test]
async fn accept_and_reject_fields() {
    let hub = hub("").await;
    let (mut bot, mut ada) = bot_and_ada(&hub).await;
    let id = bot.ring("chat").await;
    ada.shown(&id).await;
    for kind in ["accept", "reject"] {
        let answer = json!({"type": kind, "notificationId": id});
        let no_ids =
            no_names().into_iter().filter(|v| v.as_str().is_none_or(|s| s.is_empty() || s.len() > 128)).collect();
        refused(&mut ada, answer.clone(), "notificationId", no_ids, None).await;
        refused(&mut ada, answer, "correlationId", no_optional_names(), None).await;
        for unknown in ["x", NOBODYS, "an id of some other hub"] {
            is_error(&ada.call(json!({"type": kind, "notificationId": unknown})).await, "notFound", None);
        }
    }
    let reject = json!({"type": "reject", "notificationId": id});
    let no_reasons =
        vec![json!(5), json!([]), json!({}), json!(true), json!("x".repeat(1_025)), json!("é".repeat(513))];
    refused(&mut ada, reject.clone(), "reason", no_reasons, None).await;
    let longest = "x".repeat(1_024);
    has(&ada.call(with(reject, json!({"reason": longest}))).await, json!({"won": true}));
    has(&bot.result_of(&id).await, json!({"declineReason": longest}));
}

#[tokio::test]
async fn a_reason_may_be_empty() {
    let hub = hub("").await;
    let (mut bot, mut ada) = bot_and_ada(&hub).await;
    let id = bot.ring("chat").await;
    ada.shown(&id).await;
    let reply = ada.call(json!({"type": "reject", "notificationId": id, "reason": ""})).await;
    has(&reply, json!({"type": "result", "won": true}));
}

#[tokio::test]
async fn seen_fields() {
    let hub = hub("").await;
    let (_bot, mut ada) = bot_and_ada(&hub).await;
    let no_ids = no_names().into_iter().filter(|v| v.as_str().is_none_or(|s| s.is_empty() || s.len() > 128)).collect();
    refused(&mut ada, json!({"type": "seen"}), "notificationId", no_ids, None).await;
    ada.send(json!({"type": "seen", "notificationId": NOBODYS})).await;
    ada.send(json!({"type": "seen", "notificationId": "x"})).await;
    ada.expect_silence().await;
}

#[tokio::test]
async fn presence_fields() {
    let hub = hub("").await;
    let (_bot, mut ada) = bot_and_ada(&hub).await;
    let presence = json!({"type": "presence", "presence": "away"});
    let mut bad = no_names();
    bad.extend([json!("busy"), json!("Away"), json!("AVAILABLE")]);
    refused(&mut ada, presence, "presence", bad, None).await;
}

// ---------------------------------------------------------------- which role may send which message

#[tokio::test]
async fn a_role_may_send_its_own_messages_only() {
    let hub = hub("").await;
    let calls = [
        (json!({"type": "notify", "templateName": "chat"}), Some("NotifyEvent"), "provider"),
        (json!({"type": "cancel", "cancellationToken": "t"}), Some("CancelEvent"), "provider"),
        (json!({"type": "kpi", "sessionId": "s"}), Some("NotifyKpiBreach"), "provider"),
        (json!({"type": "activity", "sessionId": "s", "count": 1}), Some("NotifyNewActivity"), "provider"),
        (json!({"type": "endSession", "sessionId": "s"}), None, "provider agent"),
        (json!({"type": "accept", "notificationId": NOBODYS}), None, "agent"),
        (json!({"type": "reject", "notificationId": NOBODYS}), None, "agent"),
        (json!({"type": "seen", "notificationId": NOBODYS}), None, "agent"),
        (json!({"type": "presence", "presence": "away"}), None, "agent"),
    ];
    for role in ["provider", "agent", "observer"] {
        let mut client = hub.join(json!({"role": role})).await;
        for (call, name, allowed) in &calls {
            if !allowed.contains(role) {
                is_error(&client.call(call.clone()).await, "notAllowed", *name);
            }
        }
        has(&client.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
    }
}

#[tokio::test]
async fn a_second_hello_is_an_error_and_changes_nothing() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let error = ada.call(json!({"type": "hello", "role": "agent", "agentId": "eve", "presence": "away"})).await;
    has(&error, json!({"type": "error", "message": "RejectAfterClientError", "msdyn_name": null}));
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_to("chat", &["ada"]).await;
    ada.shown(&id).await;
}
