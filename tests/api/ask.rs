//! A plain HTTP client that checks all its requests and responses against the OpenAPI document.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::document::{Shown, judge};
use crate::harness::{Hub, PATIENCE};

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

/// The answer of the hub.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// `null` if it is not valid JSON.
    pub(crate) body: Value,
}

impl Ask {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: None }
    }

    pub(crate) fn post(target: &str, body: &Value) -> Self {
        let ask = Self::new("POST", target).header("Content-Type", "application/json");
        Self { body: Some(body.to_string().into_bytes()), ..ask }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// As it goes over the socket; the connection ends with its answer.
    pub(crate) fn bytes(&self, port: u16) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = &self.body {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut bytes = format!("{head}\r\n").into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }

    /// Asks the hub.
    pub(crate) async fn of(&self, hub: &Hub) -> Answer {
        self.over(hub.tcp().await, hub.port).await
    }

    /// The same, and notes what of the document it shows.
    pub(crate) async fn shown(&self, hub: &Hub, shown: &mut Shown) -> Answer {
        let answer = self.of(hub).await;
        shown.note(self, &answer);
        answer
    }

    /// Sends this many requests at once. The answers are checked at the end, so that checking does not delay requests.
    pub(crate) async fn many(&self, hub: &Hub, times: usize) -> Vec<Answer> {
        let exchange = || async { self.exchange(hub.tcp().await, hub.port).await };
        let answers = futures::future::join_all((0..times).map(|_| exchange())).await;
        answers.iter().for_each(|answer| judge(self, answer));
        answers
    }

    /// Asks over this stream.
    pub(crate) async fn over(&self, stream: impl AsyncRead + AsyncWrite + Unpin, port: u16) -> Answer {
        let answer = self.exchange(stream, port).await;
        judge(self, &answer);
        answer
    }

    async fn exchange(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, port: u16) -> Answer {
        // The hub may have answered before it has read all.
        let _ = stream.write_all(&self.bytes(port)).await;
        let mut bytes = Vec::new();
        let read = timeout(PATIENCE, async {
            let mut buffer = [0; 8192];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                bytes.extend(&buffer[..read]);
            }
        });
        read.await.expect("an answer");
        Answer::read(&bytes)
    }
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
        assert!(body.is_empty() || body.ends_with('\n'), "a terminal shows its prompt behind it: {text:?}");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Self { status: status.expect("a status"), headers, body: serde_json::from_str(body).unwrap_or_default() }
    }

    /// It has this status, and its body's `code`, if it is an error, is this one.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        if !code.is_empty() {
            assert_eq!(self.body["code"], code, "{self:?}");
        }
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The notificationId in its body.
    pub(crate) fn notification(&self) -> String {
        crate::harness::text(&self.body["notificationId"])
    }
}

/// Raises one of the tests' template `chat`, and with these fields.
pub(crate) fn ring(query: &str, more: Value) -> Ask {
    Ask::post(&format!("/api/notify{query}"), &crate::harness::with(json!({"templateName": "chat"}), more))
}

/// Queries the outcome of a notification.
pub(crate) fn recall(notification: &str, query: &str) -> Ask {
    Ask::new("GET", &format!("/api/notifications/{notification}{query}"))
}
