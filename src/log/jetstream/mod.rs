//! The log of a cluster: a JetStream stream, which every hub appends to and reads. The only room that knows NATS.
//!
//! The order is the stream's, the numbers are its sequence numbers, the time is its own stamp. A hub does not
//! rely on the answer to an append: it reads its own records back, like those of the others. The answer only shortens the
//! wait if the stream is full.
//!
//! Files here may use those above them: `error`, `connect`, `stream`, `shared`, `cursor`, `history`.

mod connect;
mod cursor;
mod error;
mod history;
mod shared;
mod stream;

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::{self, ErrorCode};
use bytes::Bytes;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle as Task;

pub use connect::Servers;
use cursor::Cursor;
pub use error::StreamError;
use error::chain;
use history::StreamHistory;
use shared::StreamShared;
use stream::Names;
pub use stream::StreamPartition;

use super::{
    AppendError, Cause, History, Log, LogError, RecordNumber, RecordTooLarge, SharedLog, SharedSnapshots, Stored,
};

/// Records that wait to be taken; behind them the reader waits, and the server behind it. With the largest: 64 MiB.
const UNREAD_MAX: usize = 64;

/// Appends that may be under way at once; one more is not sent, and the hub appends it again.
const OUTSTANDING_MAX: usize = 64;

/// How long the servers may take to answer an append, before it counts as unanswered.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long nothing may be answered before the hub tries another server: the one that it is at may be cut off from the
/// others. Less than the others take to count the hub out, so that it may come back before; an election, which is no
/// reason to move, can take longer, but then moving does no harm.
const MOVE_AFTER: Duration = Duration::from_secs(5);

/// How long a reader waits for the servers' answer before it asks again.
const READER_PATIENCE: Duration = Duration::from_secs(2);

/// How long the next record that is known to be there may take to come, at a start.
const RECORD_MAX: Duration = Duration::from_secs(20);

/// How long opening may take in all.
const OPEN_MAX: Duration = Duration::from_secs(90);

/// The approximate number of bytes that the stream adds to each record.
const OVERHEAD_BYTES: u64 = 48;

/// Called when the log has something new.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// A stream of NATS JetStream as the log of several hubs.
pub struct JetStream {
    shared: Arc<StreamShared>,
    wake: Waker,
    reader: Task<()>,
    news: mpsc::Receiver<Result<Stored, LogError>>,
    returned: RecordNumber,
    /// Up to this record the log was when it was opened: so far `next` waits.
    due: RecordNumber,
    /// The number of the last append, by which its answer is known.
    appends: u64,
    /// Since when appends wait for any sign of life, and what the signs were then.
    waiting: Option<(Instant, u64)>,
    /// The reason why reading ended. It is reported for each later call.
    ended: Option<Ended>,
    /// Ends the thread when dropped.
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

#[derive(Debug, Clone)]
enum Ended {
    Trimmed(RecordNumber),
    Damaged(Cause),
}

impl fmt::Debug for JetStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = &self.shared;
        f.debug_struct("JetStream").field("shared", shared).field("returned", &self.returned).finish_non_exhaustive()
    }
}

impl JetStream {
    /// Opens a partition's stream, which is made if it is not there. Blocks until it is open. Its thread logs within
    /// the span that is entered now.
    ///
    /// # Errors
    /// [`LogError::Device`]: no server is there, or none lets this hub in, or the stream is one with which a hub must
    /// not run. [`LogError::Damaged`]: no start is possible with what is there.
    pub fn open(servers: &Servers, place: StreamPartition, wake: Waker) -> Result<Self, LogError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(StreamError::Thread)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let span = tracing::Span::current();
        let run = move || {
            let _within = span.enter();
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("nats".to_owned()).spawn(run).map_err(StreamError::Thread)?;
        let opening = async { tokio::time::timeout(OPEN_MAX, open(handle.clone(), servers, place)).await };
        let shared = handle.block_on(opening);
        let shared = Arc::new(shared.map_err(|_| StreamError::NoAnswer(OPEN_MAX))??);
        let mut log = Self {
            reader: handle.spawn(async {}),
            news: mpsc::channel(1).1,
            shared,
            wake,
            returned: 0,
            due: 0,
            appends: 0,
            waiting: None,
            ended: None,
            thread: Some((stop, thread)),
        };
        log.restart()?;
        Ok(log)
    }

    /// Goes to the next server if this one, or what it is connected to, has not answered for long.
    fn move_on(&mut self) {
        let signs = self.shared.signs_of_life();
        let now = Instant::now();
        let since = match self.waiting {
            Some((since, then)) if then == signs => since,
            _ => self.waiting.insert((now, signs)).0,
        };
        if self.shared.servers < 2 || now.duration_since(since) < MOVE_AFTER {
            return;
        }
        self.waiting = None;
        let seconds = MOVE_AFTER.as_secs();
        tracing::warn!("no append was answered for {seconds} s: this hub goes to the next NATS server");
        let client = self.shared.client.clone();
        self.shared.handle.spawn(async move { client.force_reconnect().await });
    }

    /// Takes in what the reader found.
    fn took(&mut self, news: Result<Stored, LogError>) -> Result<Option<Stored>, LogError> {
        match news {
            Ok(stored) => {
                self.returned = stored.number;
                Ok(Some(stored))
            }
            Err(error) => {
                let ended = match error {
                    LogError::Trimmed(number) => Ended::Trimmed(number),
                    LogError::Damaged(cause) => Ended::Damaged(cause),
                    other => Ended::Damaged(Cause::new(other)),
                };
                Err(self.ended.insert(ended).error())
            }
        }
    }
}

impl Ended {
    fn error(&self) -> LogError {
        match self {
            Self::Trimmed(number) => LogError::Trimmed(*number),
            Self::Damaged(cause) => LogError::Damaged(cause.clone()),
        }
    }
}

async fn open(
    handle: tokio::runtime::Handle,
    servers: &Servers,
    place: StreamPartition,
) -> Result<StreamShared, StreamError> {
    let names = Names::of(place);
    let client = connect::connect(servers, &names.client).await?;
    let patient = |patience| jetstream::ContextBuilder::new().timeout(patience).build(client.clone());
    let context = patient(ANSWER_MAX);
    let stream = stream::open(&context, &names, servers.urls.len()).await?;
    let replicas = stream.cached_info().config.num_replicas;
    let snapshots = stream::open_snapshots(&context, &names, replicas).await?;
    // What reads asks again soon: while the servers elect a leader nobody answers, and then at once.
    let ahead = patient(READER_PATIENCE).get_stream(&names.stream).await;
    let ahead = ahead.map_err(StreamError::request)?;
    Ok(StreamShared::new(handle, context, stream, ahead, snapshots, names, servers.urls.len()))
}

/// Reads on until nobody takes it, or there is nothing to read any more.
async fn read(shared: Arc<StreamShared>, from: RecordNumber, out: mpsc::Sender<Result<Stored, LogError>>, wake: Waker) {
    let mut cursor = Cursor::new(shared.ahead.clone(), from);
    loop {
        let news = cursor.next().await;
        let ends = news.is_err();
        if let Ok(stored) = &news {
            shared.grow(stored.bytes.len() as u64 + OVERHEAD_BYTES);
            shared.see(stored.number);
        }
        if out.send(news).await.is_err() {
            return;
        }
        wake();
        if ends {
            return;
        }
    }
}

impl Log for JetStream {
    fn append(&mut self, record: &[u8]) -> Result<(), AppendError> {
        RecordTooLarge::check(record)?;
        self.appends += 1;
        // Without a connection it would wait in the client. The hub appends it again.
        let connected = self.shared.client.connection_state() == State::Connected;
        if connected {
            self.move_on();
        } else {
            self.waiting = None;
        }
        if connected && self.shared.outstanding.load(Relaxed) < OUTSTANDING_MAX {
            self.shared.outstanding.fetch_add(1, Relaxed);
            let (shared, wake) = (Arc::clone(&self.shared), Arc::clone(&self.wake));
            self.shared.handle.spawn(publish(shared, self.appends, Bytes::copy_from_slice(record), wake));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Stored>, LogError> {
        if let Some(ended) = &self.ended {
            return Err(ended.error());
        }
        match self.news.try_recv() {
            Ok(news) => self.took(news),
            Err(_) if self.returned >= self.due => Ok(None),
            Err(_) => match self.shared.wait(RECORD_MAX, self.news.recv()) {
                Ok(Some(news)) => self.took(news),
                Ok(None) => Err(StreamError::NoReader.into()),
                Err(late) => Err(late.into()),
            },
        }
    }

    fn history(&self) -> Option<Box<dyn History>> {
        Some(Box::new(StreamHistory::new(Arc::clone(&self.shared))))
    }

    fn bytes(&self) -> u64 {
        self.shared.bytes()
    }

    fn reopen(&mut self) -> Result<(), LogError> {
        let began = Instant::now();
        while self.shared.outstanding.load(Relaxed) > 0 && began.elapsed() < ANSWER_MAX {
            thread::sleep(Duration::from_millis(1));
        }
        self.due = end_of(&self.shared)?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), AppendError> {
        Ok(())
    }
}

impl SharedLog for JetStream {
    fn take_refusal(&mut self) -> Option<Cause> {
        let (append, why) = self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        // An answer to an earlier append says nothing about the last one.
        (append == self.appends).then_some(why)
    }

    fn restart(&mut self) -> Result<(), LogError> {
        let from = StreamHistory::new(Arc::clone(&self.shared)).snapshot()?.map_or(0, |(number, _)| number);
        self.due = end_of(&self.shared)?;
        self.reader.abort();
        let (out, news) = mpsc::channel(UNREAD_MAX);
        self.news = news;
        self.returned = from;
        self.shared.see(from);
        self.ended = None;
        let reading = read(Arc::clone(&self.shared), from + 1, out, Arc::clone(&self.wake));
        self.reader = self.shared.handle.spawn(reading);
        Ok(())
    }

    fn snapshots(&self) -> Box<dyn SharedSnapshots> {
        Box::new(StreamHistory::new(Arc::clone(&self.shared)))
    }
}

impl Drop for JetStream {
    fn drop(&mut self) {
        self.reader.abort();
        if let Some((stop, thread)) = self.thread.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

/// The last record that is there now; asked again for a while, as the servers may be electing a leader.
fn end_of(shared: &StreamShared) -> Result<RecordNumber, StreamError> {
    let began = Instant::now();
    loop {
        let error = match shared.wait(ANSWER_MAX, shared.stream.get_info()) {
            Ok(Ok(info)) => return Ok(info.state.last_sequence),
            Ok(Err(error)) => StreamError::request(error),
            Err(late) => late,
        };
        if began.elapsed() > RECORD_MAX {
            return Err(error);
        }
        tracing::debug!(%error, "the end of the stream is not known yet");
        thread::sleep(READER_PATIENCE / 8);
    }
}

async fn publish(shared: Arc<StreamShared>, append: u64, record: Bytes, wake: Waker) {
    let subject = shared.names.subject.clone();
    let answer = match shared.context.publish(subject, record).await {
        Ok(answer) => answer.await.map(drop),
        Err(error) => Err(error),
    };
    shared.outstanding.fetch_sub(1, Relaxed);
    let Err(error) = answer else {
        shared.answers.fetch_add(1, Relaxed);
        return;
    };
    if is_refused(&error) {
        shared.answers.fetch_add(1, Relaxed);
        *shared.refused.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((append, Cause::new(StreamError::request(error))));
        wake();
    } else {
        tracing::debug!(error = %chain(&error), "an append was not answered well; it is sent again if it does not come");
    }
}

/// Whether it is certain that the record is not in the stream and will not be, for want of room.
fn is_refused(error: &PublishError) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<jetstream::Error>());
    match (error.kind(), source.map(jetstream::Error::error_code)) {
        (PublishErrorKind::Other, Some(code)) => {
            let bound = code == ErrorCode::STREAM_STORE_FAILED && chain(error).contains("maximum bytes exceeded");
            bound || code == ErrorCode::INSUFFICIENT_RESOURCES || code == ErrorCode::STORAGE_RESOURCES_EXCEEDED
        }
        _ => false,
    }
}

#[cfg(test)]
pub(super) mod tests;
