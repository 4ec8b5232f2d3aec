//! Tells when files have changed, by looking at them now and then.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

/// How often files are looked at. A change is told once two looks have seen the same, so that a file that is just
/// being written is not read half: after at most 3 looks, within the contract's 2 s.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks at files that keep changing, after which that is told all the same.
const UNSETTLED_LOOKS_MAX: u32 = 2;

/// Files that count as one: when any of them changes, all have changed.
#[derive(Debug)]
pub struct Watched {
    paths: Vec<PathBuf>,
    /// What the files were when they were last read; `None`: not read yet.
    read: Option<Vec<Option<Stamp>>>,
    /// What they were at the last look, if that is not what was read.
    unsettled: Option<(Vec<Option<Stamp>>, u32)>,
}

/// By what a changed file is told from an unchanged one. Replacing a file by renaming changes its inode, and the
/// status change time tells of what keeps length and modification time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Watched {
    /// The files at these paths, of which it is not known what they were when they were read: so they count as changed
    /// once, at the first looks.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, read: None, unsettled: None }
    }

    /// One look; whether the files are to be read now. Blocks as file systems do.
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

    /// The files are about to be read, whatever the looks say. Blocks likewise.
    pub fn reading(&mut self) {
        let now = self.stamps();
        self.remember(now);
    }

    /// Looks all the time, and calls `changed` (on a thread that may block) when the files are to be read.
    pub async fn run(mut self, changed: impl Fn() + Clone + Send + 'static) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let changed = changed.clone();
            // A file system can take its time; no runtime thread should wait with it.
            let look = tokio::task::spawn_blocking(move || {
                if self.look() {
                    changed();
                }
                self
            });
            match look.await {
                Ok(watched) => self = watched,
                Err(error) => {
                    tracing::error!(%error, "files are not watched any more");
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
    /// `None`: there is no such file, or it cannot be looked at.
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
