//! The hub's own thread: turns a partition whenever there is something to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clock::Clock;
use super::delivery::Delivery;
use super::fold::Fold;
use super::intake::Intake;
use super::partition::{HubError, HubSettings, Partition};
use crate::log::Log;

/// The longest wait: a wall clock that was set back must not keep a deadline waiting for long.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// A running hub.
#[derive(Debug)]
pub struct Hub {
    intake: Arc<Intake>,
    ready: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), HubError>>,
}

impl Hub {
    /// Reads the log, begins, and runs on a thread of its own until [`Intake::stop`]. `ended` is called when the
    /// thread ends for whatever reason.
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
        let ready = Arc::new(AtomicBool::new(true));
        let keep = settings.keep.clone();
        let partition = Partition::start(log, delivery, &*clock, settings)?;
        let fold = partition.log().history().map(|history| Fold::start(history, keep, Arc::clone(&clock)));
        let runner = Runner { partition, intake: Arc::clone(&intake), clock, ready: Arc::clone(&ready), fold };
        let thread = thread::Builder::new()
            .name("hub".to_owned())
            .spawn(move || {
                // Also told where the thread panics: a process without a hub must not live on.
                let _ended = OnDrop(Some(ended));
                runner.run()
            })
            .map_err(|error| HubError::Log(crate::log::LogError::Device(format!("no thread for the hub: {error}"))))?;
        Ok(Self { intake, ready, thread })
    }

    /// Whether new notifications are taken; for `/readyz`.
    #[must_use]
    pub fn ready(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ready)
    }

    /// Stops: what was handed in is done, a snapshot is written, the thread ends.
    ///
    /// # Errors
    /// Why it ended, if it ended before it was asked to.
    pub fn stop(self) -> Result<(), HubError> {
        self.intake.stop();
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
    intake: Arc<Intake>,
    clock: Arc<dyn Clock>,
    ready: Arc<AtomicBool>,
    fold: Option<Fold>,
}

impl<D: Delivery> Runner<D> {
    fn run(mut self) -> Result<(), HubError> {
        let result = self.turn_until_stopped();
        self.ready.store(false, Ordering::Release);
        self.intake.stop();
        if let Some(fold) = self.fold.take() {
            fold.stop();
        }
        if let Err(error) = &result {
            tracing::error!(%error, "the hub stops");
        } else {
            self.partition.finish();
        }
        result
    }

    fn turn_until_stopped(&mut self) -> Result<(), HubError> {
        loop {
            let stopping = self.intake.is_stopping();
            let turned = self.partition.turn(&self.intake, &*self.clock)?;
            self.ready.store(turned.ready && !stopping, Ordering::Release);
            if let Some(fold) = &mut self.fold {
                fold.reached(self.partition.applied());
            }
            let tick = self.partition.tick_delivery();
            if turned.busy {
                continue;
            }
            if stopping && self.intake.is_empty() {
                return Ok(());
            }
            let due = turned.next.map(|at| Duration::from_millis(at.since_ms(self.clock.now())));
            self.intake.wait(due.into_iter().chain(tick).fold(WAIT_MAX, Duration::min));
        }
    }
}
