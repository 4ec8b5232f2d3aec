//! For tests: a device that fails, fills up or loses power at any moment, and directories to do it in.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use tempfile::TempDir;

use super::power::Device;
use crate::log::disk::files::Op;
use crate::log::disk::{Disk, Options};
use crate::log::{Log, OwnLog, RecordNumber, Stored};

/// What is to go wrong.
#[derive(Debug, Default)]
pub(in crate::log::disk) struct Faults(Mutex<Plan>);

#[derive(Debug, Default)]
struct Plan {
    /// The process dies after so many steps: a step is a byte written or another change.
    steps_left: Option<usize>,
    steps: usize,
    /// The process dies before this change: a change is a write of any length or another operation.
    last_change: Option<usize>,
    changes: usize,
    /// What a power cut would leave.
    device: Option<Device>,
    /// Bytes that the device still takes.
    room: Option<usize>,
    /// The error of one operation, and how many operations succeed before it.
    failing: Option<(Op, usize, io::ErrorKind)>,
}

impl Faults {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap()
    }

    /// Lets the process die after so many more steps.
    pub(in crate::log::disk) fn die_after(&self, steps: usize) {
        self.plan().steps_left = Some(steps);
    }

    /// Lets the process die after so many more changes.
    pub(in crate::log::disk) fn die_after_changes(&self, changes: usize) {
        let mut plan = self.plan();
        plan.last_change = Some(plan.changes + changes);
    }

    /// Changes so far.
    pub(in crate::log::disk) fn changes(&self) -> usize {
        self.plan().changes
    }

    /// Keeps track of what reaches the device.
    pub(in crate::log::disk) fn with_device(device: Device) -> Self {
        Self(Mutex::new(Plan { device: Some(device), ..Plan::default() }))
    }

    /// What reached the device.
    pub(in crate::log::disk) fn take_device(&self) -> Device {
        self.plan().device.take().unwrap()
    }

    /// Steps so far.
    pub(in crate::log::disk) fn steps(&self) -> usize {
        self.plan().steps
    }

    /// Leaves room for so many more bytes, `None`: for any.
    pub(in crate::log::disk) fn room(&self, bytes: Option<usize>) {
        self.plan().room = bytes;
    }

    /// Lets the next `op` fail.
    pub(in crate::log::disk) fn fail_next(&self, op: Op, kind: io::ErrorKind) {
        self.fail_after(0, op, kind);
    }

    /// Lets an `op` fail after so many more that do not.
    pub(in crate::log::disk) fn fail_after(&self, others: usize, op: Op, kind: io::ErrorKind) {
        self.plan().failing = Some((op, others, kind));
    }

    pub(in crate::log::disk) fn gate(&self, op: Op, path: &Path) -> io::Result<()> {
        let mut plan = self.plan();
        plan.change()?;
        plan.step()?;
        if op == Op::Create && plan.room == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        plan.fail(op)?;
        if let Some(device) = &mut plan.device {
            device.note(op, path);
        }
        Ok(())
    }

    /// The part of `bytes` that is still written, and what the writer is told.
    pub(in crate::log::disk) fn write<'a>(&self, _path: &Path, bytes: &'a [u8]) -> (&'a [u8], io::Result<()>) {
        let mut plan = self.plan();
        if let Err(error) = plan.change() {
            return (&[], Err(error));
        }
        if let Err(error) = plan.fail(Op::Write) {
            return (&bytes[..bytes.len() / 2], Err(error));
        }
        if let Some(room) = plan.room {
            plan.room = Some(room.saturating_sub(bytes.len()));
            if room < bytes.len() {
                return (&bytes[..room], Err(io::ErrorKind::StorageFull.into()));
            }
        }
        for written in 0..bytes.len() {
            if let Err(error) = plan.step() {
                return (&bytes[..written], Err(error));
            }
        }
        (bytes, Ok(()))
    }
}

impl Plan {
    fn change(&mut self) -> io::Result<()> {
        if self.last_change.is_some_and(|last| self.changes >= last) {
            return Err(io::Error::other("the process is dead"));
        }
        self.changes += 1;
        Ok(())
    }

    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        match &mut self.steps_left {
            Some(0) => Err(io::Error::other("the process is dead")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn fail(&mut self, op: Op) -> io::Result<()> {
        match &mut self.failing {
            Some((failing, others, _)) if *failing == op && *others > 0 => {
                *others -= 1;
                Ok(())
            }
            Some((failing, _, kind)) if *failing == op => {
                let error = (*kind).into();
                self.failing = None;
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

/// The tests' clock stands still.
pub(in crate::log::disk) fn noon() -> u64 {
    1_700_000_000_000
}

/// A directory for one test: in memory where the system has that, since some tests open thousands of logs.
pub(in crate::log) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

/// Small segments, so that a test has many.
pub(in crate::log) fn options(directory: &Path) -> Options {
    Options { segment_bytes: 400, new_id: Some(0x0123_4567_89ab_cdef), ..Options::new(directory, noon) }
}

/// A payload that tells which one it is, of changing length.
pub(in crate::log::disk) fn payload(number: RecordNumber) -> Vec<u8> {
    let length = (number as usize * 37) % 60;
    format!("record {number} ").into_bytes().into_iter().cycle().take(9 + length).collect()
}

/// What a snapshot of everything up to `number` holds.
pub(in crate::log::disk) fn snapshot_of(number: RecordNumber) -> Vec<u8> {
    format!("all up to {number} ").repeat(number as usize % 5).into_bytes()
}

/// Copies a data directory.
pub(in crate::log::disk) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in names(from) {
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// The names in a directory, sorted.
pub(in crate::log::disk) fn names(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| PathBuf::from(entry.unwrap().file_name())).collect();
    names.sort();
    names
}

/// All records that are kept, checked against [`payload`], and the snapshot against [`snapshot_of`]; the last number.
pub(in crate::log::disk) fn check(log: &mut Disk) -> RecordNumber {
    let mut history = log.snapshots().unwrap();
    let snapshot = history.snapshot().unwrap();
    let mut last = 0;
    if let Some((number, contents)) = snapshot {
        assert_eq!(contents, snapshot_of(number), "snapshot {number}");
        last = number;
    }
    while let Some((number, record)) = log.next().unwrap().map(Stored::record) {
        assert_eq!((number, record), (last + 1, payload(last + 1)));
        last += 1;
    }
    let mut past = history.oldest() - 1;
    while let Some((number, record)) = history.after(past).unwrap().map(Stored::record) {
        assert_eq!((number, record), (past + 1, payload(past + 1)));
        past += 1;
    }
    assert_eq!(past, last, "the past and the present end alike");
    last
}
