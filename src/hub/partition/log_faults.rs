//! What a partition does when its log takes nothing, fails, or does not answer.

use std::time::Duration;

use super::super::clock::{Clock, Monotonic};
use super::super::delivery::{CallRejected, Delivery};
use super::super::group::{Caller, GroupInputs, InFlight};
use super::super::input_queue::InputQueue;
use super::super::membership::Now;
use super::{HubError, Partition};
use crate::log::Cause;

/// How long a call waits for a log that does not answer before its connection is closed (docs/PROTOCOL.md).
pub(super) const LOG_ANSWER_MAX_MS: u64 = 10_000;

/// The time after which refused clients may try again while the log takes nothing.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often a log that takes nothing is tried again.
pub(in crate::hub) const LOG_RETRY_MS: u64 = 250;

/// How often it is logged that the log still cannot be opened.
const REPEAT_LOG_MS: u64 = 60_000;

/// Whether the log takes appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Good,
    /// The log has no room; tried again at that time.
    Full(Monotonic),
    /// The log has to be reopened.
    Broken {
        /// When that is tried again.
        retry_at: Monotonic,
        /// When a failure was last logged.
        logged_at: Monotonic,
    },
}

impl Health {
    pub(super) fn is_broken(self) -> bool {
        matches!(self, Self::Broken { .. })
    }

    pub(super) fn retry_at(self) -> Option<Monotonic> {
        match self {
            Self::Good => None,
            Self::Full(at) | Self::Broken { retry_at: at, .. } => Some(at),
        }
    }

    /// Whether nothing may be appended now.
    pub(super) fn waits(self, now: Now) -> bool {
        match self {
            Self::Good => false,
            Self::Full(at) => now.monotonic < at,
            Self::Broken { .. } => true,
        }
    }
}

impl<D: Delivery> Partition<D> {
    /// The log has no room: nothing of this group was done.
    pub(super) fn found_full(&mut self, in_flight: InFlight, why: &Cause, now: Now) {
        if self.health == Health::Good {
            tracing::error!(%why, "the log has no room: new work is refused until there is room");
        }
        self.health = Health::Full(now.monotonic.plus_ms(LOG_RETRY_MS));
        self.refuse_all(in_flight.inputs, &why.to_string());
    }

    /// The device failed: nobody knows what is on it.
    pub(super) fn found_broken(&mut self, why: &Cause, now: Now) {
        tracing::error!(%why, "the log's device failed: the log is reopened; new work is refused until then");
        self.health = Health::Broken { retry_at: now.monotonic, logged_at: now.monotonic };
    }

    /// The log has just taken a record.
    pub(super) fn log_takes_records(&mut self) {
        if self.health != Health::Good {
            tracing::info!("the log takes records again");
            self.health = Health::Good;
        }
    }

    /// A shared log reports later that it had no room. Only if a group was appended once does that mean that it left no
    /// trace; one that was sent again may be in the log all the same, so nothing is reported to its callers.
    pub(super) fn check_refusal(&mut self, now: Now) {
        if let Some(why) = self.membership.take_refusal()
            && let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.sent_at == in_flight.since)
        {
            self.found_full(in_flight, &why, now);
        }
    }

    /// A shared log may have lost what it has not returned. The same group under the same number counts once.
    pub(super) fn resend(&mut self, now: Now) {
        if let Some(in_flight) = &mut self.in_flight
            && self.membership.resend_at(in_flight.sent_at).is_some_and(|at| at <= now.monotonic)
        {
            in_flight.sent_at = now.monotonic;
            if let Err(error) = self.membership.log_mut().append(&in_flight.bytes) {
                tracing::debug!(%error, "a group could not be sent again yet");
            }
        }
    }

    /// Reopens a broken log. Afterwards a record was appended exactly if it is read back.
    pub(super) fn recover(&mut self, clock: &dyn Clock) {
        let now = self.now(clock).monotonic;
        let Health::Broken { retry_at, logged_at } = self.health else { return };
        if now < retry_at {
            return;
        }
        match self.reopen(clock) {
            Ok(()) => {
                tracing::warn!("the log is open again");
                if let Some(in_flight) = self.in_flight.take() {
                    self.refuse_all(in_flight.inputs, "the log's device failed");
                }
            }
            Err(error) => {
                let log = logged_at == retry_at || now.since_ms(logged_at) >= REPEAT_LOG_MS;
                if log {
                    tracing::error!(%error, "the log cannot be reopened; tried again until it can");
                }
                let logged_at = if log { now } else { logged_at };
                self.health = Health::Broken { retry_at: now.plus_ms(LOG_RETRY_MS), logged_at };
            }
        }
    }

    fn reopen(&mut self, clock: &dyn Clock) -> Result<(), HubError> {
        self.membership.log_mut().reopen()?;
        self.read_log(clock)?;
        self.health = Health::Good;
        Ok(())
    }

    /// Answers the inputs that wait while the log takes nothing. Leaves are kept: they must reach the log one day.
    pub(super) fn refuse_waiting(&mut self, inputs: &InputQueue) {
        let mut refused = GroupInputs::default();
        inputs.gather(|input| {
            refused.add(input, self.settings.incarnation);
            true
        });
        self.refuse_all(refused, "the log takes nothing at the moment");
    }

    /// Refuses all calls of a group that was not appended.
    pub(super) fn refuse_all(&mut self, inputs: GroupInputs, why: &str) {
        let mut joins = Vec::new();
        for caller in inputs.callers {
            match caller {
                Caller::Call(to) => {
                    let detail = format!("nothing was done: {why}");
                    self.delivery.refuse(&to, CallRejected::Unavailable { retry_after: RETRY_AFTER, detail });
                }
                Caller::Join(serial) => joins.push(serial),
            }
        }
        self.delivery.disconnect(&joins);
        self.leaves.extend(inputs.leaves);
        self.delivery.flush();
    }

    /// After the time that a call may wait for the log, nobody knows whether it was done: its connection is closed. A hub
    /// of a cluster disconnects all clients then: at the other hubs they find the calls that this one does not get.
    pub(super) fn give_up_waiting(&mut self, now: Now) {
        if self.membership.disconnects_clients(now) {
            tracing::error!("the log does not answer: all clients are disconnected, other hubs may serve them");
            self.delivery.disconnect_all();
            self.delivery.flush();
        }
        let Some(in_flight) = &mut self.in_flight else { return };
        if now.monotonic.since_ms(in_flight.since) < LOG_ANSWER_MAX_MS || in_flight.inputs.callers.is_empty() {
            return;
        }
        let serials: Vec<u64> = in_flight.inputs.callers.drain(..).map(|caller| caller.serial()).collect();
        tracing::error!(
            connections = serials.len(),
            "the log does not answer: connections with calls in flight are closed"
        );
        self.delivery.disconnect(&serials);
        self.delivery.flush();
    }
}
