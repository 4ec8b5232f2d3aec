//! Tests: the power fails at every single change of the log's files. The device then has what was synced; of the rest it
//! has nothing, everything, or any part.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::crash::{Life, live};
use super::faults::{Faults, check, options, payload, scratch};
use crate::log::Log;
use crate::log::disk::directory::unfinished_path;
use crate::log::disk::files::Op;
use crate::log::disk::{Disk, Options};

/// A device writes sectors: each arrives as a whole or not at all.
const SECTOR: usize = 512;

/// What a device has of one directory.
#[derive(Debug, Default)]
pub(in crate::log::disk) struct Device {
    directory: PathBuf,
    /// Whether the directory itself would be there.
    has_directory: bool,
    /// The synced contents of each file, by the order of creation.
    synced: Vec<Vec<u8>>,
    /// The names as the process sees them.
    names: BTreeMap<PathBuf, usize>,
    /// The names as they were when the directory was last synced, and what has changed since.
    synced_names: BTreeMap<PathBuf, usize>,
    changes: Vec<NameChange>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Added(PathBuf, usize),
    Renamed(PathBuf, PathBuf, usize),
    Removed(PathBuf),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Added(path, file) => _ = names.insert(path.clone(), *file),
            Self::Renamed(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Removed(path) => _ = names.remove(path),
        }
    }
}

/// Which unsynced changes reached the device before the power failed.
#[derive(Debug, Clone, Copy)]
enum Arrived {
    Nothing,
    Everything,
    /// Each change by itself, as this random number says.
    Some(u64),
}

impl Arrived {
    const ALL: [Self; 8] = [
        Self::Nothing,
        Self::Everything,
        Self::Some(1),
        Self::Some(2),
        Self::Some(3),
        Self::Some(4),
        Self::Some(5),
        Self::Some(6),
    ];

    /// Whether the next change arrived.
    fn next(&mut self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Some(state) => {
                *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *state >> 63 == 1
            }
        }
    }
}

impl Device {
    fn of(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), ..Self::default() }
    }

    /// The process makes a change.
    pub(super) fn note(&mut self, op: Op, path: &Path) {
        match op {
            Op::Create => {
                let file = self.synced.len();
                self.synced.push(Vec::new());
                self.change(NameChange::Added(path.to_owned(), file));
            }
            Op::Rename => {
                let from = unfinished_path(path);
                let file = self.names[&from];
                self.change(NameChange::Renamed(from, path.to_owned(), file));
            }
            Op::Remove if self.names.contains_key(path) => self.change(NameChange::Removed(path.to_owned())),
            Op::Sync => {
                let file = self.names[path];
                self.synced[file] = fs::read(path).unwrap();
            }
            Op::SyncDirectory if path == self.directory => {
                self.synced_names.clone_from(&self.names);
                self.changes.clear();
            }
            Op::SyncDirectory => self.has_directory |= self.directory.parent() == Some(path),
            Op::Remove | Op::Write | Op::Truncate => {}
        }
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    /// Makes `to` the directory as it is after a power cut.
    fn cut_power(&self, to: &Path, mut arrived: Arrived) {
        if to.exists() {
            fs::remove_dir_all(to).unwrap();
        }
        if !self.has_directory && !arrived.next() {
            return;
        }
        fs::create_dir(to).unwrap();
        let mut names = self.synced_names.clone();
        for change in &self.changes {
            if arrived.next() {
                change.apply(&mut names);
            }
        }
        for (path, file) in &names {
            let synced = &self.synced[*file];
            let now = self.names.iter().find(|(_, other)| *other == file).map(|(path, _)| fs::read(path).unwrap());
            let contents = now.map_or_else(|| synced.clone(), |now| mix(synced, &now, &mut arrived));
            let copy = to.join(path.file_name().unwrap());
            fs::write(&copy, contents).unwrap();
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// A file's contents when part of what was written reached the device.
fn mix(synced: &[u8], now: &[u8], arrived: &mut Arrived) -> Vec<u8> {
    let length = if arrived.next() { now.len() } else { synced.len() };
    let mut mixed = synced.to_vec();
    mixed.resize(length, 0);
    for (old, new) in mixed.chunks_mut(SECTOR).zip(now.chunks(SECTOR)) {
        if arrived.next() {
            let both = old.len().min(new.len());
            old[..both].copy_from_slice(&new[..both]);
        }
    }
    mixed
}

fn on_device(device: Device) -> (Options, Arc<Faults>) {
    let mut options = options(&device.directory);
    let faults = Arc::new(Faults::with_device(device));
    options.files.faults = Some(Arc::clone(&faults));
    (options, faults)
}

/// Opens what the power cut left, and expects everything that `life` acknowledged; the repairs.
fn expect_whole(directory: &Path, life: &Life, at: &str) -> Vec<String> {
    let (mut log, recovery) = Disk::open(&options(directory)).unwrap_or_else(|error| panic!("{at}: {error}"));
    let last = check(&mut log);
    assert!(last == life.appended || last == life.appended + 1, "{at}: {last}, {life:?}");
    assert!(recovery.snapshot.unwrap_or(0) >= life.snapshot, "{at}: {recovery:?}, {life:?}");
    log.append(&payload(last + 1)).unwrap();
    drop(log);
    let (mut log, again) = Disk::open(&options(directory)).unwrap();
    assert_eq!((check(&mut log), again.dropped, again.repaired), (last + 1, None, Vec::new()), "{at}");
    recovery.repaired
}

fn changes_of_a_life(directory: &Path) -> usize {
    let (options, faults) = on_device(Device::of(directory));
    live(&options, &mut Life::default()).unwrap();
    faults.changes()
}

#[test]
fn a_power_cut_at_any_change_loses_nothing_that_was_acknowledged() {
    let scratch = scratch();
    let (directory, after) = (scratch.path().join("data"), scratch.path().join("after"));
    let changes = changes_of_a_life(&directory);
    assert!(changes > 100, "{changes} changes");
    for change in 0..changes {
        fs::remove_dir_all(&directory).unwrap();
        let (options, faults) = on_device(Device::of(&directory));
        faults.die_after_changes(change);
        let mut life = Life::default();
        live(&options, &mut life).unwrap_err();
        let device = faults.take_device();
        for arrived in Arrived::ALL {
            device.cut_power(&after, arrived);
            let at = format!("power cut before change {change}, arrived {arrived:?}");
            assert_eq!(expect_whole(&after, &life, &at), Vec::<String>::new(), "{at}");
        }
    }
}

#[test]
fn a_start_makes_durable_what_a_dead_process_had_not_synced_yet() {
    let scratch = scratch();
    let (directory, after) = (scratch.path().join("data"), scratch.path().join("after"));
    for change in 0..changes_of_a_life(&directory) {
        fs::remove_dir_all(&directory).unwrap();
        let (options, faults) = on_device(Device::of(&directory));
        faults.die_after_changes(change);
        let mut life = Life::default();
        live(&options, &mut life).unwrap_err();
        // The kernel lives on, so the next process sees everything. Its first acknowledged record rests on that.
        let (options, faults) = on_device(faults.take_device());
        let (mut log, _) = Disk::open(&options).unwrap();
        life.appended = check(&mut log) + 1;
        log.append(&payload(life.appended)).unwrap();
        let device = faults.take_device();
        for arrived in Arrived::ALL {
            device.cut_power(&after, arrived);
            let at = format!("started after change {change}, arrived {arrived:?}");
            let repaired = expect_whole(&after, &life, &at);
            // The seal that the dead process had not synced is written again; no record was in doubt.
            assert!(repaired.iter().all(|what| what.ends_with("cut and sealed")), "{at}: {repaired:?}");
        }
    }
}
