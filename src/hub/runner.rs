//! The hub's own thread: polls a partition whenever there is something to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use deskbell_core::Incarnation;

use super::clock::Clock;
use super::delivery::Delivery;
use super::input_queue::InputQueue;
use super::membership::OwnIncarnation;
use super::metrics::Metrics;
use super::partition::{HubError, Partition};
use super::revoking::PartitionRevocations;
use super::settings::HubSettings;
use super::snapshotter::Snapshotter;
use crate::log::{AnyLog, RecordNumber};

/// The longest wait between two polls: the watchdog and the metrics expect one a second.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// How long a hub may take to join the others of a shared log.
const JOIN_MAX: Duration = Duration::from_secs(30);

/// How long a stop waits for a shared log: once for the last group, once for the announcement that the hub leaves.
const LEAVE_MAX: Duration = Duration::from_millis(1_500);

/// How old those metrics may be that are not counted as things happen: some cost a look at every workspace.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// How soon a hub that cannot rejoin tries again.
const REJOIN_EVERY: Duration = Duration::from_millis(500);

/// A running hub.
#[derive(Debug)]
pub struct Hub {
    handle: HubHandle,
    thread: JoinHandle<Result<(), HubError>>,
}

/// A running hub as seen by the gateway, which hands inputs in and asks for its state.
#[derive(Debug, Clone)]
pub struct HubHandle {
    /// Where inputs go.
    pub inputs: Arc<InputQueue>,
    /// The metrics of the hub.
    pub metrics: Arc<Metrics>,
    /// The revoked subjects of this partition.
    pub revocations: PartitionRevocations,
    ready: Arc<AtomicBool>,
    incarnation: OwnIncarnation,
}

impl HubHandle {
    /// Whether new notifications are accepted.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// The name of this run in its log; another one after the hub was removed from a shared log and rejoined.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation.get()
    }
}

impl Hub {
    /// Reads the log, joins, and runs on a thread of its own until [`InputQueue::stop`]. `ended` is called when the
    /// thread ends, also after a panic. Its threads log within the span that is entered now.
    ///
    /// # Errors
    /// [`HubError`]: the hub cannot start.
    pub fn start<D: Delivery + 'static>(
        log: impl Into<AnyLog>,
        delivery: D,
        inputs: Arc<InputQueue>,
        clock: Arc<dyn Clock>,
        settings: HubSettings,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<Self, HubError> {
        let (retention, every, rules) = (settings.retention.clone(), settings.snapshot_every, settings.rules);
        let incarnation = OwnIncarnation::new(settings.incarnation);
        let partition = Partition::start(log, delivery, &*clock, settings)?;
        let metrics = Arc::clone(partition.metrics());
        let snapshotter = partition
            .snapshot_duty(&incarnation)
            .map(|duty| Snapshotter::start(duty, retention, every, rules, Arc::clone(&clock), Arc::clone(&metrics)));
        // Not ready before the hub has joined.
        let revocations = PartitionRevocations::new(Arc::clone(&inputs), partition.revocations());
        let handle = HubHandle { inputs, metrics, revocations, ready: Arc::new(AtomicBool::new(false)), incarnation };
        let mut runner = Runner { partition, hub: handle.clone(), clock, snapshotter, published: None };
        runner.join()?;
        runner.publish();
        handle.ready.store(true, Ordering::Release);
        let span = tracing::Span::current();
        let thread = thread::Builder::new()
            .name("hub".to_owned())
            .spawn(move || {
                // Also called if the thread panics: a process without a hub must not live on.
                let _ended = OnDrop(Some(ended));
                let _within = span.enter();
                runner.run()
            })
            .map_err(HubError::Thread)?;
        Ok(Self { handle, thread })
    }

    /// The hub as others see it.
    #[must_use]
    pub fn handle(&self) -> &HubHandle {
        &self.handle
    }

    /// Stops: inputs that were handed in are done, a snapshot is written, the thread ends.
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

/// Calls a function when it is dropped, also by a panic.
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
    snapshotter: Option<Snapshotter>,
    /// When those metrics were last updated that are not counted as things happen, and at which record.
    published: Option<(Instant, RecordNumber)>,
}

impl<D: Delivery> Runner<D> {
    /// Polls until the hub has joined the others; an own log needs one poll.
    fn join(&mut self) -> Result<(), HubError> {
        let began = Instant::now();
        loop {
            let progress = self.partition.poll(&self.hub.inputs, &*self.clock)?;
            if progress.ready {
                return Ok(());
            }
            if began.elapsed() > JOIN_MAX {
                return Err(HubError::NotConfirmed);
            }
            if !progress.busy {
                self.hub.inputs.wait(progress.next.map_or(WAIT_MAX, |next| next.min(WAIT_MAX)), false);
            }
        }
    }

    fn run(mut self) -> Result<(), HubError> {
        let _not_ready = NotReady(Arc::clone(&self.hub.ready));
        let result = self.poll_until_stopped();
        self.hub.ready.store(false, Ordering::Release);
        self.hub.inputs.stop();
        if let Some(snapshotter) = self.snapshotter.take() {
            snapshotter.stop();
        }
        if let Err(error) = &result {
            tracing::error!(%error, "the hub stops");
        } else {
            self.announce_leave();
            self.partition.finish();
        }
        result
    }

    fn poll_until_stopped(&mut self) -> Result<(), HubError> {
        let mut stopping_since: Option<Instant> = None;
        loop {
            self.partition.metrics().turns.fetch_add(1, Ordering::Relaxed);
            let stopping = self.hub.inputs.is_stopping();
            if self.snapshotter.as_ref().is_some_and(Snapshotter::wants_record) {
                self.partition.owe_record();
            }
            let progress = match self.partition.poll(&self.hub.inputs, &*self.clock) {
                Ok(progress) => progress,
                Err(error) if self.partition.can_rejoin(&error) => {
                    tracing::warn!(%error, "the clients are disconnected; this hub rejoins");
                    self.rejoin();
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.hub.ready.store(progress.ready && !stopping, Ordering::Release);
            if let Some(snapshotter) = &mut self.snapshotter {
                snapshotter.reached(self.partition.applied());
            }
            let tick = self.partition.tick_delivery();
            let publish = self.publish();
            if progress.busy {
                continue;
            }
            if stopping {
                let since = *stopping_since.get_or_insert_with(Instant::now);
                let done = self.hub.inputs.is_empty() && self.partition.is_idle();
                if done || since.elapsed() > LEAVE_MAX {
                    return Ok(());
                }
            }
            let next = progress.next.into_iter().chain(tick).chain(publish);
            self.hub.inputs.wait(next.fold(WAIT_MAX, Duration::min), progress.takes);
        }
    }

    /// Updates the metrics if that is due; otherwise in how long it will be.
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

    fn rejoin(&mut self) {
        self.hub.ready.store(false, Ordering::Release);
        while let Err(error) = self.partition.rejoin(&*self.clock) {
            tracing::error!(%error, "this hub cannot rejoin yet");
            if self.hub.inputs.is_stopping() {
                return;
            }
            self.hub.inputs.wait(REJOIN_EVERY, false);
        }
        self.hub.incarnation.set(self.partition.incarnation());
    }

    /// Lets the other hubs know at once, so that they do not wait until they miss this one.
    fn announce_leave(&mut self) {
        let began = Instant::now();
        if !self.partition.is_idle() || !self.partition.announce_leave(&*self.clock) {
            return;
        }
        while began.elapsed() < LEAVE_MAX {
            match self.partition.poll(&self.hub.inputs, &*self.clock) {
                Ok(progress) if progress.busy => {}
                Ok(_) => self.hub.inputs.wait(Duration::from_millis(50), false),
                Err(_) => return,
            }
        }
    }
}

/// A hub without a thread is not ready, however the thread ended.
#[derive(Debug)]
struct NotReady(Arc<AtomicBool>);

impl Drop for NotReady {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
