//! The data directory: permissions, the lock, and the files in it.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{DiskError, device};
use crate::log::{Cause, LogError, RecordNumber};

pub(super) const LOCK: &str = "LOCK";
pub(super) const FORMAT: &str = "FORMAT";
const SEGMENT: &str = "log-";
const SNAPSHOT: &str = "snapshot-";
const UNFINISHED: &str = ".tmp";

/// The interval at which a waiting start tries the lock again.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// The files of a data directory, in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) format: bool,
    pub(super) segments: Vec<RecordNumber>,
    pub(super) snapshots: Vec<RecordNumber>,
    /// Unfinished files.
    pub(super) unfinished: Vec<PathBuf>,
    /// Files with other names.
    pub(super) unknown: Vec<String>,
    /// Files that other users could read.
    pub(super) opened_to_others: Vec<PathBuf>,
}

pub(super) fn segment_path(directory: &Path, first: RecordNumber) -> PathBuf {
    directory.join(format!("{SEGMENT}{first:020}"))
}

pub(super) fn snapshot_path(directory: &Path, number: RecordNumber) -> PathBuf {
    directory.join(format!("{SNAPSHOT}{number:020}"))
}

/// The name of a file until it is complete.
pub(super) fn unfinished_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    PathBuf::from(name)
}

/// Creates the directory if it does not exist, and restricts it to its owner.
pub(super) fn prepare(directory: &Path) -> Result<(), LogError> {
    create(directory).map_err(|error| device(directory, "cannot be made", error))?;
    let metadata = metadata(directory)?;
    if !metadata.is_dir() {
        return Err(LogError::device(DiskError::NotADirectory(directory.to_owned())));
    }
    close_to_others(directory, &metadata, 0o700).map(drop)
}

/// Creates a directory for its owner only, and its parents with the umask's permissions. They become durable when a log is
/// founded in it.
fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let path = std::path::absolute(path)?;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
            _ => error,
        })?;
    }
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The lock on the directory, released on drop.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that this process is just starting holds a copy of it for a moment.
        let _ = self.0.unlock();
    }
}

/// Locks the directory, and waits for the lock for at most `wait`.
pub(super) fn lock(directory: &Path, wait: Duration) -> Result<Lock, LogError> {
    let path = directory.join(LOCK);
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(|error| device(&path, "cannot be opened", error))?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(std::fs::TryLockError::Error(error)) => return Err(device(&path, "cannot be locked", error)),
            Err(std::fs::TryLockError::WouldBlock) if since.elapsed() >= wait => {
                return Err(in_use(directory, &mut file));
            }
            Err(std::fs::TryLockError::WouldBlock) => thread::sleep(LOCK_POLL.min(wait)),
        }
    }
    // The process id is for people only; a full disk must not prevent a start.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(Lock(file))
}

fn in_use(directory: &Path, lock: &mut File) -> LogError {
    let mut holder = String::new();
    let _ = lock.take(20).read_to_string(&mut holder);
    LogError::InUse(Cause::new(DiskError::InUse { directory: directory.to_owned(), holder: holder.trim().to_owned() }))
}

impl Listing {
    /// Reads the directory and restricts its files to their owner.
    pub(super) fn read(directory: &Path) -> Result<Self, LogError> {
        let mut listing = Self::default();
        let unreadable = |error: io::Error| device(directory, "cannot be read", error);
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !listing.sort(&name, &path) {
                continue;
            }
            if close_to_others(&path, &metadata(&path)?, 0o600)? {
                listing.opened_to_others.push(path);
            }
        }
        listing.segments.sort_unstable();
        listing.snapshots.sort_unstable();
        Ok(listing)
    }

    /// Reads the directory without changing it. Anything but a regular file under one of the log's names (a pipe, which would block
    /// forever) is refused.
    pub(super) fn look(directory: &Path) -> Result<Self, LogError> {
        let mut listing = Self::default();
        let unreadable = |error: io::Error| device(directory, "cannot be read", error);
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match std::fs::metadata(&path) {
                Ok(metadata) if !metadata.is_file() && is_ours(&name) => {
                    return Err(LogError::device(DiskError::NotAFile(path)));
                }
                // The file was removed after the directory was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                _ => drop(listing.sort(&name, &path)),
            }
        }
        listing.segments.sort_unstable();
        listing.snapshots.sort_unstable();
        Ok(listing)
    }

    /// Sorts a file by its name; `false` if it does not belong to the log.
    fn sort(&mut self, name: &str, path: &Path) -> bool {
        if name == FORMAT {
            self.format = true;
        } else if let Some(first) = number(name, SEGMENT) {
            self.segments.push(first);
        } else if let Some(last) = number(name, SNAPSHOT) {
            self.snapshots.push(last);
        } else if name.strip_suffix(UNFINISHED).is_some_and(is_ours) {
            self.unfinished.push(path.to_owned());
        } else if name != LOCK {
            self.unknown.push(name.to_owned());
            return false;
        }
        true
    }
}

fn is_ours(name: &str) -> bool {
    name == FORMAT || number(name, SEGMENT).is_some() || number(name, SNAPSHOT).is_some()
}

fn number(name: &str, prefix: &str) -> Option<RecordNumber> {
    let digits = name.strip_prefix(prefix)?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

fn metadata(path: &Path) -> Result<Metadata, LogError> {
    std::fs::metadata(path).map_err(|error| device(path, "cannot be read", error))
}

/// Whether other users have access.
fn close_to_others(path: &Path, metadata: &Metadata, mode: u32) -> Result<bool, LogError> {
    if metadata.permissions().mode() & 0o777 == mode {
        return Ok(false);
    }
    let closed = std::fs::set_permissions(path, Permissions::from_mode(mode));
    closed.map_err(|error| device(path, "holds customers' names and cannot be closed to other users", error))?;
    Ok(metadata.permissions().mode() & 0o077 != 0)
}
