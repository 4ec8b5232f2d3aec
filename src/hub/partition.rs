//! One log, its fold, and what follows: everything but the thread and the waiting. Its beginning and end are in `lifecycle`,
//! what it does when the log fails in `log_faults`.

mod lifecycle;
mod log_faults;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use deskbell_core::effect::Effect;
use deskbell_core::entry::{Entry, Input, Record};
use deskbell_core::{Core, Incarnation, Limits, Name, Timestamp};

use self::log_faults::LOG_ANSWER_MAX_MS;
use super::clock::Clock;
use super::codec::{CodecError, GroupBytes, decode_record};
use super::delivery::Delivery;
use super::delivery_quota::DeliveryQuota;
use super::group::{GroupBuilder, InFlight, exceeds_quota};
use super::input_queue::{InputQueue, QueuedInput};
use super::membership::{Liveness, Now, SEND_AGAIN_MS, TICK_LATER_MS};
use super::metrics::Metrics;
use crate::log::{AppendError, Log, LogError, RecordNumber, Retention, Stored};

/// Bytes of entries at which a group is full: one record of the cluster's stream stays below its default limit.
const GROUP_BYTES_MAX: usize = 512 * 1024;

/// The hub cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What is in the log cannot be folded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The log took not even the hub's start.
    #[error("the hub's start could not be written: {0}")]
    Start(#[from] AppendError),
    /// The log removed this hub; it has to come back as another incarnation.
    #[error("this hub was removed from the log by another")]
    Removed,
}

/// What the hub is run with.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// This run's name in the log; never used before.
    pub incarnation: Incarnation,
    /// Draws another one, for a hub that was removed from a shared log and comes back.
    pub next_incarnation: fn() -> Incarnation,
    /// Becomes the log's own if the log is new; drawn at random.
    pub epoch: u64,
    /// In force from the start on.
    pub limits: Limits,
    /// Deliveries that one provider may cause per second, with a burst of twice that.
    pub deliveries_per_second: u64,
    /// What of the past is kept for explanations.
    pub retention: Retention,
}

/// Whether the log takes appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    /// It has no room; tried again at that time.
    Full(Timestamp),
    /// It has to be re-opened; tried again at that time.
    Broken(Timestamp),
}

/// One partition of the hub. Driven by [`Partition::poll`]; knows no thread and never waits.
#[derive(Debug)]
pub struct Partition<D> {
    core: Core,
    log: Box<dyn Log>,
    delivery: D,
    settings: HubSettings,
    rates: DeliveryQuota,
    /// The number of this incarnation's next group.
    group: u64,
    /// The last record applied.
    applied: RecordNumber,
    in_flight: Option<InFlight>,
    /// Leaves that the log did not take yet: a connection that is gone must not stay on the desks' books.
    leaves: VecDeque<QueuedInput>,
    health: Health,
    /// Among the hubs of a shared log; `None`: the log is this hub's alone.
    liveness: Option<Liveness>,
    removed: bool,
    /// A record is to be written though nothing happened.
    owes_record: bool,
    metrics: Arc<Metrics>,
}

/// What a turn found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// There may be more to do at once.
    pub busy: bool,
    /// In how long to turn again at the latest; `None`: when an input comes.
    pub next: Option<Duration>,
    /// Whether new notifications are taken.
    pub ready: bool,
    /// Whether an input would be taken up (or refused) at once; else it waits for the group under way.
    pub takes: bool,
}

impl<D: Delivery> Partition<D> {
    /// A record as it is applied: a log that has a clock of its own says when it was written.
    fn decode(&mut self, stored: &Stored, clock: &dyn Clock) -> Result<Record, HubError> {
        let mut record = decode_record(stored.number, &stored.bytes)?;
        if let Some(ms) = stored.time_ms {
            record.time = Timestamp(ms);
        }
        if let Some(liveness) = &mut self.liveness {
            liveness.hear(record.time, clock);
        }
        Ok(record)
    }

    /// One turn: applies what the log has, hands the next group to it, applies that if it is back already.
    ///
    /// # Errors
    /// [`HubError::Removed`], and in a shared log [`LogError::Trimmed`]: see [`rejoin`](Self::rejoin). Any
    /// other: the hub must stop; what it acknowledged is in the log.
    pub fn poll(&mut self, inputs: &InputQueue, clock: &dyn Clock) -> Result<Progress, HubError> {
        self.recover(clock);
        let read = self.read(clock)?;
        if self.removed {
            return Err(HubError::Removed);
        }
        let moment = self.moment(clock);
        self.hear_refusal(moment);
        self.send_again(moment);
        let appended = self.append_next(inputs, moment);
        let read_back = self.read(clock)?;
        let moment = self.moment(clock);
        self.give_up_waiting(moment);
        if self.removed {
            return Err(HubError::Removed);
        }
        let ready = !self.refuses(moment);
        Ok(Progress {
            busy: read || (appended && read_back),
            next: self.next_turn(moment),
            ready,
            takes: !ready || self.in_flight.is_none(),
        })
    }

    fn moment(&self, clock: &dyn Clock) -> Now {
        match &self.liveness {
            Some(liveness) => liveness.moment(clock),
            None => {
                let now = clock.now();
                Now { monotonic: now, log: now }
            }
        }
    }

    /// Applies and tells whatever the log has; whether there was something.
    fn read(&mut self, clock: &dyn Clock) -> Result<bool, HubError> {
        let mut any = false;
        loop {
            let stored = match self.log.next() {
                Ok(Some(stored)) => stored,
                Ok(None) => return Ok(any),
                Err(error) if matches!(self.health, Health::Broken(_)) => {
                    tracing::debug!(%error, "the log cannot be read yet");
                    return Ok(any);
                }
                Err(error) => return Err(error.into()),
            };
            any = true;
            let record = self.decode(&stored, clock)?;
            let (delivery, removed, own) = (&mut self.delivery, &mut self.removed, self.settings.incarnation);
            let metrics = (record.incarnation == own).then_some(&*self.metrics);
            self.core.apply(&record, |core, effects| {
                if let Some(metrics) = metrics {
                    metrics.count(&effects);
                }
                let gone = Effect::HubRemoved { incarnation: own };
                *removed |= effects.list.iter().any(|(_, effect)| *effect == gone);
                delivery.deliver(core, core.now(), effects);
            });
            self.applied = stored.number;
            if record.incarnation == own {
                self.came_back(record.group);
            }
            self.delivery.flush();
        }
    }

    /// A group of this hub's was read back: it is done.
    fn came_back(&mut self, group: u64) {
        if self.core.last_group(self.settings.incarnation) < group {
            // It changed nothing: by the log this hub is not one of the hubs.
            self.removed = true;
            return;
        }
        let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.group == group) else { return };
        self.metrics.append.observe(in_flight.began.elapsed());
        if let Some(liveness) = &mut self.liveness {
            liveness.confirmed(in_flight.since);
            if self.health != Health::Good {
                tracing::info!("the log takes records again");
                self.health = Health::Good;
            }
        }
    }

    /// Whether new work is refused: the log takes nothing, or this hub cannot know whether it still counts.
    fn refuses(&self, moment: Now) -> bool {
        let alive = self.liveness.as_ref().is_none_or(|liveness| liveness.is_alive(moment.monotonic));
        !alive || self.health != Health::Good
    }

    /// Gathers a group and hands it to the log; whether there was one.
    fn append_next(&mut self, inputs: &InputQueue, moment: Now) -> bool {
        let shared = self.liveness.is_some();
        let waits = match self.health {
            Health::Good => false,
            Health::Full(at) => moment.monotonic < at,
            Health::Broken(_) => true,
        };
        // A log of its own shows by the next group whether it takes something again; a shared one by a tick that comes
        // back, since its word is not enough.
        let refuses = if shared { self.refuses(moment) } else { waits };
        if refuses {
            self.refuse_waiting(inputs, moment);
        }
        if waits || self.in_flight.is_some() {
            return false;
        }
        let mut builder = GroupBuilder::default();
        if let Some(leaving) = self.liveness.as_ref().and_then(Liveness::beginning) {
            self.gather_beginning(&mut builder, leaving);
            return self.append(builder, moment);
        }
        self.gather_leaves(&mut builder);
        if !refuses {
            self.gather(inputs, &mut builder, moment);
            self.gather_silent(&mut builder);
        }
        if builder.bytes.is_empty() {
            if !self.wants_tick(moment, refuses) {
                return false;
            }
            builder.bytes.push(&Entry { workspace: Name::default(), input: Input::Tick });
        }
        self.append(builder, moment)
    }

    fn gather_leaves(&mut self, builder: &mut GroupBuilder) {
        while let Some(leave) = self.leaves.pop_front() {
            if builder.take(leave, self.settings.incarnation) >= GROUP_BYTES_MAX {
                return;
            }
        }
    }

    fn gather(&mut self, inputs: &InputQueue, builder: &mut GroupBuilder, moment: Now) {
        let (core, delivery, rates) = (&self.core, &mut self.delivery, &mut self.rates);
        let incarnation = self.settings.incarnation;
        inputs.gather(|waiting| {
            if let Some((to, why)) = exceeds_quota(core, rates, incarnation, &waiting, moment.monotonic) {
                delivery.refuse(&to, why);
                return true;
            }
            builder.take(waiting, incarnation) < GROUP_BYTES_MAX
        });
        delivery.flush();
    }

    /// Hubs that are taken for gone are reported by whoever sees it; the first report counts.
    fn gather_silent(&self, builder: &mut GroupBuilder) {
        if self.liveness.is_none() {
            return;
        }
        for incarnation in self.core.silent_hubs().filter(|other| *other != self.settings.incarnation) {
            tracing::warn!(hub = format_args!("{:016x}", incarnation.0), "nothing comes of a hub: it is removed");
            builder.bytes.push(&Entry { workspace: Name::default(), input: Input::Silent { incarnation } });
        }
    }

    /// Whether a record is due though nobody said anything.
    fn wants_tick(&self, moment: Now, refuses: bool) -> bool {
        let due = self.due_at().is_some_and(|at| at <= moment.log);
        let owed = self.liveness.as_ref().is_some_and(|liveness| liveness.owes_heartbeat(moment.monotonic));
        let retry = self.health != Health::Good;
        owed || retry || ((due || self.owes_record) && !refuses)
    }

    /// When this hub ticks for what falls due next: in a shared log the hub that has the provider does so at once, the
    /// others a little later, when that one is surely gone or slow.
    fn due_at(&self) -> Option<Timestamp> {
        let at = self.core.next_deadline()?;
        if self.liveness.is_none() {
            return Some(at);
        }
        let own = self.settings.incarnation;
        let connections = self.core.next_due_connections();
        let first = match connections {
            [] => self.core.incarnations().next() == Some(own),
            _ => connections.iter().any(|connection| connection.incarnation == own),
        };
        Some(if first { at } else { at.plus_ms(TICK_LATER_MS) })
    }

    fn seal(&self, builder: GroupBuilder, moment: Now) -> InFlight {
        let (incarnation, group) = (self.settings.incarnation, self.group);
        let seal = |entries: GroupBytes| entries.seal(incarnation, group, moment.log);
        builder.in_flight(group, moment.monotonic, seal)
    }

    fn handed_in(&mut self, in_flight: InFlight) {
        if let Some(liveness) = &mut self.liveness {
            liveness.appended(in_flight.since);
        }
        self.in_flight = Some(in_flight);
    }

    fn append(&mut self, builder: GroupBuilder, moment: Now) -> bool {
        let now = moment.monotonic;
        let in_flight = self.seal(builder, moment);
        match self.log.append(&in_flight.bytes) {
            Ok(()) => {
                self.group += 1;
                self.owes_record = false;
                self.handed_in(in_flight);
                if self.health != Health::Good && self.liveness.is_none() {
                    tracing::info!("the log takes records again");
                    self.health = Health::Good;
                }
                true
            }
            Err(AppendError::Full(why)) => {
                self.found_full(in_flight, &why, now);
                false
            }
            Err(AppendError::Broken(why)) => {
                tracing::error!(%why, "the log's device failed: it is opened again");
                self.group += 1;
                self.in_flight = Some(in_flight);
                self.health = Health::Broken(now);
                true
            }
        }
    }

    fn next_turn(&self, moment: Now) -> Option<Duration> {
        let until = |at: Timestamp| Duration::from_millis(at.since_ms(moment.monotonic));
        let health = match self.health {
            Health::Good => {
                let due = self.due_at().filter(|_| self.in_flight.is_none() && !self.refuses(moment));
                due.map(|at| Duration::from_millis(at.since_ms(moment.log)))
            }
            Health::Full(at) | Health::Broken(at) => Some(until(at)),
        };
        let give_up = self.in_flight.as_ref().filter(|in_flight| !in_flight.callers.is_empty());
        let give_up = give_up.map(|in_flight| until(in_flight.since.plus_ms(LOG_ANSWER_MAX_MS)));
        let liveness =
            self.liveness.iter().flat_map(|liveness| liveness.next(moment.monotonic, self.in_flight.is_some()));
        let again = self.in_flight.as_ref().filter(|_| self.liveness.is_some());
        let again = again.map(|in_flight| in_flight.sent_at.plus_ms(SEND_AGAIN_MS));
        health.into_iter().chain(give_up).chain(liveness.chain(again).map(until)).min()
    }

    /// The next turn writes a record, if only a tick: what is old goes from a log only where something follows it.
    pub fn owe_record(&mut self) {
        self.owes_record = true;
    }

    /// Whether nothing is under way to the log.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none()
    }

    /// The state, for tests and for the operator.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// What is told by the second; see [`Delivery::tick`].
    pub fn tick_delivery(&mut self) -> Option<Duration> {
        self.delivery.tick(&self.core)
    }

    /// The log, for its background fold and its size.
    #[must_use]
    pub fn log(&self) -> &dyn Log {
        &*self.log
    }

    /// What this partition counts.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Brings those of the metrics up to date that are not counted as things happen.
    pub fn publish(&self) {
        let metrics = &self.metrics;
        metrics.publish(&self.core.totals());
        metrics.hubs.store(self.core.incarnations().count() as u64, Relaxed);
        metrics.log_bytes.store(self.log.bytes(), Relaxed);
        metrics.last_record.store(self.applied, Relaxed);
    }

    /// The last record applied.
    #[must_use]
    pub fn applied(&self) -> RecordNumber {
        self.applied
    }

    /// What this run is called in the log.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.settings.incarnation
    }
}
