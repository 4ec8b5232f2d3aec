//! One hub's log, which fails, tears and repeats, on a device that outlives it; and its clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use deskbell_core::Timestamp;

use super::dice::Dice;
use crate::hub::clock::Clock;
use crate::log::{AppendError, History, Log, LogError, Stored};

#[derive(Debug, Default)]
pub(super) struct SimClock(pub(super) AtomicU64);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// What survives a crash.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) records: Vec<Vec<u8>>,
    pub(super) dice: Dice,
    pub(super) faults: BTreeMap<&'static str, u64>,
    /// One in so many appends goes wrong; 0: none.
    pub(super) fault_every: u64,
    pub(super) full_until: u64,
}

/// A log that goes wrong in every way that its contract allows.
#[derive(Debug)]
pub(super) struct SimLog {
    pub(super) device: Arc<Mutex<Device>>,
    pub(super) read: usize,
    pub(super) broken: bool,
    /// The process dies before it reads on.
    pub(super) crashed: bool,
}

impl Log for SimLog {
    fn append(&mut self, record: &[u8]) -> Result<(), AppendError> {
        assert!(!self.broken, "a broken log is opened again before it is written");
        let mut device = self.device.lock().unwrap();
        if device.full_until > 0 {
            device.full_until -= 1;
            return Err(AppendError::Full("simulated".to_owned()));
        }
        let every = device.fault_every;
        let fault = if every > 0 && device.dice.one_in(every) { device.dice.below(6) } else { 6 };
        let name = ["full", "unsynced", "broken", "crash before", "crash after", "repeat", "good"][fault as usize];
        *device.faults.entry(name).or_default() += 1;
        match fault {
            0 => {
                device.full_until = device.dice.below(4);
                return Err(AppendError::Full("simulated".to_owned()));
            }
            // It fails, and the record is there or is not.
            1 => device.records.push(record.to_vec()),
            2 | 3 => {}
            // A repeat: the same group twice in the log.
            5 => device.records.extend([record.to_vec(), record.to_vec()]),
            _ => device.records.push(record.to_vec()),
        }
        self.crashed = matches!(fault, 3 | 4);
        if matches!(fault, 1 | 2) {
            self.broken = true;
            return Err(AppendError::Broken("simulated".to_owned()));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Stored>, LogError> {
        if self.crashed || self.broken {
            return Err(LogError::Device("simulated".to_owned()));
        }
        let device = self.device.lock().unwrap();
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
        // Once nothing fails any more, this does not either: else the last of a history may never come.
        if device.fault_every > 0 && device.dice.one_in(3) {
            return Err(LogError::Device("simulated: not yet".to_owned()));
        }
        drop(device);
        self.broken = false;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), AppendError> {
        Ok(())
    }
}
