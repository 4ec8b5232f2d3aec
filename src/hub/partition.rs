//! One log, its fold, and what follows: everything but the thread and the waiting.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::clock::Clock;
use super::codec::{CodecError, GroupBytes, decode_record, decode_snapshot, encode_snapshot};
use super::delivery::{Delivery, NotTried};
use super::intake::{Intake, Waiting};
use super::rates::DeliveryRates;
use crate::log::{AppendError, Keep, Log, LogError, RecordNumber};
use crate::workspace::effect::{Effect, ReplyTo};
use crate::workspace::entry::{Action, Entry, Input};
use crate::workspace::{ConnectionId, Core, Incarnation, Limits, Name, Timestamp};

/// Bytes of entries at which a group is full: one record of the cluster's stream stays below its default limit.
const GROUP_BYTES_MAX: usize = 512 * 1024;

/// How long a call waits for a log that does not answer before its connection is cut off, from the contract.
const LOG_ANSWER_MAX_MS: u64 = 10_000;

/// When clients are told to come back while the log takes nothing.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often a log that takes nothing is tried again.
const LOG_RETRY_MS: u64 = 250;

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
    /// Becomes the log's own if the log is new; drawn at random.
    pub epoch: u64,
    /// In force from the start on.
    pub limits: Limits,
    /// Deliveries that one provider may cause per second, with a burst of twice that.
    pub deliveries_per_second: u64,
    /// What of the past is kept for explanations.
    pub keep: Keep,
}

/// Inputs that were handed to the log and are not read back yet.
#[derive(Debug)]
struct UnderWay {
    group: u64,
    bytes: Vec<u8>,
    since: Timestamp,
    callers: Vec<Caller>,
    leaves: Vec<Waiting>,
    /// Held until the group is done: a connection's inputs under way are bounded by them.
    _permits: Vec<OwnedSemaphorePermit>,
}

/// Who waits for a group.
#[derive(Debug)]
enum Caller {
    /// A call that is answered.
    Call(ReplyTo),
    /// A hello.
    Join(u64),
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
    removed: bool,
}

/// What a turn found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turned {
    /// There may be more to do at once.
    pub busy: bool,
    /// When to turn again at the latest; `None`: when an input comes.
    pub next: Option<Timestamp>,
    /// Whether new notifications are taken.
    pub ready: bool,
}

impl<D: Delivery> Partition<D> {
    /// Reads the log to its end and begins: whatever hub wrote it before is gone, its connections with it.
    ///
    /// # Errors
    /// [`HubError`]: the log cannot be read, folded, or written.
    pub fn start(log: Box<dyn Log>, delivery: D, clock: &dyn Clock, settings: HubSettings) -> Result<Self, HubError> {
        let snapshot = log.history().map(|mut history| history.snapshot()).transpose()?.flatten();
        let (core, applied) = match snapshot {
            Some((number, bytes)) => (decode_snapshot(number, &bytes)?, number),
            None => (Core::default(), 0),
        };
        let rates = DeliveryRates::new(settings.deliveries_per_second);
        let mut partition = Self {
            core,
            log,
            delivery,
            settings,
            rates,
            group: 1,
            applied,
            under_way: None,
            leaves: VecDeque::new(),
            health: Health::Good,
            removed: false,
        };
        partition.catch_up()?;
        partition.begin(clock)?;
        Ok(partition)
    }

    /// Applies what is in the log already. Nobody is connected, so nobody is told.
    fn catch_up(&mut self) -> Result<(), HubError> {
        while let Some((number, bytes)) = self.log.next()? {
            self.core.apply(&decode_record(number, &bytes)?, |_, _| {});
            self.applied = number;
        }
        Ok(())
    }

    fn begin(&mut self, clock: &dyn Clock) -> Result<(), HubError> {
        let entry = |input| Entry { workspace: Name::default(), input };
        let mut group = GroupBytes::default();
        group.push(&entry(Input::Started { epoch: self.settings.epoch }));
        for incarnation in self.core.incarnations() {
            group.push(&entry(Input::Removed { incarnation }));
        }
        if *self.core.limits() != self.settings.limits {
            group.push(&entry(Input::Configured(self.settings.limits.clone())));
        }
        let bytes = group.seal(self.settings.incarnation, self.group, clock.now());
        self.group += 1;
        self.log.append(&bytes)?;
        self.catch_up()
    }

    /// One turn: applies what the log has, hands the next group to it, applies that if it is back already.
    ///
    /// # Errors
    /// [`HubError`]: the hub must stop; what it acknowledged is in the log.
    pub fn turn(&mut self, intake: &Intake, clock: &dyn Clock) -> Result<Turned, HubError> {
        let now = clock.now();
        self.mend(now);
        let read = self.read()?;
        let appended = self.under_way.is_none() && self.append_next(intake, now);
        let read_back = self.read()?;
        self.give_up_waiting(clock.now());
        if self.removed {
            return Err(HubError::Removed);
        }
        Ok(Turned { busy: read || (appended && read_back), next: self.next_turn(), ready: self.health == Health::Good })
    }

    /// Applies and tells whatever the log has; whether there was something.
    fn read(&mut self) -> Result<bool, HubError> {
        let mut any = false;
        loop {
            let (number, bytes) = match self.log.next() {
                Ok(Some(record)) => record,
                Ok(None) => return Ok(any),
                Err(error) if matches!(self.health, Health::Broken(_)) => {
                    tracing::debug!(%error, "the log cannot be read yet");
                    return Ok(any);
                }
                Err(error) => return Err(error.into()),
            };
            any = true;
            let record = decode_record(number, &bytes)?;
            let (delivery, removed, own) = (&mut self.delivery, &mut self.removed, self.settings.incarnation);
            self.core.apply(&record, |core, effects| {
                let gone = Effect::HubRemoved { incarnation: own };
                *removed |= effects.list.iter().any(|(_, effect)| *effect == gone);
                delivery.deliver(core, core.now(), effects);
            });
            self.applied = number;
            if record.incarnation == own
                && self.under_way.as_ref().is_some_and(|under_way| under_way.group == record.group)
            {
                self.under_way = None;
            }
            self.delivery.flush();
        }
    }

    /// Gathers a group and hands it to the log; whether there was one.
    fn append_next(&mut self, intake: &Intake, now: Timestamp) -> bool {
        let waits = match self.health {
            Health::Good => false,
            Health::Full(at) => now < at,
            Health::Broken(_) => true,
        };
        if waits {
            self.refuse_waiting(intake, now);
            return false;
        }
        let mut gathered = Gathered::default();
        for leave in self.leaves.drain(..) {
            gathered.take(leave, self.settings.incarnation);
        }
        let (core, delivery, rates) = (&self.core, &mut self.delivery, &mut self.rates);
        let incarnation = self.settings.incarnation;
        intake.gather(|waiting| {
            if let Some((to, why)) = over_rate(core, rates, incarnation, &waiting, now) {
                delivery.refuse(&to, why);
                return true;
            }
            gathered.take(waiting, incarnation) < GROUP_BYTES_MAX
        });
        delivery.flush();
        let due = self.core.next_deadline().is_some_and(|at| at <= now);
        let retry = self.health != Health::Good;
        if gathered.bytes.is_empty() {
            if !due && !retry {
                return false;
            }
            gathered.bytes.push(&Entry { workspace: Name::default(), input: Input::Tick });
        }
        self.append(gathered, now)
    }

    fn append(&mut self, gathered: Gathered, now: Timestamp) -> bool {
        let group = self.group;
        let bytes = gathered.bytes.seal(self.settings.incarnation, group, now);
        let under_way = UnderWay {
            group,
            bytes,
            since: now,
            callers: gathered.callers,
            leaves: gathered.leaves,
            _permits: gathered.permits,
        };
        match self.log.append(&under_way.bytes) {
            Ok(()) => {
                self.group += 1;
                self.under_way = Some(under_way);
                if self.health != Health::Good {
                    tracing::info!("the log takes records again");
                    self.health = Health::Good;
                }
                true
            }
            Err(AppendError::Full(why)) => {
                if self.health == Health::Good {
                    tracing::error!(%why, "the log has no room: new work is refused until there is room");
                }
                self.health = Health::Full(now.plus_ms(LOG_RETRY_MS));
                self.refuse_all(under_way, &why);
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

    /// Re-opens a broken log; then whatever is read back was appended, and the rest was not.
    fn mend(&mut self, now: Timestamp) {
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
        if let Err(error) = self.read() {
            tracing::error!(%error, "the log cannot be read after it was opened again");
            self.health = Health::Broken(now.plus_ms(LOG_RETRY_MS));
            return;
        }
        if let Some(under_way) = self.under_way.take() {
            self.refuse_all(under_way, "the log's device failed");
        }
    }

    /// Answers what waits while the log takes nothing. Leaves are kept: they must come into the log one day.
    fn refuse_waiting(&mut self, intake: &Intake, now: Timestamp) {
        let mut gathered = Gathered::default();
        intake.gather(|waiting| {
            gathered.take(waiting, self.settings.incarnation);
            true
        });
        let under_way = UnderWay {
            group: 0,
            bytes: Vec::new(),
            since: now,
            callers: gathered.callers,
            leaves: gathered.leaves,
            _permits: gathered.permits,
        };
        self.refuse_all(under_way, "the log takes nothing at the moment");
    }

    /// Nothing of this group was done, and its callers are told so.
    fn refuse_all(&mut self, under_way: UnderWay, why: &str) {
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

    /// Past the time that a call may wait for the log nobody knows what became of it: its connection is cut off.
    fn give_up_waiting(&mut self, now: Timestamp) {
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

    fn next_turn(&self) -> Option<Timestamp> {
        let health = match self.health {
            Health::Good => self.core.next_deadline().filter(|_| self.under_way.is_none()),
            Health::Full(at) | Health::Broken(at) => Some(at),
        };
        let give_up = self.under_way.as_ref().map(|under_way| under_way.since.plus_ms(LOG_ANSWER_MAX_MS));
        health.into_iter().chain(give_up).min()
    }

    /// The end of an orderly stop: a snapshot of everything, so that the next start, of whatever version, finds no
    /// records after it.
    pub fn finish(self) {
        let Some(mut history) = self.log.history() else { return };
        let bytes = encode_snapshot(&self.core);
        match history.keep(self.applied, &bytes, &self.settings.keep) {
            Ok(()) => tracing::info!(record = self.applied, bytes = bytes.len(), "snapshot written"),
            Err(error) => tracing::error!(%error, "no snapshot was written; the next start reads the log instead"),
        }
        if let Err(error) = self.log.close() {
            tracing::error!(%error, "the log was not closed; nothing is lost");
        }
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

    /// The last record applied.
    #[must_use]
    pub fn applied(&self) -> RecordNumber {
        self.applied
    }
}

/// Inputs on their way into a group.
#[derive(Debug, Default)]
struct Gathered {
    bytes: GroupBytes,
    callers: Vec<Caller>,
    leaves: Vec<Waiting>,
    permits: Vec<OwnedSemaphorePermit>,
}

impl Gathered {
    /// Adds an input; the group's bytes then.
    fn take(&mut self, mut waiting: Waiting, incarnation: Incarnation) -> usize {
        let bytes = self.bytes.push(&waiting.entry);
        match &waiting.entry.input {
            // Nobody waits for a word about `seen`.
            Input::Call { call, .. } if matches!(call.action, Action::Seen { .. }) => {}
            Input::Call { connection, call } => {
                let connection = ConnectionId { incarnation, serial: *connection };
                self.callers.push(Caller::Call(ReplyTo::new(connection, call)));
            }
            Input::Join { connection, .. } => {
                self.callers.push(Caller::Join(*connection));
            }
            Input::Leave { .. } => {
                self.leaves.push(waiting);
                return bytes;
            }
            Input::Started { .. } | Input::Configured(_) | Input::Removed { .. } | Input::Tick => {}
        }
        self.permits.extend(waiting.permit.take());
        bytes
    }
}

impl Caller {
    fn serial(&self) -> u64 {
        match self {
            Self::Call(to) => to.connection.serial,
            Self::Join(serial) => *serial,
        }
    }
}

/// Whether a provider's call would go past its deliveries per second.
fn over_rate(
    core: &Core,
    rates: &mut DeliveryRates,
    incarnation: Incarnation,
    waiting: &Waiting,
    now: Timestamp,
) -> Option<(ReplyTo, NotTried)> {
    let Input::Call { connection, call } = &waiting.entry.input else { return None };
    let connection = ConnectionId { incarnation, serial: *connection };
    let (workspace, provider) = core.provider_of(connection)?;
    let cost = core.cost(workspace, &call.action);
    let retry_after = rates.take(workspace, provider, cost, now).err()?;
    Some((ReplyTo::new(connection, call), NotTried::DeliveriesPerSecond { retry_after, limit: rates.limit() }))
}
