//! Reloads the templates when their file changes, and on request.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use super::catalogue::{Catalogue, SharedCatalogue};
use crate::watched::{LOOK_EVERY, Watched};

/// Reads and checks the file; an error has one line for every fault.
pub type Load = Arc<dyn Fn() -> Result<Arc<Catalogue>, Vec<String>> + Send + Sync>;

/// Watches one file for one [`SharedCatalogue`]. Its owner runs it as a task.
pub struct Watch {
    path: PathBuf,
    load: Load,
    catalogue: SharedCatalogue,
    asked: Arc<Notify>,
    watched: Watched,
}

/// Asks a [`Watch`] to reload.
#[derive(Debug, Clone)]
pub struct ReloadHandle {
    asked: Arc<Notify>,
}

impl ReloadHandle {
    /// Requests a reload, whether or not the file has changed (SIGHUP). Returns at once; several requests before the reload count as one.
    pub fn reload_now(&self) {
        self.asked.notify_one();
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Watch {
    /// Watches the file at `path`; `catalogue` already has its templates.
    #[must_use]
    pub fn new(path: PathBuf, catalogue: SharedCatalogue, load: Load) -> (Self, ReloadHandle) {
        let asked = Arc::new(Notify::new());
        // The start has already read the file, and a change since then would go unnoticed. So the first poll
        // reads it again.
        let watched = Watched::new(vec![path.clone()]);
        let watch = Self { path, load, catalogue, asked: asked.clone(), watched };
        (watch, ReloadHandle { asked })
    }

    /// Watches until its task is dropped.
    pub async fn run(mut self) {
        let asked = self.asked.clone();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                () = asked.notified() => true,
                _ = looks.tick() => false,
            };
            // A file system can be slow, and must not block a thread of the runtime.
            let look = tokio::task::spawn_blocking(move || {
                if is_asked {
                    self.watched.reading();
                }
                if is_asked || self.watched.look() {
                    self.reload();
                }
                self
            });
            match look.await {
                Ok(watch) => self = watch,
                Err(error) => {
                    tracing::error!(%error, "the configuration file is not watched any more");
                    return;
                }
            }
        }
    }

    /// Reads the file.
    fn reload(&self) {
        match (self.load)() {
            Ok(catalogue) => self.put_in_force(catalogue),
            Err(faults) => {
                for fault in faults {
                    tracing::error!("configuration not reloaded, the templates stay as they are: {fault}");
                }
            }
        }
    }

    fn put_in_force(&self, catalogue: Arc<Catalogue>) {
        if *self.catalogue.get() == *catalogue {
            tracing::debug!(path = %self.path.display(), "configuration read again; the templates are the same");
            return;
        }
        let templates = catalogue.len();
        self.catalogue.replace(catalogue);
        tracing::info!(path = %self.path.display(), templates, "templates reloaded");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::super::definition::Definition;
    use super::super::rendering::Template;
    use super::*;

    /// A watched file whose whole text is the title of the template `t`; "wrong" is a fault.
    struct Bench {
        directory: tempfile::TempDir,
        path: PathBuf,
        catalogue: SharedCatalogue,
        reload: ReloadHandle,
        loads: Arc<AtomicUsize>,
        task: tokio::task::JoinHandle<()>,
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            self.task.abort();
        }
    }

    fn load(path: &Path) -> Result<Arc<Catalogue>, Vec<String>> {
        let title = fs::read_to_string(path).map_err(|error| vec![error.to_string()])?;
        if title == "wrong" {
            return Err(vec!["wrong".to_owned()]);
        }
        let template = Template::check(Definition { name: "t".into(), title, ..Definition::default() });
        Ok(Arc::new(Catalogue::with(vec![template.unwrap()])))
    }

    impl Bench {
        fn new(title: &str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("deskbell.toml");
            fs::write(&path, title).unwrap();
            let catalogue = SharedCatalogue::new(load(&path).unwrap());
            let loads = Arc::new(AtomicUsize::new(0));
            let counted: Load = {
                let (path, loads) = (path.clone(), loads.clone());
                Arc::new(move || {
                    loads.fetch_add(1, Ordering::SeqCst);
                    load(&path)
                })
            };
            let (watch, reload) = Watch::new(path.clone(), catalogue.clone(), counted);
            let task = tokio::spawn(watch.run());
            Self { directory, path, catalogue, reload, loads, task }
        }

        fn title(&self) -> String {
            self.catalogue.get().render("t", &|_| None).unwrap().title.to_string()
        }

        /// Waits until something is true. The bound only ends a hang: a busy machine may be slow.
        async fn until(&self, what: impl Fn(&Self) -> bool) {
            const LONGEST: Duration = Duration::from_secs(30);
            let start = Instant::now();
            while !what(self) {
                assert!(start.elapsed() < LONGEST, "not within {LONGEST:?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }

        async fn shows(&self, title: &str) {
            self.until(|bench| bench.title() == title).await;
        }

        async fn loaded(&self, times: usize) {
            self.until(|bench| bench.loads.load(Ordering::SeqCst) >= times).await;
        }
    }

    #[tokio::test]
    async fn a_file_written_anew_comes_into_force() {
        // The contract says within 2 s: a look before the write and one after it.
        assert!(LOOK_EVERY * 2 <= Duration::from_secs(2));
        let bench = Bench::new("one");
        fs::write(&bench.path, "two").unwrap();
        bench.shows("two").await;
    }

    #[tokio::test]
    async fn a_file_that_another_is_renamed_over_is_seen() {
        let bench = Bench::new("one");
        bench.loaded(1).await;
        let other = bench.directory.path().join("other");
        fs::write(&other, "two").unwrap();
        fs::rename(&other, &bench.path).unwrap();
        bench.shows("two").await;
    }

    #[tokio::test]
    async fn a_link_that_is_switched_to_another_file_is_seen() {
        let bench = Bench::new("one");
        let [first, second] = ["first", "second"].map(|name| bench.directory.path().join(name));
        fs::rename(&bench.path, &first).unwrap();
        fs::write(&second, "two").unwrap();
        std::os::unix::fs::symlink(&second, &bench.path).unwrap();
        bench.shows("two").await;
    }

    #[tokio::test]
    async fn while_there_is_no_file_the_templates_stay() {
        let bench = Bench::new("one");
        bench.loaded(1).await;
        fs::remove_file(&bench.path).unwrap();
        bench.loaded(2).await;
        assert_eq!(bench.title(), "one");
        fs::write(&bench.path, "two").unwrap();
        bench.shows("two").await;
    }

    #[tokio::test]
    async fn after_a_wrong_file_the_templates_stay_until_it_is_right() {
        let bench = Bench::new("one");
        bench.loaded(1).await;
        fs::write(&bench.path, "wrong").unwrap();
        bench.loaded(2).await;
        assert_eq!(bench.title(), "one");
        fs::write(&bench.path, "two").unwrap();
        bench.shows("two").await;
    }

    #[tokio::test]
    async fn asked_to_reload_it_reads_an_unchanged_file() {
        let bench = Bench::new("one");
        bench.loaded(1).await;
        bench.reload.reload_now();
        bench.loaded(2).await;
        assert_eq!(bench.title(), "one");
    }
}
