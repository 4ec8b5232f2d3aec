//! Tests: the process dies at every single step of its life, in the middle of every write.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::faults::{Faults, check, names, options, payload, scratch, snapshot_of};
use crate::log::disk::{Disk, Options};
use crate::log::{AppendError, Log, LogError, OwnLog, RecordNumber, Retention};

const KEEP: Retention = Retention { history_ms: u64::MAX, history_bytes: 400 };

fn faulty(directory: &Path) -> (Options, Arc<Faults>) {
    let mut options = options(directory);
    let faults = Arc::new(Faults::default());
    options.files.faults = Some(Arc::clone(&faults));
    (options, faults)
}

/// What the log acknowledged before its process died.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) appended: RecordNumber,
    pub(super) snapshot: RecordNumber,
}

/// A hub's life with everything in it: founding, appends over several segments, snapshots, trimming, orderly end, and
/// a second start.
pub(super) fn live(options: &Options, life: &mut Life) -> Result<(), Died> {
    let (log, _) = Disk::open(options)?;
    let mut log: Box<dyn OwnLog> = Box::new(log);
    for number in 1..=16 {
        log.append(&payload(number))?;
        life.appended = number;
        if number.is_multiple_of(5) {
            log.snapshots().unwrap().save_snapshot(number, &snapshot_of(number), &KEEP)?;
            life.snapshot = number;
        }
    }
    log.snapshots().unwrap().save_snapshot(16, &snapshot_of(16), &KEEP)?;
    life.snapshot = 16;
    log.close()?;
    let (mut log, _) = Disk::open(options)?;
    for number in 17..=20 {
        log.append(&payload(number))?;
        life.appended = number;
    }
    Ok(())
}

#[derive(Debug)]
pub(super) struct Died;

impl From<LogError> for Died {
    fn from(_: LogError) -> Self {
        Self
    }
}

impl From<AppendError> for Died {
    fn from(_: AppendError) -> Self {
        Self
    }
}

#[test]
fn a_process_that_dies_at_any_step_loses_nothing_that_it_was_told_is_there() {
    let scratch = scratch();
    let directory = scratch.path().join("data");
    let (options, faults) = faulty(&directory);
    let mut life = Life::default();
    live(&options, &mut life).unwrap();
    assert_eq!(life, Life { appended: 20, snapshot: 16 });
    let steps = faults.steps();
    assert!(steps > 2000, "{steps} steps");
    for step in 0..steps {
        fs::remove_dir_all(&directory).unwrap();
        let (options, faults) = faulty(&directory);
        faults.die_after(step);
        let mut life = Life::default();
        live(&options, &mut life).unwrap_err();
        let (mut log, recovery) = Disk::open(&super::faults::options(&directory)).unwrap();
        assert_eq!(recovery.repaired, Vec::<String>::new(), "at step {step}");
        let last = check(&mut log);
        assert!(last == life.appended || last == life.appended + 1, "at step {step}: {last}, {life:?}");
        assert!(recovery.snapshot >= Some(life.snapshot).filter(|number| *number > 0), "at step {step}: {life:?}");
        log.append(&payload(last + 1)).unwrap();
        drop(log);
        let (mut log, recovery) = Disk::open(&super::faults::options(&directory)).unwrap();
        assert_eq!((check(&mut log), recovery.dropped), (last + 1, None), "at step {step}");
        assert!(names(&directory).iter().all(|name| name.extension().is_none()), "nothing unfinished is left");
    }
}
