//! The hub's own thread: turns a partition whenever there is something to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use deskbell_core::Incarnation;

use super::clock::Clock;
use super::delivery::Delivery;
use super::fold::{Fold, OwnIncarnation};
use super::intake::Intake;
use super::metrics::Metrics;
use super::partition::{HubError, HubSettings, Partition};
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
    handle: Handle,
    thread: JoinHandle<Result<(), HubError>>,
}

/// A running hub as those see it who bring it inputs, or ask how it is.
#[derive(Debug, Clone)]
pub struct Handle {
    /// Where inputs go.
    pub intake: Arc<Intake>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    ready: Arc<AtomicBool>,
    incarnation: OwnIncarnation,
}

impl Handle {
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
    /// Reads the log, begins, and runs on a thread of its own until [`Intake::stop`]. `ended` is called when the
    /// thread ends for whatever reason. Its threads log within the span that is entered now.
    ///
    /// # Errors
    /// [`HubError`]: the hub cannot begin.
    pub fn start<D: Delivery + 'static>(
        log: Box<dyn Log>,
        delivery: D,
        intake: Arc<Intake>,
        clock: Arc<dyn Clock>,
        settings: HubSettings,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<Self, HubError> {
        let keep = settings.keep.clone();
        let incarnation = OwnIncarnation::new(settings.incarnation);
        let partition = Partition::start(log, delivery, &*clock, settings)?;
        let shared = partition.log().is_shared().then(|| incarnation.clone());
        let metrics = Arc::clone(partition.metrics());
        let fold = partition.log().history();
        let fold = fold.map(|history| Fold::start(history, keep, Arc::clone(&clock), Arc::clone(&metrics), shared));
        let handle = Handle { intake, metrics, ready: Arc::new(AtomicBool::new(true)), incarnation };
        let mut runner = Runner { partition, hub: handle.clone(), clock, fold, published: None };
        runner.find_place()?;
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
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Stops: what was handed in is done, a snapshot is written, the thread ends.
    ///
    /// # Errors
    /// Why it ended, if it ended before it was asked to.
    pub fn stop(self) -> Result<(), HubError> {
        self.handle.intake.stop();
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
    hub: Handle,
    clock: Arc<dyn Clock>,
    fold: Option<Fold>,
    /// When the metrics were brought up to date last, and at which record.
    published: Option<(Instant, RecordNumber)>,
}

impl<D: Delivery> Runner<D> {
    /// Turns until the hub has its place among the others; at once where there can be none.
    fn find_place(&mut self) -> Result<(), HubError> {
        let began = Instant::now();
        loop {
            let turned = self.partition.turn(&self.hub.intake, &*self.clock)?;
            if turned.ready {
                return Ok(());
            }
            if began.elapsed() > BEGIN_MAX {
                let why = "the log does not bring back what this hub writes into it".to_owned();
                return Err(AppendError::Broken(why).into());
            }
            if !turned.busy {
                self.hub.intake.wait(turned.next.map_or(WAIT_MAX, |next| next.min(WAIT_MAX)), false);
            }
        }
    }

    fn run(mut self) -> Result<(), HubError> {
        let result = self.turn_until_stopped();
        self.hub.ready.store(false, Ordering::Release);
        self.hub.intake.stop();
        if let Some(fold) = self.fold.take() {
            fold.stop();
        }
        if let Err(error) = &result {
            tracing::error!(%error, "the hub stops");
        } else {
            self.say_goodbye();
            self.partition.finish();
        }
        result
    }

    fn turn_until_stopped(&mut self) -> Result<(), HubError> {
        let mut stopping_since: Option<Instant> = None;
        loop {
            self.partition.metrics().turns.fetch_add(1, Ordering::Relaxed);
            let stopping = self.hub.intake.is_stopping();
            if self.fold.as_ref().is_some_and(Fold::wants_record) {
                self.partition.owe_record();
            }
            let turned = match self.partition.turn(&self.hub.intake, &*self.clock) {
                Ok(turned) => turned,
                Err(error) if self.may_come_back(&error) => {
                    tracing::warn!(%error, "the clients are cut off; this hub begins anew");
                    self.begin_anew();
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.hub.ready.store(turned.ready && !stopping, Ordering::Release);
            if let Some(fold) = &mut self.fold {
                fold.reached(self.partition.applied());
            }
            let tick = self.partition.tick_delivery();
            let publish = self.publish();
            if turned.busy {
                continue;
            }
            if stopping {
                let since = *stopping_since.get_or_insert_with(Instant::now);
                let done = self.hub.intake.is_empty() && self.partition.is_idle();
                if done || since.elapsed() > LAST_WORD_MAX {
                    return Ok(());
                }
            }
            let next = turned.next.into_iter().chain(tick).chain(publish);
            self.hub.intake.wait(next.fold(WAIT_MAX, Duration::min), turned.takes);
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
        let away = matches!(error, HubError::Removed | HubError::Log(LogError::Forgotten(_)));
        away && self.partition.log().is_shared()
    }

    fn begin_anew(&mut self) {
        self.hub.ready.store(false, Ordering::Release);
        while let Err(error) = self.partition.begin_anew(&*self.clock) {
            tracing::error!(%error, "this hub cannot begin anew yet");
            if self.hub.intake.is_stopping() {
                return;
            }
            self.hub.intake.wait(AGAIN, false);
        }
        self.hub.incarnation.set(self.partition.incarnation());
    }

    /// So that the others do not wait until they miss this hub.
    fn say_goodbye(&mut self) {
        let began = Instant::now();
        if !self.partition.is_idle() || !self.partition.say_goodbye(&*self.clock) {
            return;
        }
        while began.elapsed() < LAST_WORD_MAX {
            match self.partition.turn(&self.hub.intake, &*self.clock) {
                Ok(turned) if turned.busy => {}
                Ok(_) => self.hub.intake.wait(Duration::from_millis(50), false),
                Err(_) => return,
            }
        }
    }
}
