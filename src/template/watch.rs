//! Reloads the templates when their file changes, and on request.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use super::catalogue::{Catalogue, SharedCatalogue};
use crate::watched::{LOOK_EVERY, Watched};

/// Reads and checks the file. The error has one line per fault.
pub type Load = Arc<dyn Fn() -> Result<Arc<Catalogue>, Vec<String>> + Send + Sync>;

/// Watches one file for one [`SharedCatalogue`]. Run it as a task.
pub struct Watch {
    path: PathBuf,
    load: Load,
    catalogue: SharedCatalogue,
    asked: Arc<Notify>,
    watched: Watched,
}

/// Requests a reload from a [`Watch`].
#[derive(Debug, Clone)]
pub struct ReloadHandle {
    asked: Arc<Notify>,
}

impl ReloadHandle {
    /// Requests a reload, even if the file has not changed (SIGHUP). It does not wait. Two requests before the reload count
    /// as one.
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
    /// Watches `path`. `catalogue` has its templates already.
    #[must_use]
    pub fn new(path: PathBuf, catalogue: SharedCatalogue, load: Load) -> (Self, ReloadHandle) {
        let asked = Arc::new(Notify::new());
        // The file was read earlier, at the start of the process. The first look reads it again, because it may have changed
        // since then.
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
            // A file system may be slow, so a thread of the runtime must not wait for it.
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

        /// Waits until something is true. The limit only ends a test that would wait for ever.
        async fn until(&self, what: impl Fn(&Self) -> bool) {
            let start = Instant::now();
            while !what(self) {
                assert!(start.elapsed() < Duration::from_secs(60), "not within 60 s");
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
    async fn a_changed_file_is_reloaded() {
        // The contract's 2 s.
        assert!(LOOK_EVERY * 2 <= Duration::from_secs(2));
        let bench = Bench::new("one");
        fs::write(&bench.path, "two").unwrap();
        bench.shows("two").await;
    }

    #[tokio::test]
    async fn a_file_replaced_by_rename_is_reloaded() {
        let bench = Bench::new("one");
        bench.loaded(1).await;
        let other = bench.directory.path().join("other");
        fs::write(&other, "two").unwrap();
        fs::rename(&other, &bench.path).unwrap();
        bench.shows("two").await;
    }

    #[tokio::test]
    async fn a_symbolic_link_to_another_file_is_reloaded() {
        let bench = Bench::new("one");
        let [first, second] = ["first", "second"].map(|name| bench.directory.path().join(name));
        fs::rename(&bench.path, &first).unwrap();
        fs::write(&second, "two").unwrap();
        std::os::unix::fs::symlink(&second, &bench.path).unwrap();
        bench.shows("two").await;
    }

    #[tokio::test]
    async fn a_missing_file_keeps_the_templates() {
        let bench = Bench::new("one");
        bench.loaded(1).await;
        fs::remove_file(&bench.path).unwrap();
        bench.loaded(2).await;
        assert_eq!(bench.title(), "one");
        fs::write(&bench.path, "two").unwrap();
        bench.shows("two").await;
    }

    #[tokio::test]
    async fn an_invalid_file_keeps_the_templates_until_it_is_valid() {
        let bench = Bench::new("one");
        bench.loaded(1).await;
        fs::write(&bench.path, "wrong").unwrap();
        bench.loaded(2).await;
        assert_eq!(bench.title(), "one");
        fs::write(&bench.path, "two").unwrap();
        bench.shows("two").await;
    }

    #[tokio::test]
    async fn a_requested_reload_reads_an_unchanged_file() {
        let bench = Bench::new("one");
        bench.loaded(1).await;
        bench.reload.reload_now();
        bench.loaded(2).await;
        assert_eq!(bench.title(), "one");
    }
}
