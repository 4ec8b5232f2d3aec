//! The hub's own thread: turns a partition whenever there is something to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use deskbell_core::Incarnation;

use super::clock::Clock;
use super::delivery::Delivery;
use super::input_queue::InputQueue;
use super::metrics::Metrics;
use super::partition::{HubError, HubSettings, Partition};
use super::snapshotter::{OwnIncarnation, Snapshotter};
use crate::log::{AppendError, Log, LogError, RecordNumber};

/// The longest wait: a wall clock that was set back must not keep a deadline waiting for long.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// How long a hub may take to find its place among the others of a shared log.
const BEGIN_MAX: Duration = Duration::from_secs(30);

/// How long a stop waits for a shared log: once for the last group, once for the goodbye.
const LAST_WORD_MAX: Duration = Duration::from_millis(1_500);

/// How old the metrics may be that are not counted as things happen: some of them cost a look at every workspace.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// How soon what a hub needs to come back is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// A running hub.
#[derive(Debug)]
pub struct Hub {
    handle: HubHandle,
    thread: JoinHandle<Result<(), HubError>>,
}

/// A running hub as those see it who bring it inputs, or ask how it is.
#[derive(Debug, Clone)]
pub struct HubHandle {
    /// Where inputs go.
    pub inputs: Arc<InputQueue>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    ready: Arc<AtomicBool>,
    incarnation: OwnIncarnation,
}

impl HubHandle {
    /// Whether new notifications are taken.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// What this run is called in its log; another one after the hub was removed from a shared log and came back.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation.get()
    }
}

impl Hub {
    /// Reads the log, start_joining, and runs on a thread of its own until [`InputQueue::stop`]. `ended` is called when the
    /// thread ends for whatever reason. Its threads log within the span that is entered now.
    ///
    /// # Errors
    /// [`HubError`]: the hub cannot begin.
    pub fn start<D: Delivery + 'static>(
        log: Box<dyn Log>,
        delivery: D,
        inputs: Arc<InputQueue>,
        clock: Arc<dyn Clock>,
        settings: HubSettings,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<Self, HubError> {
        let retention = settings.retention.clone();
        let incarnation = OwnIncarnation::new(settings.incarnation);
        let partition = Partition::start(log, delivery, &*clock, settings)?;
        let shared = partition.log().is_shared().then(|| incarnation.clone());
        let metrics = Arc::clone(partition.metrics());
        let fold = partition.log().history();
        let fold = fold
            .map(|history| Snapshotter::start(history, retention, Arc::clone(&clock), Arc::clone(&metrics), shared));
        let handle = HubHandle { inputs, metrics, ready: Arc::new(AtomicBool::new(true)), incarnation };
        let mut runner = Runner { partition, hub: handle.clone(), clock, fold, published: None };
        runner.join()?;
        runner.publish();
        let span = tracing::Span::current();
        let thread = thread::Builder::new()
            .name("hub".to_owned())
            .spawn(move || {
                // Also told where the thread panics: a process without a hub must not live on.
                let _ended = OnDrop(Some(ended));
                let _within = span.enter();
                runner.run()
            })
            .map_err(|error| HubError::Log(LogError::Device(format!("no thread for the hub: {error}"))))?;
        Ok(Self { handle, thread })
    }

    /// How others see it.
    #[must_use]
    pub fn handle(&self) -> &HubHandle {
        &self.handle
    }

    /// Stops: what was handed in is done, a snapshot is written, the thread ends.
    ///
    /// # Errors
    /// Why it ended, if it ended before it was asked to.
    pub fn stop(self) -> Result<(), HubError> {
        self.handle.inputs.stop();
        match self.thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Calls when it is dropped, whatever the reason.
struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

#[derive(Debug)]
struct Runner<D> {
    partition: Partition<D>,
    hub: HubHandle,
    clock: Arc<dyn Clock>,
    fold: Option<Snapshotter>,
    /// When the metrics were brought up to date last, and at which record.
    published: Option<(Instant, RecordNumber)>,
}

impl<D: Delivery> Runner<D> {
    /// Turns until the hub has its place among the others; at once where there can be none.
    fn join(&mut self) -> Result<(), HubError> {
        let began = Instant::now();
        loop {
            let progress = self.partition.poll(&self.hub.inputs, &*self.clock)?;
            if progress.ready {
                return Ok(());
            }
            if began.elapsed() > BEGIN_MAX {
                let why = "the log does not bring back what this hub writes into it".to_owned();
                return Err(AppendError::Broken(why).into());
            }
            if !progress.busy {
                self.hub.inputs.wait(progress.next.map_or(WAIT_MAX, |next| next.min(WAIT_MAX)), false);
            }
        }
    }

    fn run(mut self) -> Result<(), HubError> {
        let result = self.turn_until_stopped();
        self.hub.ready.store(false, Ordering::Release);
        self.hub.inputs.stop();
        if let Some(fold) = self.fold.take() {
            fold.stop();
        }
        if let Err(error) = &result {
            tracing::error!(%error, "the hub stops");
        } else {
            self.announce_leave();
            self.partition.finish();
        }
        result
    }

    fn turn_until_stopped(&mut self) -> Result<(), HubError> {
        let mut stopping_since: Option<Instant> = None;
        loop {
            self.partition.metrics().turns.fetch_add(1, Ordering::Relaxed);
            let stopping = self.hub.inputs.is_stopping();
            if self.fold.as_ref().is_some_and(Snapshotter::wants_record) {
                self.partition.owe_record();
            }
            let progress = match self.partition.poll(&self.hub.inputs, &*self.clock) {
                Ok(progress) => progress,
                Err(error) if self.may_come_back(&error) => {
                    tracing::warn!(%error, "the clients are disconnected; this hub rejoins");
                    self.rejoin();
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.hub.ready.store(progress.ready && !stopping, Ordering::Release);
            if let Some(fold) = &mut self.fold {
                fold.reached(self.partition.applied());
            }
            let tick = self.partition.tick_delivery();
            let publish = self.publish();
            if progress.busy {
                continue;
            }
            if stopping {
                let since = *stopping_since.get_or_insert_with(Instant::now);
                let done = self.hub.inputs.is_empty() && self.partition.is_idle();
                if done || since.elapsed() > LAST_WORD_MAX {
                    return Ok(());
                }
            }
            let next = progress.next.into_iter().chain(tick).chain(publish);
            self.hub.inputs.wait(next.fold(WAIT_MAX, Duration::min), progress.takes);
        }
    }

    /// Brings the metrics up to date where that is due; in how long it will be.
    fn publish(&mut self) -> Option<Duration> {
        let applied = self.partition.applied();
        if let Some((at, record)) = self.published {
            if record == applied {
                return None;
            }
            if let Some(rest) = PUBLISH_EVERY.checked_sub(at.elapsed()).filter(|rest| !rest.is_zero()) {
                return Some(rest);
            }
        }
        self.partition.publish();
        self.published = Some((Instant::now(), applied));
        None
    }

    /// In a shared log a hub that was removed, or that was away while the log was trimmed, is not at its end.
    fn may_come_back(&self, error: &HubError) -> bool {
        let away = matches!(error, HubError::Removed | HubError::Log(LogError::Trimmed(_)));
        away && self.partition.log().is_shared()
    }

    fn rejoin(&mut self) {
        self.hub.ready.store(false, Ordering::Release);
        while let Err(error) = self.partition.rejoin(&*self.clock) {
            tracing::error!(%error, "this hub cannot rejoin yet");
            if self.hub.inputs.is_stopping() {
                return;
            }
            self.hub.inputs.wait(AGAIN, false);
        }
        self.hub.incarnation.set(self.partition.incarnation());
    }

    /// So that the others do not wait until they miss this hub.
    fn announce_leave(&mut self) {
        let began = Instant::now();
        if !self.partition.is_idle() || !self.partition.announce_leave(&*self.clock) {
            return;
        }
        while began.elapsed() < LAST_WORD_MAX {
            match self.partition.poll(&self.hub.inputs, &*self.clock) {
                Ok(progress) if progress.busy => {}
                Ok(_) => self.hub.inputs.wait(Duration::from_millis(50), false),
                Err(_) => return,
            }
        }
    }
}
