//! Which callers are served: pages of other origins, content types, TLS.

use serde_json::json;

use crate::ask::{Ask, recall, ring as ask_to_ring};
use crate::harness::{NOBODYS, Setup, has, hub};
use crate::keys::{key_file, tls_over};
use crate::{guarded, raw, token};

#[tokio::test]
async fn pages_from_elsewhere_are_403_and_nothing_is_rung() {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        let answer = ask_to_ring("", json!({})).header("Origin", origin).of(&hub).await;
        answer.is(403, "notAllowed");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let preflight = Ask::new("OPTIONS", "/api/notify").header("Origin", origin).of(&hub).await;
        assert!(preflight.status >= 400 && preflight.header("access-control-allow-origin").is_none());
        recall(NOBODYS, "").header("Origin", origin).of(&hub).await.is(403, "notAllowed");
    }
    ada.expect_silence().await;
    let own = format!("http://localhost:{}", hub.port);
    let answer = ask_to_ring("", json!({})).header("Origin", &own).of(&hub).await;
    // Its own pages need no leave to read.
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (202, None));
}

#[tokio::test]
async fn without_tokens_a_name_that_was_made_to_lead_here_is_403() {
    let (guarded, secret) = guarded(Setup::new());
    let (open, guarded) = (hub("").await, guarded.start().await);
    let id = ask_to_ring("", json!({"id": "a"})).of(&open).await.notification();
    let under = |ask: &Ask, host: &str| {
        let bytes = String::from_utf8(ask.bytes(1)).unwrap();
        bytes.replace("Host: 127.0.0.1:1", &format!("Host: {host}"))
    };
    for (host, expected) in [("evil.example", 403), ("localhost", 202), ("desk.localhost:8080", 202)] {
        for ask in [recall(&id, ""), ask_to_ring("", json!({"id": "a"}))] {
            let answer = raw::http(open.port, &under(&ask, host)).await;
            assert_eq!(raw::status(&answer), expected, "{host}: {answer}");
            assert_eq!(
                answer.contains("notAllowed") && answer.contains("--allowed-origin"),
                expected == 403,
                "{answer}"
            );
        }
    }
    let token = token(&secret, &["--sub", "bot", "--role", "provider"]);
    let answer = raw::http(guarded.port, &under(&ask_to_ring("", json!({})).token(&token), "hub.example")).await;
    assert_eq!(raw::status(&answer), 202, "{answer}");
}

#[tokio::test]
async fn a_form_of_a_foreign_page_gets_415() {
    let hub = hub("").await;
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", ""]
    {
        let ask = Ask::new("POST", "/api/notify").header("Content-Type", kind).body(r#"{"templateName":"chat"}"#);
        ask.of(&hub).await.is(415, "badMessage");
    }
    Ask::new("POST", "/api/notify").body(r#"{"templateName":"chat"}"#).of(&hub).await.is(415, "badMessage");
    let two = Ask::post("/api/notify", &json!({"templateName": "chat"})).header("Content-Type", "text/plain");
    let answer = raw::http(hub.port, &String::from_utf8(two.bytes(hub.port)).unwrap()).await;
    assert_eq!(raw::status(&answer), 415, "{answer}");
    let ask = Ask::new("POST", "/api/notify").header("Content-Type", "application/json; charset=utf-8");
    ask.body(r#"{"templateName":"chat"}"#).of(&hub).await.is(202, "");
}

#[tokio::test]
async fn pages_of_a_configured_origin_may_ask_and_read() {
    let hub = Setup::new().args(&["--allowed-origin", "https://desk.example"]).start().await;
    let origin = "https://desk.example";
    let preflight = Ask::new("OPTIONS", "/api/notify").header("Origin", origin).of(&hub).await;
    assert_eq!(preflight.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", origin),
        ("access-control-allow-methods", "POST"),
        ("access-control-allow-headers", "Authorization, Content-Type, Idempotency-Key"),
        ("vary", "Origin"),
    ] {
        assert_eq!(preflight.header(name), Some(value), "{name}");
    }
    let answer = ask_to_ring("", json!({})).header("Origin", origin).of(&hub).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (202, Some(origin)));
    assert_eq!(answer.header("access-control-expose-headers"), Some("Location, Retry-After"));
    let refused = Ask::post("/api/notify", &json!({})).header("Origin", origin).of(&hub).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (400, Some(origin)));
    assert_eq!(ask_to_ring("", json!({})).of(&hub).await.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn it_speaks_tls() {
    let setup = Setup::new();
    let [certificate, key] = ["tls-1.pem", "tls-1.key.pem"].map(|name| key_file(name).to_str().unwrap().to_owned());
    let hub = setup.args(&["--tls-cert", &certificate, "--tls-key", &key]).start().await;
    let stream = tls_over(hub.tcp().await).await;
    let answer = ask_to_ring("?wait=1ms", json!({"id": "a"})).over(stream, hub.port).await;
    has(&answer.is(202, "").body, json!({"id": "a"}));
}
