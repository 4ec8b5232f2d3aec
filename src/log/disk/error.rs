//! What can be wrong with a data directory, with the advice for the operator.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use super::files::is_full;
use super::header::{HeaderFault, VERSION};
use crate::log::{AppendError, Cause, LogError, RecordNumber};

/// Advice for the operator of a damaged log.
const GO_ON: &str = "Nothing was changed. To go on, stop here and restore the whole data directory from a backup, or move \
                     it away to start with an empty log (docs/data-directory.md)";

/// A fault of a data directory.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// A file contains something else than was written.
    #[error("{} is damaged at byte {byte}: {what}. {GO_ON}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first byte that is known to be wrong.
        byte: u64,
        /// A description of the fault.
        what: String,
    },
    /// A file is missing.
    #[error("{} is missing (byte 0): {why}. {GO_ON}", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// How the other files show that it existed.
        why: String,
    },
    /// A part of the log is damaged that only explanations need.
    #[error(
        "{damage}. Or, since snapshot {snapshot} holds everything that came of these records, give up the explanations of \
         what was settled before: move all log- files with numbers below {next} away"
    )]
    HistoryDamaged {
        /// The fault itself.
        #[source]
        damage: Cause,
        /// The last record of a snapshot that includes all damaged records.
        snapshot: RecordNumber,
        /// The first record after the damaged part.
        next: RecordNumber,
    },
    /// Another hub has locked the directory.
    #[error(
        "the data directory {} is in use by another hub{}; stop that one, give this one its own --data-dir, or let it wait \
         with --wait-lock",
        .directory.display(), process(.holder)
    )]
    InUse {
        /// The data directory.
        directory: PathBuf,
        /// The number of the process, as the lock file names it; empty if it does not.
        holder: String,
    },
    /// A newer version wrote a file.
    #[error(
        "{} was written by a newer deskbell (format {version}; this one knows formats up to {VERSION}): start that \
         version, or give this one another --data-dir",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        version: u32,
    },
    /// The system refuses access to a file.
    #[error("{} {failed}: {source}{}", .path.display(), advice(.source))]
    Access {
        /// The file or directory.
        path: PathBuf,
        /// The failed action, such as "cannot be read".
        failed: &'static str,
        /// The error of the system.
        source: io::Error,
    },
    /// The data directory is a file.
    #[error("{} is not a directory; name another data directory", .0.display())]
    NotADirectory(PathBuf),
    /// A pipe or a directory has the name of a file of the log.
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    /// The directory has files of others, and no log.
    #[error("{} holds other things ({name}) and no log; name an empty or a new directory with --data-dir", .directory.display())]
    NotEmpty {
        /// The directory.
        directory: PathBuf,
        /// The name of one of the files.
        name: String,
    },
    /// The directory to read has no log.
    #[error("{} holds no log of a hub", .0.display())]
    NoLog(PathBuf),
    /// A change failed.
    #[error("{} {failed}: {source}", .path.display())]
    Change {
        /// The file.
        path: PathBuf,
        /// The failed action, such as "cannot be written".
        failed: &'static str,
        /// The error of the system.
        source: io::Error,
    },
    /// A snapshot contains records that are not in the log yet.
    #[error("a snapshot of record {number}, but the log ends with {last}")]
    SnapshotAhead {
        /// The last record in the snapshot.
        number: RecordNumber,
        /// The last record of the log.
        last: RecordNumber,
    },
}

fn process(holder: &str) -> String {
    if holder.is_empty() { String::new() } else { format!(" (process {holder})") }
}

fn advice(error: &io::Error) -> &'static str {
    use io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    match error.kind() {
        PermissionDenied => ": give the hub's user the data directory (chown), or name another with --data-dir",
        ReadOnlyFilesystem => ": mount it writable, or name another data directory with --data-dir",
        NotADirectory => ": a part of the path is a file; name another data directory with --data-dir",
        _ if is_full(error) => ": make room on the device",
        _ => "",
    }
}

/// The error for a damaged file, found at `byte`.
pub(super) fn damaged(path: &Path, byte: u64, what: impl Display) -> LogError {
    LogError::damaged(DiskError::Damaged { path: path.to_owned(), byte, what: what.to_string() })
}

/// The error for a missing file.
pub(super) fn missing(path: &Path, why: impl Display) -> LogError {
    LogError::damaged(DiskError::Missing { path: path.to_owned(), why: why.to_string() })
}

/// If the snapshot `snapshot` includes all records before `next`, a start does not need them, and the error says so.
pub(super) fn or_give_up_history(error: LogError, next: Option<RecordNumber>, snapshot: RecordNumber) -> LogError {
    match (error, next) {
        (LogError::Damaged(damage), Some(next)) if next <= snapshot + 1 => {
            LogError::damaged(DiskError::HistoryDamaged { damage, snapshot, next })
        }
        (error, _) => error,
    }
}

pub(super) fn header_fault(path: &Path, fault: &HeaderFault) -> LogError {
    match *fault {
        HeaderFault::Damaged(byte, what) => damaged(path, byte, what),
        HeaderFault::Newer(version) => LogError::Newer(Cause::new(DiskError::Newer { path: path.to_owned(), version })),
    }
}

/// The error for a failed access, such as missing permissions.
pub(super) fn device(path: &Path, failed: &'static str, source: io::Error) -> LogError {
    LogError::device(DiskError::Access { path: path.to_owned(), failed, source })
}

/// The error for a failed change: no space, or an unknown state.
pub(super) fn append_error(path: &Path, failed: &'static str, source: io::Error) -> AppendError {
    if is_full(&source) {
        AppendError::full(DiskError::Change { path: path.to_owned(), failed, source })
    } else {
        broken(path, failed, source)
    }
}

/// The error for a change after which the state of the device is unknown.
pub(super) fn broken(path: &Path, failed: &'static str, source: io::Error) -> AppendError {
    AppendError::broken(DiskError::Change { path: path.to_owned(), failed, source })
}
