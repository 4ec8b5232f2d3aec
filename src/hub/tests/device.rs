//! The log of a single hub, which fails, tears and repeats, on a device that outlives the hub; and the hub's clocks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use deskbell_core::Timestamp;

use super::dice::Dice;
use crate::hub::clock::{Clock, Monotonic};
use crate::log::{AppendError, History, Log, LogError, OwnLog, OwnSnapshots, Stored};

/// A wall clock and a monotonic one. Both move together unless a test sets the wall clock.
#[derive(Debug)]
pub(super) struct SimClock {
    monotonic: AtomicU64,
    wall: AtomicU64,
}

impl SimClock {
    pub(super) fn new() -> Self {
        Self { monotonic: AtomicU64::new(1_000), wall: AtomicU64::new(1_000_000_000) }
    }

    pub(super) fn pass(&self, ms: u64) {
        self.monotonic.fetch_add(ms, Ordering::Relaxed);
        self.wall.fetch_add(ms, Ordering::Relaxed);
    }

    /// Somebody sets the wall clock.
    pub(super) fn step_wall(&self, by_ms: i64) {
        let wall = self.wall.load(Ordering::Relaxed);
        self.wall.store(wall.saturating_add_signed(by_ms), Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.monotonic.load(Ordering::Relaxed))
    }
}

/// What survives a crash of the process.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) records: Vec<Vec<u8>>,
    pub(super) dice: Dice,
    pub(super) faults: BTreeMap<&'static str, u64>,
    /// One in so many appends and reads goes wrong; 0: none.
    pub(super) fault_every: u64,
    pub(super) full_until: u64,
    /// The process died: it reads and writes nothing more until it starts again.
    pub(super) crashed: bool,
    /// The log cannot be reopened.
    pub(super) is_down: bool,
    /// Appends and attempts to reopen so far.
    pub(super) attempts: u64,
}

impl Device {
    pub(super) fn new(dice: Dice, fault_every: u64) -> Self {
        Self {
            records: Vec::new(),
            dice,
            faults: BTreeMap::new(),
            fault_every,
            full_until: 0,
            crashed: false,
            is_down: false,
            attempts: 0,
        }
    }

    fn goes_wrong(&mut self) -> bool {
        self.fault_every > 0 && self.dice.one_in(self.fault_every)
    }
}

/// A log that goes wrong in every way that its contract allows.
#[derive(Debug)]
pub(super) struct SimLog {
    pub(super) device: Arc<Mutex<Device>>,
    read: usize,
    /// Records that were there when the log was opened; they can be read.
    opened_with: usize,
    broken: bool,
}

impl SimLog {
    pub(super) fn open(device: &Arc<Mutex<Device>>) -> Self {
        let mut open = device.lock().unwrap();
        open.crashed = false;
        Self { device: Arc::clone(device), read: 0, opened_with: open.records.len(), broken: false }
    }
}

impl Log for SimLog {
    fn append(&mut self, record: &[u8]) -> Result<(), AppendError> {
        assert!(!self.broken, "a broken log is reopened before it is written");
        let mut device = self.device.lock().unwrap();
        device.attempts += 1;
        if device.crashed {
            return Ok(());
        }
        if device.full_until > 0 {
            device.full_until -= 1;
            return Err(AppendError::full("simulated"));
        }
        let fault = if device.is_down {
            2
        } else if device.goes_wrong() {
            device.dice.below(6)
        } else {
            6
        };
        let name = ["full", "unsynced", "broken", "crash before", "crash after", "repeat", "good"][fault as usize];
        *device.faults.entry(name).or_default() += 1;
        match fault {
            0 => {
                device.full_until = device.dice.below(4);
                return Err(AppendError::full("simulated"));
            }
            // It fails, and the record is there or is not.
            1 => device.records.push(record.to_vec()),
            2 | 3 => {}
            // A repeat: the same group twice in the log.
            5 => device.records.extend([record.to_vec(), record.to_vec()]),
            _ => device.records.push(record.to_vec()),
        }
        device.crashed = matches!(fault, 3 | 4);
        if matches!(fault, 1 | 2) {
            self.broken = true;
            return Err(AppendError::broken("simulated"));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Stored>, LogError> {
        let mut device = self.device.lock().unwrap();
        if device.crashed {
            return Ok(None);
        }
        if self.broken {
            return Err(LogError::device("simulated"));
        }
        if (self.opened_with..device.records.len()).contains(&self.read) && device.goes_wrong() {
            *device.faults.entry("unreadable").or_default() += 1;
            self.broken = true;
            return Err(LogError::device("simulated: the read failed"));
        }
        let Some(record) = device.records.get(self.read) else { return Ok(None) };
        self.read += 1;
        Ok(Some(Stored::new(self.read as u64, record.clone())))
    }

    fn history(&self) -> Option<Box<dyn History>> {
        None
    }

    fn bytes(&self) -> u64 {
        0
    }

    fn reopen(&mut self) -> Result<(), LogError> {
        let mut device = self.device.lock().unwrap();
        device.attempts += 1;
        // Once nothing fails any more, this does not either: else the last of a history may never come.
        if device.is_down || (device.fault_every > 0 && device.dice.one_in(3)) {
            return Err(LogError::device("simulated: not yet"));
        }
        self.opened_with = device.records.len();
        self.broken = false;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), AppendError> {
        Ok(())
    }
}

impl OwnLog for SimLog {
    fn snapshots(&self) -> Option<Box<dyn OwnSnapshots>> {
        None
    }
}
