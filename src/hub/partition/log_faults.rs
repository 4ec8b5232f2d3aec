//! What a partition does when its log takes nothing, fails, or does not answer.

use std::time::Duration;

use deskbell_core::Timestamp;

use super::super::clock::Clock;
use super::super::codec::GroupBytes;
use super::super::delivery::{CallRejected, Delivery};
use super::super::group::{Caller, GroupBuilder, InFlight};
use super::super::input_queue::InputQueue;
use super::super::membership::{Now, SEND_AGAIN_MS};
use super::{Health, Partition};

/// How long a call waits for a log that does not answer before its connection is cut off, from the contract.
pub(super) const LOG_ANSWER_MAX_MS: u64 = 10_000;

/// When clients are told to come back while the log takes nothing.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often a log that takes nothing is tried again.
const LOG_RETRY_MS: u64 = 250;

impl<D: Delivery> Partition<D> {
    /// The log has no room: nothing of this group was done.
    pub(super) fn found_full(&mut self, in_flight: InFlight, why: &str, now: Timestamp) {
        if self.health == Health::Good {
            tracing::error!(%why, "the log has no room: new work is refused until there is room");
        }
        self.health = Health::Full(now.plus_ms(LOG_RETRY_MS));
        self.refuse_all(in_flight, why);
    }

    /// A shared log tells later that it had no room. Only of a group that was handed in once is it sure that no trace
    /// is left; one that was sent again may be there all the same, and nothing is said of it.
    pub(super) fn hear_refusal(&mut self, moment: Now) {
        if let Some(why) = self.log.refused()
            && let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.sent_at == in_flight.since)
        {
            self.found_full(in_flight, &why, moment.monotonic);
        }
    }

    /// What a shared log has not brought back it may have lost. The same group under the same number counts once.
    pub(super) fn send_again(&mut self, moment: Now) {
        if self.liveness.is_none() {
            return;
        }
        if let Some(in_flight) = &mut self.in_flight
            && moment.monotonic.since_ms(in_flight.sent_at) >= SEND_AGAIN_MS
        {
            in_flight.sent_at = moment.monotonic;
            if let Err(error) = self.log.append(&in_flight.bytes) {
                tracing::debug!(%error, "a group could not be sent again yet");
            }
        }
    }

    /// Re-opens a broken log; then whatever is read back was appended, and the rest was not.
    pub(super) fn recover(&mut self, clock: &dyn Clock) {
        let now = self.moment(clock).monotonic;
        let Health::Broken(at) = self.health else { return };
        if now < at {
            return;
        }
        if let Err(error) = self.log.reopen() {
            tracing::error!(%error, "the log cannot be opened again yet");
            self.health = Health::Broken(now.plus_ms(LOG_RETRY_MS));
            return;
        }
        tracing::warn!("the log is open again");
        self.health = Health::Good;
        if let Err(error) = self.read(clock) {
            tracing::error!(%error, "the log cannot be read after it was opened again");
            self.health = Health::Broken(now.plus_ms(LOG_RETRY_MS));
            return;
        }
        if let Some(in_flight) = self.in_flight.take() {
            self.refuse_all(in_flight, "the log's device failed");
        }
    }

    /// Answers what waits while the log takes nothing. Leaves are kept: they must come into the log one day.
    pub(super) fn refuse_waiting(&mut self, inputs: &InputQueue, moment: Now) {
        let mut builder = GroupBuilder::default();
        inputs.gather(|waiting| {
            builder.take(waiting, self.settings.incarnation);
            true
        });
        let nothing = |_: GroupBytes| Vec::new();
        self.refuse_all(builder.in_flight(0, moment.monotonic, nothing), "the log takes nothing at the moment");
    }

    /// Nothing of this group was done, and its callers are told so.
    pub(super) fn refuse_all(&mut self, in_flight: InFlight, why: &str) {
        let mut joins = Vec::new();
        for caller in in_flight.callers {
            match caller {
                Caller::Call(to) => {
                    let detail = format!("nothing was done: {why}");
                    self.delivery.refuse(&to, CallRejected::Unavailable { retry_after: RETRY_AFTER, detail });
                }
                Caller::Join(serial) => joins.push(serial),
            }
        }
        self.delivery.disconnect(&joins);
        self.leaves.extend(in_flight.leaves);
        self.delivery.flush();
    }

    /// Past the time that a call may wait for the log nobody knows what became of it: its connection is cut off. A hub
    /// of a cluster cuts all off then: at the other hubs they find the calls that this one does not get.
    pub(super) fn give_up_waiting(&mut self, moment: Now) {
        let now = moment.monotonic;
        if let Some(liveness) = &mut self.liveness
            && liveness.cuts_clients_off(now)
        {
            tracing::error!("the log does not answer: all clients are cut off, other hubs may serve them");
            self.delivery.disconnect_all();
            self.delivery.flush();
        }
        let Some(in_flight) = &mut self.in_flight else { return };
        if now.since_ms(in_flight.since) < LOG_ANSWER_MAX_MS || in_flight.callers.is_empty() {
            return;
        }
        let serials: Vec<u64> = in_flight.callers.drain(..).map(|caller| caller.serial()).collect();
        tracing::error!(
            connections = serials.len(),
            "the log does not answer: connections with calls under way are cut off"
        );
        self.delivery.disconnect(&serials);
        self.delivery.flush();
    }
}
