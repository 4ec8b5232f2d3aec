//! One log, its fold, and what follows: everything but the thread and the waiting. Its beginning and end are in `life`,
//! what it does when the log fails in `trouble`.

mod life;
mod trouble;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use deskbell_core::effect::Effect;
use deskbell_core::entry::{Entry, Input, Record};
use deskbell_core::{Core, Incarnation, Limits, Name, Timestamp};

use self::trouble::LOG_ANSWER_MAX_MS;
use super::clock::Clock;
use super::codec::{CodecError, GroupBytes, decode_record};
use super::delivery::Delivery;
use super::group::{Gathered, UnderWay, over_rate};
use super::intake::{Intake, Waiting};
use super::metrics::Metrics;
use super::rates::DeliveryRates;
use super::standing::{Moment, SEND_AGAIN_MS, Standing, TICK_LATER_MS};
use crate::log::{AppendError, Keep, Log, LogError, RecordNumber, Stored};

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
    pub keep: Keep,
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

/// One partition of the hub. Driven by [`Partition::turn`]; knows no thread and never waits.
#[derive(Debug)]
pub struct Partition<D> {
    core: Core,
    log: Box<dyn Log>,
    delivery: D,
    settings: HubSettings,
    rates: DeliveryRates,
    /// The number of this incarnation's next group.
    group: u64,
    /// The last record applied.
    applied: RecordNumber,
    under_way: Option<UnderWay>,
    /// Leaves that the log did not take yet: a connection that is gone must not stay on the desks' books.
    leaves: VecDeque<Waiting>,
    health: Health,
    /// Among the hubs of a shared log; `None`: the log is this hub's alone.
    standing: Option<Standing>,
    removed: bool,
    /// A record is to be written though nothing happened.
    owes_record: bool,
    metrics: Arc<Metrics>,
}

/// What a turn found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turned {
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
        if let Some(standing) = &mut self.standing {
            standing.hear(record.time, clock);
        }
        Ok(record)
    }

    /// One turn: applies what the log has, hands the next group to it, applies that if it is back already.
    ///
    /// # Errors
    /// [`HubError::Removed`], and in a shared log [`LogError::Forgotten`]: see [`begin_anew`](Self::begin_anew). Any
    /// other: the hub must stop; what it acknowledged is in the log.
    pub fn turn(&mut self, intake: &Intake, clock: &dyn Clock) -> Result<Turned, HubError> {
        self.mend(clock);
        let read = self.read(clock)?;
        if self.removed {
            return Err(HubError::Removed);
        }
        let moment = self.moment(clock);
        self.hear_refusal(moment);
        self.send_again(moment);
        let appended = self.append_next(intake, moment);
        let read_back = self.read(clock)?;
        let moment = self.moment(clock);
        self.give_up_waiting(moment);
        if self.removed {
            return Err(HubError::Removed);
        }
        let ready = !self.refuses(moment);
        Ok(Turned {
            busy: read || (appended && read_back),
            next: self.next_turn(moment),
            ready,
            takes: !ready || self.under_way.is_none(),
        })
    }

    fn moment(&self, clock: &dyn Clock) -> Moment {
        match &self.standing {
            Some(standing) => standing.moment(clock),
            None => {
                let now = clock.now();
                Moment { steady: now, log: now }
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
        let Some(under_way) = self.under_way.take_if(|under_way| under_way.group == group) else { return };
        self.metrics.append.observe(under_way.began.elapsed());
        if let Some(standing) = &mut self.standing {
            standing.proven(under_way.since);
            if self.health != Health::Good {
                tracing::info!("the log takes records again");
                self.health = Health::Good;
            }
        }
    }

    /// Whether new work is refused: the log takes nothing, or this hub cannot know whether it still counts.
    fn refuses(&self, moment: Moment) -> bool {
        let alive = self.standing.as_ref().is_none_or(|standing| standing.is_alive(moment.steady));
        !alive || self.health != Health::Good
    }

    /// Gathers a group and hands it to the log; whether there was one.
    fn append_next(&mut self, intake: &Intake, moment: Moment) -> bool {
        let shared = self.standing.is_some();
        let waits = match self.health {
            Health::Good => false,
            Health::Full(at) => moment.steady < at,
            Health::Broken(_) => true,
        };
        // A log of its own shows by the next group whether it takes something again; a shared one by a tick that comes
        // back, since its word is not enough.
        let refuses = if shared { self.refuses(moment) } else { waits };
        if refuses {
            self.refuse_waiting(intake, moment);
        }
        if waits || self.under_way.is_some() {
            return false;
        }
        let mut gathered = Gathered::default();
        if let Some(leaving) = self.standing.as_ref().and_then(Standing::beginning) {
            self.gather_beginning(&mut gathered, leaving);
            return self.append(gathered, moment);
        }
        self.gather_leaves(&mut gathered);
        if !refuses {
            self.gather(intake, &mut gathered, moment);
            self.gather_silent(&mut gathered);
        }
        if gathered.bytes.is_empty() {
            if !self.wants_tick(moment, refuses) {
                return false;
            }
            gathered.bytes.push(&Entry { workspace: Name::default(), input: Input::Tick });
        }
        self.append(gathered, moment)
    }

    fn gather_leaves(&mut self, gathered: &mut Gathered) {
        while let Some(leave) = self.leaves.pop_front() {
            if gathered.take(leave, self.settings.incarnation) >= GROUP_BYTES_MAX {
                return;
            }
        }
    }

    fn gather(&mut self, intake: &Intake, gathered: &mut Gathered, moment: Moment) {
        let (core, delivery, rates) = (&self.core, &mut self.delivery, &mut self.rates);
        let incarnation = self.settings.incarnation;
        intake.gather(|waiting| {
            if let Some((to, why)) = over_rate(core, rates, incarnation, &waiting, moment.steady) {
                delivery.refuse(&to, why);
                return true;
            }
            gathered.take(waiting, incarnation) < GROUP_BYTES_MAX
        });
        delivery.flush();
    }

    /// Hubs that are taken for gone are reported by whoever sees it; the first report counts.
    fn gather_silent(&self, gathered: &mut Gathered) {
        if self.standing.is_none() {
            return;
        }
        for incarnation in self.core.silent_hubs().filter(|other| *other != self.settings.incarnation) {
            tracing::warn!(hub = format_args!("{:016x}", incarnation.0), "nothing comes of a hub: it is removed");
            gathered.bytes.push(&Entry { workspace: Name::default(), input: Input::Silent { incarnation } });
        }
    }

    /// Whether a record is due though nobody said anything.
    fn wants_tick(&self, moment: Moment, refuses: bool) -> bool {
        let due = self.due_at().is_some_and(|at| at <= moment.log);
        let owed = self.standing.as_ref().is_some_and(|standing| standing.owes_heartbeat(moment.steady));
        let retry = self.health != Health::Good;
        owed || retry || ((due || self.owes_record) && !refuses)
    }

    /// When this hub ticks for what falls due next: in a shared log the hub that has the provider does so at once, the
    /// others a little later, when that one is surely gone or slow.
    fn due_at(&self) -> Option<Timestamp> {
        let at = self.core.next_deadline()?;
        if self.standing.is_none() {
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

    fn seal(&self, gathered: Gathered, moment: Moment) -> UnderWay {
        let (incarnation, group) = (self.settings.incarnation, self.group);
        let seal = |entries: GroupBytes| entries.seal(incarnation, group, moment.log);
        gathered.under_way(group, moment.steady, seal)
    }

    fn handed_in(&mut self, under_way: UnderWay) {
        if let Some(standing) = &mut self.standing {
            standing.appended(under_way.since);
        }
        self.under_way = Some(under_way);
    }

    fn append(&mut self, gathered: Gathered, moment: Moment) -> bool {
        let now = moment.steady;
        let under_way = self.seal(gathered, moment);
        match self.log.append(&under_way.bytes) {
            Ok(()) => {
                self.group += 1;
                self.owes_record = false;
                self.handed_in(under_way);
                if self.health != Health::Good && self.standing.is_none() {
                    tracing::info!("the log takes records again");
                    self.health = Health::Good;
                }
                true
            }
            Err(AppendError::Full(why)) => {
                self.found_full(under_way, &why, now);
                false
            }
            Err(AppendError::Broken(why)) => {
                tracing::error!(%why, "the log's device failed: it is opened again");
                self.group += 1;
                self.under_way = Some(under_way);
                self.health = Health::Broken(now);
                true
            }
        }
    }

    fn next_turn(&self, moment: Moment) -> Option<Duration> {
        let until = |at: Timestamp| Duration::from_millis(at.since_ms(moment.steady));
        let health = match self.health {
            Health::Good => {
                let due = self.due_at().filter(|_| self.under_way.is_none() && !self.refuses(moment));
                due.map(|at| Duration::from_millis(at.since_ms(moment.log)))
            }
            Health::Full(at) | Health::Broken(at) => Some(until(at)),
        };
        let give_up = self.under_way.as_ref().filter(|under_way| !under_way.callers.is_empty());
        let give_up = give_up.map(|under_way| until(under_way.since.plus_ms(LOG_ANSWER_MAX_MS)));
        let standing = self.standing.iter().flat_map(|standing| standing.next(moment.steady, self.under_way.is_some()));
        let again = self.under_way.as_ref().filter(|_| self.standing.is_some());
        let again = again.map(|under_way| under_way.sent_at.plus_ms(SEND_AGAIN_MS));
        health.into_iter().chain(give_up).chain(standing.chain(again).map(until)).min()
    }

    /// The next turn writes a record, if only a tick: what is old goes from a log only where something follows it.
    pub fn owe_record(&mut self) {
        self.owes_record = true;
    }

    /// Whether nothing is under way to the log.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.under_way.is_none()
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
