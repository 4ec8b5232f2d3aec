//! Everything that differs between a hub that has its log to itself and one of several hubs over a shared log: the log's
//! time, whether the hub counts as alive, when it ticks and sends again, who reports silent hubs and who makes snapshots.
//! Nothing else in the hub asks which kind of log it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use deskbell_core::{Core, Incarnation, Timestamp};

use super::clock::{Clock, Monotonic};
use crate::log::{
    AnyLog, Cause, Digest, Log, LogAge, LogError, OwnLog, OwnSnapshots, Retention, SharedLog, SharedSnapshots,
    SnapshotStore,
};

/// A hub of a cluster that has appended nothing for this long appends a tick, so that the others know it is alive.
pub(super) const HEARTBEAT_MS: u64 = 1_000;

/// A group that a shared log has not returned for this long is appended again.
pub(super) const RESEND_MS: u64 = 1_000;

/// A hub of a cluster counts itself alive while a group of its own came back that was first appended this recently.
pub(super) const ALIVE_MS: u64 = 3_000;

/// A hub of a cluster that has not been alive for this long disconnects its clients: the others have removed it by then.
/// Longer than the servers need to elect a leader, since nobody has to reconnect for that pause.
pub(super) const DISCONNECT_MS: u64 = 15_000;

/// How much later than the hub with the provider's connection the other hubs tick for a deadline.
pub(super) const TICK_LATER_MS: u64 = 300;

/// A difference between the wall clock and the log's clock that is worth a line in the hub's log.
const CLOCK_STEP_MS: u64 = 1_000;

/// One moment, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// The monotonic clock, for durations.
    pub(super) monotonic: Monotonic,
    /// The log's time: deadlines are compared with it.
    pub(super) log: Timestamp,
}

/// The log's clock: the monotonic one, shifted.
#[derive(Debug, Default)]
struct LogClock {
    ahead_ms: i128,
}

impl LogClock {
    fn set(&mut self, log: Timestamp, clock: &dyn Clock) {
        self.ahead_ms = i128::from(log.0) - i128::from(clock.monotonic().0);
    }

    fn now(&self, clock: &dyn Clock) -> Now {
        let monotonic = clock.monotonic();
        let log = i128::from(monotonic.0) + self.ahead_ms;
        Now { monotonic, log: Timestamp(u64::try_from(log.max(0)).unwrap_or(u64::MAX)) }
    }
}

/// The hub's log, and the hub's place among the hubs that use it.
#[derive(Debug)]
pub(super) enum Membership {
    /// The log is this hub's alone.
    Sole(Sole),
    /// Several hubs share the log.
    Cluster(Cluster),
}

/// A hub that has its log to itself.
#[derive(Debug)]
pub(super) struct Sole {
    log: Box<dyn OwnLog>,
    clock: LogClock,
    /// The wall clock less the log's clock when they were last compared.
    wall_ahead_ms: i128,
}

/// A hub among others.
#[derive(Debug)]
pub(super) struct Cluster {
    log: Box<dyn SharedLog>,
    /// Set by each record that arrives. A record arrives later than it is stamped, so the log's time is never thought to
    /// be later than it is: ticks come late by the latency of a record, never early.
    clock: LogClock,
    liveness: Liveness,
}

/// Whether a hub of a cluster counts as alive, as far as it knows.
#[derive(Debug, Default)]
struct Liveness {
    /// When the newest of this hub's groups that came back was first appended.
    confirmed_at: Option<Monotonic>,
    /// When a new group was last appended.
    appended_at: Monotonic,
    /// The hub has yet to join; these incarnations leave when it does.
    joining: Option<Vec<Incarnation>>,
    /// The clients were already disconnected during this absence.
    clients_disconnected: bool,
}

/// Where the background thread saves its snapshots, and when that is this hub's duty.
#[derive(Debug)]
pub(super) enum SnapshotDuty {
    /// The log is this hub's alone.
    Sole(Box<dyn OwnSnapshots>),
    /// The hub with the lowest incarnation makes the snapshots. All hubs agree on which one that is, since they apply
    /// the same records.
    Lowest(Box<dyn SharedSnapshots>, OwnIncarnation),
}

/// The incarnation under which this hub runs now; clones show the same one.
#[derive(Debug, Clone)]
pub(super) struct OwnIncarnation(Arc<AtomicU64>);

impl SnapshotDuty {
    /// Where snapshots are saved and records are read.
    pub(super) fn store(&mut self) -> &mut dyn SnapshotStore {
        match self {
            Self::Sole(store) => &mut **store,
            Self::Lowest(store, _) => &mut **store,
        }
    }

    /// Whether this hub makes the snapshots, judged by the state at the record that the snapshot would contain.
    pub(super) fn is_ours(&self, core: &Core) -> bool {
        match self {
            Self::Sole(_) => true,
            Self::Lowest(_, own) => core.incarnations().next() == Some(own.get()),
        }
    }

    /// How old the log is, if snapshots and trimming depend on that. A shared log is trimmed as records arrive.
    pub(super) fn age(&self) -> Option<LogAge> {
        match self {
            Self::Sole(store) => store.age(),
            Self::Lowest(..) => None,
        }
    }

    /// Deletes what is too old, without a snapshot.
    pub(super) fn trim(&mut self, retention: &Retention) {
        if let Self::Sole(store) = self {
            store.trim(retention);
        }
    }

    /// Exchanges digests with the hubs that share the log.
    pub(super) fn exchange_digests(
        &mut self,
        core: &Core,
        own: impl FnOnce() -> Digest,
    ) -> Option<(Digest, Vec<Digest>)> {
        match self {
            Self::Lowest(store, _) if core.incarnations().nth(1).is_some() => {
                let own = own();
                Some((own, store.exchange_digests(own)))
            }
            _ => None,
        }
    }

    /// Whether other hubs may trim the log while this one reads it.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Lowest(..))
    }
}

impl OwnIncarnation {
    pub(super) fn new(own: Incarnation) -> Self {
        Self(Arc::new(AtomicU64::new(own.0)))
    }

    pub(super) fn get(&self) -> Incarnation {
        Incarnation(self.0.load(Relaxed))
    }

    /// The hub rejoined as another one.
    pub(super) fn set(&self, own: Incarnation) {
        self.0.store(own.0, Relaxed);
    }
}

impl Membership {
    pub(super) fn new(log: AnyLog) -> Self {
        match log {
            AnyLog::Own(log) => Self::Sole(Sole { log, clock: LogClock::default(), wall_ahead_ms: 0 }),
            AnyLog::Shared(log) => {
                Self::Cluster(Cluster { log, clock: LogClock::default(), liveness: Liveness::default() })
            }
        }
    }

    pub(super) fn log(&self) -> &dyn Log {
        match self {
            Self::Sole(sole) => &*sole.log,
            Self::Cluster(cluster) => &*cluster.log,
        }
    }

    pub(super) fn log_mut(&mut self) -> &mut dyn Log {
        match self {
            Self::Sole(sole) => &mut *sole.log,
            Self::Cluster(cluster) => &mut *cluster.log,
        }
    }

    pub(super) fn into_log(self) -> Box<dyn Log> {
        match self {
            Self::Sole(sole) => sole.log,
            Self::Cluster(cluster) => cluster.log,
        }
    }

    /// The duty of the background thread; `None` if the log keeps nothing.
    pub(super) fn snapshot_duty(&self, own: &OwnIncarnation) -> Option<SnapshotDuty> {
        match self {
            Self::Sole(sole) => sole.log.snapshots().map(SnapshotDuty::Sole),
            Self::Cluster(cluster) => Some(SnapshotDuty::Lowest(cluster.log.snapshots(), own.clone())),
        }
    }

    /// Whether the final snapshot of an orderly stop is this hub's: of several hubs only the last one leaves it.
    pub(super) fn makes_final_snapshot(&self, core: &Core) -> bool {
        match self {
            Self::Sole(_) => true,
            Self::Cluster(_) => core.incarnations().next().is_none(),
        }
    }

    pub(super) fn now(&self, clock: &dyn Clock) -> Now {
        match self {
            Self::Sole(sole) => sole.clock.now(clock),
            Self::Cluster(cluster) => cluster.clock.now(clock),
        }
    }

    /// The log was read to its end, and its last record is of `last`. A log of the hub's own continues from there or from
    /// the wall clock, whichever is later, by the monotonic clock: setting the wall clock moves no deadline.
    pub(super) fn caught_up(&mut self, last: Timestamp, clock: &dyn Clock) {
        if let Self::Sole(sole) = self {
            let wall = clock.now();
            if last > wall {
                tracing::warn!(
                    by_ms = last.since_ms(wall),
                    "the log's last record is later than the wall clock; the log's time continues from that record"
                );
            }
            sole.clock.set(last.max(wall), clock);
            sole.wall_ahead_ms = sole.wall_ahead(clock);
        }
    }

    /// A record arrived, with the log's stamp: the time of a shared log is that of its servers.
    pub(super) fn saw_record(&mut self, stamp: Timestamp, clock: &dyn Clock) {
        if let Self::Cluster(cluster) = self {
            cluster.clock.set(stamp, clock);
        }
    }

    /// Logs it if somebody set the wall clock, once for each step.
    pub(super) fn report_clock_step(&mut self, clock: &dyn Clock) {
        let Self::Sole(sole) = self else { return };
        let ahead = sole.wall_ahead(clock);
        let step = ahead - sole.wall_ahead_ms;
        if step.unsigned_abs() >= u128::from(CLOCK_STEP_MS) {
            sole.wall_ahead_ms = ahead;
            tracing::warn!(
                step_ms = i64::try_from(step).unwrap_or(i64::MAX),
                "the wall clock was set: timers are not affected; times in messages follow it from the next start on"
            );
        }
    }

    /// Whether the hub may take new work: among others only while it knows that it still counts.
    pub(super) fn may_take_work(&self, now: Now) -> bool {
        match self {
            Self::Sole(_) => true,
            Self::Cluster(Cluster { liveness, .. }) => {
                liveness.confirmed_at.is_some_and(|at| now.monotonic.since_ms(at) < ALIVE_MS)
            }
        }
    }

    /// Whether a log without room is tried with real inputs: an own log answers at once. A shared log is tried with a
    /// tick, since an append to it proves nothing before it is read back.
    pub(super) fn is_tried_with_inputs(&self) -> bool {
        matches!(self, Self::Sole(_))
    }

    /// Whether a log that fails is reopened by the hub. A shared log reconnects by itself; its errors are final.
    pub(super) fn recovers_by_reopening(&self) -> bool {
        matches!(self, Self::Sole(_))
    }

    /// Why the last append to a shared log was refused, once. An own log refuses at the append itself.
    pub(super) fn take_refusal(&mut self) -> Option<Cause> {
        match self {
            Self::Sole(_) => None,
            Self::Cluster(cluster) => cluster.log.take_refusal(),
        }
    }

    /// When a group that is in flight is appended again.
    pub(super) fn resend_at(&self, sent_at: Monotonic) -> Option<Monotonic> {
        matches!(self, Self::Cluster(_)).then(|| sent_at.plus_ms(RESEND_MS))
    }

    /// The hub joins with its next group, which also says that the incarnations `leaving` are gone. `false`: there is
    /// nobody to wait for; the hub joins by one append.
    pub(super) fn start_joining(&mut self, leaving: &[Incarnation]) -> bool {
        match self {
            Self::Sole(_) => false,
            Self::Cluster(cluster) => {
                cluster.liveness.joining = Some(leaving.to_vec());
                true
            }
        }
    }

    /// The incarnations that leave when this hub joins, if it has yet to join.
    pub(super) fn joining(&self) -> Option<&[Incarnation]> {
        match self {
            Self::Sole(_) => None,
            Self::Cluster(cluster) => cluster.liveness.joining.as_deref(),
        }
    }

    /// Which incarnations are gone when this hub starts: every hub that wrote an own log before; of other hubs of a shared
    /// log nothing is known.
    pub(super) fn gone_at_start(&self, core: &Core) -> Vec<Incarnation> {
        match self {
            Self::Sole(_) => core.incarnations().collect(),
            Self::Cluster(_) => Vec::new(),
        }
    }

    /// Hubs to report as silent. Every hub of a cluster reports what it sees; the first report counts.
    pub(super) fn silent_hubs(&self, core: &Core, own: Incarnation) -> Vec<Incarnation> {
        match self {
            Self::Sole(_) => Vec::new(),
            Self::Cluster(_) => core.silent_hubs().filter(|other| *other != own).collect(),
        }
    }

    /// A new group was appended.
    pub(super) fn appended(&mut self, now: Monotonic) {
        if let Self::Cluster(cluster) = self {
            cluster.liveness.appended_at = now;
        }
    }

    /// A group of this hub came back that was first appended at `since`.
    pub(super) fn confirmed(&mut self, since: Monotonic) {
        if let Self::Cluster(Cluster { liveness, .. }) = self {
            liveness.joining = None;
            liveness.confirmed_at = Some(since);
            liveness.clients_disconnected = false;
        }
    }

    pub(super) fn owes_heartbeat(&self, now: Now) -> bool {
        match self {
            Self::Sole(_) => false,
            Self::Cluster(cluster) => now.monotonic.since_ms(cluster.liveness.appended_at) >= HEARTBEAT_MS,
        }
    }

    /// When this hub ticks for the next deadline. Among several hubs the one with the provider's connection does so at
    /// once, the others a little later, when that one is surely gone or slow.
    pub(super) fn tick_at(&self, core: &Core, own: Incarnation) -> Option<Timestamp> {
        let at = core.next_deadline()?;
        if matches!(self, Self::Sole(_)) {
            return Some(at);
        }
        let first = match core.next_due_connections() {
            [] => core.incarnations().next() == Some(own),
            connections => connections.iter().any(|connection| connection.incarnation == own),
        };
        Some(if first { at } else { at.plus_ms(TICK_LATER_MS) })
    }

    /// Whether the clients are to be disconnected now because the log does not answer; `true` once for each absence.
    pub(super) fn disconnects_clients(&mut self, now: Now) -> bool {
        let Self::Cluster(Cluster { liveness, .. }) = self else { return false };
        let too_long = liveness.confirmed_at.is_some_and(|at| now.monotonic.since_ms(at) >= DISCONNECT_MS);
        too_long && !std::mem::replace(&mut liveness.clients_disconnected, true)
    }

    /// When the membership asks for the next poll, if nothing comes back from the log.
    pub(super) fn next_event(&self, now: Now, in_flight: bool) -> Option<Monotonic> {
        let Self::Cluster(Cluster { liveness, .. }) = self else { return None };
        let heartbeat = (!in_flight).then(|| liveness.appended_at.plus_ms(HEARTBEAT_MS));
        let confirmed = liveness.confirmed_at;
        let expiry = confirmed.map(|at| at.plus_ms(ALIVE_MS)).filter(|at| *at > now.monotonic);
        let disconnect = confirmed.filter(|_| !liveness.clients_disconnected).map(|at| at.plus_ms(DISCONNECT_MS));
        [heartbeat, expiry, disconnect].into_iter().flatten().min()
    }

    /// Whether a hub can rejoin the log after `error` of [`Log::next`]: other hubs trimmed it while this one was away.
    pub(super) fn can_rejoin(&self, error: &LogError) -> bool {
        matches!((self, error), (Self::Cluster(_), LogError::Trimmed(_)))
    }

    /// Continues with the newest snapshot of a shared log.
    ///
    /// # Errors
    /// As [`SharedLog::restart`].
    pub(super) fn restart_log(&mut self) -> Result<(), LogError> {
        match self {
            Self::Sole(_) => Ok(()),
            Self::Cluster(cluster) => cluster.log.restart(),
        }
    }

    /// The hub becomes another incarnation, which the log has not confirmed yet.
    pub(super) fn reset(&mut self) {
        if let Self::Cluster(cluster) = self {
            cluster.liveness = Liveness::default();
        }
    }

    /// Whether this hub announces to other hubs that it leaves.
    pub(super) fn announces_leave(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

impl Sole {
    fn wall_ahead(&self, clock: &dyn Clock) -> i128 {
        i128::from(clock.now().0) - i128::from(self.clock.now(clock).log.0)
    }
}
