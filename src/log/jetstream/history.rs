//! The stream's past: its snapshots in an object store, and the records that follow them.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use async_nats::jetstream::object_store::{ObjectInfo, ObjectMetadata};
use futures::{FutureExt as _, StreamExt as _};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep};

use super::cursor::Cursor;
use super::error::StreamError;
use super::shared::StreamShared;
use crate::log::{
    AppendError, Digest, History, LogError, RecordNumber, Retention, SharedSnapshots, SnapshotStore, Stored,
};

/// Snapshots that are kept, with all records after the older one: one that cannot be read costs no start.
const SNAPSHOTS: usize = 2;

/// How long reading or writing a snapshot may take.
const SNAPSHOT_MAX: Duration = Duration::from_secs(60);

/// How long a record that is there may take to come.
const RECORD_MAX: Duration = Duration::from_secs(10);

/// How long the servers may be unable to say which snapshots there are, and how soon they are asked again.
const ELECTION_MAX: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(250);

/// How long small questions may take.
const QUESTION_MAX: Duration = Duration::from_secs(5);

/// The prefix of the names of snapshots. The number of their last record follows.
const PREFIX: &str = "snapshot-";

/// A reader of a stream's past.
pub(super) struct StreamHistory {
    shared: Arc<StreamShared>,
    cursor: Cursor,
    digests: Option<Subscriber>,
}

impl std::fmt::Debug for StreamHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamHistory").field("next", &self.cursor.next_number()).finish_non_exhaustive()
    }
}

impl StreamHistory {
    pub(super) fn new(shared: Arc<StreamShared>) -> Self {
        let cursor = Cursor::new(shared.ahead.clone(), 1);
        Self { shared, cursor, digests: None }
    }
}

impl History for StreamHistory {
    fn snapshot(&mut self) -> Result<Option<(RecordNumber, Vec<u8>)>, LogError> {
        let shared = Arc::clone(&self.shared);
        shared.wait(SNAPSHOT_MAX, newest_snapshot(&shared))?.map_err(LogError::from)
    }

    fn replay_points(&mut self) -> Result<Vec<RecordNumber>, LogError> {
        let shared = Arc::clone(&self.shared);
        let kept = shared.wait(SNAPSHOT_MAX, snapshots(&shared))??;
        let oldest = self.oldest();
        let empty = (oldest == 1).then_some(0);
        let kept = kept.into_iter().rev().filter(|number| *number + 1 >= oldest);
        Ok(empty.into_iter().chain(kept).collect())
    }

    fn snapshot_at(&mut self, number: RecordNumber) -> Result<Vec<u8>, LogError> {
        let shared = Arc::clone(&self.shared);
        Ok(shared.wait(SNAPSHOT_MAX, read(&shared, number))??)
    }

    fn oldest(&self) -> RecordNumber {
        let shared = &self.shared;
        let info = shared.wait(QUESTION_MAX, shared.stream.get_info());
        match info {
            Ok(Ok(info)) if info.state.messages > 0 => info.state.first_sequence,
            Ok(Ok(info)) => info.state.last_sequence + 1,
            _ => 1,
        }
    }

    fn after(&mut self, number: RecordNumber) -> Result<Option<Stored>, LogError> {
        let Some(next) = number.checked_add(1).filter(|next| *next <= self.shared.seen()) else { return Ok(None) };
        if self.cursor.next_number() != next {
            self.cursor = Cursor::new(self.shared.ahead.clone(), next);
        }
        let shared = Arc::clone(&self.shared);
        shared.wait(RECORD_MAX, self.cursor.next())?.map(Some)
    }
}

impl SnapshotStore for StreamHistory {
    fn save_snapshot(
        &mut self,
        number: RecordNumber,
        snapshot: &[u8],
        retention: &Retention,
    ) -> Result<(), AppendError> {
        let shared = Arc::clone(&self.shared);
        if number > shared.seen() {
            return Err(StreamError::SnapshotAhead { number, last: shared.seen() }.into());
        }
        Ok(shared.wait(SNAPSHOT_MAX, write_and_trim(&shared, number, snapshot, retention))??)
    }
}

impl SharedSnapshots for StreamHistory {
    fn exchange_digests(&mut self, own: Digest) -> Vec<Digest> {
        let shared = Arc::clone(&self.shared);
        let subject = shared.names.digests.clone();
        if self.digests.is_none() {
            let subscribed = shared.wait(QUESTION_MAX, shared.client.subscribe(subject.clone()));
            self.digests = subscribed.ok().and_then(Result::ok);
        }
        let message = [own.number.to_be_bytes(), own.value.to_be_bytes()].concat();
        // What others did not hear they cannot compare; there is a next time.
        let _ = shared.wait(QUESTION_MAX, shared.client.publish(subject, message.into()));
        let mut heard = Vec::new();
        if let Some(digests) = &mut self.digests {
            while let Some(Some(message)) = digests.next().now_or_never() {
                heard.extend(digest(&message.payload));
            }
        }
        heard
    }
}

fn digest(message: &[u8]) -> Option<Digest> {
    let (number, value) = message.split_first_chunk::<8>()?;
    let value = <[u8; 8]>::try_from(value).ok()?;
    Some(Digest { number: u64::from_be_bytes(*number), value: u64::from_be_bytes(value) })
}

/// The snapshots' numbers, newest first.
async fn snapshots(shared: &StreamShared) -> Result<Vec<RecordNumber>, StreamError> {
    let mut list = shared.snapshots.list().await.map_err(StreamError::request)?;
    let mut numbers = Vec::new();
    while let Some(info) = list.next().await {
        let info: ObjectInfo = info.map_err(StreamError::request)?;
        numbers.extend(info.name.strip_prefix(PREFIX).and_then(|number| number.parse::<RecordNumber>().ok()));
    }
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    Ok(numbers)
}

/// The newest snapshot that can be read. While the servers elect a leader none can, so it is asked again for a while.
async fn newest_snapshot(shared: &StreamShared) -> Result<Option<(RecordNumber, Vec<u8>)>, StreamError> {
    let began = Instant::now();
    loop {
        match newest_snapshot_now(shared).await {
            Err(error @ StreamError::Request(_)) if began.elapsed() < ELECTION_MAX => {
                tracing::debug!(%error, "the snapshots cannot be read yet");
                sleep(AGAIN).await;
            }
            other => return other,
        }
    }
}

async fn newest_snapshot_now(shared: &StreamShared) -> Result<Option<(RecordNumber, Vec<u8>)>, StreamError> {
    let numbers = snapshots(shared).await?;
    for &number in &numbers {
        match read(shared, number).await {
            Ok(bytes) => return Ok(Some((number, bytes))),
            Err(error) => tracing::error!(number, %error, "a snapshot cannot be read"),
        }
    }
    let first = shared.stream.get_info().await.map_err(StreamError::request)?.state.first_sequence;
    if numbers.is_empty() && first > 1 {
        return Err(StreamError::NoBeginning(first));
    }
    if !numbers.is_empty() && first > 1 {
        return Err(StreamError::NoSnapshot);
    }
    Ok(None)
}

/// One snapshot, whole: the store holds its bytes against their hash.
async fn read(shared: &StreamShared, number: RecordNumber) -> Result<Vec<u8>, StreamError> {
    let mut object = shared.snapshots.get(format!("{PREFIX}{number}")).await.map_err(StreamError::request)?;
    let mut bytes = Vec::with_capacity(object.info().size);
    object.read_to_end(&mut bytes).await.map_err(StreamError::request)?;
    match bytes.split_first_chunk::<8>() {
        Some((stamp, contents)) if u64::from_be_bytes(*stamp) == number => Ok(contents.to_vec()),
        _ => Err(StreamError::WrongSnapshot),
    }
}

async fn write_and_trim(
    shared: &StreamShared,
    number: RecordNumber,
    snapshot: &[u8],
    retention: &Retention,
) -> Result<(), StreamError> {
    let mut kept = snapshots(shared).await?;
    if number > 0 && kept.first().is_none_or(|newest| number > *newest) {
        // The number goes before it, so that even an empty snapshot is an object with something in it.
        let bytes = [&number.to_be_bytes()[..], snapshot].concat();
        let meta = ObjectMetadata { name: format!("{PREFIX}{number}"), ..ObjectMetadata::default() };
        shared.snapshots.put(meta, &mut &bytes[..]).await.map_err(StreamError::request)?;
        kept.insert(0, number);
    }
    if let Some(&older) = kept.get(SNAPSHOTS - 1) {
        trim(shared, older, retention).await?;
    }
    for number in kept.iter().skip(SNAPSHOTS) {
        shared.snapshots.delete(format!("{PREFIX}{number}")).await.map_err(StreamError::request)?;
    }
    Ok(())
}

/// Forgets the records up to `older`, the older snapshot's last one, but keeps what `keep` asks for.
async fn trim(shared: &StreamShared, older: RecordNumber, retention: &Retention) -> Result<(), StreamError> {
    let state = shared.stream.get_info().await.map_err(StreamError::request)?.state;
    if state.messages == 0 {
        return Ok(());
    }
    let first = state.first_sequence;
    let average = (state.bytes / state.messages).max(1);
    let by_bytes = (state.last_sequence + 1).saturating_sub(retention.history_bytes / average);
    let by_time =
        if retention.history_ms == 0 { older + 1 } else { written_within(shared, first, older, retention).await? };
    let from = (older + 1).min(by_bytes.max(by_time));
    if from > first {
        shared.stream.purge().sequence(from).await.map_err(StreamError::request)?;
        let state = shared.stream.get_info().await.map_err(StreamError::request)?.state;
        shared.hold(state.bytes);
    }
    Ok(())
}

/// The first record up to `older` that is not older than what is to be kept. By halves: the stamps rise.
async fn written_within(
    shared: &StreamShared,
    first: RecordNumber,
    older: RecordNumber,
    retention: &Retention,
) -> Result<RecordNumber, StreamError> {
    let age_max = i128::from(retention.history_ms);
    let stamp = async |number| {
        let message = shared.stream.get_raw_message(number).await.map_err(StreamError::request)?;
        Ok::<i128, StreamError>(message.time.unix_timestamp_nanos() / 1_000_000)
    };
    let now = stamp(shared.seen()).await?;
    let (mut low, mut high) = (first, older + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if now - stamp(middle).await? > age_max {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
