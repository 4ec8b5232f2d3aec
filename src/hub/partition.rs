//! One log, the core that its records are applied to, and what follows: everything but the thread and the waiting. How a
//! partition starts and stops is in `lifecycle`, what it does when the log fails in `log_faults`; whatever depends on the
//! kind of log is in `membership`.

mod lifecycle;
mod log_faults;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use deskbell_core::effect::Effect;
use deskbell_core::entry::{Entry, Input, Record};
use deskbell_core::revocations::Revocations;
use deskbell_core::{Core, Incarnation, Name, Timestamp};
use tokio::sync::watch;

#[cfg(test)]
pub(in crate::hub) use self::log_faults::LOG_RETRY_MS;
use self::log_faults::{Health, LOG_ANSWER_MAX_MS};
use super::checked_apply::{FailedCheck, apply_record};
use super::clock::{Clock, Monotonic};
use super::codec::{CodecError, GroupBytes, check_rules, decode_record};
use super::delivery::Delivery;
use super::delivery_quota::DeliveryQuota;
use super::group::{GroupBuilder, InFlight, exceeds_quota};
use super::input_queue::{InputQueue, QueuedInput};
use super::membership::{Membership, Now};
use super::metrics::Metrics;
use super::settings::HubSettings;
use crate::log::{AppendError, Log, LogError, RecordNumber, Stored};

/// Bytes of entries at which a group is full: one record stays below the default limit of a cluster's stream.
const GROUP_BYTES_MAX: usize = 512 * 1024;

/// Why the hub cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log contains something that cannot be applied.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A record leads to a wrong state.
    #[error(transparent)]
    FailedCheck(#[from] FailedCheck),
    /// The log did not take the first record of the hub.
    #[error("the hub's start could not be written: {0}")]
    Start(#[from] AppendError),
    /// A shared log did not return the first record of the hub in time.
    #[error("the hub's start could not be confirmed: the log does not return what this hub appends")]
    NotConfirmed,
    /// The system refused a thread for the hub.
    #[error("no thread for the hub: {0}")]
    Thread(#[source] io::Error),
    /// The log removed this hub; it has to rejoin as another incarnation.
    #[error("this hub was removed from the log by another hub")]
    Removed,
}

/// One partition of the hub. Driven by [`Partition::poll`]; knows no thread and never waits.
#[derive(Debug)]
pub struct Partition<D> {
    core: Core,
    membership: Membership,
    delivery: D,
    settings: HubSettings,
    quota: DeliveryQuota,
    /// The number of this incarnation's next group.
    group: u64,
    /// The last record applied.
    applied: RecordNumber,
    in_flight: Option<InFlight>,
    /// Leaves that the log did not take yet: a closed connection must not stay in the state.
    leaves: VecDeque<QueuedInput>,
    health: Health,
    /// The log has removed this hub.
    removed: bool,
    /// A record is to be written though nothing happened.
    owes_record: bool,
    metrics: Arc<Metrics>,
    /// The revoked subjects, for other threads.
    revocations: watch::Sender<Arc<Revocations>>,
}

/// The result of one [`Partition::poll`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// There may be more to do at once.
    pub busy: bool,
    /// In how long to poll again at the latest; `None`: when an input arrives.
    pub next: Option<Duration>,
    /// Whether new notifications are accepted.
    pub ready: bool,
    /// Whether an input would be taken (or refused) at once; otherwise it waits for the group in flight.
    pub takes: bool,
}

impl<D: Delivery> Partition<D> {
    fn decode(&mut self, stored: &Stored, clock: &dyn Clock) -> Result<Record, HubError> {
        let record = decode_record(stored, self.settings.rules)?;
        self.membership.saw_record(record.time, clock);
        Ok(record)
    }

    /// Applies what the log has, appends the next group, and applies that too if it is back already.
    ///
    /// # Errors
    /// If [`can_rejoin`](Self::can_rejoin), the hub continues with [`rejoin`](Self::rejoin). After any other error it must
    /// stop. All that it acknowledged is in the log.
    pub fn poll(&mut self, inputs: &InputQueue, clock: &dyn Clock) -> Result<Progress, HubError> {
        self.membership.report_clock_step(clock);
        self.recover(clock);
        let read = self.read(clock)?;
        if self.removed {
            return Err(HubError::Removed);
        }
        let now = self.now(clock);
        self.check_refusal(now);
        self.resend(now);
        let appended = self.append_next(inputs, now);
        let read_back = self.read(clock)?;
        let now = self.now(clock);
        self.give_up_waiting(now);
        if self.removed {
            return Err(HubError::Removed);
        }
        let ready = !self.refuses(now);
        Ok(Progress {
            busy: read || (appended && read_back),
            next: self.next_poll(now),
            ready,
            takes: !ready || self.in_flight.is_none(),
        })
    }

    fn now(&self, clock: &dyn Clock) -> Now {
        self.membership.now(clock)
    }

    /// Applies and delivers the records that the log has, and returns whether there were any. Nothing is read from a broken log.
    fn read(&mut self, clock: &dyn Clock) -> Result<bool, HubError> {
        if self.health.is_broken() {
            return Ok(false);
        }
        match self.read_log(clock) {
            Err(HubError::Log(LogError::Device(why))) if self.membership.recovers_by_reopening() => {
                let now = self.now(clock);
                self.found_broken(&why, now);
                Ok(false)
            }
            done => done,
        }
    }

    fn read_log(&mut self, clock: &dyn Clock) -> Result<bool, HubError> {
        let mut any = false;
        while let Some(stored) = self.membership.log_mut().next()? {
            any = true;
            self.apply(&stored, clock)?;
        }
        Ok(any)
    }

    fn apply(&mut self, stored: &Stored, clock: &dyn Clock) -> Result<(), HubError> {
        let record = self.decode(stored, clock)?;
        let own = self.settings.incarnation;
        let (delivery, removed) = (&mut self.delivery, &mut self.removed);
        let metrics = (record.incarnation == own).then_some(&*self.metrics);
        let rules = self.core.rules();
        apply_record(&mut self.core, stored.number, &record, |core, effects| {
            if let Some(metrics) = metrics {
                metrics.count(&effects);
            }
            let gone = Effect::HubRemoved { incarnation: own };
            *removed |= effects.list.iter().any(|(_, effect)| *effect == gone);
            delivery.deliver(core, core.now(), effects);
        })?;
        // Before the flush: nothing leaves the hub that it may have decided by the wrong rules.
        check_rules(stored.number, &self.core, self.settings.rules)?;
        if self.core.rules() != rules {
            tracing::info!(
                rules = self.core.rules(),
                record = stored.number,
                "every hub can apply these rules: now in force"
            );
        }
        self.publish_revocations();
        self.applied = stored.number;
        if record.incarnation == own {
            self.came_back(record.group);
        }
        self.delivery.flush();
        Ok(())
    }

    /// Makes the revoked subjects known to other threads, if they have changed.
    fn publish_revocations(&self) {
        let revocations = self.core.revocations();
        self.revocations.send_if_modified(|known| {
            let changed = known.changes() != revocations.changes();
            if changed {
                *known = Arc::new(revocations.clone());
            }
            changed
        });
    }

    /// A group of this hub was read back: it is done.
    fn came_back(&mut self, group: u64) {
        if self.core.last_group(self.settings.incarnation) < group {
            // It changed nothing: according to the log this hub is not one of the hubs.
            self.removed = true;
            return;
        }
        let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.group == group) else { return };
        self.metrics.append.observe(in_flight.began.elapsed());
        self.membership.confirmed(in_flight.since);
        self.log_takes_records();
    }

    /// Whether new work is refused: the log takes nothing, or this hub cannot know whether it still counts.
    fn refuses(&self, now: Now) -> bool {
        !self.membership.may_take_work(now) || self.health != Health::Good
    }

    /// Builds a group and appends it; whether there was one.
    fn append_next(&mut self, inputs: &InputQueue, now: Now) -> bool {
        let waits = self.health.waits(now);
        // An own log shows by the next group whether it takes records again; a shared one by a tick that comes back.
        let refuses = if self.membership.is_tried_with_inputs() { waits } else { self.refuses(now) };
        if refuses {
            self.refuse_waiting(inputs);
        }
        if waits || self.in_flight.is_some() {
            return false;
        }
        let mut builder = GroupBuilder::new(&self.core);
        if let Some(leaving) = self.membership.joining() {
            self.add_start(&mut builder, leaving);
            return self.append(builder, now);
        }
        self.add_leaves(&mut builder);
        if !refuses {
            self.add_inputs(inputs, &mut builder, now);
            self.add_silent_hubs(&mut builder);
        }
        if builder.bytes.is_empty() {
            if !self.wants_tick(now, refuses) {
                return false;
            }
            builder.bytes.push(&Entry { workspace: Name::default(), input: Input::Tick });
        }
        self.append(builder, now)
    }

    fn add_leaves(&mut self, builder: &mut GroupBuilder) {
        while let Some(leave) = self.leaves.pop_front() {
            if builder.add(leave, self.settings.incarnation) >= GROUP_BYTES_MAX {
                return;
            }
        }
    }

    fn add_inputs(&mut self, inputs: &InputQueue, builder: &mut GroupBuilder, now: Now) {
        let (core, delivery, quota) = (&self.core, &mut self.delivery, &mut self.quota);
        let incarnation = self.settings.incarnation;
        inputs.gather(|input| {
            if let Some((to, why)) = exceeds_quota(core, quota, incarnation, &input, now.monotonic) {
                delivery.refuse(&to, why);
                return true;
            }
            builder.add(input, incarnation) < GROUP_BYTES_MAX
        });
        delivery.flush();
    }

    fn add_silent_hubs(&self, builder: &mut GroupBuilder) {
        for incarnation in self.membership.silent_hubs(&self.core, self.settings.incarnation) {
            tracing::warn!(hub = format_args!("{:016x}", incarnation.0), "no records arrive from a hub: it is removed");
            builder.bytes.push(&Entry { workspace: Name::default(), input: Input::Silent { incarnation } });
        }
    }

    /// Whether a record is due though no input arrived.
    fn wants_tick(&self, now: Now, refuses: bool) -> bool {
        let due = self.tick_at().is_some_and(|at| at <= now.log);
        let retry = self.health != Health::Good;
        self.membership.owes_heartbeat(now) || retry || ((due || self.owes_record) && !refuses)
    }

    fn tick_at(&self) -> Option<Timestamp> {
        self.membership.tick_at(&self.core, self.settings.incarnation)
    }

    fn seal(&self, builder: GroupBuilder, now: Now) -> InFlight {
        let (incarnation, group) = (self.settings.incarnation, self.group);
        let seal = |entries: GroupBytes| entries.seal(incarnation, group, now.log);
        builder.in_flight(group, now.monotonic, seal)
    }

    fn append(&mut self, builder: GroupBuilder, now: Now) -> bool {
        let in_flight = self.seal(builder, now);
        match self.membership.log_mut().append(&in_flight.bytes) {
            Ok(()) => {
                self.group += 1;
                self.owes_record = false;
                self.membership.appended(in_flight.since);
                self.in_flight = Some(in_flight);
                true
            }
            Err(AppendError::Full(why)) => {
                self.found_full(in_flight, &why, now);
                false
            }
            Err(AppendError::Broken(why)) => {
                self.group += 1;
                self.in_flight = Some(in_flight);
                self.found_broken(&why, now);
                true
            }
        }
    }

    fn next_poll(&self, now: Now) -> Option<Duration> {
        let until = |at: Monotonic| Duration::from_millis(at.since_ms(now.monotonic));
        let work = match self.health.retry_at() {
            None => {
                let due = self.tick_at().filter(|_| self.in_flight.is_none() && !self.refuses(now));
                due.map(|at| Duration::from_millis(at.since_ms(now.log)))
            }
            Some(at) => Some(until(at)),
        };
        let in_flight = self.in_flight.as_ref();
        let give_up = in_flight.filter(|in_flight| !in_flight.inputs.callers.is_empty());
        let give_up = give_up.map(|in_flight| in_flight.since.plus_ms(LOG_ANSWER_MAX_MS));
        let resend = in_flight.and_then(|in_flight| self.membership.resend_at(in_flight.sent_at));
        let event = self.membership.next_event(now, in_flight.is_some());
        work.into_iter().chain([give_up, resend, event].into_iter().flatten().map(until)).min()
    }

    /// The next poll writes a record, if only a tick: old records can only be trimmed when a record follows them.
    pub fn owe_record(&mut self) {
        self.owes_record = true;
    }

    /// Whether no group is in flight.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none()
    }

    /// The state, for tests and for the operator.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Sends what is sent once a second; see [`Delivery::tick`].
    pub fn tick_delivery(&mut self) -> Option<Duration> {
        self.delivery.tick(&self.core)
    }

    /// The log, for its size.
    #[must_use]
    pub fn log(&self) -> &dyn Log {
        self.membership.log()
    }

    /// What this partition counts.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Updates those metrics that are not counted as things happen.
    pub fn publish(&self) {
        let metrics = &self.metrics;
        metrics.publish(&self.core.totals());
        metrics.hubs.store(self.core.incarnations().count() as u64, Relaxed);
        metrics.log_bytes.store(self.log().bytes(), Relaxed);
        metrics.last_record.store(self.applied, Relaxed);
    }

    /// The revoked subjects, for other threads.
    pub(super) fn revocations(&self) -> watch::Receiver<Arc<Revocations>> {
        self.revocations.subscribe()
    }

    /// The last record applied.
    #[must_use]
    pub fn applied(&self) -> RecordNumber {
        self.applied
    }

    /// The name of this run in the log.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.settings.incarnation
    }
}
