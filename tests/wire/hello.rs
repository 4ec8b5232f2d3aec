//! "Hello and welcome" (docs/PROTOCOL.md): the first message, its faults, and the content of the welcome.

use serde_json::{Value, json};

use crate::harness::{
    Hub, Setup, accepted, auto_accepted, desk, display_timeout, has, hub, is_error, is_time, text, with,
};

/// Sends `first` as the first message, expects an error and close 4400, and returns the error.
async fn bad_hello(hub: &Hub, first: &str) -> Value {
    let mut client = hub.connect().await;
    client.send_text(first).await;
    let error = client.next().await;
    has(&error, json!({"type": "error", "message": "RejectAfterClientError"}));
    client.expect_close(4400).await;
    error
}

// ---------------------------------------------------------------- welcomes

#[tokio::test]
async fn the_welcome_of_an_agent() {
    let hub = hub("[limits]\nretention = \"5m\"\n").await;
    let hello = json!({"role": "agent", "agentId": "ada", "groups": ["billing"], "presence": "available"});
    let welcome = hub.join(hello).await.welcome;
    let expected = json!({"role": "agent", "agentId": "ada", "groups": ["billing"], "presence": "available",
        "workspace": "default", "protocol": 1, "pingIntervalMs": 15_000, "retentionMs": 300_000, "notifications": [], "sessions": [], "kpi": [],
        "limits": {"maxMessageBytes": 65_536, "displayLimit": 3, "queueLimit": 10}});
    has(&welcome, expected);
    is_time(&welcome["serverTime"]);
    assert!(!text(&welcome["connectionId"]).is_empty());
}

#[tokio::test]
async fn the_welcome_of_a_provider_and_of_an_observer() {
    let hub = hub("").await;
    let welcome = hub.provider("bot").await.welcome;
    has(&welcome, json!({"role": "provider", "providerId": "bot", "workspace": "default", "protocol": 1, "open": []}));
    assert_ne!(welcome["missed"], true);
    let welcome = hub.observer().await.welcome;
    has(&welcome, json!({"role": "observer", "workspace": "default", "protocol": 1, "pingIntervalMs": 15_000}));
    is_time(&welcome["serverTime"]);
}

#[tokio::test]
async fn the_welcome_bears_the_id_of_the_hello() {
    let hub = hub("").await;
    let client = hub.join(json!({"role": "agent", "id": "hello-1"})).await;
    has(&client.welcome, json!({"id": "hello-1"}));
}

#[tokio::test]
async fn every_connection_has_its_own_connection_id() {
    let hub = hub("").await;
    let (a, b) = (hub.agent("ada").await, hub.agent("ada").await);
    assert_ne!(a.welcome["connectionId"], b.welcome["connectionId"]);
}

#[tokio::test]
async fn the_welcome_says_the_limits_in_force() {
    let hub = hub("[limits]\ndisplayLimit = 5\nqueueLimit = 7\nmaxMessageBytes = 32768").await;
    let limits = json!({"maxMessageBytes": 32_768, "displayLimit": 5, "queueLimit": 7});
    has(&hub.agent("ada").await.welcome, json!({"limits": limits}));
}

#[tokio::test]
async fn an_absent_id_is_minted_and_sent_in_the_welcome() {
    let hub = hub("").await;
    for (role, field) in [("agent", "agentId"), ("provider", "providerId")] {
        let one = hub.join(json!({"role": role})).await;
        let two = hub.join(json!({"role": role, field: null})).await;
        let (one, two) = (text(&one.welcome[field]), text(&two.welcome[field]));
        assert!((1..=128).contains(&one.len()) && one != two, "{one} {two}");
        // A client that sends it reconnects under the same id.
        has(&hub.join(json!({"role": role, field: one})).await.welcome, json!({field: one}));
    }
}

#[tokio::test]
async fn an_agent_and_a_provider_may_share_a_name() {
    let hub = hub("").await;
    let mut bot = hub.provider("x").await;
    let mut agent = hub.agent("x").await;
    let id = bot.ring("chat").await;
    agent.take_on(&id).await;
    has(&bot.result_of(&id).await, json!({"value": accepted(), "agentId": "x"}));
}

// ---------------------------------------------------------------- bad ones

#[tokio::test]
async fn anything_but_a_hello_first_is_an_error_and_close_4400() {
    let hub = hub("").await;
    for first in [
        "",
        "nonsense",
        "[]",
        "{}",
        r#"{"type":"dance"}"#,
        r#"{"type":5}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"notify","templateName":"chat"}"#,
        r#"{"type":"accept","notificationId":"x"}"#,
        r#"{"type":"presence","presence":"away"}"#,
    ] {
        bad_hello(&hub, first).await;
    }
}

#[tokio::test]
async fn a_hello_with_an_ill_typed_field_is_an_error_and_close_4400() {
    let hub = hub("").await;
    let long = "x".repeat(129);
    let mut bad = vec![json!({}), json!({"role": null})];
    bad.extend([json!("admin"), json!("Agent"), json!(""), json!(5), json!([])].map(|role| json!({"role": role})));
    for name in
        [json!(""), json!(5), json!({}), json!([]), json!(true), json!(long), json!("a\nb"), json!("a\u{202e}b")]
    {
        bad.push(json!({"role": "agent", "agentId": name}));
        bad.push(json!({"role": "provider", "providerId": name}));
        bad.push(json!({"role": "agent", "groups": [name]}));
        bad.push(json!({"role": "agent", "groups": ["good", name]}));
        bad.push(json!({"role": "agent", "id": name}));
    }
    for groups in [json!("billing"), json!(5), json!({}), json!([null])] {
        bad.push(json!({"role": "agent", "groups": groups}));
    }
    bad.push(json!({"role": "agent", "groups": (0..65).map(|i| format!("g{i}")).collect::<Vec<_>>()}));
    for presence in [json!("busy"), json!(""), json!(5), json!("Away"), json!([])] {
        bad.push(json!({"role": "agent", "presence": presence}));
    }
    for resume in [json!(5), json!({}), json!([])] {
        bad.push(json!({"role": "provider", "resume": resume}));
    }
    for hello in bad {
        let error = bad_hello(&hub, &with(json!({"type": "hello"}), hello.clone()).to_string()).await;
        assert_eq!(error["code"], "badParameter", "{hello} was answered with {error}");
    }
}

#[tokio::test]
async fn the_error_to_a_bad_hello_bears_its_id() {
    let hub = hub("").await;
    let error = bad_hello(&hub, r#"{"type":"hello","role":"nobody","id":"h-1"}"#).await;
    is_error(&error, "badParameter", None);
    has(&error, json!({"id": "h-1"}));
}

#[tokio::test]
async fn a_missing_hello_closes_with_4408() {
    let hub = hub("[server]\nhelloTimeout = \"200ms\"").await;
    let mut late = hub.connect().await;
    let mut in_time = hub.agent("ada").await;
    late.expect_close(4408).await;
    has(&in_time.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn websocket_pings_do_not_put_the_hello_off() {
    let hub = hub("[server]\nhelloTimeout = \"300ms\"\npingInterval = \"100ms\"\nidleTimeout = \"5s\"").await;
    let mut late = hub.connect().await;
    late.send_frame(tokio_tungstenite::tungstenite::Message::Ping(b"x".to_vec().into())).await;
    late.expect_close(4408).await;
}

#[tokio::test]
async fn a_token_in_the_hello_is_ignored_without_authentication() {
    let hub = hub("").await;
    let ada = hub.join(json!({"role": "agent", "agentId": "ada", "token": "whatever"})).await;
    has(&ada.welcome, json!({"agentId": "ada"}));
}

// ---------------------------------------------------------------- groups and presence

#[tokio::test]
async fn an_agent_may_be_in_64_groups() {
    let hub = hub("").await;
    let groups: Vec<String> = (0..64).map(|i| format!("g{i}")).collect();
    let mut ada = hub.join(json!({"role": "agent", "agentId": "ada", "groups": groups})).await;
    let mut seen: Vec<String> = ada.welcome["groups"].as_array().unwrap().iter().map(text).collect();
    seen.sort();
    let mut wanted = groups.clone();
    wanted.sort();
    assert_eq!(seen, wanted);
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"to": {"groups": ["g63"]}})).await;
    ada.shown(&id).await;
}

#[tokio::test]
async fn the_groups_are_those_of_the_latest_hello_that_names_them() {
    let hub = hub("").await;
    let ada = hub.agent_in("ada", &["a", "b"]).await;
    has(&hub.agent("ada").await.welcome, json!({"groups": ["a", "b"]}));
    hub.depart(ada).await;
    has(&hub.agent("ada").await.welcome, json!({"groups": ["a", "b"]}));
    has(&hub.agent_in("ada", &["c"]).await.welcome, json!({"groups": ["c"]}));
    has(&hub.agent("ada").await.welcome, json!({"groups": ["c"]}));
    has(&hub.agent_in("ada", &[]).await.welcome, json!({"groups": []}));
    has(&hub.agent("ada").await.welcome, json!({"groups": []}));
}

#[tokio::test]
async fn a_change_of_groups_keeps_displayed_notifications_and_reassigns_waiting_ones() {
    let hub = hub("[limits]\ndisplayLimit = 1").await;
    let mut ada = hub.agent_in("ada", &["a"]).await;
    let mut bot = hub.provider("bot").await;
    let to = |group: &str| json!({"to": {"groups": [group]}});
    let shown = bot.ring_with("chat", to("a")).await;
    let waits = bot.ring_with("chat", to("a")).await;
    let other = bot.ring_with("chat", to("b")).await;
    ada.shown(&shown).await;
    let tab = hub.agent_in("ada", &["b"]).await;
    assert_eq!(desk(&tab.welcome), [shown.as_str()]);
    has(&ada.accept(&shown).await, json!({"won": true}));
    ada.shown(&other).await;
    ada.reject(&other).await;
    ada.closed(&other).await;
    ada.closed(&shown).await;
    ada.expect("session").await;
    ada.expect_silence().await;
    // Back in the first group it is offered again.
    let tab = hub.agent_in("ada", &["a"]).await;
    assert_eq!(desk(&tab.welcome), [waits.as_str()]);
    ada.shown(&waits).await;
}

#[tokio::test]
async fn a_hello_without_presence_keeps_the_last_one_and_a_new_agent_is_available() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    has(&ada.welcome, json!({"presence": "available"}));
    ada.set_presence("away").await;
    has(&hub.agent("ada").await.welcome, json!({"presence": "away"}));
    hub.depart(ada).await;
    has(&hub.agent("ada").await.welcome, json!({"presence": "away"}));
}

#[tokio::test]
async fn a_hello_that_names_a_presence_sets_it_for_all_tabs() {
    let hub = hub("").await;
    let mut tab = hub.agent("ada").await;
    let second = hub.join(json!({"role": "agent", "agentId": "ada", "presence": "away"})).await;
    has(&second.welcome, json!({"presence": "away"}));
    has(&tab.expect("presence").await, json!({"presence": "away"}));
    let mut bot = hub.provider("bot").await;
    bot.ring("chat").await;
    tab.expect_silence().await;
}

// ---------------------------------------------------------------- the whole state

#[tokio::test]
async fn after_a_reconnect_the_welcome_is_the_desk() {
    let hub = hub("[limits]\ndisplayLimit = 2").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let mine =
        bot.ring_with("chat", json!({"sessionId": "s-1", "templateParameters": {"customerName": "Grace"}})).await;
    let session = ada.take_on(&mine).await;
    bot.call(json!({"type": "activity", "sessionId": "s-1", "count": 4})).await;
    bot.call(json!({"type": "kpi", "sessionId": "s-1", "details": "slow"})).await;
    let first = bot.ring("chat").await;
    let second = bot.ring("chat").await;
    let third = bot.ring("chat").await;
    let first_shown = ada.shown(&first).await;
    ada.shown(&second).await;
    let mark = ada.expect("kpi").await;
    hub.depart(ada).await;

    let mut ada = hub.agent("ada").await;
    assert_eq!(desk(&ada.welcome), [first.as_str(), second.as_str()]);
    let again = &ada.welcome["notifications"][0];
    for (name, value) in first_shown.as_object().unwrap() {
        if name != "remainingMs" && name != "type" {
            assert_eq!(&again[name], value, "{name}");
        }
    }
    assert!(again["remainingMs"].as_u64() <= first_shown["remainingMs"].as_u64());
    let sessions = ada.welcome["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 1);
    has(
        &sessions[0],
        json!({"sessionId": "s-1", "notificationId": mine, "title": "Grace wants to chat",
        "startedAt": session["startedAt"], "correlationId": session["correlationId"], "breached": true, "unread": 4}),
    );
    let kpi = ada.welcome["kpi"].as_array().unwrap();
    assert_eq!(kpi.len(), 1);
    has(&kpi[0], json!({"sessionId": "s-1", "details": "slow", "since": mark["since"]}));
    // Notifications that the join puts on the desk are in the welcome and are not sent again.
    ada.expect_silence().await;
    ada.accept(&first).await;
    ada.shown(&third).await;
}

#[tokio::test]
async fn notifications_displayed_by_joining_are_only_in_the_welcome() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let waiting = bot.ring("chat").await;
    let mut ada = hub.agent("ada").await;
    assert_eq!(desk(&ada.welcome), [waiting.as_str()]);
    has(
        &ada.welcome["notifications"][0],
        json!({"title": "Someone wants to chat", "providerId": "bot", "timeoutMs": 120_000}),
    );
    ada.expect_silence().await;
}

#[tokio::test]
async fn a_session_that_joining_starts_by_auto_accept_is_in_the_welcome_only() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("auto", json!({"sessionId": "s-1"})).await;
    let mut ada = hub.agent("ada").await;
    assert_eq!(desk(&ada.welcome), [""; 0]);
    has(&ada.welcome["sessions"][0], json!({"sessionId": "s-1", "notificationId": id, "title": "Taken automatically"}));
    ada.expect_silence().await;
    has(&bot.result_of(&id).await, json!({"value": auto_accepted(), "agentId": "ada"}));
}

#[tokio::test]
async fn the_welcome_of_a_provider_lists_its_open_notifications() {
    let hub = hub("").await;
    let mut bot = hub.provider("bot").await;
    let guid = "7f9c24e8-3b12-4fef-91e0-56e0c5a1b001";
    let one = bot.ring_with("chat", json!({"id": "n-1", "correlationId": guid, "cancellationToken": "t-1"})).await;
    let two = bot.ring("short").await;
    let ada = hub.agent("ada").await;
    has(&bot.result_of(&two).await, json!({"value": display_timeout()}));
    hub.depart(bot).await;
    drop(ada);
    let bot = hub.provider("bot").await;
    let open = bot.welcome["open"].as_array().unwrap();
    assert_eq!(open.len(), 1);
    has(&open[0], json!({"notificationId": one, "id": "n-1", "correlationId": guid, "cancellationToken": "t-1"}));
    // Another provider's are not its business.
    has(&hub.provider("other").await.welcome, json!({"open": []}));
}

#[tokio::test]
async fn the_ping_interval_of_the_welcome_is_the_configured_one() {
    let setup = Setup::new().config("[server]\npingInterval = \"7s\"\nidleTimeout = \"20s\"");
    let hub = setup.start().await;
    has(&hub.observer().await.welcome, json!({"pingIntervalMs": 7_000}));
}
