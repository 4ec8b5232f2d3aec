//! Whole conversations over WebSocket.

use super::*;

#[tokio::test]
async fn a_provider_rings_two_desks_and_the_first_answer_wins() {
    let gateway = TestGateway::new();
    let (mut ada, welcome) = gateway
        .join(json!({"type": "hello", "role": "agent", "agentId": "ada", "id": "h-1",
            "correlationId": "0d7e39f7-36f0-4a3b-9a8c-1a2b3c4d5e6f"}))
        .await;
    assert_eq!((&welcome["id"], &welcome["agentId"]), (&json!("h-1"), &json!("ada")));
    assert_eq!(welcome["correlationId"], "0d7e39f7-36f0-4a3b-9a8c-1a2b3c4d5e6f");
    let limits = json!({"maxMessageBytes": 65536, "displayLimit": 3, "queueLimit": 10});
    assert_eq!((&welcome["limits"], &welcome["pingIntervalMs"]), (&limits, &json!(15_000)));
    assert!(welcome["connectionId"].as_str().unwrap().starts_with("0000000000000007-"));
    let mut bob = gateway.agent("bob").await;
    let mut bot = gateway.provider("bot").await;
    bot.send_json(&json!({"type": "notify", "id": "n-1", "templateName": "msdyn_chat_incoming_unauthenticated",
        "templateParameters": {"customerName": "Grace"}}))
        .await;
    let ack = bot.receive().await;
    assert_eq!((&ack["type"], &ack["id"], &ack["duplicate"]), (&json!("ack"), &json!("n-1"), &json!(false)));
    let correlation = ack["correlationId"].as_str().unwrap().to_owned();
    assert!(uuid::Uuid::parse_str(&correlation).is_ok_and(|id| id.to_string() == correlation), "minted");
    let shown = ada.receive().await;
    assert_eq!((&shown["type"], &shown["title"]), (&json!("notification"), &json!("Grace wants to chat")));
    assert_eq!(shown, bob.receive().await, "one encoding for all");
    bob.send_json(&json!({"type": "accept", "id": "a-1", "notificationId": ack["notificationId"]})).await;
    let result = bob.receive_type("result").await;
    assert_eq!((&result["won"], &result["correlationId"]), (&json!(true), &json!(correlation)));
    let closed = ada.receive().await;
    assert_eq!((&closed["type"], &closed["agentId"]), (&json!("closed"), &json!("bob")));
    let result = bot.receive().await;
    assert_eq!((&result["id"], &result["value"]["actionName"]), (&json!("n-1"), &json!("Accept")));
    assert_eq!(result["sessionId"], ack["notificationId"]);
}

#[tokio::test]
async fn a_hello_without_an_id_gets_a_minted_one() {
    let gateway = TestGateway::new();
    let (_, welcome) = gateway.join(json!({"type": "hello", "role": "provider"})).await;
    assert!(uuid::Uuid::parse_str(welcome["providerId"].as_str().unwrap()).is_ok());
    let (_, welcome) = gateway.join(json!({"type": "hello", "role": "agent"})).await;
    assert!(uuid::Uuid::parse_str(welcome["agentId"].as_str().unwrap()).is_ok());
}

#[tokio::test]
async fn a_first_message_other_than_a_valid_hello_is_an_error_and_4400() {
    let gateway = TestGateway::new();
    for (first, code) in [
        (r#"{"type":"ping","id":"p"}"#, "notAllowed"),
        (r#"{"type":"hello","role":"boss"}"#, "badParameter"),
        (r#"{"type":"hello","role":"agent","agentId":7}"#, "badParameter"),
        ("[]", "badMessage"),
        ("", "badMessage"),
    ] {
        let mut client = gateway.connect().await;
        client.send(Message::text(first)).await;
        let error = client.receive().await;
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{first}");
        assert_eq!(client.closed().await, 4400, "{first}");
        assert!(client.frame().await.is_none(), "and the connection ends");
    }
}

#[tokio::test]
async fn invalid_messages_get_errors_and_the_connection_stays() {
    let gateway = TestGateway::new();
    let mut ada = gateway.agent("ada").await;
    for (message, code) in [
        (json!({"type": "hello", "role": "agent", "id": "x"}), "notAllowed"),
        (json!({"type": "notify", "templateName": "t", "id": "x"}), "notAllowed"),
        (json!({"type": "dance", "id": "x"}), "badMessage"),
        (json!({"type": "accept", "id": "x"}), "badParameter"),
        (json!({"type": "accept", "id": "x", "notificationId": "no-such"}), "notFound"),
        (json!({"type": "reject", "id": "x", "notificationId": "00000000-0000-7000-8000-000000000000"}), "notFound"),
        (json!({"type": "endSession", "id": "x", "sessionId": "no-such"}), "notFound"),
    ] {
        ada.send_json(&message).await;
        let error = ada.receive().await;
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("x")), "{message}");
        assert_eq!(error["code"], code, "{message}");
        assert!(!error["detail"].as_str().unwrap().is_empty());
    }
    for unreceived in ["no-such", "00000000-0000-7000-8000-000000000000"] {
        ada.send_json(&json!({"type": "seen", "notificationId": unreceived})).await;
    }
    ada.send_json(&json!({"type": "ping", "id": "p-1", "correlationId": "0D7E39F736F04A3B9A8C1A2B3C4D5E6F"})).await;
    let pong = json!({"type": "pong", "id": "p-1", "correlationId": "0D7E39F736F04A3B9A8C1A2B3C4D5E6F"});
    assert_eq!(ada.receive().await, pong, "seen of what is not there is ignored");
}

#[tokio::test]
async fn presence_reaches_all_tabs_and_its_id_only_the_tab_that_set_it() {
    let gateway = TestGateway::new();
    let (mut one, mut two) = (gateway.agent("ada").await, gateway.agent("ada").await);
    one.send_json(&json!({"type": "presence", "presence": "away", "id": "p-1"})).await;
    assert_eq!(one.receive().await, json!({"type": "presence", "presence": "away", "id": "p-1"}));
    assert_eq!(two.receive().await, json!({"type": "presence", "presence": "away"}));
}

#[tokio::test]
async fn an_observer_receives_events_and_statistics() {
    let gateway = TestGateway::new();
    let (mut observer, _) = gateway.join(json!({"type": "hello", "role": "observer"})).await;
    let _ada = gateway.agent("ada").await;
    let event = observer.receive_type("event").await;
    assert_eq!((&event["event"], &event["agentId"]), (&json!("agentJoined"), &json!("ada")));
    let stats = observer.receive_type("stats").await;
    assert_eq!((&stats["observers"], &stats["open"]), (&json!(1), &json!(0)), "{stats}");
    assert!(stats["notifyToResultMs"]["p99"].is_u64() && stats["outcomes"].is_object(), "{stats}");
}

#[tokio::test]
async fn bytes_that_come_with_the_handshake_are_the_first_message() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let gateway = TestGateway::new();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let hello = br#"{"type":"hello","role":"observer"}"#;
    let mut bytes = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    // The mask is zero, so the text is unchanged.
    bytes.extend([0x81, 0x80 | u8::try_from(hello.len()).unwrap(), 0, 0, 0, 0]);
    bytes.extend(hello);
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("\"welcome\"") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{answer:?}");
    }
}

#[tokio::test]
async fn a_close_frame_is_answered_with_the_same_code() {
    let gateway = TestGateway::new();
    let mut ada = gateway.agent("ada").await;
    let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame { code: 1000.into(), reason: "bye".into() };
    ada.send(Message::Close(Some(frame))).await;
    assert_eq!(ada.closed().await, 1000);
    let mut bot = gateway.provider("bot").await;
    let (mut observer, _) = gateway.join(json!({"type": "hello", "role": "observer"})).await;
    bot.send_json(&json!({"type": "ping"})).await;
    assert_eq!(bot.receive().await["type"], "pong");
    assert_eq!(observer.receive_type("stats").await["agents"], 0, "the agent has left the hub");
}
