//! All changes to files are made here, so that tests can make each of them fail.

use std::fs::{File, OpenOptions};
use std::io::{
    self,
    ErrorKind::{InvalidInput, PermissionDenied},
};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Changes to the data directory go through here.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    #[cfg(test)]
    pub(super) faults: Option<std::sync::Arc<super::tests::faults::Faults>>,
}

/// One kind of change, for injected faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Create,
    Write,
    Sync,
    Truncate,
    Rename,
    Remove,
    SyncDirectory,
}

impl Files {
    /// A new, empty file that only its owner can read.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        self.gate(Op::Create, path)?;
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
    }

    /// Writes all of `bytes` at byte `at`.
    pub(super) fn write(&self, file: &File, path: &Path, bytes: &[u8], at: u64) -> io::Result<()> {
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            let (part, result) = faults.write(path, bytes);
            file.write_all_at(part, at)?;
            return result;
        }
        self.gate(Op::Write, path)?;
        file.write_all_at(bytes, at)
    }

    /// Returns once contents and size are on the device.
    pub(super) fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        self.gate(Op::Sync, path)?;
        file.sync_data()
    }

    /// Cuts the file to `bytes`, durably, so that later data never meets remains of the old data.
    pub(super) fn truncate(&self, file: &File, path: &Path, bytes: u64) -> io::Result<()> {
        self.gate(Op::Truncate, path)?;
        file.set_len(bytes)?;
        self.gate(Op::Sync, path)?;
        file.sync_all()
    }

    /// Renames a file, and replaces a file that has the name.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.gate(Op::Rename, to)?;
        std::fs::rename(from, to)
    }

    /// Deletes a file; a missing file is not an error.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.gate(Op::Remove, path)?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Returns once the directory's names are on the device.
    pub(super) fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.gate(Op::SyncDirectory, path)?;
        File::open(path)?.sync_all()
    }

    /// Returns once the directory's own name and those of its parents are on the device: a log is lost if its directory
    /// is lost after a power cut.
    pub(super) fn sync_parents(&self, path: &Path) -> io::Result<()> {
        let path = std::path::absolute(path)?;
        path.ancestors().skip(1).try_for_each(|parent| match self.sync_directory(parent) {
            // A directory that this user cannot read, or a file system that cannot sync directories.
            Err(error) if matches!(error.kind(), PermissionDenied | InvalidInput) => Ok(()),
            other => other,
        })
    }

    #[cfg(test)]
    fn gate(&self, op: Op, path: &Path) -> io::Result<()> {
        self.faults.as_ref().map_or(Ok(()), |faults| faults.gate(op, path))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests make it fail")]
    fn gate(&self, _op: Op, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the device is full, which may change.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
