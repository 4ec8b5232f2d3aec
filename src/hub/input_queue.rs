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

/// The inputs that are taken for one group, by number.
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

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// A queue with so many inputs of each connection. Each input is known by its workspace.
    fn queue(connections: &[(u64, usize)]) -> InputQueue {
        let queue = InputQueue::default();
        for &(serial, count) in connections {
            for number in 0..count {
                let entry = Entry { workspace: number.to_string().into(), input: Input::Tick };
                queue.push(QueuedInput { serial, entry, permit: None }).unwrap();
            }
        }
        queue
    }

    /// The next group of at most `room` inputs.
    fn group(queue: &InputQueue, room: usize) -> Vec<(u64, usize)> {
        let mut group = Vec::new();
        queue.gather(|input| {
            group.push((input.serial, input.entry.workspace.parse().unwrap()));
            group.len() < room
        });
        group
    }

    #[test]
    fn a_connection_gets_only_its_share_of_a_group_and_keeps_its_order() {
        let queue = queue(&[(1, 60), (2, 1), (3, 20)]);
        let mut taken = Vec::new();
        for expected in [[PER_GROUP_MAX, 1, PER_GROUP_MAX], [PER_GROUP_MAX, 0, 4], [PER_GROUP_MAX, 0, 0], [12, 0, 0]] {
            let group = group(&queue, usize::MAX);
            let counts = [1, 2, 3].map(|serial| group.iter().filter(|(other, _)| *other == serial).count());
            assert_eq!(counts, expected);
            taken.extend(group);
        }
        assert!(queue.is_empty() && queue.depth() == 0);
        for (serial, count) in [(1, 60), (2, 1), (3, 20)] {
            let numbers: Vec<_> =
                taken.iter().filter(|(other, _)| *other == serial).map(|(_, number)| *number).collect();
            assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "connection {serial}");
        }
    }

    #[test]
    fn a_group_takes_from_each_connection_in_turn_and_a_full_one_costs_nobody_a_turn() {
        let queue = queue(&[(1, 60), (2, 3), (3, 3)]);
        assert_eq!(group(&queue, 4), [(1, 0), (2, 0), (3, 0), (1, 1)]);
        assert_eq!(group(&queue, 4), [(2, 1), (3, 1), (1, 2), (2, 2)]);
        assert_eq!(queue.depth(), 66 - 8);
        // A connection that had its share waits behind those that came meanwhile.
        assert_eq!(group(&queue, usize::MAX).len(), 1 + PER_GROUP_MAX);
        queue
            .push(QueuedInput { serial: 4, entry: Entry { workspace: "0".into(), input: Input::Tick }, permit: None })
            .unwrap();
        assert_eq!(group(&queue, 2), [(1, 19), (4, 0)]);
    }

    /// The hub encodes an input in `take`; a session that hands in another one must not wait for that.
    #[test]
    fn the_queues_are_not_locked_while_an_input_is_taken() {
        let queue = queue(&[(1, 3)]);
        let mut taken = 0;
        queue.gather(|_| {
            assert!(queue.queues.try_lock().is_ok());
            taken += 1;
            true
        });
        assert_eq!(taken, 3);
    }

    #[test]
    fn a_queue_that_stops_takes_no_more_and_keeps_what_it_has() {
        let queue = queue(&[(1, 2)]);
        queue.stop();
        let entry = Entry { workspace: "2".into(), input: Input::Tick };
        assert_eq!(queue.push(QueuedInput { serial: 1, entry, permit: None }), Err(Stopping));
        assert!(queue.is_stopping() && !queue.is_empty());
        assert_eq!(group(&queue, usize::MAX), [(1, 0), (1, 1)]);
    }

    #[tokio::test]
    async fn a_connection_with_all_inputs_in_flight_waits_until_one_is_done() {
        let queue = Arc::new(InputQueue::default());
        let (sender, first) = InputSender::new(Arc::clone(&queue), 1);
        let mut permits = vec![first];
        for _ in 1..IN_FLIGHT_PER_CONNECTION_MAX {
            permits.push(sender.permit().await.unwrap());
        }
        assert!(sender.permit().now_or_never().is_none());
        sender.submit(permits.pop().unwrap(), "default".into(), Input::Tick).unwrap();
        assert!(sender.permit().now_or_never().is_none(), "an input that is queued holds its permit");
        queue.gather(|_| true);
        let _permit = sender.permit().now_or_never().expect("one is done").unwrap();
        // A close never waits.
        sender.leave("default".into());
        assert_eq!(queue.depth(), 1);
    }
}
