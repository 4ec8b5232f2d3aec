//! One connection at a time to the hub, and what keeps it: a task that connects, speaks, listens and comes back.

use std::collections::VecDeque;
use std::future::Future;
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::address::Address;
use super::backoff::{Backoff, Budget};
use super::calls::{Call, Calls};
use super::error::{CallError, Ended};
use super::options::{Token, Tuning};
use crate::protocol::close::{CLOSES, ComeBack};
use crate::protocol::outbound::received::Welcome;
use crate::protocol::{Close, HubMessage, SUBPROTOCOL, decode_outbound};

/// How long the hub may take to answer a ping, and the kernel to take a message.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long a closing handshake of ours may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// How often in a row a fresh token may be refused.
const REFUSALS_MAX: u32 = 3;
/// Asked of the task and not taken by it yet; who asks more waits.
pub(super) const ASKED_MAX: usize = 256;
const READ_BUFFER_BYTES: usize = 4096;
/// The longest message that is taken from the hub: a welcome tells the whole state.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// How a client stands with the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Being opened.
    Connecting,
    /// Open.
    Open,
    /// Lost; it will be tried again.
    Waiting {
        /// What happened, for people.
        why: String,
        /// When, from then on.
        pause: Duration,
    },
    /// Over for good.
    Ended(Ended),
}

/// What the handles ask of the task.
#[derive(Debug)]
pub(super) enum Asked {
    /// To say something until it is answered.
    Call(Call),
    /// To say something once, if the connection is open.
    Say(String),
    /// To use another token from now on.
    UseToken(String),
}

/// What a role adds.
pub(super) trait Peer: Send + 'static {
    /// The first message of a connection.
    fn hello(&self, token: Option<&str>) -> String;
    /// The hub's reply to it.
    fn welcomed(&mut self, welcome: Welcome);
    /// Any other message, before it settles a call.
    fn received(&mut self, message: &HubMessage);
    /// The connection is lost.
    fn lost(&mut self) {}
}

/// Why a connection is over.
#[derive(Debug)]
enum Lost {
    /// For good.
    Ended(Ended),
    /// To be tried again.
    Again { why: String, when: When },
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// After the next pause.
    Soon,
    /// Later than that: the hub is busy.
    AfterAWhile,
    /// After the next pause, with another token: this one was not taken.
    WithFreshToken,
}

impl Lost {
    fn again(why: impl Into<String>) -> Self {
        Self::Again { why: why.into(), when: When::Soon }
    }
}

/// What a fault of the network means.
fn lost<E: Into<Error>>(error: E) -> Lost {
    Lost::again(error.into().to_string())
}

/// TCP, or TLS over it.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

type Socket = WebSocketStream<Box<dyn Stream>>;

/// The task's state.
pub(super) struct Link<P> {
    address: Address,
    peer: P,
    token: Token,
    tuning: Tuning,
    asked: mpsc::Receiver<Asked>,
    status: watch::Sender<Status>,
    calls: Calls,
    budget: Budget,
    backoff: Backoff,
    /// What is to be sent on the open connection: calls by their id, so that what is settled meanwhile is not sent.
    outbox: VecDeque<Outgoing>,
    bytes_max: Option<usize>,
    alive_at: Option<Instant>,
    refusals: u32,
}

#[derive(Debug)]
enum Outgoing {
    Call(String),
    Text(String),
}

impl<P: Peer> Link<P> {
    pub(super) fn new(
        address: Address,
        peer: P,
        token: Token,
        tuning: Tuning,
        asked: mpsc::Receiver<Asked>,
        status: watch::Sender<Status>,
    ) -> Self {
        Self {
            address,
            peer,
            token,
            asked,
            status,
            calls: Calls::new(tuning.calls_max),
            budget: Budget::new(tuning.messages_per_second, Instant::now()),
            backoff: Backoff::new(tuning.backoff_first, tuning.backoff_max),
            tuning,
            outbox: VecDeque::new(),
            bytes_max: None,
            alive_at: None,
            refusals: 0,
        }
    }

    /// Connects again and again until the handles are gone or the hub sends the client away.
    pub(super) async fn run(mut self) {
        let ended = loop {
            match self.once().await {
                Lost::Ended(ended) => break ended,
                Lost::Again { why, when } => {
                    if let Err(ended) = self.rest(why, when).await {
                        break ended;
                    }
                }
            }
        };
        self.status.send_replace(Status::Ended(ended.clone()));
        self.asked.close();
        while let Some(asked) = self.asked.recv().await {
            if let Asked::Call(call) = asked {
                self.calls.begin(call, None, Instant::now());
            }
        }
        self.calls.fail_all(&CallError::Ended(ended));
    }

    /// One connection, from its first byte to its last.
    async fn once(&mut self) -> Lost {
        self.status.send_replace(Status::Connecting);
        let (mut socket, welcome) = match self.open().await {
            Ok(open) => open,
            Err(lost) => return lost,
        };
        let silence = Duration::from_millis(welcome.ping_interval_ms).saturating_mul(2);
        self.welcomed(welcome);
        let opened_at = Instant::now();
        let lost = self.speak(&mut socket, silence).await;
        self.backoff.held(opened_at.elapsed());
        self.outbox.clear();
        self.peer.lost();
        if matches!(lost, Lost::Ended(Ended::Closed)) {
            let _ = timeout(CLOSE_WITHIN, socket.close(None)).await;
        }
        lost
    }

    async fn open(&mut self) -> Result<(Socket, Welcome), Lost> {
        let token = match &self.token {
            Token::None => None,
            Token::Fixed(token) => Some(token.clone()),
            Token::Source(source) => {
                let asked = source();
                let fresh = self.meanwhile(timeout(self.tuning.open_within, asked)).await.map_err(Lost::Ended)?;
                let fresh = fresh.map_err(|_| Lost::again("no token in time"))?;
                Some(fresh.map_err(|error| Lost::again(format!("no token: {error}")))?)
            }
        };
        let hello = self.peer.hello(token.as_deref());
        let opening = timeout(self.tuning.open_within, open(self.address.clone(), hello));
        let opened = self.meanwhile(opening).await.map_err(Lost::Ended)?;
        opened.unwrap_or_else(|_| Err(Lost::again("no welcome in time")))
    }

    /// Waits for something and takes what is asked meanwhile.
    async fn meanwhile<F: Future>(&mut self, future: F) -> Result<F::Output, Ended> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return Ok(output),
                asked = self.asked.recv() => self.take(asked, false)?,
            }
        }
    }

    /// Waits before the next try; an error if there is to be none.
    async fn rest(&mut self, why: String, when: When) -> Result<(), Ended> {
        let now = Instant::now();
        self.calls.give_up(&[], self.alive_at, self.tuning.give_up_after, now);
        if when == When::WithFreshToken {
            self.refusals += 1;
            if !matches!(self.token, Token::Source(_)) || self.refusals > REFUSALS_MAX {
                return Err(Ended::SentAway { code: Close::BadToken.code(), reason: why });
            }
        }
        let pause = self.backoff.next(when == When::AfterAWhile);
        self.status.send_replace(Status::Waiting { why, pause });
        self.meanwhile(tokio::time::sleep(pause)).await
    }

    fn welcomed(&mut self, welcome: Welcome) {
        let now = Instant::now();
        self.refusals = 0;
        self.bytes_max = Some(welcome.limits.max_message_bytes);
        self.calls.give_up(&welcome.open, self.alive_at, self.tuning.give_up_after, now);
        self.calls.fail_too_long(welcome.limits.max_message_bytes);
        self.alive_at = Some(now);
        self.outbox.extend(self.calls.to_repeat(&welcome.open).into_iter().map(Outgoing::Call));
        self.peer.welcomed(welcome);
        self.status.send_replace(Status::Open);
    }

    /// Speaks and listens until the connection is lost.
    async fn speak(&mut self, socket: &mut Socket, silence: Duration) -> Lost {
        let mut heard_at = Instant::now();
        let mut pinged_at = None;
        loop {
            let next_send = match self.send(socket).await {
                Ok(next) => next,
                Err(lost) => return lost,
            };
            let next_look = pinged_at.map_or(heard_at + silence, |at: Instant| at + ANSWER_WITHIN);
            let wake = [Some(next_look), next_send, self.calls.next_rested()].into_iter().flatten().min();
            let sleep = tokio::time::sleep_until(wake.unwrap_or(next_look).into());
            tokio::select! {
                frame = socket.next() => {
                    heard_at = Instant::now();
                    pinged_at = None;
                    self.alive_at = Some(heard_at);
                    if let Some(lost) = self.heard(frame) {
                        return lost;
                    }
                }
                asked = self.asked.recv() => {
                    if let Err(ended) = self.take(asked, true) {
                        return Lost::Ended(ended);
                    }
                }
                () = sleep => {
                    let now = Instant::now();
                    self.outbox.extend(self.calls.rested(now).into_iter().map(Outgoing::Call));
                    if now >= next_look {
                        if pinged_at.is_some() {
                            return Lost::again("the hub did not answer");
                        }
                        pinged_at = Some(now);
                        self.outbox.push_front(Outgoing::Text(r#"{"type":"ping"}"#.to_owned()));
                    }
                }
            }
        }
    }

    /// Sends what the budget allows; says when the next may go.
    async fn send(&mut self, socket: &mut Socket) -> Result<Option<Instant>, Lost> {
        let mut fed = false;
        let mut next = None;
        while let Some(outgoing) = self.outbox.front() {
            let text = match outgoing {
                Outgoing::Text(text) => Some(text.as_str()),
                Outgoing::Call(id) => self.calls.text(id),
            };
            if let Some(text) = text {
                let now = Instant::now();
                if let Err(wait) = self.budget.take(now) {
                    next = Some(now + wait);
                    break;
                }
                in_time(socket.feed(Message::text(text))).await?;
                fed = true;
            }
            self.outbox.pop_front();
        }
        if fed {
            in_time(socket.flush()).await?;
        }
        Ok(next)
    }

    fn heard(&mut self, frame: Option<Result<Message, Error>>) -> Option<Lost> {
        match frame {
            Some(Ok(Message::Text(text))) => {
                // What cannot be read may be a message of tomorrow; a call that waits for it is not settled by a guess.
                if let Ok(message) = decode_outbound(text.as_bytes()) {
                    self.peer.received(&message);
                    self.answered(message);
                }
                None
            }
            Some(Ok(Message::Close(frame))) => {
                Some(frame.map_or_else(|| Lost::again("closed"), |frame| closed(frame.code.into(), &frame.reason)))
            }
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(lost(error)),
            None => Some(Lost::again("the connection broke")),
        }
    }

    fn answered(&mut self, message: HubMessage) {
        let id = match &message {
            HubMessage::Ack(_) | HubMessage::Error(_) => None,
            HubMessage::Result(result) => result.id.clone(),
            HubMessage::Presence(now) => now.id.clone(),
            HubMessage::Refreshed(reply) => reply.id.clone(),
            _ => return,
        };
        match message {
            HubMessage::Ack(ack) => self.calls.acked(ack),
            HubMessage::Error(refusal) => self.calls.refused(refusal, Instant::now()),
            message => {
                if let Some(id) = id {
                    self.calls.settle(&id, Ok(message));
                }
            }
        }
    }

    /// Takes what the handles ask; an error if there are no more handles.
    fn take(&mut self, asked: Option<Asked>, open: bool) -> Result<(), Ended> {
        match asked {
            None => return Err(Ended::Closed),
            Some(Asked::UseToken(token)) => {
                if !matches!(self.token, Token::Source(_)) {
                    self.token = Token::Fixed(token);
                }
            }
            Some(Asked::Say(text)) => {
                // As many as calls may wait: what is said once is the first thing to go.
                if open && self.outbox.len() < self.tuning.calls_max {
                    self.outbox.push_back(Outgoing::Text(text));
                }
            }
            Some(Asked::Call(call)) => {
                let id = call.id.clone();
                if self.calls.begin(call, self.bytes_max, Instant::now()) && open {
                    self.outbox.push_back(Outgoing::Call(id));
                }
            }
        }
        Ok(())
    }
}

async fn in_time(sending: impl Future<Output = Result<(), Error>>) -> Result<(), Lost> {
    match timeout(ANSWER_WITHIN, sending).await {
        Ok(sent) => sent.map_err(lost),
        Err(_) => Err(Lost::again("the hub takes nothing more")),
    }
}

/// Connects, says hello and waits for the welcome.
async fn open(address: Address, hello: String) -> Result<(Socket, Welcome), Lost> {
    let stream = TcpStream::connect((address.host(), address.port())).await.map_err(lost)?;
    stream.set_nodelay(true).map_err(lost)?;
    let stream: Box<dyn Stream> = match address.seal() {
        None => Box::new(stream),
        Some(seal) => Box::new(seal.connector.connect(seal.name.clone(), stream).await.map_err(lost)?),
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let request = ClientRequestBuilder::new(address.uri().clone()).with_sub_protocol(SUBPROTOCOL);
    let upgraded = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
    let (mut socket, _) = upgraded.map_err(|error| match error {
        Error::Http(response) => refused(response.status().as_u16()),
        error => lost(error),
    })?;
    socket.send(Message::text(hello)).await.map_err(lost)?;
    // An error tells why the close comes that follows it.
    let mut why = None;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => match decode_outbound(text.as_bytes()) {
                Ok(HubMessage::Welcome(welcome)) => return Ok((socket, *welcome)),
                Ok(HubMessage::Error(refusal)) => why = Some(refusal.detail),
                Ok(_) => {}
                Err(error) => return Err(Lost::again(format!("the welcome cannot be read: {error}"))),
            },
            Some(Ok(Message::Close(Some(frame)))) => {
                return Err(closed(frame.code.into(), why.as_deref().unwrap_or(&frame.reason)));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(lost(error)),
            None => return Err(Lost::again("the connection broke before the welcome")),
        }
    }
}

/// What a close code means for this client.
fn closed(code: u16, reason: &str) -> Lost {
    let row = CLOSES.iter().find(|row| row.code == code);
    let when = match row.map_or(ComeBack::WithJitter, |row| row.come_back) {
        ComeBack::Yes | ComeBack::WithJitter => When::Soon,
        ComeBack::AfterAWhile => When::AfterAWhile,
        ComeBack::WithFreshToken => When::WithFreshToken,
        ComeBack::No => return Lost::Ended(Ended::SentAway { code, reason: reason.to_owned() }),
    };
    Lost::Again { why: format!("{code} {reason}"), when }
}

/// What an HTTP answer to the upgrade means for this client.
fn refused(status: u16) -> Lost {
    let when = match status {
        401 => When::WithFreshToken,
        408 | 429 => When::AfterAWhile,
        400..=499 => return Lost::Ended(Ended::Http(status)),
        _ => When::AfterAWhile,
    };
    Lost::Again { why: format!("HTTP {status}"), when }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_close_code_means_what_the_table_says() {
        for (code, expected) in [
            (1001, When::Soon),
            (1013, When::AfterAWhile),
            (4408, When::Soon),
            (4429, When::AfterAWhile),
            (4401, When::WithFreshToken),
            (1006, When::Soon),
        ] {
            match closed(code, "x") {
                Lost::Again { when, .. } => assert_eq!(when, expected, "{code}"),
                Lost::Ended(ended) => panic!("{code}: {ended}"),
            }
        }
        for code in [1003, 1007, 1009, 4400, 4403] {
            assert!(matches!(closed(code, "x"), Lost::Ended(Ended::SentAway { .. })), "{code}");
        }
        assert!(matches!(refused(503), Lost::Again { when: When::AfterAWhile, .. }));
        assert!(matches!(refused(401), Lost::Again { when: When::WithFreshToken, .. }));
        assert!(matches!(refused(403), Lost::Ended(Ended::Http(403))));
    }
}
