//! The client against a hub that the test plays: repeated calls, and reconnects.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::*;

const ID: &str = "0193f0a0-0000-7000-8000-000000000001";
const PATIENCE: Duration = Duration::from_secs(20);

/// A hub that sends what the test wants.
struct TestHub(TcpListener);

struct TestConnection(WebSocketStream<TcpStream>);

impl TestHub {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn url(&self) -> String {
        format!("ws://{}/ws", self.0.local_addr().unwrap())
    }

    async fn upgraded(&self) -> TestConnection {
        let (stream, _) = timeout(PATIENCE, self.0.accept()).await.unwrap().unwrap();
        #[expect(clippy::result_large_err, reason = "the library's own type")]
        let choose = |_: &Request, mut response: Response| {
            response.headers_mut().insert("Sec-WebSocket-Protocol", "deskbell.v1".parse().unwrap());
            Ok(response)
        };
        TestConnection(tokio_tungstenite::accept_hdr_async(stream, choose).await.unwrap())
    }

    /// The next connection, welcomed; and its hello.
    async fn welcomed(&self, open: Value, ping_interval_ms: u64) -> (TestConnection, Value) {
        let mut line = self.upgraded().await;
        let hello = line.next().await;
        line.say(json!({
            "type": "welcome", "role": hello["role"], "providerId": "bot", "workspace": "default", "connectionId": "c",
            "protocol": 1, "pingIntervalMs": ping_interval_ms, "serverTime": "2026-11-21T10:00:00.000Z",
            "limits": {"maxMessageBytes": 2000, "displayLimit": 3, "queueLimit": 10}, "open": open,
        }))
        .await;
        (line, hello)
    }
}

impl TestConnection {
    async fn next(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(_) => panic!("closed"),
                _ => {}
            }
        }
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn ack(&mut self, notify: &Value) {
        let reply = json!({"type": "ack", "id": notify["id"], "msdyn_name": "NotifyEvent", "notificationId": ID, "duplicate": false});
        self.say(reply).await;
    }

    async fn result(&mut self, id: &str, position: &str) {
        let value = json!({"actionName": "Accept", "responseReason": "Accept"});
        let reply = json!({"type": "result", "id": id, "msdyn_name": "NotifyEvent", "notificationId": ID, "value": value,
            "elapsedMs": 5, "reach": {"displayed": 1, "seen": 0, "rejected": 0}, "position": position});
        self.say(reply).await;
    }

    async fn close(mut self, code: u16) {
        self.0.close(Some(CloseFrame { code: code.into(), reason: "why".into() })).await.unwrap();
        while self.0.next().await.is_some_and(|frame| frame.is_ok()) {}
    }
}

fn quick() -> Tuning {
    Tuning { backoff_first: Duration::from_millis(1), backoff_max: Duration::from_millis(5), ..Tuning::default() }
}

fn connecting(hub: &TestHub, options: ProviderOptions) -> tokio::task::JoinHandle<Result<Provider, ConnectError>> {
    let (url, options) = (hub.url(), options.tuning(quick()));
    tokio::spawn(async move { Provider::connect(&url, options).await })
}

async fn connected(hub: &TestHub) -> (TestConnection, Provider) {
    let connecting = connecting(hub, ProviderOptions::new());
    let (line, _) = hub.welcomed(json!([]), 15_000).await;
    (line, connecting.await.unwrap().unwrap())
}

#[tokio::test]
async fn a_call_without_a_reply_is_repeated_with_its_id_and_settles_once() {
    let hub = TestHub::new().await;
    let (mut line, provider) = connected(&hub).await;
    let mut results = provider.results();
    let mut held = provider.ring(Notify::template("t").id("held")).await.unwrap();
    let notify = line.next().await;
    line.ack(&notify).await;
    held.acked().await.unwrap();
    let mut lost = provider.ring(Notify::template("t").id("lost")).await.unwrap();
    let before = line.next().await;
    drop(line);
    // The hub has the first call and will send its outcome. It did not receive the second.
    let open = json!([{"notificationId": ID, "id": "held", "correlationId": "c"}]);
    let (mut line, hello) = hub.welcomed(open, 15_000).await;
    assert_eq!((&hello["providerId"], &hello["resume"]), (&json!("bot"), &json!(true)));
    assert_eq!(line.next().await, before);
    line.ack(&before).await;
    assert_eq!(lost.acked().await.unwrap().notification_id.to_string(), ID);
    for _ in 0..2 {
        line.result("held", "p1").await;
    }
    assert_eq!(held.outcome().await.unwrap().value, Outcome::Accepted);
    line.result("lost", "p2").await;
    assert_eq!(lost.outcome().await.unwrap().ids.id.as_deref(), Some("lost"));
    // All three results have the same notificationId, so it was published once.
    assert_eq!(results.next().await.unwrap().notification_id.to_string(), ID);
    assert_eq!(provider.position().as_deref(), Some("p2"));
    drop(line);
    assert_eq!(hub.welcomed(json!([]), 15_000).await.1["resume"], "p2");
}

#[tokio::test]
async fn a_call_that_the_hub_postpones_is_sent_again() {
    let hub = TestHub::new().await;
    let (mut line, provider) = connected(&hub).await;
    let notified = tokio::spawn(async move { provider.notify(Notify::template("t")).await });
    let first = line.next().await;
    for code in ["rateLimited", "unavailable"] {
        let message = "RejectAfterClientError";
        line.say(json!({"type": "error", "id": first["id"], "message": message, "code": code, "detail": "", "retryAfterMs": 1})).await;
        assert_eq!(line.next().await, first);
    }
    line.ack(&first).await;
    line.result(first["id"].as_str().unwrap(), "p").await;
    assert_eq!(notified.await.unwrap().unwrap().value, Outcome::Accepted);
}

#[tokio::test]
async fn the_client_reconnects_after_the_close_codes_that_allow_it() {
    let hub = TestHub::new().await;
    let (mut line, provider) = connected(&hub).await;
    for code in [1001, 4408, 1000] {
        line.close(code).await;
        line = hub.welcomed(json!([]), 15_000).await.0;
    }
    let ring = provider.ring(Notify::template("t")).await.unwrap();
    line.next().await;
    line.close(4403).await;
    let closed = EndReason::ClosedByHub { code: 4403, reason: "why".to_owned() };
    assert_eq!(provider.ended().await, closed);
    assert_eq!(ring.outcome().await, Err(CallError::Ended(closed.clone())));
    assert_eq!(provider.notify(Notify::template("t")).await, Err(CallError::Ended(closed)));
    assert_eq!(provider.results().next().await, None);
}

#[tokio::test]
async fn a_refused_token_is_replaced_a_limited_number_of_times() {
    let hub = TestHub::new().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let token = Token::source(move || {
        let number = count.fetch_add(1, Ordering::SeqCst);
        async move { Ok(format!("token-{number}")) }
    });
    let connecting = connecting(&hub, ProviderOptions::new().token(token));
    let mut line = hub.upgraded().await;
    assert_eq!(line.next().await["token"], "token-0");
    line.close(4401).await;
    let (mut line, hello) = hub.welcomed(json!([]), 15_000).await;
    assert_eq!(hello["token"], "token-1");
    let provider = connecting.await.unwrap().unwrap();
    for _ in 0..3 {
        line.close(4401).await;
        line = hub.upgraded().await;
        line.next().await;
    }
    line.close(4401).await;
    assert!(matches!(provider.ended().await, EndReason::ClosedByHub { code: 4401, .. }));
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_refused_fixed_token_ends_the_client() {
    let hub = TestHub::new().await;
    let connecting = connecting(&hub, ProviderOptions::new().token(Token::Fixed("t".to_owned())));
    let mut line = hub.upgraded().await;
    assert_eq!(line.next().await["token"], "t");
    line.close(4401).await;
    let error = connecting.await.unwrap().unwrap_err();
    assert!(matches!(error, ConnectError::Ended(EndReason::ClosedByHub { code: 4401, .. })), "{error}");
}

#[tokio::test]
async fn a_silent_hub_is_pinged() {
    let hub = TestHub::new().await;
    let connecting = connecting(&hub, ProviderOptions::new());
    let (mut line, _) = hub.welcomed(json!([]), 20).await;
    let provider = connecting.await.unwrap().unwrap();
    for _ in 0..2 {
        assert_eq!(line.next().await, json!({"type": "ping"}));
        line.say(json!({"type": "pong"})).await;
    }
    assert_eq!(provider.status(), Status::Open);
}

#[tokio::test]
async fn a_message_that_is_too_long_for_the_hub_is_not_sent() {
    let hub = TestHub::new().await;
    let (_line, provider) = connected(&hub).await;
    let long = provider.notify(Notify::template("t").parameter("x", "y".repeat(3000))).await;
    assert!(matches!(long, Err(CallError::TooLong { bytes_max: 2000, .. })), "{long:?}");
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_connection() {
    let hub = TestHub::new().await;
    let (mut line, provider) = connected(&hub).await;
    let ring = provider.ring(Notify::template("t")).await.unwrap();
    drop(provider);
    // A ring is a handle too.
    let notify = line.next().await;
    line.result(notify["id"].as_str().unwrap(), "p").await;
    ring.outcome().await.unwrap();
    let goodbye = timeout(PATIENCE, line.0.next()).await.unwrap();
    assert!(matches!(goodbye, Some(Ok(Message::Close(_)))), "{goodbye:?}");
}
