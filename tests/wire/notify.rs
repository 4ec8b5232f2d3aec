//! notify: its replies, what the desk shows, templates, reach.

use serde_json::{Value, json};

use crate::harness::{accepted, declined, display_timeout, has, hub, is_error, is_time, text};

const GUID: &str = "7f9c24e8-3b12-4fef-91e0-56e0c5a1b001";

#[tokio::test]
async fn ack_then_result_with_all_their_fields() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let notify = json!({"type": "notify", "id": "0d7e", "correlationId": GUID, "templateName": "chat",
        "templateParameters": {"customerName": "Grace"}, "cancellationToken": "tok-1", "sessionId": "conv-42",
        "to": {"agents": ["ada"], "groups": ["billing"]}});
    bot.send(notify).await;
    let ack = bot.next().await;
    has(
        &ack,
        json!({"type": "ack", "id": "0d7e", "correlationId": GUID, "msdyn_name": "NotifyEvent", "duplicate": false}),
    );
    let id = text(&ack["notificationId"]);
    ada.send(json!({"type": "seen", "notificationId": id})).await;
    ada.accept(&id).await;
    let result = bot.next().await;
    has(
        &result,
        json!({"type": "result", "id": "0d7e", "correlationId": GUID, "msdyn_name": "NotifyEvent",
        "notificationId": id, "value": accepted(), "agentId": "ada", "sessionId": "conv-42",
        "cancellationToken": "tok-1", "reach": {"displayed": 1, "seen": 1, "rejected": 0}, "declineReason": null}),
    );
    assert!(result["elapsedMs"].is_u64(), "{result}");
    assert!((1..=32).contains(&text(&result["position"]).len()), "{result}");
    bot.expect_silence().await;
}

#[tokio::test]
async fn only_the_template_name_is_required() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    bot.send(json!({"type": "notify", "templateName": "chat"})).await;
    let ack = bot.next().await;
    has(&ack, json!({"type": "ack", "id": null}));
    let id = text(&ack["notificationId"]);
    ada.accept(&id).await;
    // sessionId, if the notify had none, is the notificationId.
    let result = bot.next().await;
    has(&result, json!({"type": "result", "id": null, "sessionId": id, "cancellationToken": null}));
    has(&result, json!({"correlationId": ack["correlationId"]}));
    has(&ada.expect("session").await, json!({"sessionId": id, "notificationId": id}));
}

#[tokio::test]
async fn the_notification_on_the_desk_has_all_its_fields() {
    let template = r#"
        [[templates]]
        name = "vip"
        title = "{customerName|A customer} is calling"
        icon = "phone"
        timeout = "20s"
        showTimeout = false
        priority = 3
        link = "https://crm.example/cases/{case|none}?who={customerName}"
        sound = "phone"
        buttons = { accept = "Take it", reject = "Not now" }
        fields = [ { label = "Number", value = "{phoneNumber|unknown}" }, { label = "Queue", value = "{queue}" } ]"#;
    let hub = hub(template).await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let parameters = json!({"customerName": "Grace", "queue": 7, "unused": "x"});
    let more = json!({"correlationId": GUID, "sessionId": "conv-42", "templateParameters": parameters});
    let id = bot.ring_with("vip", more).await;
    let shown = ada.next().await;
    has(
        &shown,
        json!({"type": "notification", "notificationId": id, "correlationId": GUID, "templateName": "vip",
        "title": "Grace is calling", "icon": "phone", "buttons": {"accept": "Take it", "reject": "Not now"},
        "fields": [{"label": "Number", "value": "unknown"}, {"label": "Queue", "value": "7"}],
        "providerId": "bot", "sessionId": "conv-42", "timeoutMs": 20_000, "showTimeout": false, "priority": 3, "sound": "phone",
        "link": "https://crm.example/cases/none?who=Grace"}),
    );
    is_time(&shown["notifiedAt"]);
    let remaining = shown["remainingMs"].as_u64().unwrap();
    assert!((15_000..=20_000).contains(&remaining), "{remaining}");
}

#[tokio::test]
async fn an_ack_names_unused_parameters_and_unknown_agents() {
    let hub = hub("[[templates]]\nname = \"t\"\ntitle = \"{customerName|?}\"\nlink = \"https://a/{case|1}\"").await;
    drop(hub.agent("ada").await);
    let mut bot = hub.provider("bot").await;
    let parameters = json!({"custmerName": "Grace", "customerName": "Grace", "case": "7", "{}": 1});
    let to = json!({"agents": ["ada", "Ada", "nobody"], "groups": ["none"]});
    let notify =
        json!({"type": "notify", "id": "n-1", "templateName": "t", "templateParameters": parameters, "to": to});
    let ack = bot.call(notify.clone()).await;
    has(
        &ack,
        json!({"duplicate": false, "unused": ["templateParameters.custmerName", "templateParameters.{}"],
        "unknown": ["to.agents.Ada", "to.agents.nobody"]}),
    );
    let again = bot.call(notify).await;
    has(&again, json!({"duplicate": true, "unused": null, "unknown": null}));
    // An agent that only a notification names has never been here.
    let plain = json!({"type": "notify", "id": "n-2", "templateName": "t", "to": {"agents": ["nobody"]}});
    has(&bot.call(plain).await, json!({"unused": null, "unknown": ["to.agents.nobody"]}));
    let _nobody = hub.agent("nobody").await;
    let plain = json!({"type": "notify", "id": "n-3", "templateName": "t", "to": {"agents": ["nobody"]}});
    has(&bot.call(plain).await, json!({"unused": null, "unknown": null}));
}

#[tokio::test]
async fn what_waits_is_ordered_by_priority_then_arrival() {
    let hub = hub("[limits]\ndisplayLimit = 1\n[[templates]]\nname = \"vip\"\ntitle = \"t\"\npriority = 5").await;
    let mut bot = hub.provider("bot").await;
    let template = "msdyn_call_incoming";
    bot.ring(template).await;
    bot.ring(template).await;
    let vip = bot.ring("vip").await;
    let first = bot.ring_with(template, json!({"priority": 9})).await;
    let last = bot.ring_with("vip", json!({"priority": 0})).await;
    let mut ada = hub.agent("ada").await;
    let shown = &ada.welcome["notifications"][0];
    has(shown, json!({"notificationId": first, "priority": 9}));
    bot.send_wrong(json!({"type": "notify", "id": "wrong", "templateName": template, "priority": 10})).await;
    has(&bot.reply("wrong").await, json!({"type": "error", "code": "badParameter"}));
    ada.accept(&first).await;
    ada.shown(&vip).await;
    ada.accept(&vip).await;
    assert_ne!(ada.expect("notification").await["notificationId"], last.as_str());
}

#[tokio::test]
async fn the_templates_defaults() {
    let hub = hub("[[templates]]\nname = \"bare\"\ntitle = \"Hello\"").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    bot.ring("bare").await;
    let shown = ada.next().await;
    has(&shown, json!({"title": "Hello", "timeoutMs": 120_000, "showTimeout": true, "fields": [], "priority": 0}));
    has(&shown["buttons"], json!({"accept": "Accept", "reject": "Reject"}));
}

#[tokio::test]
async fn the_built_in_templates_need_no_parameters() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    for name in [
        "msdyn_chat_incoming_unauthenticated",
        "msdyn_chat_incoming_authenticated",
        "msdyn_sms_incoming_unauthenticated",
        "msdyn_call_incoming",
    ] {
        let id = bot.ring(name).await;
        let shown = ada.shown(&id).await;
        has(&shown, json!({"templateName": name}));
        assert!(!text(&shown["title"]).is_empty());
        ada.accept(&id).await;
    }
}

#[tokio::test]
async fn the_seeds_example_runs() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let call = json!({"type": "notify", "templateName": "msdyn_chat_incoming_unauthenticated", "templateParameters": {},
        "cancellationToken": "cancellationtoken123456"});
    has(&bot.call(call).await, json!({"type": "ack"}));
}

// ---------------------------------------------------------------- templates

#[tokio::test]
async fn a_configured_template_replaces_the_built_in_one() {
    let hub = hub("[[templates]]\nname = \"msdyn_call_incoming\"\ntitle = \"Ring ring\"").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    bot.ring("msdyn_call_incoming").await;
    has(&ada.next().await, json!({"title": "Ring ring"}));
}

async fn rendered(title: &str, parameters: Value) -> String {
    let hub = hub(&format!("[[templates]]\nname = \"t\"\ntitle = '{title}'")).await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    bot.ring_with("t", json!({"templateParameters": parameters})).await;
    text(&ada.next().await["title"])
}

#[tokio::test]
async fn double_braces_are_literal_ones() {
    assert_eq!(rendered("{{a}} {x} }}{{", json!({"x": "1"})).await, "{a} 1 }{");
}

#[tokio::test]
async fn a_default_runs_to_the_closing_brace() {
    assert_eq!(rendered("<{x|a | b: c}>", json!({})).await, "<a | b: c>");
    assert_eq!(rendered("<{x|}>", json!({})).await, "<>");
}

#[tokio::test]
async fn a_template_is_expanded_once() {
    assert_eq!(rendered("{x} {y|d}", json!({"x": "{y} {{", "y": "1"})).await, "{y} {{ 1");
}

#[tokio::test]
async fn numbers_and_booleans_are_taken_as_json_writes_them() {
    let parameters = json!({"a": 1, "b": true, "c": -1.5, "d": false});
    assert_eq!(rendered("{a} {b} {c} {d}", parameters).await, "1 true -1.5 false");
}

#[tokio::test]
async fn a_parameter_may_be_empty() {
    assert_eq!(rendered("<{x}>", json!({"x": ""})).await, "<>");
}

#[tokio::test]
async fn only_titles_and_field_values_are_expanded() {
    let template = "[[templates]]\nname = \"t\"\ntitle = \"t\"\nicon = \"{x}\"\nbuttons = { accept = \"{x}\", reject = \"{{\" }\n\
                    fields = [{ label = \"{x}\", value = \"{x}\" }]";
    let hub = hub(template).await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    bot.ring_with("t", json!({"templateParameters": {"x": "1"}})).await;
    let expected = json!({"icon": "{x}", "buttons": {"accept": "{x}", "reject": "{{"}, "fields": [{"label": "{x}", "value": "1"}]});
    has(&ada.next().await, expected);
}

#[tokio::test]
async fn markup_in_a_parameter_comes_through_as_it_is() {
    let nasty = "<img src=x onerror=alert(1)> \"'&\\ \u{1f600}";
    assert_eq!(rendered("{x}", json!({"x": nasty})).await, nasty);
}

// ---------------------------------------------------------------- errors

#[tokio::test]
async fn an_unknown_template_is_an_error_and_nothing_is_done() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let call =
        json!({"type": "notify", "id": "n", "correlationId": GUID, "templateName": "nope", "cancellationToken": "t"});
    let error = bot.call(call).await;
    is_error(&error, "unknownTemplate", Some("NotifyEvent"));
    has(&error, json!({"id": "n", "correlationId": GUID}));
    is_error(&bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await, "notFound", Some("CancelEvent"));
    bot.expect_silence().await;
    ada.expect_silence().await;
    // An id answered with an error is free again.
    has(&bot.call(json!({"type": "notify", "id": "n", "templateName": "chat"})).await, json!({"duplicate": false}));
}

#[tokio::test]
async fn a_placeholder_without_parameter_or_default_is_an_error() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    for parameters in [json!({}), json!({"customername": "x"}), json!({"customerName": null})] {
        let call = json!({"type": "notify", "templateName": "needs", "templateParameters": parameters});
        is_error(&bot.call(call).await, "unresolvedParameter", Some("NotifyEvent"));
    }
    ada.expect_silence().await;
}

#[tokio::test]
async fn a_token_that_an_open_notification_bears_is_taken() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let first = bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    let again = json!({"type": "notify", "templateName": "chat", "cancellationToken": "t"});
    is_error(&bot.call(again.clone()).await, "tokenTaken", Some("NotifyEvent"));
    // Another provider's tokens are its own.
    let mut other = hub.provider("other").await;
    has(&other.call(again.clone()).await, json!({"type": "ack"}));
    ada.accept(&first).await;
    bot.result_of(&first).await;
    has(&bot.call(again).await, json!({"type": "ack"}));
}

// ---------------------------------------------------------------- reach and results

#[tokio::test]
async fn reach_distinguishes_nobody_present_nobody_looked_and_nobody_answered() {
    let hub = hub("[[templates]]\nname = \"f\"\ntitle = \"t\"\nsettle = \"firstAccept\"\ntimeout = \"700ms\"").await;
    let mut bot = hub.provider("bot").await;
    let alone = bot.ring_with("impatient", json!({"to": {"agents": ["nobody"]}})).await;
    has(&bot.result_of(&alone).await, json!({"reach": {"displayed": 0, "seen": 0, "rejected": 0}}));

    let mut ada = hub.agent("ada").await;
    let mut tab = hub.agent("ada").await;
    let mut bob = hub.agent("bob").await;
    let _cleo = hub.agent("cleo").await;
    let id = bot.ring("f").await;
    for seer in [&mut ada, &mut tab] {
        seer.shown(&id).await;
        seer.send(json!({"type": "seen", "notificationId": id})).await;
        seer.send(json!({"type": "seen", "notificationId": id})).await;
    }
    bob.shown(&id).await;
    has(&bob.reject(&id).await, json!({"won": false}));
    let result = bot.result_of(&id).await;
    has(&result, json!({"value": display_timeout(), "agentId": null, "sessionId": null}));
    has(&result, json!({"reach": {"displayed": 3, "seen": 1, "rejected": 1}}));
    assert!(result["elapsedMs"].as_u64().unwrap() >= 700, "{result}");
}

#[tokio::test]
async fn decline_reason_repeats_the_reason_of_the_reject_that_settled_it() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring("chat").await;
    ada.shown(&id).await;
    let reply = ada.call(json!({"type": "reject", "notificationId": id, "reason": "on break"})).await;
    has(&reply, json!({"type": "result", "value": declined(), "won": true, "agentId": "ada"}));
    let result = bot.result_of(&id).await;
    has(&result, json!({"value": declined(), "agentId": "ada", "declineReason": "on break", "sessionId": null}));
    has(&result, json!({"reach": {"displayed": 1, "seen": 0, "rejected": 1}}));
}

#[tokio::test]
async fn two_providers_may_share_a_correlation_id() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let (mut one, mut two) = (hub.provider("one").await, hub.provider("two").await);
    let shared = json!({"correlationId": GUID, "id": "same id too"});
    let a = one.ring_with("chat", shared.clone()).await;
    let b = two.ring_with("chat", shared).await;
    assert_ne!(a, b);
    has(&ada.shown(&a).await, json!({"providerId": "one", "correlationId": GUID}));
    has(&ada.shown(&b).await, json!({"providerId": "two", "correlationId": GUID}));
    ada.accept(&a).await;
    ada.reject(&b).await;
    has(&one.result_of(&a).await, json!({"value": accepted(), "correlationId": GUID}));
    has(&two.result_of(&b).await, json!({"value": declined(), "correlationId": GUID}));
    one.expect_silence().await;
    two.expect_silence().await;
}

#[tokio::test]
async fn seen_counts_only_from_those_it_was_displayed_to() {
    let hub = hub("[limits]\ndisplayLimit = 1").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let displayed = bot.ring("chat").await;
    let waits = bot.ring("chat").await;
    ada.send(json!({"type": "seen", "notificationId": waits})).await;
    ada.shown(&displayed).await;
    ada.reject(&displayed).await;
    ada.shown(&waits).await;
    ada.reject(&waits).await;
    has(&bot.result_of(&waits).await, json!({"reach": {"displayed": 1, "seen": 0, "rejected": 1}}));
}

#[tokio::test]
async fn an_audience_without_a_name_or_with_an_unknown_member_is_an_error() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    for (to, word) in [
        (json!({"agents": []}), "leave it out"),
        (json!({"agents": [], "groups": []}), "leave it out"),
        (json!({"agent": ["ada"]}), "unknown member"),
        (json!({"agents": ["ada"], "group": "billing"}), "unknown member"),
    ] {
        let error = bot.call(json!({"type": "notify", "templateName": "chat", "to": to})).await;
        is_error(&error, "badParameter", Some("NotifyEvent"));
        assert!(text(&error["detail"]).contains(word), "{error}");
    }
    ada.expect_silence().await;
    // An empty object, null and an absent `to` stand for everybody.
    for to in [json!({}), Value::Null] {
        has(&bot.call(json!({"type": "notify", "templateName": "chat", "to": to})).await, json!({"duplicate": false}));
        ada.expect("notification").await;
    }
}

#[tokio::test]
async fn the_error_about_an_unknown_template_suggests_a_similar_name() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let error = bot.call(json!({"type": "notify", "templateName": "msdyn_cal_incoming"})).await;
    is_error(&error, "unknownTemplate", Some("NotifyEvent"));
    let detail = text(&error["detail"]);
    assert!(detail.contains("did you mean \"msdyn_call_incoming\"?") && detail.contains("GET /templates"), "{detail}");
}
