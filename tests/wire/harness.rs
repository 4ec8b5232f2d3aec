//! Starts hubs and speaks to them.
//!
//! Nothing here sleeps: whatever a test waits for is a message, a close, a line or the end of a process,
//! for at most [`PATIENCE`]. Silence is shown by a round trip through the hub, not by waiting.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};

/// The longest that anything is waited for; far more than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A notificationId that no hub has given.
pub(crate) const NOBODYS: &str = "0192f0c4-7e3a-7b21-8c55-0123456789ab";

/// Templates that every hub of these tests has.
const TEMPLATES: &str = r#"
[[templates]]
name = "chat"
title = "{customerName|Someone} wants to chat"
icon = "chat"
fields = [{ label = "Customer", value = "{customerName|Someone}" }]

[[templates]]
name = "first"
title = "The first accept takes it"
settle = "firstAccept"

[[templates]]
name = "auto"
title = "Taken automatically"
autoAccept = true

[[templates]]
name = "needs"
title = "{customerName} needs help"

[[templates]]
name = "short"
title = "Be quick"
timeout = "300ms"

[[templates]]
name = "impatient"
title = "Hangs up soon"
queueTimeout = "300ms"
"#;

// ---------------------------------------------------------------- the process

/// How a hub is started: arguments, configuration, home directory.
#[derive(Clone)]
pub(crate) struct Setup {
    home: Arc<tempfile::TempDir>,
    storage: Storage,
    config: bool,
    listen: String,
    args: Vec<String>,
}

#[derive(Clone, Copy)]
enum Storage {
    Memory,
    DataDir,
    AsItLikes,
}

impl Setup {
    /// A hub in memory, on a free port, with the tests' templates.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let setup = Self {
            home: Arc::new(home),
            storage: Storage::Memory,
            config: true,
            listen: "127.0.0.1:0".into(),
            args: Vec::new(),
        };
        setup.write_config(TEMPLATES);
        setup
    }

    /// The same with a durable log in its home.
    pub(crate) fn on_disk() -> Self {
        Self { storage: Storage::DataDir, ..Self::new() }
    }

    /// Leaves it to the hub (or to further arguments) where the log lives.
    pub(crate) fn without_data_dir(self) -> Self {
        Self { storage: Storage::AsItLikes, ..self }
    }

    /// Leaves it to further arguments which file is read.
    pub(crate) fn without_config(self) -> Self {
        Self { config: false, ..self }
    }

    /// Puts `toml` before the tests' templates.
    pub(crate) fn config(self, toml: &str) -> Self {
        self.write_config(&format!("{toml}\n{TEMPLATES}"));
        self
    }

    /// Replaces the whole configuration.
    pub(crate) fn only_config(self, toml: &str) -> Self {
        self.write_config(toml);
        self
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    pub(crate) fn listen(mut self, listen: &str) -> Self {
        self.listen = listen.to_owned();
        self
    }

    /// In one step, so that a running hub never reads half of it.
    pub(crate) fn write_config(&self, toml: &str) {
        let new = self.home.path().join("deskbell.toml.new");
        std::fs::write(&new, toml).unwrap();
        std::fs::rename(new, self.config_path()).unwrap();
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.home.path().join("deskbell.toml")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deskbell"));
        command.arg("serve");
        if !self.listen.is_empty() {
            command.arg("--listen").arg(&self.listen);
        }
        if self.config {
            command.arg("--config").arg(self.config_path());
        }
        match self.storage {
            Storage::Memory => drop(command.arg("--memory")),
            Storage::DataDir => drop(command.arg("--data-dir").arg(self.data_dir())),
            Storage::AsItLikes => {}
        }
        command.args(&self.args).current_dir(self.home.path());
        command
    }

    /// Starts it and waits until it serves.
    pub(crate) async fn start(&self) -> Hub {
        let mut hub = self.spawn();
        hub.await_listening().await;
        hub
    }

    /// Starts it without waiting.
    pub(crate) fn spawn(&self) -> Hub {
        Hub::spawn_with(self.command(), self.clone(), &[])
    }

    /// Starts it and waits until it has given up.
    pub(crate) async fn fail(&self) -> Exit {
        self.spawn().exit().await
    }
}

/// How a process ended and what it said.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What a hub has written to its standard error so far.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<Mutex<String>>);

impl Said {
    pub(crate) fn so_far(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// Its last lines, for a failure message.
    fn tail(&self) -> String {
        let all = self.so_far();
        let lines: Vec<&str> = all.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

/// A running hub; killed when dropped.
pub(crate) struct Hub {
    child: Child,
    lines: mpsc::Receiver<String>,
    stdout: String,
    pub(crate) stderr: Said,
    stderr_reader: Option<std::thread::JoinHandle<()>>,
    pub(crate) port: u16,
    pub(crate) setup: Setup,
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the hub's standard error, its end:\n{}\n---", self.stderr.tail());
        }
    }
}

/// A hub with `config` before the tests' templates, in memory.
pub(crate) async fn hub(config: &str) -> Hub {
    Setup::new().config(config).start().await
}

impl Hub {
    /// Starts any command of the binary, with these variables and no others of its own.
    pub(crate) fn spawn_with(mut command: Command, setup: Setup, variables: &[(&str, String)]) -> Self {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DESKBELL_")) {
            command.env_remove(name);
        }
        command.envs(variables.iter().map(|(name, value)| (*name, value)));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let stderr = Said::default();
        let said = stderr.clone();
        let mut pipe = child.stderr.take().unwrap();
        let stderr_reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                said.0.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
        });
        let (tell, lines) = mpsc::channel(1024);
        let pipe = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in pipe.lines().map_while(Result::ok) {
                if tell.blocking_send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, stdout: String::new(), stderr, stderr_reader: Some(stderr_reader), port: 0, setup }
    }

    pub(crate) async fn await_listening(&mut self) {
        let line = timeout(PATIENCE, self.lines.recv()).await;
        let Ok(Some(line)) = line else {
            panic!("no line on standard output ({line:?}); standard error:\n{}", self.stderr.so_far());
        };
        self.stdout.push_str(&line);
        self.stdout.push('\n');
        let port = line.strip_prefix("deskbell listening on http://127.0.0.1:").and_then(|port| port.parse().ok());
        self.port = port.unwrap_or_else(|| panic!("not the line that the contract promises: {line:?}"));
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.pid()]).status().unwrap().success());
    }

    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Kills it as a power cut would, and waits until it is gone.
    pub(crate) fn kill_9(mut self) -> Setup {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.setup.clone()
    }

    /// kill -9, then the same hub again over the same data, on another port.
    pub(crate) async fn crash_and_restart(self) -> Self {
        self.kill_9().start().await
    }

    /// Waits for its end.
    pub(crate) async fn exit(mut self) -> Exit {
        // Its standard output ends with it: that is the event to wait for.
        let end = timeout(PATIENCE, async {
            while let Some(line) = self.lines.recv().await {
                self.stdout.push_str(&line);
                self.stdout.push('\n');
            }
        });
        assert!(end.await.is_ok(), "it still runs; standard error:\n{}", self.stderr.so_far());
        let status = self.child.wait().unwrap();
        // It may be a moment behind.
        self.stderr_reader.take().unwrap().join().unwrap();
        Exit { code: status.code(), stdout: self.stdout.clone(), stderr: self.stderr.so_far() }
    }

    /// Waits until its standard error holds all of `words`, in any order.
    pub(crate) async fn says(&self, words: &[&str]) {
        for word in words {
            self.says_after(0, word).await;
        }
    }

    /// Waits until its standard error holds `word` behind its first `skip` bytes.
    pub(crate) async fn says_after(&self, skip: usize, word: &str) {
        let said = async {
            while !self.stderr.so_far()[skip..].contains(word) {
                // Another process's pipe, read by a thread: there is no event here that could be awaited.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(PATIENCE, said).await.is_ok(), "never said {word:?}; said:\n{}", self.stderr.so_far());
    }

    // -------------------------------------------------------- its clients

    /// A connection that has said nothing yet.
    pub(crate) async fn connect(&self) -> Client {
        let (client, _) = self.connect_with(Some("deskbell.v1"), &[]).await.expect("the upgrade");
        client
    }

    /// Connects with a chosen subprotocol and further headers; gives the response too.
    pub(crate) async fn connect_with(
        &self,
        subprotocol: Option<&str>,
        headers: &[(&'static str, &str)],
    ) -> Result<(Client, tungstenite::handshake::client::Response), Box<tungstenite::Error>> {
        let mut request = format!("ws://127.0.0.1:{}/ws", self.port).into_client_request().unwrap();
        if let Some(subprotocol) = subprotocol {
            request.headers_mut().append("Sec-WebSocket-Protocol", HeaderValue::from_str(subprotocol).unwrap());
        }
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
        }
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let upgrade = tokio_tungstenite::client_async(request, tcp);
        let (ws, response) = timeout(PATIENCE, upgrade).await.expect("an answer to the upgrade").map_err(Box::new)?;
        Ok((Client::new(ws, self.stderr.clone()), response))
    }

    /// A client that has said `hello` with these fields and was welcomed.
    pub(crate) async fn join(&self, hello: Value) -> Client {
        let mut client = self.connect().await;
        client.hello(hello).await;
        client
    }

    pub(crate) async fn provider(&self, id: &str) -> Client {
        self.join(json!({"role": "provider", "providerId": id})).await
    }

    pub(crate) async fn agent(&self, id: &str) -> Client {
        self.join(json!({"role": "agent", "agentId": id})).await
    }

    pub(crate) async fn agent_in(&self, id: &str, groups: &[&str]) -> Client {
        self.join(json!({"role": "agent", "agentId": id, "groups": groups})).await
    }

    pub(crate) async fn observer(&self) -> Client {
        self.join(json!({"role": "observer"})).await
    }

    /// Closes the last connection of an agent or a provider, and waits until the hub has taken note.
    pub(crate) async fn depart(&self, client: Client) {
        let mut watcher = self.observer().await;
        let id = client.welcome.get("agentId").or(client.welcome.get("providerId")).unwrap().clone();
        client.leave().await;
        let left = |m: &Value| {
            m["event"] == "agentLeft" && m["agentId"] == id || m["event"] == "providerLeft" && m["providerId"] == id
        };
        watcher.take(&format!("{id} to leave"), left).await;
    }
}

// ---------------------------------------------------------------- one client

/// One connection. What comes is kept in order until a test asks for it.
pub(crate) struct Client {
    ws: WebSocketStream<TcpStream>,
    stderr: Said,
    name: String,
    role: String,
    inbox: VecDeque<Value>,
    history: Vec<String>,
    /// WebSocket pings that came.
    pub(crate) pings: usize,
    /// WebSocket pongs that came.
    pub(crate) pongs: Vec<Vec<u8>>,
    close: Option<u16>,
    ended: bool,
    pub(crate) welcome: Value,
}

impl Client {
    fn new(ws: WebSocketStream<TcpStream>, stderr: Said) -> Self {
        Self {
            ws,
            stderr,
            name: "a client".into(),
            role: String::new(),
            inbox: VecDeque::new(),
            history: Vec::new(),
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

    // -------------------------------------------------------- sending

    pub(crate) async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_frame(Message::text(text)).await;
    }

    pub(crate) async fn send_frame(&mut self, message: Message) {
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

    /// The next direct reply that bears `id`.
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

    /// Everything that has come and was not asked for, after a round trip through the hub.
    pub(crate) async fn rest(&mut self) -> Vec<Value> {
        self.round_trip().await;
        self.inbox.drain(..).collect()
    }

    /// Everything that has come and was not asked for, of a connection that may be over.
    pub(crate) fn arrived(&mut self) -> Vec<Value> {
        self.inbox.drain(..).collect()
    }

    /// Nothing has come but what was asked for.
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
                assert!(message["type"].is_string(), "a message without a type: {text}");
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

// ---------------------------------------------------------------- words

pub(crate) fn accepted() -> Value {
    json!({"actionName": "Accept", "responseReason": "Accept"})
}

pub(crate) fn auto_accepted() -> Value {
    json!({"actionName": "Accept", "responseReason": "AutoAccept"})
}

pub(crate) fn declined() -> Value {
    json!({"actionName": "Reject", "responseReason": "DeclinedByAgent"})
}

pub(crate) fn queue_full() -> Value {
    json!({"actionName": "Reject", "responseReason": "NotificationQueueLimitExceeded"})
}

pub(crate) fn queue_timeout() -> Value {
    json!({"actionName": "Reject", "responseReason": "NotificationQueueTimeLimitExceeded"})
}

pub(crate) fn display_timeout() -> Value {
    json!({"actionName": "Timeout", "responseReason": "DisplayTimeout"})
}

pub(crate) fn cancelled() -> Value {
    json!({"actionName": "Cancel", "responseReason": "Cancelled"})
}

/// An id that no other call of these tests has.
fn unused_id() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    format!("call-{}", CALLS.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}")).to_owned()
}

/// `base` with the fields of `more`.
pub(crate) fn with(mut base: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("an object, not {more}") };
    base.as_object_mut().unwrap().extend(more);
    base
}

/// `message` has all these fields with these values; a `null` here stands for an absent field.
#[track_caller]
pub(crate) fn has(message: &Value, fields: Value) {
    for (name, value) in fields.as_object().unwrap() {
        if value.is_null() {
            assert!(message.get(name).is_none(), "{name} should be absent: {message}");
        } else {
            assert_eq!(&message[name], value, "{name} in {message}");
        }
    }
}

/// It is an `error` with this code and the contract's `message` for it.
#[track_caller]
pub(crate) fn is_error(message: &Value, code: &str, msdyn_name: Option<&str>) {
    let seed = match code {
        "unknownTemplate" => "NotificationTemplateNotFoundError",
        "unresolvedParameter" => "NotificationTemplateResolverNotFoundError",
        _ => "RejectAfterClientError",
    };
    has(message, json!({"type": "error", "code": code, "message": seed, "msdyn_name": msdyn_name}));
    assert!(message["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "no detail in {message}");
    let retry = message["retryAfterMs"].is_u64();
    assert_eq!(retry, matches!(code, "rateLimited" | "unavailable"), "retryAfterMs in {message}");
}

/// It is a time as the contract writes them: RFC 3339, UTC.
#[track_caller]
pub(crate) fn is_time(value: &Value) {
    let time = value.as_str().unwrap_or_else(|| panic!("a time, not {value}"));
    let form = "0000-00-00T00:00:00";
    let (date, rest) = time.split_at_checked(form.len()).unwrap_or_else(|| panic!("no RFC 3339 time: {time}"));
    let fits = date.bytes().zip(form.bytes()).all(|(c, f)| if f == b'0' { c.is_ascii_digit() } else { c == f });
    let fraction = rest.strip_suffix('Z').unwrap_or_else(|| panic!("not UTC: {time}"));
    let digits = fraction.strip_prefix('.').unwrap_or("0");
    assert!(fits && !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()), "no RFC 3339 time: {time}");
}

/// The notificationIds of a welcome's desk, in its order.
pub(crate) fn desk(welcome: &Value) -> Vec<String> {
    welcome["notifications"].as_array().unwrap().iter().map(|n| text(&n["notificationId"])).collect()
}
