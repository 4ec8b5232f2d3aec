//! Revocations of one partition, from outside the hub's thread: to read them, and to write one to the log.

use std::sync::Arc;
use std::time::Duration;

use deskbell_core::Name;
use deskbell_core::entry::Input;
use deskbell_core::revocations::{Revocation, Revocations, RevokedSubject};
use tokio::sync::watch;
use tokio::time::timeout;

use super::input_queue::{InputQueue, InputSender};

/// How long a request waits until the log returns its entry.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The number under which these inputs are queued. No connection has it.
const SERIAL: u64 = u64::MAX;

/// The log did not return the entry in time, so whether it will is not known. The request can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log did not confirm it within {} s; it is safe to repeat the request", ANSWER_MAX.as_secs())]
pub struct Unconfirmed;

/// The revocations of one partition.
#[derive(Debug, Clone)]
pub struct PartitionRevocations {
    inputs: Arc<InputQueue>,
    current: watch::Receiver<Arc<Revocations>>,
}

impl PartitionRevocations {
    pub(super) fn new(inputs: Arc<InputQueue>, current: watch::Receiver<Arc<Revocations>>) -> Self {
        Self { inputs, current }
    }

    /// The current revocations.
    #[must_use]
    pub fn current(&self) -> Arc<Revocations> {
        Arc::clone(&self.current.borrow())
    }

    /// Waits until the revocations change. `false`: the hub has ended.
    pub async fn changed(&mut self) -> bool {
        self.current.changed().await.is_ok()
    }

    /// Writes a revocation to the log, and waits until it is in force here.
    ///
    /// # Errors
    /// [`Unconfirmed`].
    pub async fn revoke(&self, subject: RevokedSubject, revocation: Revocation) -> Result<(), Unconfirmed> {
        self.submit(Input::Revoke { subject: subject.clone(), revocation })?;
        self.wait_for(|all| all.get(&subject).is_some_and(|known| known.at >= revocation.at)).await
    }

    /// Removes a revocation by an entry of the log, and waits until it is no longer in force here.
    ///
    /// # Errors
    /// [`Unconfirmed`].
    pub async fn lift(&self, subject: RevokedSubject) -> Result<(), Unconfirmed> {
        self.submit(Input::LiftRevocation { subject: subject.clone() })?;
        self.wait_for(|all| all.get(&subject).is_none()).await
    }

    fn submit(&self, input: Input) -> Result<(), Unconfirmed> {
        let (sender, permit) = InputSender::new(Arc::clone(&self.inputs), SERIAL);
        sender.submit(permit, Name::default(), input).map_err(|_| Unconfirmed)
    }

    async fn wait_for(&self, done: impl Fn(&Revocations) -> bool) -> Result<(), Unconfirmed> {
        let mut current = self.current.clone();
        match timeout(ANSWER_MAX, current.wait_for(|all| done(all))).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Unconfirmed),
        }
    }
}
