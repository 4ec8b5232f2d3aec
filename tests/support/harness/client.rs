//! One client over one real socket.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::coverage::Seen;
use super::hub::Said;
use super::talk::Talk;
use super::words::{has, text, unused_id, with};
use super::{NOBODYS, PATIENCE};

/// What a client speaks over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One connection. What comes is kept in order until a test asks for it.
pub(crate) struct Client {
    ws: WebSocketStream<Box<dyn Stream>>,
    stderr: Said,
    name: String,
    role: String,
    inbox: VecDeque<Value>,
    history: Vec<String>,
    talk: Talk,
    /// WebSocket pings that came.
    pub(crate) pings: usize,
    /// WebSocket pongs that came.
    pub(crate) pongs: Vec<Vec<u8>>,
    close: Option<u16>,
    ended: bool,
    pub(crate) welcome: Value,
}

impl Client {
    pub(super) fn new(ws: WebSocketStream<Box<dyn Stream>>, stderr: Said, seen: Option<Seen>) -> Self {
        Self {
            ws,
            stderr,
            name: "a client".into(),
            role: String::new(),
            inbox: VecDeque::new(),
            history: Vec::new(),
            talk: Talk::new(seen),
            pings: 0,
            pongs: Vec::new(),
            close: None,
            ended: false,
            welcome: Value::Null,
        }
    }

    pub(crate) async fn hello(&mut self, hello: Value) {
        self.name = format!("{hello}");
        self.role = hello["role"].as_str().unwrap_or_default().to_owned();
        self.send(with(json!({"type": "hello"}), hello)).await;
        let welcome = self.next().await;
        assert_eq!(welcome["type"], "welcome", "{}", self.report("welcome as the first message"));
        self.welcome = welcome;
    }

    /// Does the same, and returns `false` if the hub closed the connection because its log did not answer.
    pub(crate) async fn hello_or_close(&mut self, hello: Value) -> bool {
        self.name = format!("{hello}");
        self.role = hello["role"].as_str().unwrap_or_default().to_owned();
        self.send(with(json!({"type": "hello"}), hello)).await;
        while self.inbox.is_empty() {
            if !timeout(PATIENCE, self.pump()).await.expect("a welcome or a close") {
                return false;
            }
        }
        let welcome = self.next().await;
        assert_eq!(welcome["type"], "welcome", "{}", self.report("welcome as the first message"));
        self.welcome = welcome;
        true
    }

    // -------------------------------------------------------- sending

    /// Sends a message that the AsyncAPI document describes, or one with an id, which the hub must refuse then.
    pub(crate) async fn send(&mut self, message: Value) {
        self.talk.say(&message);
        self.write(Message::text(message.to_string())).await;
    }

    /// Sends a message that the AsyncAPI document does not allow.
    pub(crate) async fn send_wrong(&mut self, message: Value) {
        self.talk.say_wrong(&message);
        self.write(Message::text(message.to_string())).await;
    }

    /// Sends anything.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.talk.say_text(text);
        self.write(Message::text(text)).await;
    }

    /// Sends a frame whatever it is.
    pub(crate) async fn send_frame(&mut self, message: Message) {
        self.talk.say_bytes();
        self.write(message).await;
    }

    async fn write(&mut self, message: Message) {
        let mut shown = format!("{message:?}");
        shown.truncate(shown.floor_char_boundary(300));
        self.history.push(format!("  > {shown}"));
        let sent = timeout(PATIENCE, self.ws.send(message)).await.expect("the hub reads");
        if let Err(error) = sent {
            // The hub may have closed already; a test that did not expect that sees it at its next expectation.
            self.history.push(format!("  > failed: {error}"));
        }
    }

    /// Sends a message and gives its direct reply (to a notify: its ack).
    pub(crate) async fn call(&mut self, message: Value) -> Value {
        let id = message["id"].as_str().map_or_else(unused_id, str::to_owned);
        let notify = message["type"] == "notify";
        self.send(with(message, json!({"id": id}))).await;
        let reply = |m: &Value| m["id"] == id && (!notify || m["type"] != "result");
        self.take(&format!("a reply to {id}"), reply).await
    }

    /// The next direct reply with this `id`.
    pub(crate) async fn reply(&mut self, id: &str) -> Value {
        self.take(&format!("a reply to {id}"), |m| m["id"] == id).await
    }

    // -------------------------------------------------------- receiving

    /// The next message, whatever it is.
    pub(crate) async fn next(&mut self) -> Value {
        self.take("any message", |_| true).await
    }

    /// The next message of this type; others stay.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        self.take(kind, |m| m["type"] == kind).await
    }

    /// The first message that fits; others stay.
    pub(crate) async fn take(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                if let Some(at) = self.inbox.iter().position(&fits) {
                    return self.inbox.remove(at);
                }
                if !self.pump().await {
                    return None;
                }
            }
        };
        match timeout(PATIENCE, found).await {
            Ok(Some(message)) => message,
            Ok(None) => panic!("{}", self.report(&format!("{what}, but the connection is over ({:?})", self.close))),
            Err(_) => panic!("{}", self.report(what)),
        }
    }

    /// All unsolicited messages so far, after a round trip through the hub.
    pub(crate) async fn rest(&mut self) -> Vec<Value> {
        self.round_trip().await;
        self.inbox.drain(..).collect()
    }

    /// Everything that has come and was not asked for, of a connection that may be over.
    pub(crate) fn arrived(&mut self) -> Vec<Value> {
        self.inbox.drain(..).collect()
    }

    /// Checks that only the expected messages have arrived.
    pub(crate) async fn expect_silence(&mut self) {
        let rest = self.rest().await;
        assert!(rest.is_empty(), "{}", self.report(&format!("silence, not {}", json!(rest))));
    }

    /// Asks what only the hub's one order can answer, so that all earlier effects are here before the answer.
    pub(crate) async fn round_trip(&mut self) {
        let question = match self.role.as_str() {
            "agent" => json!({"type": "accept", "notificationId": NOBODYS}),
            "provider" => json!({"type": "endSession", "sessionId": "no such session, surely"}),
            _ => json!({"type": "ping"}),
        };
        self.call(question).await;
    }

    /// The connection closes with this code; what came before stays.
    pub(crate) async fn expect_close(&mut self, code: u16) {
        let end = async { while self.pump().await {} };
        let in_time = timeout(PATIENCE, end).await.is_ok();
        assert!(in_time && self.close == Some(code), "{}", self.report(&format!("close {code}, not {:?}", self.close)));
    }

    /// The first message, or the code of the close that comes instead.
    pub(crate) async fn first_or_close(&mut self) -> Result<Value, u16> {
        let first = async {
            while self.inbox.is_empty() && self.pump().await {}
            self.inbox.pop_front().ok_or(self.close.unwrap_or_default())
        };
        timeout(PATIENCE, first).await.unwrap_or_else(|_| panic!("{}", self.report("a message or a close")))
    }

    /// Reads until a WebSocket ping or pong has come that was not there before.
    pub(crate) async fn control_frame(&mut self) {
        let before = self.pings + self.pongs.len();
        let came = async {
            while self.pings + self.pongs.len() == before {
                if !self.pump().await {
                    return false;
                }
            }
            true
        };
        assert_eq!(timeout(PATIENCE, came).await, Ok(true), "{}", self.report("a WebSocket ping or pong"));
    }

    /// Closes in order, and waits until the hub has closed too.
    pub(crate) async fn leave(mut self) {
        let _ = self.ws.close(None).await;
        let _ = timeout(PATIENCE, async { while self.pump().await {} }).await;
    }

    /// Reads one frame; `false` once the connection is over.
    async fn pump(&mut self) -> bool {
        if self.ended {
            return false;
        }
        match self.ws.next().await {
            None | Some(Err(_)) => self.ended = true,
            Some(Ok(Message::Text(text))) => {
                self.history.push(format!("  < {text}"));
                let message: Value = serde_json::from_str(&text).expect("the hub sends JSON");
                assert!(message.is_object(), "the hub sends one JSON object in each frame, not {text}");
                self.talk.hear(&message);
                self.inbox.push_back(message);
            }
            Some(Ok(Message::Ping(_))) => self.pings += 1,
            Some(Ok(Message::Pong(payload))) => self.pongs.push(payload.to_vec()),
            Some(Ok(Message::Close(frame))) => {
                self.history.push(format!("  < close {frame:?}"));
                self.close = Some(frame.map_or(1005, |frame| frame.code.into()));
            }
            Some(Ok(other)) => panic!("the hub sends text only, not {other:?}"),
        }
        !self.ended
    }

    fn report(&self, wanted: &str) -> String {
        let mut report = format!("{} wanted {wanted}\nits conversation:\n", self.name);
        for line in &self.history[self.history.len().saturating_sub(60)..] {
            let _ = writeln!(report, "{}", line.chars().take(600).collect::<String>());
        }
        let _ = write!(report, "the hub's standard error:\n{}", self.stderr.tail());
        report
    }

    // -------------------------------------------------------- as a provider

    /// Rings with this template; gives the notificationId of the ack.
    pub(crate) async fn ring(&mut self, template: &str) -> String {
        self.ring_with(template, json!({})).await
    }

    pub(crate) async fn ring_to(&mut self, template: &str, agents: &[&str]) -> String {
        self.ring_with(template, json!({"to": {"agents": agents}})).await
    }

    pub(crate) async fn ring_with(&mut self, template: &str, more: Value) -> String {
        let ack = self.call(with(json!({"type": "notify", "templateName": template}), more)).await;
        assert_eq!(ack["type"], "ack", "{ack}");
        text(&ack["notificationId"])
    }

    /// Waits until the hub has loaded a configuration in which this template is (or is not) known.
    pub(crate) async fn await_template(&mut self, name: &str, known: bool) {
        let expected = if known { "ack" } else { "error" };
        let call = json!({"type": "notify", "templateName": name, "to": {"agents": ["nobody at all"]}});
        let came = async {
            while self.call(call.clone()).await["type"] != expected {
                // A reload has no event on the wire.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(timeout(PATIENCE, came).await.is_ok(), "{name} is still {}known", if known { "un" } else { "" });
    }

    /// Lets at least 300 ms pass, by the hub's own timer.
    pub(crate) async fn let_time_pass(&mut self) {
        let wait = self.ring_with("impatient", json!({"to": {"agents": ["nobody at all"]}})).await;
        self.result_of(&wait).await;
    }

    /// The one result of that notify.
    pub(crate) async fn result_of(&mut self, notification: &str) -> Value {
        self.take("the result of the notify", |m| {
            m["type"] == "result" && m["msdyn_name"] == "NotifyEvent" && m["notificationId"] == notification
        })
        .await
    }

    // -------------------------------------------------------- as an agent

    pub(crate) async fn shown(&mut self, notification: &str) -> Value {
        self.take("the notification", |m| m["type"] == "notification" && m["notificationId"] == notification).await
    }

    pub(crate) async fn closed(&mut self, notification: &str) -> Value {
        self.take("its closed", |m| m["type"] == "closed" && m["notificationId"] == notification).await
    }

    pub(crate) async fn accept(&mut self, notification: &str) -> Value {
        self.call(json!({"type": "accept", "notificationId": notification})).await
    }

    pub(crate) async fn reject(&mut self, notification: &str) -> Value {
        self.call(json!({"type": "reject", "notificationId": notification})).await
    }

    /// Accepts for good: waits for the session, and takes it and the closed away.
    pub(crate) async fn take_on(&mut self, notification: &str) -> Value {
        self.shown(notification).await;
        let result = self.accept(notification).await;
        has(&result, json!({"type": "result", "won": true}));
        self.closed(notification).await;
        self.expect("session").await
    }

    pub(crate) async fn set_presence(&mut self, presence: &str) {
        let reply = self.call(json!({"type": "presence", "presence": presence})).await;
        has(&reply, json!({"type": "presence", "presence": presence}));
    }
}
