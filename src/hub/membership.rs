//! How a hub stands among others that write to the same log: whether it may count itself alive, and what time it is
//! by the log's own clock.

use deskbell_core::{Incarnation, Timestamp};

use super::clock::Clock;

/// A hub that has appended nothing for so long appends a tick, so that the others hear of it.
pub(super) const HEARTBEAT_MS: u64 = 1_000;

/// A group that has not come back for so long is handed to the log again.
pub(super) const SEND_AGAIN_MS: u64 = 1_000;

/// A hub counts itself alive while a group of its own came back that is not older than this.
pub(super) const ALIVE_MS: u64 = 3_000;

/// A hub that is not alive for so long cuts its clients off: the others have taken it for gone. Longer than the servers
/// need to elect a leader: for that pause nobody has to go.
pub(super) const CUT_OFF_MS: u64 = 15_000;

/// How much later than the hub that has the provider another one ticks.
pub(super) const TICK_LATER_MS: u64 = 300;

/// One moment, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// For how long something takes.
    pub(super) monotonic: Timestamp,
    /// The log's time: what deadlines are held against.
    pub(super) log: Timestamp,
}

/// What a hub knows of its place in a shared log.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    /// The log's clock less the monotonic one, as the last record that came told. A record comes later than it is stamped,
    /// so the log's time is never thought to be later than it is: ticks come late by the way of a record, never early.
    ahead_ms: i128,
    /// When that one of this hub's groups was handed in that is the newest to have come back.
    confirmed_at: Option<Timestamp>,
    /// When a group was last handed in for the first time.
    appended_at: Timestamp,
    /// The hub has yet to begin; those whom it says to be gone when it does.
    beginning: Option<Vec<Incarnation>>,
    /// The clients were told already, in this absence.
    clients_cut_off: bool,
}

impl Liveness {
    pub(super) fn moment(&self, clock: &dyn Clock) -> Now {
        let monotonic = clock.monotonic();
        let log = i128::from(monotonic.0) + self.ahead_ms;
        Now { monotonic, log: Timestamp(u64::try_from(log.max(0)).unwrap_or(u64::MAX)) }
    }

    /// A record came, with the log's stamp.
    pub(super) fn hear(&mut self, stamp: Timestamp, clock: &dyn Clock) {
        self.ahead_ms = i128::from(stamp.0) - i128::from(clock.monotonic().0);
    }

    /// A new group was handed in.
    pub(super) fn appended(&mut self, now: Timestamp) {
        self.appended_at = now;
    }

    /// The next group is to say that the hub is there, and that those who are `leaving` are not.
    pub(super) fn start_joining(&mut self, leaving: Vec<Incarnation>) {
        self.beginning = Some(leaving);
    }

    /// Who is to be said to be gone, if the hub has yet to begin.
    pub(super) fn beginning(&self) -> Option<&[Incarnation]> {
        self.beginning.as_deref()
    }

    /// A group of this hub came back that was handed in at `since`.
    pub(super) fn confirmed(&mut self, since: Timestamp) {
        self.beginning = None;
        self.confirmed_at = Some(since);
        self.clients_cut_off = false;
    }

    pub(super) fn is_alive(&self, now: Timestamp) -> bool {
        self.confirmed_at.is_some_and(|at| now.since_ms(at) < ALIVE_MS)
    }

    pub(super) fn owes_heartbeat(&self, now: Timestamp) -> bool {
        now.since_ms(self.appended_at) >= HEARTBEAT_MS
    }

    /// Whether the clients are to be cut off now; says so once.
    pub(super) fn cuts_clients_off(&mut self, now: Timestamp) -> bool {
        let long_ago = self.confirmed_at.is_some_and(|at| now.since_ms(at) >= CUT_OFF_MS);
        long_ago && !std::mem::replace(&mut self.clients_cut_off, true)
    }

    /// What happens next by itself, if no group is under way or comes back.
    pub(super) fn next(&self, now: Timestamp, in_flight: bool) -> impl Iterator<Item = Timestamp> {
        let heartbeat = (!in_flight).then(|| self.appended_at.plus_ms(HEARTBEAT_MS));
        let expiry = self.confirmed_at.map(|at| at.plus_ms(ALIVE_MS)).filter(|at| *at > now);
        let cut = self.confirmed_at.filter(|_| !self.clients_cut_off).map(|at| at.plus_ms(CUT_OFF_MS));
        [heartbeat, expiry, cut].into_iter().flatten()
    }

    /// As another incarnation, which has confirmed nothing yet.
    pub(super) fn rejoin(&mut self) {
        *self = Self { ahead_ms: self.ahead_ms, ..Self::default() };
    }
}
