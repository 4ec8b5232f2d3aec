//! What a partition does when its log takes nothing, fails, or does not answer.

use std::time::Duration;

use deskbell_core::Timestamp;

use super::super::clock::Clock;
use super::super::codec::GroupBytes;
use super::super::delivery::{Delivery, NotTried};
use super::super::group::{Caller, Gathered, UnderWay};
use super::super::intake::Intake;
use super::super::standing::{Moment, SEND_AGAIN_MS};
use super::{Health, Partition};

/// How long a call waits for a log that does not answer before its connection is cut off, from the contract.
pub(super) const LOG_ANSWER_MAX_MS: u64 = 10_000;

/// When clients are told to come back while the log takes nothing.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often a log that takes nothing is tried again.
const LOG_RETRY_MS: u64 = 250;

impl<D: Delivery> Partition<D> {
    /// The log has no room: nothing of this group was done.
    pub(super) fn found_full(&mut self, under_way: UnderWay, why: &str, now: Timestamp) {
        if self.health == Health::Good {
            tracing::error!(%why, "the log has no room: new work is refused until there is room");
        }
        self.health = Health::Full(now.plus_ms(LOG_RETRY_MS));
        self.refuse_all(under_way, why);
    }

    /// A shared log tells later that it had no room. Only of a group that was handed in once is it sure that no trace
    /// is left; one that was sent again may be there all the same, and nothing is said of it.
    pub(super) fn hear_refusal(&mut self, moment: Moment) {
        if let Some(why) = self.log.refused()
            && let Some(under_way) = self.under_way.take_if(|under_way| under_way.sent_at == under_way.since)
        {
            self.found_full(under_way, &why, moment.steady);
        }
    }

    /// What a shared log has not brought back it may have lost. The same group under the same number counts once.
    pub(super) fn send_again(&mut self, moment: Moment) {
        if self.standing.is_none() {
            return;
        }
        if let Some(under_way) = &mut self.under_way
            && moment.steady.since_ms(under_way.sent_at) >= SEND_AGAIN_MS
        {
            under_way.sent_at = moment.steady;
            if let Err(error) = self.log.append(&under_way.bytes) {
                tracing::debug!(%error, "a group could not be sent again yet");
            }
        }
    }

    /// Re-opens a broken log; then whatever is read back was appended, and the rest was not.
    pub(super) fn mend(&mut self, clock: &dyn Clock) {
        let now = self.moment(clock).steady;
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
        if let Some(under_way) = self.under_way.take() {
            self.refuse_all(under_way, "the log's device failed");
        }
    }

    /// Answers what waits while the log takes nothing. Leaves are kept: they must come into the log one day.
    pub(super) fn refuse_waiting(&mut self, intake: &Intake, moment: Moment) {
        let mut gathered = Gathered::default();
        intake.gather(|waiting| {
            gathered.take(waiting, self.settings.incarnation);
            true
        });
        let nothing = |_: GroupBytes| Vec::new();
        self.refuse_all(gathered.under_way(0, moment.steady, nothing), "the log takes nothing at the moment");
    }

    /// Nothing of this group was done, and its callers are told so.
    pub(super) fn refuse_all(&mut self, under_way: UnderWay, why: &str) {
        let mut joins = Vec::new();
        for caller in under_way.callers {
            match caller {
                Caller::Call(to) => {
                    let detail = format!("nothing was done: {why}");
                    self.delivery.refuse(&to, NotTried::Unavailable { retry_after: RETRY_AFTER, detail });
                }
                Caller::Join(serial) => joins.push(serial),
            }
        }
        self.delivery.cut_off(&joins);
        self.leaves.extend(under_way.leaves);
        self.delivery.flush();
    }

    /// Past the time that a call may wait for the log nobody knows what became of it: its connection is cut off. A hub
    /// of a cluster cuts all off then: at the other hubs they find the calls that this one does not get.
    pub(super) fn give_up_waiting(&mut self, moment: Moment) {
        let now = moment.steady;
        if let Some(standing) = &mut self.standing
            && standing.cuts_clients_off(now)
        {
            tracing::error!("the log does not answer: all clients are cut off, other hubs may serve them");
            self.delivery.cut_off_all();
            self.delivery.flush();
        }
        let Some(under_way) = &mut self.under_way else { return };
        if now.since_ms(under_way.since) < LOG_ANSWER_MAX_MS || under_way.callers.is_empty() {
            return;
        }
        let serials: Vec<u64> = under_way.callers.drain(..).map(|caller| caller.serial()).collect();
        tracing::error!(
            connections = serials.len(),
            "the log does not answer: connections with calls under way are cut off"
        );
        self.delivery.cut_off(&serials);
        self.delivery.flush();
    }
}
