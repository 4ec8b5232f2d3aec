//! Reads a stream continuously from one record on. The reader is recreated after every disconnection, and detects gaps.

use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream::{State, Stream};
use crc32c::crc32c;
use futures::StreamExt as _;
use tokio::time::{Instant, sleep};

use super::error::{StreamError, chain};
use crate::log::{LogError, RecordNumber, Stored};

/// The number of records that a server sends ahead; at most 64 MiB with the largest records.
const AHEAD_MAX: usize = 128;

/// The interval of heartbeats from a server that has nothing to send.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The lifetime of one request for records.
const REQUEST: Duration = Duration::from_secs(5);

/// The time after which a server may forget an inactive reader.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

/// The pause before a failed request is repeated.
const AGAIN: Duration = Duration::from_millis(100);

/// A new leader of busy servers may not know the last records for a while. After this time they count as missing.
const SHORT_MAX: Duration = Duration::from_secs(30);

/// A position in a stream.
pub(super) struct Cursor {
    stream: Stream,
    next: RecordNumber,
    messages: Option<pull::Stream>,
    /// The time since which the stream has been shorter than the position already read.
    short_since: Option<Instant>,
    /// How many times in a row an expected record was skipped.
    gaps: u32,
    /// Identifies the last record returned.
    last: Option<Mark>,
}

/// Identifies a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    number: RecordNumber,
    stamp_ns: i128,
    checksum: u32,
}

impl Cursor {
    /// Starts before record `next`.
    pub(super) fn new(stream: Stream, next: RecordNumber) -> Self {
        Self { stream, next, messages: None, short_since: None, gaps: 0, last: None }
    }

    pub(super) fn next_number(&self) -> RecordNumber {
        self.next
    }

    /// Waits for the next record, however long the servers are unreachable. It can be dropped and called again.
    ///
    /// # Errors
    /// [`LogError::Trimmed`], [`LogError::Damaged`].
    pub(super) async fn next(&mut self) -> Result<Stored, LogError> {
        loop {
            let Some(messages) = &mut self.messages else {
                if let Err(error) = self.subscribe().await? {
                    tracing::debug!(%error, "the stream cannot be read yet");
                    sleep(AGAIN).await;
                }
                continue;
            };
            let message = match messages.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    tracing::debug!(error = %chain(&error), "reading the stream is begun again");
                    self.messages = None;
                    continue;
                }
                None => {
                    self.messages = None;
                    sleep(AGAIN).await;
                    continue;
                }
            };
            if let Some(stored) = self.take(&message)? {
                return Ok(stored);
            }
        }
    }

    /// The record, if it is the next one.
    fn take(&mut self, message: &Message) -> Result<Option<Stored>, LogError> {
        let Ok(info) = message.info() else {
            self.messages = None;
            return Ok(None);
        };
        let number = info.stream_sequence;
        if number < self.next {
            return Ok(None);
        }
        if number > self.next {
            self.gaps += 1;
            self.messages = None;
            // Most likely the message was lost, so read again. If the stream itself does not have the record, it was deleted.
            return if self.gaps < 3 { Ok(None) } else { Err(LogError::Trimmed(self.next)) };
        }
        self.gaps = 0;
        self.next += 1;
        let stamp_ns = info.published.unix_timestamp_nanos();
        let checksum = crc32c(&message.payload);
        tracing::trace!(record = number, stamp_ns, checksum, "record read");
        self.last = Some(Mark { number, stamp_ns, checksum });
        let ms = stamp_ns / 1_000_000;
        let time_ms = Some(u64::try_from(ms).unwrap_or(0));
        Ok(Some(Stored { number, time_ms, bytes: message.payload.to_vec() }))
    }

    /// Requests the records that follow. `Ok(Err)`: not possible now.
    async fn subscribe(&mut self) -> Result<Result<(), StreamError>, LogError> {
        let state = match self.stream.get_info().await {
            Ok(info) => info.state,
            Err(error) => return Ok(Err(StreamError::request(error))),
        };
        if !self.is_long_enough(&state)? {
            return Ok(Err(StreamError::EndsAt(state.last_sequence)));
        }
        if self.next < state.first_sequence {
            return Err(LogError::Trimmed(self.next));
        }
        if let Some(last) = self.last.filter(|last| last.number >= state.first_sequence)
            && let Err(why) = self.is_still_there(last).await?
        {
            return Ok(Err(why));
        }
        let config = pull::Config {
            description: Some("deskbell".to_owned()),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.next },
            ack_policy: AckPolicy::None,
            inactive_threshold: FORGOTTEN_AFTER,
            num_replicas: 1,
            memory_storage: true,
            ..pull::Config::default()
        };
        let consumer = match self.stream.create_consumer(config).await {
            Ok(consumer) => consumer,
            Err(error) => return Ok(Err(StreamError::request(error))),
        };
        let messages = consumer.stream().max_messages_per_batch(AHEAD_MAX).heartbeat(HEARTBEAT).expires(REQUEST);
        match messages.messages().await {
            Ok(messages) => self.messages = Some(messages),
            Err(error) => return Ok(Err(StreamError::request(error))),
        }
        Ok(Ok(()))
    }

    /// Whether the stream still has the same record at the position read last. Servers that lost the end of
    /// the stream continue with other records under the same numbers. `Ok(Err)`: the question cannot be answered now.
    async fn is_still_there(&self, last: Mark) -> Result<Result<(), StreamError>, LogError> {
        let message = match self.stream.get_raw_message(last.number).await {
            Ok(message) => message,
            Err(error) => return Ok(Err(StreamError::request(error))),
        };
        let (stamp_ns, checksum) = (message.time.unix_timestamp_nanos(), crc32c(&message.payload));
        if (Mark { number: last.number, stamp_ns, checksum }) == last {
            return Ok(Ok(()));
        }
        Err(StreamError::Replaced(last.number).into())
    }

    /// Whether the stream contains everything already read. If it does not for a while, it was emptied, or restored from a copy.
    fn is_long_enough(&mut self, state: &State) -> Result<bool, LogError> {
        if state.last_sequence + 1 >= self.next {
            self.short_since = None;
            return Ok(true);
        }
        let since = *self.short_since.get_or_insert_with(Instant::now);
        if since.elapsed() < SHORT_MAX {
            return Ok(false);
        }
        Err(StreamError::Shortened { read: self.next - 1, last: state.last_sequence }.into())
    }
}
