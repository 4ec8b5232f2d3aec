//! The one log of several hubs, which loses, delays, repeats and refuses what they append; and clocks that agree on
//! nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use deskbell_core::Timestamp;

use super::dice::Dice;
use crate::hub::clock::{Clock, Monotonic};
use crate::log::{
    AppendError, Cause, Digest, History, Log, LogError, RecordNumber, Retention, SharedLog, SharedSnapshots,
    SnapshotStore, Stored,
};

/// A clock that counts as the world does, from where it likes.
#[derive(Debug)]
pub(super) struct SkewedClock {
    pub(super) world: Arc<AtomicU64>,
    pub(super) skew_ms: u64,
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.world.load(Ordering::Relaxed) + self.skew_ms)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.world.load(Ordering::Relaxed) + self.skew_ms / 7)
    }
}

/// What the servers hold.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) world: Arc<AtomicU64>,
    pub(super) records: Vec<(u64, Vec<u8>)>,
    /// On their way, and when they arrive.
    pub(super) late: Vec<(u64, Vec<u8>)>,
    pub(super) dice: Dice,
    /// One in so many appends goes wrong; 0: none.
    pub(super) fault_every: u64,
    pub(super) faults: BTreeMap<&'static str, u64>,
    /// Until then nothing is taken: there is no quorum.
    pub(super) stalled_until: u64,
    /// Appends that were tried, also by hubs that are cut off.
    pub(super) attempts: u64,
}

impl Stream {
    /// One without faults.
    pub(super) fn reliable(world: &Arc<AtomicU64>) -> Self {
        Self {
            world: Arc::clone(world),
            records: Vec::new(),
            late: Vec::new(),
            dice: Dice::new(1),
            fault_every: 0,
            faults: BTreeMap::new(),
            stalled_until: 0,
            attempts: 0,
        }
    }

    fn now(&self) -> u64 {
        self.world.load(Ordering::Relaxed)
    }

    fn store(&mut self, record: Vec<u8>) {
        let stamp = 1_700_000_000_000 + self.now();
        self.records.push((stamp, record));
    }

    pub(super) fn arrive(&mut self) {
        let now = self.now();
        for (due, record) in std::mem::take(&mut self.late) {
            if due <= now {
                self.store(record);
            } else {
                self.late.push((due, record));
            }
        }
    }

    /// What becomes of an append; `true`: it is refused for want of room.
    fn append(&mut self, record: &[u8]) -> bool {
        if self.now() < self.stalled_until {
            return false;
        }
        let faulty = self.fault_every > 0 && self.dice.one_in(self.fault_every);
        let fault = if faulty { self.dice.below(5) } else { 5 };
        *self
            .faults
            .entry(["lost", "late", "twice", "now and late", "refused", "good"][fault as usize])
            .or_default() += 1;
        let due = self.now() + self.dice.below(6_000);
        match fault {
            0 => {}
            1 => self.late.push((due, record.to_vec())),
            2 => {
                self.store(record.to_vec());
                self.store(record.to_vec());
            }
            3 => {
                self.store(record.to_vec());
                self.late.push((due, record.to_vec()));
            }
            4 => return true,
            _ => self.store(record.to_vec()),
        }
        false
    }
}

/// One hub's way to the stream.
#[derive(Debug)]
pub(super) struct StreamLog {
    pub(super) stream: Arc<Mutex<Stream>>,
    pub(super) read: usize,
    pub(super) due: usize,
    pub(super) cut: Arc<AtomicBool>,
    pub(super) refused: bool,
}

impl Log for StreamLog {
    fn append(&mut self, record: &[u8]) -> Result<(), AppendError> {
        let mut stream = self.stream.lock().unwrap();
        stream.attempts += 1;
        if !self.cut.load(Ordering::Relaxed) {
            self.refused = stream.append(record);
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Stored>, LogError> {
        let mut stream = self.stream.lock().unwrap();
        let waits = self.read < self.due;
        if !waits && (self.cut.load(Ordering::Relaxed) || stream.dice.one_in(5)) {
            return Ok(None);
        }
        let Some((stamp, record)) = stream.records.get(self.read) else { return Ok(None) };
        self.read += 1;
        Ok(Some(Stored { number: self.read as u64, time_ms: Some(*stamp), bytes: record.clone() }))
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

impl SharedLog for StreamLog {
    fn take_refusal(&mut self) -> Option<Cause> {
        std::mem::take(&mut self.refused).then(|| Cause::new("simulated"))
    }

    fn restart(&mut self) -> Result<(), LogError> {
        unreachable!("the simulated stream is never trimmed")
    }

    fn snapshots(&self) -> Box<dyn SharedSnapshots> {
        Box::new(NoSnapshots)
    }
}

/// Nobody makes snapshots of a simulated stream.
#[derive(Debug)]
struct NoSnapshots;

impl History for NoSnapshots {
    fn snapshot(&mut self) -> Result<Option<(RecordNumber, Vec<u8>)>, LogError> {
        Ok(None)
    }

    fn replay_points(&mut self) -> Result<Vec<RecordNumber>, LogError> {
        Ok(Vec::new())
    }

    fn snapshot_at(&mut self, number: RecordNumber) -> Result<Vec<u8>, LogError> {
        Err(LogError::Trimmed(number))
    }

    fn oldest(&self) -> RecordNumber {
        1
    }

    fn after(&mut self, _: RecordNumber) -> Result<Option<Stored>, LogError> {
        Ok(None)
    }
}

impl SnapshotStore for NoSnapshots {
    fn save_snapshot(&mut self, _: RecordNumber, _: &[u8], _: &Retention) -> Result<(), AppendError> {
        Ok(())
    }
}

impl SharedSnapshots for NoSnapshots {
    fn exchange_digests(&mut self, _: Digest) -> Vec<Digest> {
        Vec::new()
    }
}
