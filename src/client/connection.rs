//! The task that keeps a client connected: it connects, sends, receives and reconnects. There is one connection at a time.

use std::collections::VecDeque;
use std::future::Future;
use std::time::{Duration, Instant};

use deskbell_protocol::close::{CLOSES, ComeBack};
use deskbell_protocol::outbound::{Welcome, WelcomeState};
use deskbell_protocol::{Close, HubMessage, SUBPROTOCOL, decode_outbound};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::address::Address;
use super::backoff::{Backoff, SendRate};
use super::error::{CallError, EndReason};
use super::options::{Token, Tuning};
use super::pending_calls::{PendingCalls, SentCall};

/// How long the hub may take to answer a ping, and the socket to take a message.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long the closing handshake may take when this side closes.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// The client ends after this many refused fresh tokens in a row.
const REFUSALS_MAX: u32 = 3;
/// Requests in the queue to the task. A handle that has one more waits.
pub(super) const REQUESTS_MAX: usize = 256;
const READ_BUFFER_BYTES: usize = 4096;
/// The longest message that the client takes from the hub. The longest is a welcome, which has the whole state.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The state of a client's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// A connection is being opened.
    Connecting,
    /// The connection is open.
    Open,
    /// The connection is lost. The client will reconnect.
    Waiting {
        /// The failure, for people.
        why: String,
        /// The pause until the next attempt.
        pause: Duration,
    },
    /// The client has ended for good.
    Ended(EndReason),
}

/// A request of a handle to the task.
#[derive(Debug)]
pub(super) enum TaskRequest {
    /// Sends a call, again after a reconnect, until the hub answers it.
    Call(SentCall),
    /// Sends a message once, if the connection is open.
    Send(String),
    /// Uses another token from now on.
    UseToken(String),
}

/// The part of a client that depends on its role.
pub(super) trait RoleState: Send + 'static {
    /// The hello, as text.
    fn hello(&self, token: Option<&str>) -> String;
    /// Takes the welcome.
    fn welcomed(&mut self, welcome: WelcomeState<'static>);
    /// Takes any other message, before it settles a call.
    fn received(&mut self, message: &HubMessage);
    /// The connection is lost.
    fn lost(&mut self) {}
}

/// Why a connection ended.
#[derive(Debug)]
enum Lost {
    /// The client ends.
    ForGood(EndReason),
    /// The client reconnects.
    Retry { why: String, when: RetryWhen },
}

/// When to reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RetryWhen {
    /// After the next pause.
    Soon,
    /// After a longer pause, because the hub is busy.
    AfterAWhile,
    /// After the next pause, with another token, because the hub refused this one.
    WithFreshToken,
}

impl Lost {
    fn retry(why: impl Into<String>) -> Self {
        Self::Retry { why: why.into(), when: RetryWhen::Soon }
    }
}

/// The consequence of a network error.
fn lost<E: Into<Error>>(error: E) -> Lost {
    Lost::retry(error.into().to_string())
}

/// TCP, or TLS over it.
trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for S {}

type Socket = WebSocketStream<Box<dyn ByteStream>>;

/// The task of one client.
pub(super) struct ConnectionTask<R> {
    address: Address,
    role: R,
    token: Token,
    tuning: Tuning,
    requests: mpsc::Receiver<TaskRequest>,
    status: watch::Sender<Status>,
    calls: PendingCalls,
    send_rate: SendRate,
    backoff: Backoff,
    /// Messages to send on the open connection. Calls are here by id, so that a call that settles meanwhile is not sent.
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

impl<R: RoleState> ConnectionTask<R> {
    pub(super) fn new(
        address: Address,
        role: R,
        token: Token,
        tuning: Tuning,
        requests: mpsc::Receiver<TaskRequest>,
        status: watch::Sender<Status>,
    ) -> Self {
        Self {
            address,
            role,
            token,
            requests,
            status,
            calls: PendingCalls::new(tuning.calls_max),
            send_rate: SendRate::new(tuning.messages_per_second, Instant::now()),
            backoff: Backoff::new(tuning.backoff_first, tuning.backoff_max),
            tuning,
            outbox: VecDeque::new(),
            bytes_max: None,
            alive_at: None,
            refusals: 0,
        }
    }

    /// Connects and reconnects until the last handle is dropped or the client ends.
    pub(super) async fn run(mut self) {
        let ended = loop {
            match self.one_connection().await {
                Lost::ForGood(ended) => break ended,
                Lost::Retry { why, when } => {
                    if let Err(ended) = self.pause(why, when).await {
                        break ended;
                    }
                }
            }
        };
        self.status.send_replace(Status::Ended(ended.clone()));
        self.requests.close();
        while let Some(request) = self.requests.recv().await {
            if let TaskRequest::Call(call) = request {
                self.calls.begin(call, None, Instant::now());
            }
        }
        self.calls.fail_all(&CallError::Ended(ended));
    }

    /// Opens a connection and serves it until it is lost.
    async fn one_connection(&mut self) -> Lost {
        self.status.send_replace(Status::Connecting);
        let (mut socket, welcome) = match self.open().await {
            Ok(open) => open,
            Err(lost) => return lost,
        };
        let silence = Duration::from_millis(welcome.ping_interval_ms).saturating_mul(2);
        self.welcomed(welcome);
        let opened_at = Instant::now();
        let lost = self.serve(&mut socket, silence).await;
        self.backoff.lost_after(opened_at.elapsed());
        self.outbox.clear();
        self.role.lost();
        if matches!(lost, Lost::ForGood(EndReason::Closed)) {
            let _ = timeout(CLOSE_WITHIN, socket.close(None)).await;
        }
        lost
    }

    async fn open(&mut self) -> Result<(Socket, Welcome<'static>), Lost> {
        let token = match &self.token {
            Token::None => None,
            Token::Fixed(token) => Some(token.clone()),
            Token::Source(source) => {
                let token = source();
                let fresh = self.meanwhile(timeout(self.tuning.open_within, token)).await.map_err(Lost::ForGood)?;
                let fresh = fresh.map_err(|_| Lost::retry("no token in time"))?;
                Some(fresh.map_err(|error| Lost::retry(format!("no token: {error}")))?)
            }
        };
        let hello = self.role.hello(token.as_deref());
        let opening = timeout(self.tuning.open_within, open(self.address.clone(), hello));
        let opened = self.meanwhile(opening).await.map_err(Lost::ForGood)?;
        opened.unwrap_or_else(|_| Err(Lost::retry("no welcome in time")))
    }

    /// Waits for `future` and takes requests meanwhile.
    async fn meanwhile<F: Future>(&mut self, future: F) -> Result<F::Output, EndReason> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return Ok(output),
                request = self.requests.recv() => self.take(request, false)?,
            }
        }
    }

    /// Waits before the next attempt; an error if the client ends.
    async fn pause(&mut self, why: String, when: RetryWhen) -> Result<(), EndReason> {
        let now = Instant::now();
        self.calls.give_up(&[], self.alive_at, self.tuning.give_up_after, now);
        if when == RetryWhen::WithFreshToken {
            self.refusals += 1;
            if !matches!(self.token, Token::Source(_)) || self.refusals > REFUSALS_MAX {
                return Err(EndReason::ClosedByHub { code: Close::BadToken.code(), reason: why });
            }
        }
        let pause = self.backoff.next(when == RetryWhen::AfterAWhile);
        self.status.send_replace(Status::Waiting { why, pause });
        self.meanwhile(tokio::time::sleep(pause)).await
    }

    fn welcomed(&mut self, welcome: Welcome<'static>) {
        let now = Instant::now();
        let bytes_max = usize::try_from(welcome.limits.max_message_bytes).unwrap_or(usize::MAX);
        let open = if let WelcomeState::Provider { open, .. } = &welcome.state { &open[..] } else { &[] };
        self.refusals = 0;
        self.bytes_max = Some(bytes_max);
        self.calls.give_up(open, self.alive_at, self.tuning.give_up_after, now);
        self.calls.fail_too_long(bytes_max);
        self.alive_at = Some(now);
        self.outbox.extend(self.calls.to_repeat(open).into_iter().map(Outgoing::Call));
        self.role.welcomed(welcome.state);
        self.status.send_replace(Status::Open);
    }

    /// Sends and receives until the connection is lost.
    async fn serve(&mut self, socket: &mut Socket, silence: Duration) -> Lost {
        let mut received_at = Instant::now();
        let mut pinged_at = None;
        loop {
            let next_send = match self.send(socket).await {
                Ok(next) => next,
                Err(lost) => return lost,
            };
            let next_check = pinged_at.map_or(received_at + silence, |at: Instant| at + ANSWER_WITHIN);
            let wake = [Some(next_check), next_send, self.calls.next_retry()].into_iter().flatten().min();
            let sleep = tokio::time::sleep_until(wake.unwrap_or(next_check).into());
            tokio::select! {
                frame = socket.next() => {
                    received_at = Instant::now();
                    pinged_at = None;
                    self.alive_at = Some(received_at);
                    if let Some(lost) = self.receive(frame) {
                        return lost;
                    }
                }
                request = self.requests.recv() => {
                    if let Err(ended) = self.take(request, true) {
                        return Lost::ForGood(ended);
                    }
                }
                () = sleep => {
                    let now = Instant::now();
                    self.outbox.extend(self.calls.due_for_retry(now).into_iter().map(Outgoing::Call));
                    if now >= next_check {
                        if pinged_at.is_some() {
                            return Lost::retry("the hub did not answer");
                        }
                        pinged_at = Some(now);
                        self.outbox.push_front(Outgoing::Text(r#"{"type":"ping"}"#.to_owned()));
                    }
                }
            }
        }
    }

    /// Sends what the rate limit allows; returns when the next message may be sent.
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
                if let Err(wait) = self.send_rate.take(now) {
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

    fn receive(&mut self, frame: Option<Result<Message, Error>>) -> Option<Lost> {
        match frame {
            Some(Ok(Message::Text(text))) => {
                // A message that cannot be read may come from a newer hub. It settles no call.
                if let Ok(message) = decode_outbound(text.as_bytes()) {
                    self.role.received(&message);
                    self.settle(message);
                }
                None
            }
            Some(Ok(Message::Close(frame))) => {
                Some(frame.map_or_else(|| Lost::retry("closed"), |frame| closed(frame.code.into(), &frame.reason)))
            }
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(lost(error)),
            None => Some(Lost::retry("the connection broke")),
        }
    }

    fn settle(&mut self, message: HubMessage) {
        let id = match &message {
            HubMessage::Result(result) => result.id(),
            HubMessage::Presence(update) => update.ids.id.as_deref(),
            HubMessage::Context(reply) => reply.ids.id.as_deref(),
            HubMessage::Refreshed(reply) => reply.ids.id.as_deref(),
            _ => None,
        };
        match (id.map(str::to_owned), message) {
            (_, HubMessage::Ack(ack)) => self.calls.acked(ack),
            (_, HubMessage::Error(error)) => self.calls.refused(error, Instant::now()),
            (Some(id), message) => self.calls.settle(&id, Ok(message)),
            _ => {}
        }
    }

    /// Takes a request; an error if there are no more handles.
    fn take(&mut self, request: Option<TaskRequest>, open: bool) -> Result<(), EndReason> {
        match request {
            None => return Err(EndReason::Closed),
            Some(TaskRequest::UseToken(token)) => {
                if !matches!(self.token, Token::Source(_)) {
                    self.token = Token::Fixed(token);
                }
            }
            Some(TaskRequest::Send(text)) => {
                // The queue has the same bound as the pending calls.
                if open && self.outbox.len() < self.tuning.calls_max {
                    self.outbox.push_back(Outgoing::Text(text));
                }
            }
            Some(TaskRequest::Call(call)) => {
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
        Err(_) => Err(Lost::retry("the socket takes no more data")),
    }
}

/// Connects, sends the hello and waits for the welcome.
async fn open(address: Address, hello: String) -> Result<(Socket, Welcome<'static>), Lost> {
    let stream = TcpStream::connect((address.host(), address.port())).await.map_err(lost)?;
    stream.set_nodelay(true).map_err(lost)?;
    let stream: Box<dyn ByteStream> = match address.tls_setup() {
        None => Box::new(stream),
        Some(tls) => Box::new(tls.connector.connect(tls.name.clone(), stream).await.map_err(lost)?),
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
    // An error before the close explains it.
    let mut why = None;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => match decode_outbound(text.as_bytes()) {
                Ok(HubMessage::Welcome(welcome)) => return Ok((socket, *welcome)),
                Ok(HubMessage::Error(error)) => why = Some(error.detail),
                Ok(_) => {}
                Err(error) => return Err(Lost::retry(format!("the welcome cannot be read: {error}"))),
            },
            Some(Ok(Message::Close(Some(frame)))) => {
                return Err(closed(frame.code.into(), why.as_deref().unwrap_or(&frame.reason)));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(lost(error)),
            None => return Err(Lost::retry("the connection broke before the welcome")),
        }
    }
}

/// The consequence of a close code.
fn closed(code: u16, reason: &str) -> Lost {
    let row = CLOSES.iter().find(|row| row.code == code);
    let when = match row.map_or(ComeBack::WithJitter, |row| row.come_back) {
        ComeBack::Yes | ComeBack::WithJitter => RetryWhen::Soon,
        ComeBack::AfterAWhile => RetryWhen::AfterAWhile,
        ComeBack::WithFreshToken => RetryWhen::WithFreshToken,
        ComeBack::No => return Lost::ForGood(EndReason::ClosedByHub { code, reason: reason.to_owned() }),
    };
    Lost::Retry { why: format!("{code} {reason}"), when }
}

/// The consequence of an HTTP status in answer to the upgrade.
fn refused(status: u16) -> Lost {
    let when = match status {
        401 => RetryWhen::WithFreshToken,
        408 | 429 => RetryWhen::AfterAWhile,
        400..=499 => return Lost::ForGood(EndReason::Http(status)),
        _ => RetryWhen::AfterAWhile,
    };
    Lost::Retry { why: format!("HTTP {status}"), when }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_close_code_means_what_the_table_says() {
        for (code, expected) in [
            (1001, RetryWhen::Soon),
            (1013, RetryWhen::AfterAWhile),
            (4408, RetryWhen::Soon),
            (4429, RetryWhen::AfterAWhile),
            (4401, RetryWhen::WithFreshToken),
            (1006, RetryWhen::Soon),
        ] {
            match closed(code, "x") {
                Lost::Retry { when, .. } => assert_eq!(when, expected, "{code}"),
                Lost::ForGood(ended) => panic!("{code}: {ended}"),
            }
        }
        for code in [1003, 1007, 1009, 4400, 4403] {
            assert!(matches!(closed(code, "x"), Lost::ForGood(EndReason::ClosedByHub { .. })), "{code}");
        }
        assert!(matches!(refused(503), Lost::Retry { when: RetryWhen::AfterAWhile, .. }));
        assert!(matches!(refused(401), Lost::Retry { when: RetryWhen::WithFreshToken, .. }));
        assert!(matches!(refused(403), Lost::ForGood(EndReason::Http(403))));
    }
}
