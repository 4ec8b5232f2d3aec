//! Simulates the device after a crash of the machine: it has the synced data, and a random part of the rest.
//!
//! kill -9 cannot show a missing fsync, since the kernel keeps what the process wrote. `unsynced.c`, preloaded into the
//! hub, keeps a second copy that gets bytes and names only when they are synced; here the data directory is put back to
//! that copy, or to a mixture in which each sector that was written and not synced has arrived or not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::chance::Chance;
use crate::harness::Setup;

/// What a device writes at once.
const SECTOR: usize = 512;

/// How often files differed from their synced content, and how often bytes were lost.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    pub(crate) crashes_with_loss: u64,
    pub(crate) sectors_lost: u64,
    pub(crate) names_lost: u64,
}

/// The layer, compiled and ready.
#[derive(Debug)]
pub(crate) struct Unsynced {
    layer: PathBuf,
    kept: PathBuf,
    data: PathBuf,
    pub(crate) losses: Losses,
}

/// Holds no data.
const LOCK: &str = "LOCK";

type Files = BTreeMap<String, Vec<u8>>;

impl Unsynced {
    /// Compiles the layer with `cc`. `None` without a compiler.
    pub(crate) fn build(setup: &Setup) -> Option<Self> {
        let home = fs::canonicalize(setup.home()).unwrap();
        let layer = home.join("unsynced.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/campaign/unsynced.c");
        let compiled = Command::new("cc")
            .args(["-O2", "-w", "-shared", "-fPIC", "-o"])
            .args([&layer, &source])
            .args(["-ldl", "-lpthread"])
            .status();
        if !compiled.is_ok_and(|status| status.success()) {
            return None;
        }
        let kept = home.join("kept");
        fs::create_dir_all(&kept).unwrap();
        Some(Self { layer, kept, data: home.join("data"), losses: Losses::default() })
    }

    /// The hub's environment.
    pub(crate) fn around(&self, setup: Setup) -> Setup {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        setup
            .variable("LD_PRELOAD", &text(&self.layer))
            .variable("UNSYNCED_OF", &text(&self.data))
            .variable("UNSYNCED_KEPT", &text(&self.kept))
    }

    /// Simulates a crash of the machine: changes the data directory to the state of the device. The hub has already been killed.
    pub(crate) fn crash(&mut self, chance: &mut Chance) {
        let written = self.written();
        let synced = self.synced();
        // Of the unsynced changes of names all have arrived, or none, or a random part. No standard defines the order in which
        // a file system writes them.
        let names_arrive = chance.below(3) * 50;
        let sectors_arrive = chance.below(3) * 50;
        let names: BTreeSet<&String> = written.keys().chain(synced.keys()).collect();
        let mut left = Files::new();
        let mut lost = 0;
        for name in names {
            let unchanged = written.get(name).map(|(key, _)| key) == synced.get(name);
            let names_arrive = unchanged || chance.percent(names_arrive);
            if !(if names_arrive { written.contains_key(name) } else { synced.contains_key(name) }) {
                continue;
            }
            let (key, bytes) = match (written.get(name), synced.get(name)) {
                (Some((key, bytes)), _) => (key, Some(bytes)),
                (None, Some(key)) => (key, None),
                (None, None) => continue,
            };
            let safe = fs::read(self.kept.join(key)).unwrap_or_default();
            // A name that was taken from one file and given to another leads to the old one if the names are lost.
            let same = synced.get(name).is_none_or(|synced| synced == key);
            let after = match bytes {
                // Its content is for people, and is never synced.
                Some(bytes) if name == LOCK => bytes.clone(),
                Some(bytes) if same || names_arrive => mix(bytes, &safe, sectors_arrive, chance, &mut lost),
                _ => synced.get(name).map(|key| fs::read(self.kept.join(key)).unwrap_or_default()).unwrap_or_default(),
            };
            left.insert(name.clone(), after);
        }
        let names_lost = written.keys().filter(|name| *name != LOCK && !left.contains_key(*name)).count() as u64;
        self.losses.sectors_lost += lost;
        self.losses.names_lost += names_lost;
        self.losses.crashes_with_loss += u64::from(lost + names_lost > 0);
        self.put_back(&left);
    }

    /// The files as the process wrote them, by name: their keys and bytes.
    fn written(&self) -> BTreeMap<String, (String, Vec<u8>)> {
        let Ok(entries) = fs::read_dir(&self.data) else { return BTreeMap::new() };
        let file = |entry: fs::DirEntry| {
            let (name, path) = (entry.file_name().into_string().unwrap(), entry.path());
            (name, (key(&path), fs::read(&path).unwrap()))
        };
        entries.map(|entry| file(entry.unwrap())).collect()
    }

    /// The names that were synced, with the keys of their files.
    fn synced(&self) -> BTreeMap<String, String> {
        let names = fs::read_to_string(self.kept.join("names")).unwrap_or_default();
        let pair = |line: &str| line.split_once(' ').map(|(name, key)| (name.to_owned(), key.to_owned()));
        names.lines().filter_map(pair).collect()
    }

    /// The state of the device becomes the start of both the directory and the layer's copy.
    fn put_back(&self, left: &Files) {
        for directory in [&self.data, &self.kept] {
            let Ok(entries) = fs::read_dir(directory) else { continue };
            for entry in entries {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
        let mut names = String::new();
        for (name, bytes) in left {
            let path = self.data.join(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let key = key(&path);
            fs::write(self.kept.join(&key), bytes).unwrap();
            names += &format!("{name} {key}\n");
        }
        fs::write(self.kept.join("names"), names).unwrap();
    }
}

/// For each sector, at random, the written or the synced content.
fn mix(written: &[u8], synced: &[u8], arrive: u64, chance: &mut Chance, lost: &mut u64) -> Vec<u8> {
    if written == synced {
        return written.to_vec();
    }
    let length = if chance.percent(arrive) { written.len() } else { synced.len() };
    let mut left = Vec::with_capacity(length);
    for at in (0..length).step_by(SECTOR) {
        let sector = |of: &[u8]| {
            let mut sector = [0; SECTOR];
            let there = of.get(at..of.len().min(at + SECTOR)).unwrap_or_default();
            sector[..there.len()].copy_from_slice(there);
            sector
        };
        let (new, old) = (sector(written), sector(synced));
        let arrived = new == old || chance.percent(arrive);
        *lost += u64::from(!arrived);
        left.extend_from_slice(&(if arrived { new } else { old })[..SECTOR.min(length - at)]);
    }
    *lost += (written.len().saturating_sub(length)).div_ceil(SECTOR) as u64;
    left
}

/// As the layer names a file.
fn key(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let data = fs::metadata(path).unwrap();
    let born = data.created().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{}-{}.{}", data.ino(), born.as_secs(), born.subsec_nanos())
}
