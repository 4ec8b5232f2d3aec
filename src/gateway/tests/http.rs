//! Plain HTTP: pages, probes, the upgrade, and calls.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Sends one request and reads the response: its head in lower case, and its body.
async fn ask(gateway: &TestGateway, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let close = if request.contains("Upgrade") { "" } else { "Connection: close\r\n" };
    stream.write_all(format!("{request}\r\nHost: x\r\n{close}\r\n").as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    loop {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut reply)).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&reply);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            // The hub ends the connection if the request said so. Otherwise the length of the body shows the end, or the
            // response is that of a handshake.
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let whole = head.contains(" 101 ") || length.is_some_and(|length| length.parse() == Ok(body.len()));
            if read == 0 || close.is_empty() && whole {
                return (head, body.to_owned());
            }
        }
        assert_ne!(read, 0, "{text}");
    }
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

fn status(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

#[tokio::test]
async fn pages_and_probes_are_served() {
    let gateway = TestGateway::new();
    for (path, content_type, part) in [
        ("/", "text/html; charset=utf-8", "<title>"),
        ("/desk", "text/html; charset=utf-8", "<title>"),
        ("/desk?agent=ada", "text/html; charset=utf-8", "<title>"),
        ("/sdk/deskbell.js", "text/javascript; charset=utf-8", "export"),
        ("/asyncapi.yaml", "text/plain; charset=utf-8", "asyncapi"),
        ("/healthz", "text/plain; charset=utf-8", "alive"),
        ("/readyz", "text/plain; charset=utf-8", "ready"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "deskbell_hubs 1"),
    ] {
        let (head, body) = ask(&gateway, &format!("GET {path} HTTP/1.1")).await;
        assert_eq!(status(&head), "200", "{path}");
        assert!(head.contains(&format!("content-type: {content_type}")) && body.contains(part), "{path}: {head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{path}: {head}");
        if content_type.contains("html") {
            assert!(head.contains("content-security-policy: default-src 'none'"), "{path}: {head}");
        }
        let (head, nothing) = ask(&gateway, &format!("HEAD {path} HTTP/1.1")).await;
        assert_eq!((status(&head), &*nothing), ("200", ""), "{path}");
        assert!(path == "/metrics" || head.contains(&format!("content-length: {}", body.len())), "{path}: {head}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_so() {
    let gateway = TestGateway::new();
    for (request, expected) in [
        ("GET /nothing HTTP/1.1", "404"),
        ("GET /sdk/../Cargo.toml HTTP/1.1", "404"),
        ("POST / HTTP/1.1\r\nContent-Length: 0", "405"),
        ("POST /ws HTTP/1.1\r\nContent-Length: 0", "405"),
        ("DELETE /healthz HTTP/1.1", "405"),
        ("GET /ws HTTP/1.1", "400"),
    ] {
        let (head, body) = ask(&gateway, request).await;
        assert_eq!((status(&head), body.is_empty()), (expected, false), "{request}");
    }
}

#[tokio::test]
async fn a_handshake_is_checked_in_every_part() {
    let gateway = TestGateway::new();
    let own = format!("{UPGRADE}\r\nOrigin: http://{}", gateway.address);
    let local = format!("{UPGRADE}\r\nOrigin: http://localhost:{}", gateway.address.port());
    for (request, expected) in [
        (UPGRADE.to_owned(), "101"),
        (own, "101"),
        (local, "101"),
        (format!("{UPGRADE}\r\nOrigin: http://evil.example"), "403"),
        (format!("{UPGRADE}\r\nOrigin: null"), "403"),
        (format!("{UPGRADE}\r\nSec-WebSocket-Protocol: other, deskbell.v1"), "101"),
        (format!("{UPGRADE}\r\nSec-WebSocket-Protocol: other"), "400"),
        (UPGRADE.replace("Version: 13", "Version: 12"), "400"),
        (UPGRADE.replace("dGhl", "!!!!"), "400"),
        (UPGRADE.replace("HTTP/1.1", "HTTP/1.0"), "400"),
    ] {
        let (head, body) = ask(&gateway, &request).await;
        assert_eq!(status(&head), expected, "{request}");
        assert_eq!(body.is_empty(), expected == "101", "{request}: {body}");
        assert_eq!(head.contains("sec-websocket-version: 13"), expected == "400", "{request}");
        let selected = head.contains("sec-websocket-protocol: deskbell.v1");
        assert_eq!(selected, request.contains("other, deskbell.v1"), "{request}");
    }
}

#[tokio::test]
async fn a_full_hub_refuses_an_upgrade_with_503() {
    let gateway = TestGateway::with(|settings| settings.max_connections = 1);
    let mut only = gateway.connect().await;
    let (head, _) = ask(&gateway, UPGRADE).await;
    assert_eq!(status(&head), "503");
    only.send(Message::Close(None)).await;
    while only.frame().await.is_some() {}
    // The place is free when the hub has closed its side of the socket, a moment later.
    let freed = async { while status(&ask(&gateway, UPGRADE).await.0) != "101" {} };
    tokio::time::timeout(PATIENCE, freed).await.expect("the place is free");
}

#[tokio::test]
async fn metrics_count_connections_and_refusals() {
    let gateway = TestGateway::new();
    let mut ada = gateway.agent("ada").await;
    ada.send_json(&json!({"type": "dance"})).await;
    ada.receive_type("error").await;
    let (_, body) = ask(&gateway, "GET /metrics HTTP/1.1").await;
    for line in ["deskbell_connections{role=\"agent\"} 1", "deskbell_refused_total{code=\"badMessage\"} 1"] {
        assert!(body.lines().any(|have| have == line), "{line} in {body}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let gateway = TestGateway::new();
    let settings = Settings { listen: gateway.address, ..default_settings() };
    let error = Gateway::bind(settings).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {}: ", gateway.address)), "{error}");
}

/// Sends a notify with this id over HTTP, and returns the status and the JSON of the response.
async fn notify(gateway: &TestGateway, id: &str) -> (String, Value) {
    let body = json!({"id": id, "templateName": "msdyn_call_incoming"}).to_string();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = "POST /api/notify HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json";
    let length = body.len();
    stream.write_all(format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes()).await.unwrap();
    let mut reply = String::new();
    tokio::time::timeout(3 * PATIENCE, stream.read_to_string(&mut reply)).await.unwrap().unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (status(head).to_owned(), serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn if_the_log_does_not_answer_every_request_learns_that_its_effect_is_unknown() {
    let gateway = TestGateway::new();
    assert_eq!(notify(&gateway, "before").await.0, "202");
    gateway.silent.store(true, Ordering::SeqCst);
    // The first one is in the log. The second one waits behind it and may still be written.
    let (first, second) = tokio::join!(notify(&gateway, "first"), notify(&gateway, "second"));
    for (status, error) in [&first, &second] {
        assert_eq!((status.as_str(), &error["code"]), ("503", &json!("unavailable")));
        let detail = error["detail"].as_str().unwrap();
        assert!(detail.contains("unknown") && detail.contains("repeat it with the same `id`"), "{detail}");
    }
    gateway.silent.store(false, Ordering::SeqCst);
    gateway.inputs.wake();
    for id in ["first", "second"] {
        let again = notify(&gateway, id).await;
        assert_eq!((again.0.as_str(), &again.1["type"]), ("202", &json!("ack")));
    }
}

#[tokio::test]
async fn calls_of_one_provider_are_under_way_together_and_each_receives_its_own_reply() {
    const CALLS: usize = 40;
    let gateway = TestGateway::new();
    assert_eq!(notify(&gateway, "before").await.0, "202");
    gateway.silent.store(true, Ordering::SeqCst);
    let ids: Vec<String> = (0..CALLS).map(|number| format!("call-{number}")).collect();
    let calls = futures::future::join_all(ids.iter().map(|id| notify(&gateway, id)));
    // The first group holds at most 16 calls of one provider; the others wait for the next one, none behind another's reply.
    let together = async {
        while gateway.inputs.depth() < CALLS / 2 {
            tokio::task::yield_now().await;
        }
        gateway.silent.store(false, Ordering::SeqCst);
        gateway.inputs.wake();
    };
    let (replies, ()) = tokio::join!(calls, async {
        tokio::time::timeout(PATIENCE, together).await.expect("the calls wait for the log together");
    });
    for (id, (status, reply)) in ids.iter().zip(&replies) {
        // Past the queue limit the notify has its result already.
        assert!(matches!((status.as_str(), reply["type"].as_str()), ("202", Some("ack")) | ("200", Some("result"))));
        assert_eq!(&reply["id"], &json!(id));
    }
    let notifications: std::collections::BTreeSet<_> =
        replies.iter().map(|(_, reply)| reply["notificationId"].to_string()).collect();
    assert_eq!(notifications.len(), CALLS);
}
