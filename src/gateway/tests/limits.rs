//! The limits of clients, and the close codes of clients that exceed them.

use tokio::io::AsyncReadExt;

use super::*;

#[tokio::test]
async fn binary_and_oversized_frames_close_with_their_code() {
    let gateway = TestGateway::new();
    let text = |bytes: usize| Message::text("x".repeat(bytes));
    let mut binary = gateway.agent("ada").await;
    binary.send(Message::binary(vec![1])).await;
    assert_eq!(binary.closed().await, 1003);
    let mut early = gateway.connect().await;
    early.send(text(16_385)).await;
    assert_eq!(early.closed().await, 1009, "before the hello");
    let mut agent = gateway.agent("ada").await;
    agent.send(text(16_384)).await;
    assert_eq!(agent.receive().await["code"], "badMessage", "just small enough");
    agent.send(text(16_385)).await;
    assert_eq!(agent.closed().await, 1009);
    let mut provider = gateway.provider("bot").await;
    provider.send(text(65_536)).await;
    assert_eq!(provider.receive().await["code"], "badMessage");
    provider.send(text(65_537)).await;
    assert_eq!(provider.closed().await, 1009);
}

#[tokio::test]
async fn invalid_frames_close_with_their_code() {
    use tokio::io::AsyncWriteExt;
    let gateway = TestGateway::new();
    for (frame, code) in [
        (&[0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28][..], 1007_u16),
        (&[0x81, 0x02, b'{', b'}'], 1002),
        (&[0xc1, 0x80, 0, 0, 0, 0], 1002),
        (&[0x81, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1009),
    ] {
        let mut client = gateway.connect().await;
        let MaybeTlsStream::Plain(stream) = client.socket.get_mut() else { panic!("plain") };
        stream.write_all(frame).await.unwrap();
        assert_eq!(client.closed().await, code, "{frame:?}");
    }
}

#[tokio::test]
async fn a_client_without_a_hello_is_closed_with_4408() {
    let gateway = TestGateway::with(|settings| settings.hello_timeout = Duration::from_millis(50));
    let mut silent = gateway.connect().await;
    silent.send(Message::Ping(vec![1].into())).await;
    assert_eq!(silent.closed().await, 4408);
}

#[tokio::test]
async fn messages_over_the_rate_get_errors_and_then_4429() {
    let gateway = TestGateway::with(|settings| settings.messages_per_second = 1);
    let mut bot = gateway.provider("bot").await;
    for number in 0..2_000 {
        let ping = json!({"type": "ping", "id": number.to_string()}).to_string();
        // The hub may have closed the connection already.
        if bot.socket.send(Message::text(ping)).await.is_err() {
            break;
        }
    }
    let (mut pongs, mut errors) = (0, 0);
    let code = loop {
        match bot.frame().await {
            Some(Message::Close(Some(frame))) => break u16::from(frame.code),
            Some(Message::Text(text)) => {
                let reply: Value = serde_json::from_str(&text).unwrap();
                if reply["type"] == "pong" {
                    pongs += 1;
                } else {
                    assert_eq!(reply["code"], "rateLimited");
                    assert!(reply["retryAfterMs"].as_u64().unwrap() > 0 && reply["id"].is_string());
                    errors += 1;
                }
            }
            other => panic!("{other:?}"),
        }
    };
    // Two messages are the burst. On a slow machine a further one is allowed every second.
    assert!(pongs >= 2 && errors >= 101, "{pongs} {errors}");
    assert_eq!(code, 4429);
}

#[tokio::test]
async fn a_flood_of_pings_is_closed_with_4429_too() {
    let gateway = TestGateway::new();
    let mut client = gateway.agent("ada").await;
    let MaybeTlsStream::Plain(stream) = client.socket.get_mut() else { panic!("plain") };
    let flood = [0x89, 0x80, 0, 0, 0, 0].repeat(100_000);
    // The hub may close the connection before everything is written.
    let _ = tokio::io::AsyncWriteExt::write_all(stream, &flood).await;
    assert_eq!(client.closed().await, 4429);
}

#[tokio::test]
async fn a_silent_peer_is_pinged_and_then_dropped_without_a_close() {
    let gateway = TestGateway::with(|settings| {
        settings.ping_interval = Duration::from_millis(40);
        settings.idle_timeout = Duration::from_secs(2);
    });
    let mut client = gateway.agent("ada").await;
    let MaybeTlsStream::Plain(stream) = client.socket.get_mut() else { panic!("plain") };
    let mut received = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut received)).await.unwrap().unwrap();
    assert!(
        received.len() >= 2 && received.chunks(2).all(|frame| frame == [0x89, 0]),
        "pings and nothing else: {received:?}"
    );
}

#[tokio::test]
async fn a_peer_that_answers_pings_stays() {
    let gateway = TestGateway::with(|settings| {
        settings.ping_interval = Duration::from_millis(20);
        settings.idle_timeout = Duration::from_secs(3);
    });
    let mut client = gateway.agent("ada").await;
    let until = tokio::time::Instant::now() + Duration::from_secs(4);
    // The WebSocket library of the client answers pings as it reads.
    while let Ok(frame) = tokio::time::timeout_at(until, client.socket.next()).await {
        assert!(matches!(frame, Some(Ok(Message::Ping(_)))), "{frame:?}");
    }
}

#[tokio::test]
async fn a_client_that_reads_too_slowly_is_closed_with_1013_and_the_others_are_not_affected() {
    let gateway = TestGateway::with(|settings| {
        settings.outbound_bytes = 20_000;
        settings.messages_per_second = 1_000_000;
    });
    let mut bot = gateway.provider("bot").await;
    let (mut observer, _) = gateway.join(json!({"type": "hello", "role": "observer"})).await;
    let mut slow = gateway.agent("slow").await;
    let reader = tokio::spawn(async move {
        let mut observed = Vec::new();
        while observed.last().is_none_or(|event: &Value| event["event"] != "agentLeft") {
            observed.push(observer.receive_type("event").await);
        }
        observed.len()
    });
    let details = "x".repeat(500);
    // `slow` reads nothing, so the buffers of its socket fill, and then its outbox.
    for number in 0..100_000 {
        if reader.is_finished() {
            break;
        }
        bot.send_json(&json!({"type": "kpi", "sessionId": "s", "details": details, "id": number.to_string()})).await;
        assert_eq!(bot.receive().await["type"], "result");
    }
    assert!(reader.await.unwrap() > 10, "the observer received all events, and that the slow client left");
    assert_eq!(slow.closed().await, 1013, "the frames before the close frame are complete");
}

#[tokio::test]
async fn a_stop_closes_all_clients_with_1001() {
    let mut gateway = TestGateway::new();
    let mut clients = vec![gateway.agent("ada").await, gateway.provider("bot").await, gateway.connect().await];
    let (hub, serving) = (gateway.hub.take().unwrap(), gateway.serving.take().unwrap());
    let stopping = std::thread::spawn(move || {
        hub.stop().unwrap();
        serving.stop();
    });
    for client in &mut clients {
        assert_eq!(client.closed().await, 1001);
    }
    stopping.join().unwrap();
    assert!(TcpStream::connect(gateway.address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn random_bytes_do_not_affect_other_clients() {
    use tokio::io::AsyncWriteExt;
    let gateway = TestGateway::new();
    let mut witness = gateway.agent("ada").await;
    // A fixed sequence (xorshift), so that a failure can be repeated.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..200 {
        let mut client = gateway.connect().await;
        let MaybeTlsStream::Plain(stream) = client.socket.get_mut() else { panic!("plain") };
        let mut bytes = Vec::new();
        for _ in 0..40 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend(state.to_be_bytes());
        }
        // Half of them begin like a text frame.
        if state & 1 == 0 {
            bytes[..2].copy_from_slice(&[0x81, 0x80 | 64]);
        }
        let _ = stream.write_all(&bytes).await;
    }
    witness.send_json(&json!({"type": "ping"})).await;
    assert_eq!(witness.receive().await["type"], "pong");
}

#[tokio::test]
async fn clients_that_connect_and_break_off_at_once_leave_nothing_behind() {
    let gateway = TestGateway::new();
    let (mut observer, _) = gateway.join(json!({"type": "hello", "role": "observer"})).await;
    for storm in 0..3 {
        let clients = futures::future::join_all((0..100).map(|number| {
            let hello = json!({"type": "hello", "role": "agent", "agentId": format!("agent-{storm}-{number}")});
            gateway.join(hello)
        }));
        drop(clients.await);
    }
    let mut left = 0;
    while left < 300 {
        left += u32::from(observer.receive_type("event").await["event"] == "agentLeft");
    }
    assert_eq!(observer.receive_type("stats").await["agents"], 0);
}
