//! The gateway over real sockets, with the hub's real loop behind it and a log that keeps nothing.

mod conversation;
mod http;
mod limits;
mod overtaking;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deskbell_core::{Incarnation, Limits, Millis};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{Backend, Gateway, Serving, Settings};
use crate::command::serve::gateway_settings;
use crate::config::Config;
use crate::hub::{Hub, HubSettings, InputQueue, SnapshotInterval, WallClock};
use crate::log::{AppendError, History, Log, LogError, OwnLog, OwnSnapshots, RecordNumber, Retention, Stored};
use crate::template::SharedCatalogue;

/// The longest wait for an event; far more than any event takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A log that keeps nothing. A test can make it stop answering.
#[derive(Debug, Default)]
struct Nothing {
    number: RecordNumber,
    records: VecDeque<Vec<u8>>,
    silent: Arc<AtomicBool>,
}

impl Log for Nothing {
    fn append(&mut self, record: &[u8]) -> Result<(), AppendError> {
        self.records.push_back(record.to_vec());
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Stored>, LogError> {
        if self.silent.load(Ordering::SeqCst) {
            return Ok(None);
        }
        Ok(self.records.pop_front().map(|record| {
            self.number += 1;
            Stored::new(self.number, record)
        }))
    }

    fn history(&self) -> Option<Box<dyn History>> {
        None
    }

    fn bytes(&self) -> u64 {
        0
    }

    fn reopen(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), AppendError> {
        Ok(())
    }
}

impl OwnLog for Nothing {
    fn snapshots(&self) -> Option<Box<dyn OwnSnapshots>> {
        None
    }
}

/// The settings of a hub without a configuration file, on a free port.
fn default_settings() -> Settings {
    Settings { listen: ([127, 0, 0, 1], 0).into(), ..gateway_settings(&Config::default()) }
}

/// A gateway with a hub behind it.
struct TestGateway {
    address: SocketAddr,
    hub: Option<Hub>,
    serving: Option<Serving>,
    /// Whether the log has stopped answering.
    silent: Arc<AtomicBool>,
    inputs: Arc<InputQueue>,
}

impl TestGateway {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { shards: std::num::NonZeroUsize::new(2), ..default_settings() };
        change(&mut settings);
        let gateway = Gateway::bind(settings).unwrap();
        let (address, inputs) = (gateway.local_addr(), Arc::new(InputQueue::default()));
        let incarnation = Incarnation(7);
        let settings = HubSettings {
            incarnation,
            next_incarnation: || Incarnation(8),
            epoch: 1,
            limits: Limits { regroup_time: Millis::ZERO, ..Limits::default() },
            rules: deskbell_core::rules::RULES,
            deliveries_per_second: 50_000,
            snapshot_every: SnapshotInterval::default(),
            retention: Retention { history_ms: 0, history_bytes: 0 },
        };
        let silent = Arc::new(AtomicBool::new(false));
        let log = Box::new(Nothing { silent: Arc::clone(&silent), ..Nothing::default() });
        let delivery = gateway.delivery(0, incarnation);
        let hub = Hub::start(log, delivery, Arc::clone(&inputs), Arc::new(WallClock), settings, || {}).unwrap();
        let backend = Backend {
            hubs: vec![hub.handle().clone()],
            templates: SharedCatalogue::default(),
            verifier: None,
            clock: Arc::new(WallClock),
            histories: None,
        };
        let serving = gateway.serve(backend).unwrap();
        Self { address, hub: Some(hub), serving: Some(serving), silent, inputs }
    }

    /// Connects a client that has sent nothing yet.
    async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("ws://{}/ws", self.address);
        let stream = MaybeTlsStream::Plain(stream);
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        Client { socket }
    }

    /// Connects and sends a hello. Returns the client and its welcome.
    async fn join(&self, hello: Value) -> (Client, Value) {
        let mut client = self.connect().await;
        client.send_json(&hello).await;
        let welcome = client.receive().await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        (client, welcome)
    }

    async fn agent(&self, name: &str) -> Client {
        self.join(json!({"type": "hello", "role": "agent", "agentId": name})).await.0
    }

    async fn provider(&self, name: &str) -> Client {
        self.join(json!({"type": "hello", "role": "provider", "providerId": name})).await.0
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        let (hub, serving) = (self.hub.take(), self.serving.take());
        // Both block, which a thread of a runtime must not do.
        let stop = move || {
            let _ = hub.map(Hub::stop);
            if let Some(serving) = serving {
                serving.stop();
            }
        };
        std::thread::spawn(stop).join().unwrap();
    }
}

/// A WebSocket client.
struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    async fn send_json(&mut self, message: &Value) {
        self.send(Message::text(message.to_string())).await;
    }

    async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next frame except pings; `None` at the end of the connection.
    async fn frame(&mut self) -> Option<Message> {
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("a frame or the end of the connection")
            {
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next message.
    async fn receive(&mut self) -> Value {
        match self.frame().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("not a text message: {other:?}"),
        }
    }

    /// The next message of this type. Others are skipped.
    async fn receive_type(&mut self, wanted: &str) -> Value {
        loop {
            let message = self.receive().await;
            if message["type"] == wanted {
                return message;
            }
        }
    }

    /// The code of the close frame that ends the connection, whatever comes before it.
    async fn closed(&mut self) -> u16 {
        loop {
            match self.frame().await {
                Some(Message::Close(Some(frame))) => return frame.code.into(),
                Some(_) => {}
                None => panic!("ended without a close frame"),
            }
        }
    }
}
