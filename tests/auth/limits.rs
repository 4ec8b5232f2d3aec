//! Limits at the door: by address, before the hello, in time; what proxies say is believed only of those that are known.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::harness::{Hub, PATIENCE, Setup, has, hub, within};
use crate::raw::{get, http, status};

/// The value of this line of /metrics.
async fn metric(hub: &Hub, line: &str) -> u64 {
    let text = get(hub.port, "/metrics").await;
    let found = text.lines().find_map(|have| have.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("{line} in {text}"))
}

#[tokio::test]
async fn one_connection_over_the_limit_of_an_address_gets_429() {
    let config = "[server]\ntrustedProxies = [\"127.0.0.1\"]\n[limits]\nconnectionsPerAddress = 2";
    let hub = hub(config).await;
    let from = |address: &'static str| [("X-Forwarded-For", address)];
    let (mut first, _) = hub.connect_with(None, &from("192.0.2.1")).await.unwrap();
    let (_second, _) = hub.connect_with(None, &from("192.0.2.1")).await.unwrap();
    assert_eq!(hub.upgrade_refused(None, &from("192.0.2.1")).await, 429);
    // A client cannot choose its address: the proxy appends the real address to the header that the client sends.
    assert_eq!(hub.upgrade_refused(None, &from("203.0.113.1, 192.0.2.1")).await, 429);
    let (mut other, _) = hub.connect_with(None, &from("192.0.2.2")).await.unwrap();
    other.hello(json!({"role": "agent"})).await;
    assert_eq!(metric(&hub, "deskbell_turned_away_total{reason=\"address\"}").await, 2);
    first.hello(json!({"role": "agent"})).await;
    first.leave().await;
    let freed = async { while hub.connect_with(None, &from("192.0.2.1")).await.is_err() {} };
    within("the place of the connection that was closed", freed).await;
}

#[tokio::test]
async fn http_requests_count_toward_the_connections_of_their_address() {
    let hub = hub("[limits]\nconnectionsPerAddress = 2").await;
    let ask = |provider: &'static str| {
        let body = r#"{"sessionId":"s"}"#;
        let head = format!("POST /api/kpi?providerId={provider} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        let request = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let port = hub.port;
        async move { http(port, &request).await }
    };
    let (mut socket, _) = hub.connect_with(None, &[]).await.unwrap();
    socket.hello(json!({"role": "agent"})).await;
    for _ in 0..3 {
        assert_eq!(status(&ask("one").await), 200);
    }
    let refused = ask("two").await;
    assert!(status(&refused) == 429 && refused.contains("\"code\":\"rateLimited\""), "{refused}");
    assert_eq!(hub.upgrade_refused(None, &[]).await, 429);
    assert_eq!(status(&ask("one").await), 200);
    socket.leave().await;
    within("the place of the socket that was closed", async { while status(&ask("two").await) != 200 {} }).await;
}

#[tokio::test]
async fn forwarded_addresses_of_untrusted_peers_are_ignored() {
    let hub = hub("[limits]\nconnectionsPerAddress = 2").await;
    let from = |address: &'static str| [("X-Forwarded-For", address)];
    let (_first, _) = hub.connect_with(None, &from("192.0.2.1")).await.unwrap();
    let (_second, _) = hub.connect_with(None, &from("192.0.2.2")).await.unwrap();
    assert_eq!(hub.upgrade_refused(None, &from("192.0.2.3")).await, 429, "all three are 127.0.0.1");
}

#[tokio::test]
async fn an_address_cannot_hold_all_the_places_before_the_upgrade_either() {
    let hub = hub("[limits]\nconnectionsPerAddress = 3").await;
    let mut held = Vec::new();
    for _ in 0..3 + 16 {
        let mut socket = hub.tcp().await;
        socket.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
        held.push(socket);
    }
    let mut one_more = hub.tcp().await;
    let _ = one_more.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, one_more.read_to_end(&mut answer)).await.expect("it is closed");
    assert!(answer.is_empty(), "without a word: {}", String::from_utf8_lossy(&answer));
    drop(held);
    // Their places become free as soon as the hub notices that they have disconnected.
    within("a place for a request", async { while !get_maybe(&hub).await {} }).await;
}

async fn get_maybe(hub: &Hub) -> bool {
    let mut socket = hub.tcp().await;
    let _ = socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("an answer or an end");
    answer.starts_with(b"HTTP/1.1 200")
}

#[tokio::test]
async fn connections_before_their_hello_are_limited() {
    let hub = hub("[limits]\npendingConnections = 2").await;
    let mut first = hub.connect().await;
    let _second = hub.connect().await;
    assert_eq!(hub.upgrade_refused(None, &[]).await, 503);
    first.hello(json!({"role": "agent", "agentId": "ada"})).await;
    let mut third = hub.connect().await;
    assert_eq!(hub.upgrade_refused(None, &[]).await, 503);
    assert_eq!(metric(&hub, "deskbell_pending_connections").await, 2);
    assert_eq!(metric(&hub, "deskbell_turned_away_total{reason=\"pending\"}").await, 2);
    third.hello(json!({"role": "agent", "agentId": "bob"})).await;
    has(&first.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn a_refused_or_silent_connection_frees_its_place_before_the_hello() {
    let setup = crate::guarded().config("[limits]\npendingConnections = 1\n[server]\nhelloTimeout = \"300ms\"");
    let hub = setup.start().await;
    let mut silent = free_place(&hub).await;
    silent.expect_close(4408).await;
    let mut refused = free_place(&hub).await;
    refused.send(json!({"type": "hello", "role": "agent", "token": "bad"})).await;
    refused.expect_close(4401).await;
    drop(free_place(&hub).await);
    free_place(&hub).await.hello(json!({"role": "agent", "token": crate::token("ada", "agent")})).await;
}

/// A connection, as soon as there is a place for it.
async fn free_place(hub: &Hub) -> crate::Client {
    let connected = async {
        loop {
            if let Ok((client, _)) = hub.connect_with(None, &[]).await {
                return client;
            }
        }
    };
    within("a free place", connected).await
}

#[tokio::test]
async fn a_slow_http_request_is_cut_off() {
    let hub = hub("[server]\nhandshakeTimeout = \"200ms\"").await;
    let mut slow = hub.tcp().await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHo").await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, slow.read_to_end(&mut answer)).await.expect("it is cut off").unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert_eq!(metric(&hub, "deskbell_turned_away_total{reason=\"handshakeTimeout\"}").await, 1);
}

#[tokio::test]
async fn a_slow_tls_handshake_is_cut_off() {
    let file = |name: &str| crate::key_file(name).to_str().unwrap().to_owned();
    let setup = Setup::new().config("[server]\nhandshakeTimeout = \"200ms\"");
    let setup = setup.args(&["--tls-cert", &file("tls-1.pem"), "--tls-key", &file("tls-1.key.pem")]);
    let hub = setup.start().await;
    let mut slow = hub.tcp().await;
    slow.write_all(&[0x16, 3, 1]).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, slow.read_to_end(&mut answer)).await.expect("it is cut off");
    assert!(answer.is_empty());
}
