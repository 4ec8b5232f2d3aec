//! Reports when files have changed, by polling them.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

/// The polling interval. A change is reported once two polls in a row have found the same, so that a file is not read while
/// somebody writes it. That takes at most 3 polls, within the 2 s that docs/PROTOCOL.md promises.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Polls after which a file that keeps changing is reported all the same.
const UNSETTLED_LOOKS_MAX: u32 = 2;

/// Files that are read together: when any of them changes, all count as changed.
#[derive(Debug)]
pub struct Watched {
    paths: Vec<PathBuf>,
    /// The files' fingerprints when they were last read; `None` before the first time.
    read: Option<Vec<Option<Stamp>>>,
    /// Their fingerprints at the last poll, if they differ from those last read.
    unsettled: Option<(Vec<Option<Stamp>>, u32)>,
}

/// Identifies a version of a file. Replacing a file by renaming changes its inode. The status change time differs even if length
/// and modification time are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Watched {
    /// Watches the files at these paths. Their state when they were last read is unknown, so they are reported as changed once, after
    /// the first polls.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, read: None, unsettled: None }
    }

    /// Polls once. True if the files should be read now. Blocks for as long as the file system takes.
    pub fn look(&mut self) -> bool {
        let now = self.stamps();
        if self.read.as_ref() == Some(&now) {
            self.unsettled = None;
            return false;
        }
        let looks = match &self.unsettled {
            Some((before, looks)) if *before == now || looks + 1 >= UNSETTLED_LOOKS_MAX => {
                self.remember(now);
                return true;
            }
            Some((_, looks)) => looks + 1,
            None => 0,
        };
        self.unsettled = Some((now, looks));
        false
    }

    /// Notes that the caller is about to read the files. Blocks for as long as the file system takes.
    pub fn reading(&mut self) {
        let now = self.stamps();
        self.remember(now);
    }

    /// Polls forever, and calls `changed` (on a thread that may block) when the files should be read.
    pub async fn run(mut self, changed: impl Fn() + Clone + Send + 'static) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let changed = changed.clone();
            // A file system can be slow, and must not block a thread of the runtime.
            let look = tokio::task::spawn_blocking(move || {
                if self.look() {
                    changed();
                }
                self
            });
            match look.await {
                Ok(watched) => self = watched,
                Err(error) => {
                    tracing::error!(%error, "the files are no longer watched for changes");
                    return;
                }
            }
        }
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        self.paths.iter().map(|path| Stamp::of(path)).collect()
    }

    fn remember(&mut self, stamps: Vec<Option<Stamp>>) {
        self.read = Some(stamps);
        self.unsettled = None;
    }
}

impl Stamp {
    /// `None`: the file does not exist, or its metadata cannot be read.
    fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::from)
    }
}

impl From<&Metadata> for Stamp {
    fn from(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_that_keep_changing_are_read_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("changing");
        let mut watched = Watched::new(vec![path.clone()]);
        let mut looks = 1;
        while !watched.look() {
            looks += 1;
            assert!(looks <= 3, "not read after {looks} looks");
            fs::write(&path, "x".repeat(looks)).unwrap();
        }
    }

    #[test]
    fn a_change_of_one_file_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let paths: Vec<_> = ["one", "two"].map(|name| directory.path().join(name)).into();
        let mut watched = Watched::new(paths.clone());
        assert_eq!([(); 4].map(|()| watched.look()), [false, true, false, false], "read once at the start");
        fs::write(&paths[1], "new").unwrap();
        assert_eq!([(); 3].map(|()| watched.look()), [false, true, false]);
        fs::write(&paths[0], "new").unwrap();
        watched.reading();
        assert_eq!([(); 2].map(|()| watched.look()), [false, false], "it has just been read");
    }
}
