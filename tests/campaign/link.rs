//! A client's connection: it records its messages, and can fail in every way that a connection can.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::chance::Chance;
use crate::record::{Connection, Saw};

/// Longer than the hub takes to restart and answer; after that a connection counts as broken.
const PATIENCE: Duration = Duration::from_secs(15);

/// What clients do to their own connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A reset instead of an end.
    Cut,
    /// Nothing is read for a while.
    Stall,
    /// It stops sending, but continues to read.
    HalfClose,
}

/// How often each fault happened.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) cuts: AtomicU64,
    pub(crate) stalls: AtomicU64,
    pub(crate) half_closes: AtomicU64,
    pub(crate) too_slow: AtomicU64,
}

/// What a campaign is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Calls, answers, faults.
    Traffic,
    /// No new calls; unanswered ones are repeated until they are answered.
    Quiet,
    /// Everything has an outcome: report it and disconnect.
    End,
}

/// What all clients of a campaign share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) port: AtomicU16,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) faults: Faults,
    /// Notifies without a result, over all providers.
    pub(crate) unresolved: AtomicU64,
    pub(crate) notified: AtomicU64,
    pub(crate) provider_pause: (u64, u64),
    pub(crate) manner: Manner,
}

/// How clients behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Everything that the contract allows, and broken connections.
    Wild,
    /// Providers ring groups and agents accept; there are no other actions.
    Mild,
}

impl World {
    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }
}

/// What came of waiting for something to read.
#[derive(Debug)]
pub(crate) enum Came {
    Said(Saw),
    /// The connection is over.
    End,
}

/// An open connection.
pub(crate) struct Link {
    ws: WebSocketStream<TcpStream>,
    pub(crate) record: Connection,
    fault: Option<(Instant, Fault)>,
    world: Arc<World>,
    /// Messages that are not as the contract has them.
    pub(crate) wrong: Vec<String>,
}

impl Link {
    /// Connects and sends the hello. If there is no hub now, it waits a moment and returns `None`, so that the caller can try again.
    pub(crate) async fn join(world: &Arc<World>, chance: &mut Chance, hello: &Value) -> Option<Self> {
        let joined = timeout(PATIENCE, Self::try_join(world, chance, hello)).await.ok().flatten();
        if joined.is_none() {
            sleep(chance.ms(20, 120)).await;
        }
        joined
    }

    async fn try_join(world: &Arc<World>, chance: &mut Chance, hello: &Value) -> Option<Self> {
        let port = world.port.load(Ordering::Relaxed);
        let socket = TcpSocket::new_v4().ok()?;
        if world.manner == Manner::Wild && chance.percent(30) {
            // A slow reader's kernel must not hide that it is slow.
            socket.set_recv_buffer_size(8 * 1024).ok()?;
        }
        let stream = socket.connect(([127, 0, 0, 1], port).into()).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let mut request = format!("ws://127.0.0.1:{port}/ws").into_client_request().ok()?;
        request.headers_mut().append("Sec-WebSocket-Protocol", "deskbell.v1".parse().ok()?);
        let (ws, _) = tokio_tungstenite::client_async(request, stream).await.ok()?;
        let mut link =
            Self { ws, record: Connection::default(), fault: None, world: Arc::clone(world), wrong: Vec::new() };
        if world.manner == Manner::Wild && world.phase() == Phase::Traffic && chance.percent(40) {
            let fault = *chance.pick(&[Fault::Cut, Fault::Cut, Fault::Stall, Fault::HalfClose]);
            link.fault = Some((Instant::now() + chance.ms(20, 1800), fault));
        }
        link.send(hello).await;
        Some(link)
    }

    /// Tries to send. Only an answer shows whether that worked.
    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_text(message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: String) {
        let _ = timeout(PATIENCE, self.ws.send(Message::text(text))).await;
    }

    /// The next message that arrives before `until`, if any. Injects the connection's fault when its time has come.
    pub(crate) async fn next(&mut self, until: Instant) -> Option<Came> {
        let fault_at = self.fault.map_or(until, |(at, _)| at.min(until));
        let wait = tokio::time::timeout_at(fault_at, self.ws.next()).await;
        match wait {
            Ok(frame) => self.take(frame),
            Err(_) if self.fault.is_some_and(|(at, _)| at <= Instant::now()) => self.fail().await,
            Err(_) => None,
        }
    }

    fn take(&mut self, frame: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>) -> Option<Came> {
        match frame {
            None | Some(Err(_)) => Some(Came::End),
            Some(Ok(Message::Text(text))) => match Saw::read(&text) {
                Ok(saw) => {
                    self.record.saw.push(saw.clone());
                    Some(Came::Said(saw))
                }
                Err(wrong) => {
                    self.wrong.push(wrong);
                    None
                }
            },
            Some(Ok(Message::Close(frame))) => {
                self.record.close = frame.map(|frame| frame.code.into());
                if self.record.close == Some(1013) {
                    self.world.faults.too_slow.fetch_add(1, Ordering::Relaxed);
                }
                None
            }
            Some(Ok(_)) => None,
        }
    }

    async fn fail(&mut self) -> Option<Came> {
        let (_, fault) = self.fault.take()?;
        let faults = &self.world.faults;
        match fault {
            Fault::Cut => {
                faults.cuts.fetch_add(1, Ordering::Relaxed);
                let _ = self.ws.get_ref().set_zero_linger();
                Some(Came::End)
            }
            Fault::Stall => {
                faults.stalls.fetch_add(1, Ordering::Relaxed);
                let mut phase = self.world.phase.subscribe();
                let quiet = phase.wait_for(|phase| *phase != Phase::Traffic);
                let _ = timeout(Duration::from_millis(3500), quiet).await;
                None
            }
            Fault::HalfClose => {
                faults.half_closes.fetch_add(1, Ordering::Relaxed);
                let _ = self.ws.get_mut().shutdown().await;
                let rest = async { while let Some(Ok(_)) = self.ws.next().await {} };
                let _ = timeout(Duration::from_secs(2), rest).await;
                Some(Came::End)
            }
        }
    }

    /// Sends a request that goes through the log, and reads until its answer: then all earlier messages have arrived.
    pub(crate) async fn finish(&mut self, question: &Value) {
        self.fault = None;
        self.send(question).await;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.next(deadline).await {
                Some(Came::Said(Saw::Error { id, .. } | Saw::Done { id } | Saw::Pong { id }))
                    if id == question["id"] =>
                {
                    self.record.to_the_end = true;
                    break;
                }
                Some(Came::End) => return,
                _ => {}
            }
        }
        let _ = timeout(Duration::from_secs(1), self.ws.close(None)).await;
    }
}
