//! The second fold: snapshots made in the background, from the last snapshot and the log, never by stopping the live one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use super::clock::Clock;
use super::codec::{decode_record, decode_snapshot, encode_snapshot};
use super::partition::HubError;
use crate::log::{History, Keep, RecordNumber};
use crate::workspace::Core;

/// Records after which a new snapshot is made.
const RECORDS_PER_SNAPSHOT: u64 = 50_000;

/// Bytes of records after which a new snapshot is made: one segment of the log on disk. What a start has to fold, and what
/// the directory holds besides its two snapshots, is about twice that; a full workspace's snapshot is some 30 MiB.
const BYTES_PER_SNAPSHOT: u64 = 8 * 1024 * 1024;

/// How far the log may run ahead before the fold follows. A busy hub's records have some ten thousand bytes.
const RECORDS_PER_STEP: u64 = 100;

/// The thread that folds the log a second time.
#[derive(Debug)]
pub(super) struct Fold {
    news: SyncSender<()>,
    /// The record of which the thread was told last.
    told: RecordNumber,
    thread: JoinHandle<()>,
}

impl Fold {
    pub(super) fn start(history: Box<dyn History>, keep: Keep, clock: Arc<dyn Clock>) -> Self {
        // One place: a fold that is busy needs to know only that there is more.
        let (told, news) = sync_channel(1);
        let thread = thread::spawn(move || {
            if let Err(error) = (Folder {
                history,
                keep,
                clock,
                core: Core::default(),
                number: 0,
                due_at: RECORDS_PER_SNAPSHOT,
                bytes: 0,
            })
            .run(&news)
            {
                tracing::error!(%error, "no snapshots are made until the next start; the log grows");
            }
        });
        Self { news: told, told: 0, thread }
    }

    /// The live fold has applied record `number`.
    pub(super) fn reached(&mut self, number: RecordNumber) {
        // A full channel means that the fold is at work and will hear of a later record.
        if number >= self.told + RECORDS_PER_STEP && self.news.try_send(()).is_ok() {
            self.told = number;
        }
    }

    /// Ends the thread, after the snapshot that it may be writing.
    pub(super) fn stop(self) {
        drop(self.news);
        let _ = self.thread.join();
    }
}

struct Folder {
    history: Box<dyn History>,
    keep: Keep,
    clock: Arc<dyn Clock>,
    core: Core,
    number: RecordNumber,
    /// The record at which the next snapshot is made, if not for the bytes before.
    due_at: RecordNumber,
    /// Bytes of records folded since.
    bytes: u64,
}

impl Folder {
    fn run(mut self, news: &Receiver<()>) -> Result<(), HubError> {
        while news.recv().is_ok() {
            if self.number == 0 {
                self.load()?;
            }
            while let Some((number, bytes)) = self.history.after(self.number)? {
                self.core.apply(&decode_record(number, &bytes)?, |_, _| {});
                self.number = number;
                self.bytes += bytes.len() as u64;
                if matches!(news.try_recv(), Err(TryRecvError::Disconnected)) {
                    return Ok(());
                }
                // Here and not after the loop: under a steady load the log's end may never be reached.
                if self.number >= self.due_at || self.bytes >= BYTES_PER_SNAPSHOT {
                    self.snapshot();
                }
            }
        }
        Ok(())
    }

    fn load(&mut self) -> Result<(), HubError> {
        if let Some((number, bytes)) = self.history.snapshot()? {
            self.core = decode_snapshot(number, &bytes)?;
            self.number = number;
            self.due_at = number + RECORDS_PER_SNAPSHOT;
        }
        Ok(())
    }

    fn snapshot(&mut self) {
        let began = self.clock.now();
        let bytes = encode_snapshot(&self.core);
        let kept = self.history.keep(self.number, &bytes, &self.keep);
        let pause = if kept.is_ok() { RECORDS_PER_SNAPSHOT } else { RECORDS_PER_STEP };
        self.due_at = self.number + pause;
        self.bytes = 0;
        let took_ms = self.clock.now().since_ms(began);
        match kept {
            Ok(()) => tracing::info!(record = self.number, bytes = bytes.len(), took_ms, "snapshot written"),
            Err(error) => tracing::error!(%error, record = self.number, "no snapshot was written; tried again soon"),
        }
    }
}
