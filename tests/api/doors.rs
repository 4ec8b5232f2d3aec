//! Who may ask from where: pages of other origins, content types, TLS.

use serde_json::json;

use crate::ask::{Ask, recall, ring as ask_to_ring};
use crate::harness::{NOBODYS, Setup, has, hub};
use crate::keys::{key_file, tls_over};

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
async fn what_a_foreign_form_can_send_is_415() {
    let hub = hub("").await;
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", ""]
    {
        let ask = Ask::new("POST", "/api/notify").header("Content-Type", kind).body(r#"{"templateName":"chat"}"#);
        ask.of(&hub).await.is(415, "badMessage");
    }
    Ask::new("POST", "/api/notify").body(r#"{"templateName":"chat"}"#).of(&hub).await.is(415, "badMessage");
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
