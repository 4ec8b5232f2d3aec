//! The contract's "Transport": frames, sizes, ids, correlationIds, heartbeat.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::harness::{has, hub, is_error, text, with};
use crate::raw::{self, CLOSE, Raw, TEXT, frame};

const GUID: &str = "7f9c24e8-3b12-4fef-91e0-56e0c5a1b001";

/// A ping of exactly `bytes` bytes.
fn ping_of(bytes: usize) -> String {
    let message = |pad: &str| json!({"type": "ping", "id": "p", "pad": pad}).to_string();
    let pad = "x".repeat(bytes - message("").len());
    message(&pad)
}

// ---------------------------------------------------------------- subprotocols

#[tokio::test]
async fn the_subprotocol_is_selected_when_it_is_offered() {
    let hub = hub("").await;
    let (_, response) = hub.connect_with(Some("deskbell.v1"), &[]).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "deskbell.v1");
    let (_, response) = hub.connect_with(Some("other, deskbell.v1"), &[]).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "deskbell.v1");
}

#[tokio::test]
async fn a_client_without_a_subprotocol_is_served() {
    let hub = hub("").await;
    let (mut client, response) = hub.connect_with(None, &[]).await.unwrap();
    assert!(!response.headers().contains_key("sec-websocket-protocol"));
    client.hello(json!({"role": "observer"})).await;
}

#[tokio::test]
async fn a_client_that_offers_only_other_subprotocols_is_refused_with_400() {
    let hub = hub("").await;
    assert_eq!(hub.upgrade_refused(Some("graphql-ws"), &[]).await, 400);
    assert_eq!(hub.upgrade_refused(Some("deskbell.v2, mqtt"), &[]).await, 400);
}

// ---------------------------------------------------------------- frames

#[tokio::test]
async fn a_binary_frame_closes_with_1003() {
    let hub = hub("").await;
    let mut client = hub.connect().await;
    client.send_frame(Message::binary(b"{}".to_vec())).await;
    client.expect_close(1003).await;
    let mut agent = hub.agent("ada").await;
    agent.send_frame(Message::binary(br#"{"type":"ping"}"#.to_vec())).await;
    agent.expect_close(1003).await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_closes_with_1007() {
    let hub = hub("").await;
    for joined in [false, true] {
        let mut client = if joined { hub.agent("ada").await } else { hub.connect().await };
        let bytes = b"{\"type\":\"ping\",\"id\":\"\xff\xfe\"}".to_vec();
        client.send_frame(Message::Frame(Frame::message(bytes, OpCode::Data(Data::Text), true))).await;
        client.expect_close(1007).await;
    }
}

#[tokio::test]
async fn a_character_may_be_split_over_two_frames() {
    let hub = hub("").await;
    let mut client = hub.agent("ada").await;
    let bytes = r#"{"type":"ping","id":"é"}"#.as_bytes();
    let (head, tail) = bytes.split_at(bytes.iter().position(|byte| *byte == 0xc3).unwrap() + 1);
    client.send_frame(Message::Frame(Frame::message(head.to_vec(), OpCode::Data(Data::Text), false))).await;
    client.send_frame(Message::Frame(Frame::message(tail.to_vec(), OpCode::Data(Data::Continue), true))).await;
    has(&client.next().await, json!({"type": "pong", "id": "é"}));
}

#[tokio::test]
async fn a_provider_may_send_65_536_bytes_and_not_one_more() {
    let hub = hub("").await;
    let mut provider = hub.provider("bot").await;
    provider.send_text(&ping_of(65_536)).await;
    has(&provider.next().await, json!({"type": "pong", "id": "p"}));
    provider.send_text(&ping_of(65_537)).await;
    provider.expect_close(1009).await;
}

#[tokio::test]
async fn agents_observers_and_strangers_may_send_16_384_bytes_and_not_one_more() {
    let hub = hub("").await;
    for role in ["agent", "observer"] {
        let mut client = hub.join(json!({"role": role})).await;
        client.send_text(&ping_of(16_384)).await;
        has(&client.next().await, json!({"type": "pong", "id": "p"}));
        client.send_text(&ping_of(16_385)).await;
        client.expect_close(1009).await;
    }
    let hello = |pad: &str| json!({"type": "hello", "role": "provider", "pad": pad}).to_string();
    let room = 16_384 - hello("").len();
    let mut fits = hub.connect().await;
    fits.send_text(&hello(&"x".repeat(room))).await;
    fits.expect("welcome").await;
    let mut over = hub.connect().await;
    over.send_text(&hello(&"x".repeat(room + 1))).await;
    over.expect_close(1009).await;
}

#[tokio::test]
async fn the_size_limit_counts_the_message_not_the_frame() {
    let hub = hub("").await;
    let mut agent = hub.agent("ada").await;
    let half = "x".repeat(9_000).into_bytes();
    agent.send_frame(Message::Frame(Frame::message(half.clone(), OpCode::Data(Data::Text), false))).await;
    agent.send_frame(Message::Frame(Frame::message(half, OpCode::Data(Data::Continue), true))).await;
    agent.expect_close(1009).await;
}

#[tokio::test]
async fn a_frame_that_only_announces_a_huge_size_is_not_waited_for() {
    let hub = hub("").await;
    let mut raw = Raw::connect(hub.port).await;
    raw.join(hub.port, &json!({"type": "hello", "role": "provider"})).await;
    let mut announcement = vec![0x81, 0xff];
    announcement.extend((1_u64 << 40).to_be_bytes());
    announcement.extend([0; 4]);
    raw.send(&announcement).await;
    assert_eq!(raw.close_code().await, Some(1009));
}

#[tokio::test]
async fn the_configured_message_size_is_the_limit() {
    let hub = hub("[limits]\nmaxMessageBytes = 20000").await;
    let mut provider = hub.provider("bot").await;
    assert_eq!(provider.welcome["limits"]["maxMessageBytes"], 20_000);
    provider.send_text(&ping_of(20_000)).await;
    has(&provider.next().await, json!({"type": "pong"}));
    provider.send_text(&ping_of(20_001)).await;
    provider.expect_close(1009).await;
}

#[tokio::test]
async fn forbidden_frames_end_the_connection() {
    let hub = hub("").await;
    let unmasked = [0x81, 2, b'{', b'}'].to_vec();
    let reserved_bits = vec![0xf1, 0x80, 0, 0, 0, 0];
    let unknown_opcode = frame(3, true, b"{}");
    let long_ping = frame(raw::PING, true, &[0; 126]);
    let lone_continuation = frame(0, true, b"{}");
    for bytes in [unmasked, reserved_bits, unknown_opcode, long_ping, lone_continuation] {
        let mut raw = Raw::connect(hub.port).await;
        raw.join(hub.port, &json!({"type": "hello", "role": "agent"})).await;
        raw.send(&bytes).await;
        raw.close_code().await;
    }
    hub.agent("ada").await;
}

#[tokio::test]
async fn a_hello_in_the_same_packet_as_the_upgrade_is_the_first_frame() {
    let hub = hub("").await;
    let welcome = Raw::connect(hub.port).await.join(hub.port, &json!({"type": "hello", "role": "agent"})).await;
    assert_eq!(welcome["type"], "welcome");
}

// ---------------------------------------------------------------- texts

#[tokio::test]
async fn a_text_that_is_not_a_json_object_is_an_error_and_the_connection_stays() {
    let hub = hub("").await;
    let mut provider = hub.provider("bot").await;
    let deep = "[".repeat(60_000);
    let deep_object = format!(r#"{{"type":"ping","x":{}"#, r#"{"a":"#.repeat(10_000));
    let texts = [
        "",
        " ",
        "x",
        "[]",
        "5",
        "null",
        "true",
        r#""ping""#,
        "{",
        "{}{}",
        r#"{"type":"ping"} x"#,
        &deep,
        &deep_object,
    ];
    for text in texts {
        provider.send_text(text).await;
        let error = provider.next().await;
        is_error(&error, "badMessage", None);
        has(&error, json!({"id": null}));
    }
    has(&provider.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn a_message_of_an_unknown_type_is_an_error_with_its_id() {
    let hub = hub("").await;
    for role in ["provider", "agent", "observer"] {
        let mut client = hub.join(json!({"role": role})).await;
        for kind in [json!("dance"), json!("NOTIFY"), json!(""), json!(5), json!(["ping"]), Value::Null] {
            let error = client.call(json!({"type": kind, "templateName": "chat"})).await;
            is_error(&error, "badMessage", None);
        }
        is_error(&client.call(json!({"templateName": "chat"})).await, "badMessage", None);
        // Messages that only the hub sends are unknown types, too.
        for kind in ["ack", "result", "welcome", "notification", "pong", "stats"] {
            is_error(&client.call(json!({"type": kind})).await, "badMessage", None);
        }
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored_and_null_is_as_absent() {
    let hub = hub("").await;
    let mut provider = hub.provider("bot").await;
    let ack = provider
        .call(json!({"type": "notify", "templateName": "chat", "colour": "blue", "deep": {"a": [1]},
            "correlationId": null, "cancellationToken": null, "sessionId": null, "to": null, "templateParameters": null}))
        .await;
    has(&ack, json!({"type": "ack", "duplicate": false}));
    assert!(ack["correlationId"].is_string(), "a correlationId is minted: {ack}");
    let to = json!({"agents": null, "groups": null});
    let ack = provider.call(json!({"type": "notify", "templateName": "chat", "to": to})).await;
    has(&ack, json!({"type": "ack"}));
    let parameters = json!({"customerName": null});
    let ack = provider.call(json!({"type": "notify", "templateName": "chat", "templateParameters": parameters})).await;
    has(&ack, json!({"type": "ack"}));
    provider.send(json!({"type": "ping", "id": null, "correlationId": null})).await;
    has(&provider.take("pong", |m| m["type"] == "pong").await, json!({"id": null, "correlationId": null}));
}

// ---------------------------------------------------------------- id and correlationId

#[tokio::test]
async fn a_ping_is_answered_with_its_id_and_correlation_id() {
    let hub = hub("").await;
    for role in ["provider", "agent", "observer"] {
        let mut client = hub.join(json!({"role": role})).await;
        client.send(json!({"type": "ping"})).await;
        has(&client.expect("pong").await, json!({"type": "pong", "id": null, "correlationId": null}));
        client.send(json!({"type": "ping", "id": "x", "correlationId": GUID})).await;
        has(&client.expect("pong").await, json!({"type": "pong", "id": "x", "correlationId": GUID}));
    }
}

#[tokio::test]
async fn an_id_has_1_to_128_bytes_and_anything_else_is_an_error_that_does_not_echo_it() {
    let hub = hub("").await;
    let mut client = hub.agent("ada").await;
    for id in ["x".to_owned(), "x".repeat(128), "é".repeat(64), "a b/c\"d\\".to_owned(), "日本語".to_owned()] {
        client.send(json!({"type": "ping", "id": id})).await;
        has(&client.next().await, json!({"type": "pong", "id": id}));
    }
    let long = ["x".repeat(129), "é".repeat(65), "a\nb".to_owned(), "a\u{202e}b".to_owned(), "\u{7f}".to_owned()];
    for id in long.iter().map(|id| json!(id)).chain([json!(""), json!(5), json!({}), json!(true)]) {
        client.send_wrong(json!({"type": "ping", "id": id})).await;
        let error = client.next().await;
        is_error(&error, "badParameter", None);
        has(&error, json!({"id": null}));
    }
}

#[tokio::test]
async fn a_correlation_id_comes_back_exactly_as_it_was_sent() {
    let hub = hub("").await;
    let mut agent = hub.agent("ada").await;
    let mut provider = hub.provider("bot").await;
    for id in [
        GUID,
        "7F9C24E8-3B12-4FEF-91E0-56E0C5A1B001",
        "7f9C24e8-3b12-4feF-91e0-56e0c5a1B001",
        "7f9c24e83b124fef91e056e0c5a1b001",
        "{7f9c24e8-3b12-4fef-91e0-56e0c5a1b001}",
        "{7F9C24E83B124FEF91E056E0C5A1B001}",
        "00000000-0000-0000-0000-000000000000",
    ] {
        let call = json!({"type": "notify", "templateName": "chat", "correlationId": id, "cancellationToken": "t"});
        let ack = provider.call(call).await;
        has(&ack, json!({"type": "ack", "correlationId": id}));
        has(&agent.expect("notification").await, json!({"correlationId": id}));
        provider.send(json!({"type": "cancel", "cancellationToken": "t", "correlationId": GUID})).await;
        let result = provider.result_of(&text(&ack["notificationId"])).await;
        has(&result, json!({"correlationId": id}));
        has(&agent.expect("closed").await, json!({"correlationId": id}));
    }
}

#[tokio::test]
async fn a_correlation_id_must_be_a_guid() {
    let hub = hub("").await;
    let mut provider = hub.provider("bot").await;
    let mut agent = hub.agent("ada").await;
    let bad = [
        json!(""),
        json!("x"),
        json!(5),
        json!({}),
        json!("7f9c24e83b124fef91e056e0c5a1b00"),
        json!("7f9c24e83b124fef91e056e0c5a1b0011"),
        json!("7f9c24e8-3b124fef-91e0-56e0c5a1b001"),
        json!("7f9c24e8-3b12-4fef-91e0-56e0c5a1b00g"),
        json!("{7f9c24e8-3b12-4fef-91e0-56e0c5a1b001"),
        json!("7f9c24e8-3b12-4fef-91e0-56e0c5a1b001}"),
        json!("(7f9c24e8-3b12-4fef-91e0-56e0c5a1b001)"),
        json!("urn:uuid:7f9c24e8-3b12-4fef-91e0-56e0c5a1b001"),
        json!(" 7f9c24e8-3b12-4fef-91e0-56e0c5a1b001"),
        json!("x".repeat(5000)),
    ];
    for id in bad {
        let call = json!({"type": "notify", "templateName": "chat", "correlationId": id});
        is_error(&provider.call(call).await, "badParameter", Some("NotifyEvent"));
        is_error(&agent.call(json!({"type": "ping", "correlationId": id})).await, "badParameter", None);
    }
    agent.expect_silence().await;
}

#[tokio::test]
async fn one_on_accept_or_reject_is_checked_and_not_used() {
    let hub = hub("").await;
    let mut agent = hub.agent("ada").await;
    let mut provider = hub.provider("bot").await;
    let id = provider.ring_with("chat", json!({"correlationId": GUID})).await;
    agent.shown(&id).await;
    let bad = json!({"type": "accept", "notificationId": id, "correlationId": "no guid"});
    is_error(&agent.call(bad).await, "badParameter", None);
    let other = "11111111111111111111111111111111";
    let good = json!({"type": "accept", "notificationId": id, "correlationId": other});
    has(&agent.call(good).await, json!({"type": "result", "won": true, "correlationId": GUID}));
}

#[tokio::test]
async fn which_correlation_id_a_message_carries() {
    let hub = hub("").await;
    let of = |n: u8| format!("{n:08}-0000-4000-8000-000000000000");
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let id = bot.ring_with("chat", json!({"correlationId": of(1), "sessionId": "s", "cancellationToken": "t"})).await;
    // Messages about a notification have the correlationId of its notify.
    has(&ada.shown(&id).await, json!({"correlationId": of(1)}));
    has(&ada.accept(&id).await, json!({"correlationId": of(1)}));
    has(&ada.closed(&id).await, json!({"correlationId": of(1)}));
    has(&ada.expect("session").await, json!({"correlationId": of(1)}));
    has(&bot.result_of(&id).await, json!({"correlationId": of(1)}));
    // Any other direct reply has the correlationId of the message that it replies to; messages caused by a call have that of the call.
    let cancel = json!({"type": "cancel", "cancellationToken": "t", "correlationId": of(2)});
    has(&bot.call(cancel).await, json!({"type": "result", "correlationId": of(2)}));
    let kpi = json!({"type": "kpi", "sessionId": "s", "correlationId": of(3)});
    has(&bot.call(kpi).await, json!({"type": "result", "correlationId": of(3)}));
    has(&ada.expect("kpi").await, json!({"correlationId": of(3)}));
    let activity = json!({"type": "activity", "sessionId": "s", "count": 1, "correlationId": of(4)});
    has(&bot.call(activity).await, json!({"type": "result", "correlationId": of(4)}));
    has(&ada.expect("activity").await, json!({"correlationId": of(4)}));
    let presence = json!({"type": "presence", "presence": "away", "correlationId": of(5)});
    has(&ada.call(presence).await, json!({"type": "presence", "correlationId": of(5)}));
    let end = json!({"type": "endSession", "sessionId": "s", "correlationId": of(6)});
    has(&bot.call(end).await, json!({"type": "result", "correlationId": of(6)}));
    has(&ada.expect("sessionEnded").await, json!({"correlationId": of(6)}));
    has(&ada.expect("kpi").await, json!({"correlationId": of(6), "breached": false}));
    let error = bot.call(json!({"type": "notify", "templateName": "nope", "correlationId": of(7)})).await;
    has(&error, json!({"type": "error", "correlationId": of(7)}));
    let missing = json!({"type": "cancel", "cancellationToken": "nope", "correlationId": of(8)});
    has(&bot.call(missing).await, json!({"type": "error", "correlationId": of(8)}));
}

#[tokio::test]
async fn the_hub_mints_a_correlation_id_for_notify_cancel_and_kpi() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let notify = json!({"type": "notify", "templateName": "chat", "cancellationToken": "t"});
    let ack = bot.call(notify).await;
    let minted = text(&ack["correlationId"]);
    let digits = minted.bytes().filter(u8::is_ascii_hexdigit).count();
    assert_eq!(digits, 32, "a GUID: {minted}");
    has(&ada.expect("notification").await, json!({"correlationId": minted}));
    let cancel = bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await;
    assert!(cancel["correlationId"].is_string(), "{cancel}");
    let kpi = bot.call(json!({"type": "kpi", "sessionId": "s"})).await;
    has(&ada.expect("kpi").await, json!({"correlationId": kpi["correlationId"]}));
    assert!(kpi["correlationId"].is_string(), "{kpi}");
}

// ---------------------------------------------------------------- heartbeat

#[tokio::test]
async fn the_hub_pings_as_often_as_it_says() {
    let hub = hub("[server]\npingInterval = \"100ms\"\nidleTimeout = \"5s\"").await;
    let mut agent = hub.agent("ada").await;
    assert_eq!(agent.welcome["pingIntervalMs"], 100);
    for _ in 0..3 {
        agent.control_frame().await;
    }
    assert!(agent.pings >= 3);
}

#[tokio::test]
async fn a_peer_that_sends_nothing_is_dropped_without_a_closing_handshake() {
    let hub = hub("[server]\npingInterval = \"100ms\"\nidleTimeout = \"300ms\"").await;
    let mut watcher = hub.observer().await;
    let mut silent = Raw::connect(hub.port).await;
    silent.join(hub.port, &json!({"type": "hello", "role": "agent", "agentId": "ada"})).await;
    has(&watcher.take("ada joined", |m| m["event"] == "agentJoined").await, json!({"agentId": "ada"}));
    // The watcher answers its own pings meanwhile.
    let left = watcher.take("ada left", |m| m["event"] == "agentLeft");
    let silence = async {
        let mut opcodes = Vec::new();
        while let Some((opcode, _)) = silent.frame().await {
            opcodes.push(opcode);
        }
        opcodes
    };
    let (left, opcodes) = tokio::join!(left, silence);
    has(&left, json!({"agentId": "ada"}));
    assert!(opcodes.contains(&raw::PING), "{opcodes:?}");
    assert!(!opcodes.contains(&CLOSE), "{opcodes:?}");
}

#[tokio::test]
async fn a_peer_that_only_answers_pings_stays() {
    let hub = hub("[server]\npingInterval = \"100ms\"\nidleTimeout = \"300ms\"").await;
    let mut agent = hub.agent("ada").await;
    for _ in 0..8 {
        agent.control_frame().await;
    }
    has(&agent.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn a_websocket_ping_is_answered_with_its_payload() {
    let hub = hub("").await;
    let mut agent = hub.agent("ada").await;
    agent.send_frame(Message::Ping(b"are you there".to_vec().into())).await;
    while agent.pongs.is_empty() {
        agent.control_frame().await; // or a ping of the hub's own
    }
    assert_eq!(agent.pongs, [b"are you there".to_vec()]);
}

#[tokio::test]
async fn a_whole_conversation_over_bare_bytes() {
    let hub = hub("").await;
    let mut raw = Raw::connect(hub.port).await;
    raw.join(hub.port, &json!({"type": "hello", "role": "provider", "providerId": "bot"})).await;
    // Two messages in one packet, one of them torn into single bytes.
    let mut bytes = frame(TEXT, true, json!({"type": "ping", "id": "1"}).to_string().as_bytes());
    let second = frame(TEXT, true, json!({"type": "ping", "id": "2"}).to_string().as_bytes());
    bytes.extend(&second[..3]);
    raw.send(&bytes).await;
    for byte in &second[3..] {
        raw.send(&[*byte]).await;
    }
    for id in ["1", "2"] {
        has(&raw.message().await, with(json!({"type": "pong"}), json!({"id": id})));
    }
    raw.send(&frame(CLOSE, true, &1000_u16.to_be_bytes())).await;
    assert_eq!(raw.close_code().await, Some(1000));
}
