//! The inputs of all connections: one bounded queue for each, emptied round-robin by the hub.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use deskbell_core::Name;
use deskbell_core::entry::{Entry, Input};

/// Inputs of one connection that may be queued or in flight. At the bound the connection's reader waits, and the kernel's
/// socket buffer fills: backpressure on that client alone.
pub const IN_FLIGHT_PER_CONNECTION_MAX: usize = 64;

/// Inputs of one connection that go into one group, so that no client can crowd out the others.
const PER_GROUP_MAX: usize = 16;

/// The hub takes no more inputs: it is stopping or stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hub is stopping")]
pub struct Stopping;

/// The queues through which inputs reach the hub's thread.
#[derive(Debug, Default)]
pub struct InputQueue {
    queues: Mutex<Queues>,
    /// Wakes the hub's thread: there is an input, the log has something, or the hub should stop.
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Queues {
    /// Connections with queued inputs, in the order in which they are served.
    rotation: VecDeque<u64>,
    waiting: HashMap<u64, VecDeque<QueuedInput>>,
    /// The number of queued inputs.
    depth: usize,
    woken: bool,
    stopping: bool,
}

/// One queued input; it holds its connection's permit until it is done.
#[derive(Debug)]
pub(super) struct QueuedInput {
    pub(super) serial: u64,
    pub(super) entry: Entry,
    /// `None` for a leave, which must never wait for a permit.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// Hands in the inputs of one connection.
#[derive(Debug, Clone)]
pub struct InputSender {
    serial: u64,
    inputs: Arc<InputQueue>,
    permits: Arc<Semaphore>,
}

/// Allows one input of a connection; held until that input is done.
#[derive(Debug)]
pub struct Permit(OwnedSemaphorePermit);

impl InputSender {
    /// A sender for the connection numbered `serial`, and the permit for its first input.
    #[must_use]
    pub fn new(inputs: Arc<InputQueue>, serial: u64) -> (Self, Permit) {
        let permits = Arc::new(Semaphore::new(IN_FLIGHT_PER_CONNECTION_MAX));
        let first = Arc::clone(&permits).try_acquire_owned().expect("nothing is under way yet");
        (Self { serial, inputs, permits }, Permit(first))
    }

    /// Waits while [`IN_FLIGHT_PER_CONNECTION_MAX`] inputs of this connection are queued or in flight. Separate from
    /// [`submit`](Self::submit), so that a waiting connection does not hold a parsed input.
    ///
    /// # Errors
    /// [`Stopping`]: no more inputs are taken.
    pub async fn permit(&self) -> Result<Permit, Stopping> {
        Arc::clone(&self.permits).acquire_owned().await.map(Permit).map_err(|_| Stopping)
    }

    /// Hands `input` in. Inputs of one connection are applied in the order in which they were handed in.
    ///
    /// # Errors
    /// [`Stopping`]: the input was not taken.
    pub fn submit(&self, permit: Permit, workspace: Name, input: Input) -> Result<(), Stopping> {
        let permit = Some(permit.0);
        self.inputs.push(QueuedInput { serial: self.serial, entry: Entry { workspace, input }, permit })
    }

    /// Reports that the connection is closed; never waits.
    pub fn leave(&self, workspace: Name) {
        let entry = Entry { workspace, input: Input::Leave { connection: self.serial } };
        // A stopping hub needs no leave: its next start removes all its connections.
        let _ = self.inputs.push(QueuedInput { serial: self.serial, entry, permit: None });
    }
}

impl InputQueue {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        // A panic elsewhere cannot leave the queues half-changed: every change is one push or pop.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, waiting: QueuedInput) -> Result<(), Stopping> {
        let mut queues = self.lock();
        if queues.stopping {
            return Err(Stopping);
        }
        let serial = waiting.serial;
        let queue = queues.waiting.entry(serial).or_default();
        queue.push_back(waiting);
        if queue.len() == 1 {
            queues.rotation.push_back(serial);
        }
        queues.depth += 1;
        drop(queues);
        self.wake.notify_one();
        Ok(())
    }

    /// Wakes the hub's thread without an input: the log has something to read.
    pub fn wake(&self) {
        self.lock().woken = true;
        self.wake.notify_one();
    }

    /// Asks the hub to stop: no more inputs are taken, those in the queues are done, then its thread ends.
    pub fn stop(&self) {
        let mut queues = self.lock();
        queues.stopping = true;
        queues.woken = true;
        drop(queues);
        self.wake.notify_one();
    }

    /// The number of inputs in the queues.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.lock().depth
    }

    /// Whether the hub was asked to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Whether all queues are empty.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().rotation.is_empty()
    }

    /// Waits until the hub is woken, or (if `inputs` are wanted now) until there is an input, at most `timeout`.
    pub(super) fn wait(&self, timeout: Duration, inputs: bool) {
        let queues = self.lock();
        let idle = |queues: &mut Queues| (!inputs || queues.rotation.is_empty()) && !queues.woken;
        let mut queues = self.wake.wait_timeout_while(queues, timeout, idle).unwrap_or_else(PoisonError::into_inner).0;
        queues.woken = false;
    }

    /// Takes the next inputs, round-robin by connection and at most [`PER_GROUP_MAX`] of each, until `take` returns
    /// `false`. The queues are locked for the removal of each input only, so that `take` never makes a session wait.
    pub(super) fn gather(&self, mut take: impl FnMut(QueuedInput) -> bool) {
        let mut round = Round::default();
        while let Some(input) = self.pop(&mut round) {
            if !take(input) {
                break;
            }
        }
        self.lock().rotation.append(&mut round.had_their_share);
    }

    fn pop(&self, round: &mut Round) -> Option<QueuedInput> {
        self.lock().pop(round)
    }
}

/// What is taken for one group.
#[derive(Debug, Default)]
struct Round {
    /// The number of inputs of each connection.
    taken: HashMap<u64, usize>,
    /// Connections with [`PER_GROUP_MAX`] inputs in this group. They return to the end of the rotation after it.
    had_their_share: VecDeque<u64>,
}

impl Queues {
    fn pop(&mut self, round: &mut Round) -> Option<QueuedInput> {
        while let Some(serial) = self.rotation.pop_front() {
            let taken = round.taken.entry(serial).or_default();
            if *taken == PER_GROUP_MAX {
                round.had_their_share.push_back(serial);
                continue;
            }
            let Some(queue) = self.waiting.get_mut(&serial) else { continue };
            let Some(input) = queue.pop_front() else { continue };
            *taken += 1;
            self.depth -= 1;
            if queue.is_empty() {
                self.waiting.remove(&serial);
            } else {
                self.rotation.push_back(serial);
            }
            return Some(input);
        }
        None
    }
}
