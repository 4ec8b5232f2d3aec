//! The fan-out: carries the hub's effects to this gateway's connections. It encodes each message once, on the hub's
//! thread, and hands every shard one batch per group of log entries.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use deskbell_core::effect::{Effects, ReplyTo};
use deskbell_core::entry::To;
use deskbell_core::{ConnectionId, Content, Core, Incarnation, NotificationId, Outcome, Timestamp};

use crate::gateway::fanout::batch::{Broadcast, FrameKind, ShardBatch, ShardSenders};
use crate::gateway::fanout::connection_serial::ConnectionSerial;
use crate::gateway::fanout::effects::EffectSender;
use crate::gateway::fanout::observer_stats::{Counts, ObserverStats};
use crate::gateway::fanout::pending_calls::{CallReply, CallReplyKind, HeldReply, PendingCalls};
use crate::gateway::fanout::to_wire;
use crate::gateway::shared::counters::Counters;
use crate::gateway::shared::hello_ids::PendingHelloIds;
use crate::gateway::shared::settings::Settings;
use crate::gateway::shared::state::whole_ms;
use crate::hub::{CallRejected, Delivery};
use crate::protocol::outbound::{ErrorReply, Stats, encode};
use crate::protocol::{Close, Encode, ErrorCode, frame};

/// How often the operator's log names a full audience.
const AUDIENCE_FULL_EVERY: Duration = Duration::from_secs(60);

/// The gateway's side of [`Delivery`] for one partition. It is used on the hub's thread.
#[derive(Debug)]
pub struct Fanout {
    partition: usize,
    pub(crate) incarnation: Incarnation,
    pub(crate) settings: Arc<Settings>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) hello_ids: Arc<PendingHelloIds>,
    pub(crate) observer_stats: ObserverStats,
    shards: ShardSenders,
    /// The batch of each shard, collected until the next flush.
    batches: Vec<ShardBatch>,
    /// The targets of one message, by shard. Empty between messages.
    targets: Vec<Vec<u64>>,
    calls: Arc<PendingCalls>,
    /// Replies to calls over HTTP, held until the next flush.
    held_replies: Vec<HeldReply>,
    warned_at: Option<Instant>,
}

/// The parts of a gateway that every partition's [`Fanout`] shares.
#[derive(Debug, Clone)]
pub(crate) struct FanoutParts {
    pub(crate) settings: Arc<Settings>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) hello_ids: Arc<PendingHelloIds>,
    pub(crate) shards: ShardSenders,
    pub(crate) calls: Arc<PendingCalls>,
}

impl Fanout {
    pub(crate) fn new(partition: usize, incarnation: Incarnation, parts: FanoutParts) -> Self {
        let FanoutParts { settings, counters, hello_ids, shards, calls } = parts;
        let channels = shards.count();
        Self {
            partition,
            incarnation,
            settings,
            counters,
            hello_ids,
            observer_stats: ObserverStats::new(Instant::now()),
            batches: std::iter::repeat_with(ShardBatch::default).take(channels).collect(),
            // The last channel leads to the HTTP providers, which receive no frames.
            targets: vec![Vec::new(); channels - 1],
            shards,
            calls,
            held_replies: Vec::new(),
            warned_at: None,
        }
    }
}

impl Delivery for Fanout {
    fn deliver(&mut self, core: &Core, at: Timestamp, effects: Effects) {
        let Effects { joiner, list } = effects;
        for (workspace, effect) in list {
            EffectSender { core, at, joiner, workspace: &workspace, fanout: self }.send(effect);
        }
    }

    fn flush(&mut self) {
        for (index, batch) in self.batches.iter_mut().enumerate() {
            if !batch.is_empty() {
                self.shards.send_blocking(index, std::mem::take(batch));
            }
        }
        for (sender, reply) in self.held_replies.drain(..) {
            // A request whose client has gone comes again, or does not.
            let _ = sender.send(reply);
        }
    }

    fn refuse(&mut self, to: &ReplyTo, why: CallRejected) {
        let (code, detail, retry_after) = match why {
            CallRejected::Unavailable { retry_after, detail } => (ErrorCode::Unavailable, detail, retry_after),
            CallRejected::DeliveriesPerSecond { retry_after, limit } => {
                let detail = format!("the provider's calls cause more than {limit} deliveries per second");
                (ErrorCode::RateLimited, detail, retry_after)
            }
        };
        self.send_error(to, code, &detail, Some(whole_ms(retry_after).max(1)));
    }

    fn disconnect(&mut self, serials: &[u64]) {
        for serial in serials {
            if let Some(batch) = self.batches.get_mut(self.shards.index_of(*serial)) {
                batch.closes.push((*serial, Close::LogSilent));
            }
        }
    }

    fn disconnect_all(&mut self) {
        for batch in &mut self.batches {
            batch.close_all = Some((self.partition, Close::LogSilent));
        }
    }

    fn rejoin(&mut self, incarnation: Incarnation) {
        self.incarnation = incarnation;
    }

    fn tick(&mut self, core: &Core) -> Option<Duration> {
        core.observed_workspaces().next()?;
        let now = Instant::now();
        if self.observer_stats.due_in(now).is_zero() {
            self.send_stats(core, now);
            self.flush();
        }
        Some(self.observer_stats.due_in(now))
    }
}

impl Fanout {
    /// Sends one message to those of `to` that are connected to this hub. Encodes it only if there are any.
    pub(crate) fn send_to_all(
        &mut self,
        to: impl IntoIterator<Item = ConnectionId>,
        kind: FrameKind,
        encode: impl FnOnce() -> Bytes,
    ) {
        let (own, all_targets) = (self.incarnation, &mut self.targets);
        // `for_each`, since the iterator is flattened from several: a loop would ask each of them for every connection.
        to.into_iter().filter(|connection| connection.incarnation == own).for_each(|connection| {
            let shard = usize::from(ConnectionSerial::unpack(connection.serial).shard);
            if let Some(targets) = all_targets.get_mut(shard) {
                targets.push(connection.serial);
            }
        });
        let count = self.targets.iter().map(Vec::len).sum();
        if count == 0 {
            return;
        }
        let frame = encode();
        for (batch, targets) in self.batches.iter_mut().zip(&mut self.targets) {
            if !targets.is_empty() {
                let targets = std::mem::take(targets);
                batch.broadcasts.push(Broadcast { frame: frame.clone(), kind, targets });
            }
        }
        self.count(count);
    }

    /// Sends one message to one connection.
    pub(crate) fn send_to_one(&mut self, to: ConnectionId, kind: FrameKind, message: &impl Encode) {
        if to.incarnation != self.incarnation || ConnectionSerial::is_http(to.serial) {
            return;
        }
        if let Some(batch) = self.batches.get_mut(self.shards.index_of(to.serial)) {
            batch.broadcasts.push(Broadcast { frame: frame::text(message), kind, targets: vec![to.serial] });
            self.count(1);
        }
    }

    /// Sends a direct reply: a frame to a WebSocket, or a value to the request that waits for it.
    pub(crate) fn send_reply(&mut self, to: &ReplyTo, kind: CallReplyKind, message: &impl Encode) {
        let Some(number) = to.number else { return self.send_to_one(to.connection, FrameKind::Regular, message) };
        if to.connection.incarnation != self.incarnation {
            return;
        }
        if let Some(held) = self.calls.reply(number, CallReply { kind, json: encode(message).into() }) {
            self.held_replies.push(held);
            self.count(1);
        }
    }

    /// Sends a result to the HTTP requests that wait for it, if one of `to` is an HTTP provider of this gateway.
    pub(crate) fn send_result_over_http(
        &mut self,
        to: impl IntoIterator<Item = ConnectionId>,
        id: NotificationId,
        result: &impl Encode,
    ) {
        let own = self.incarnation;
        let is_http = |to: ConnectionId| to.incarnation == own && ConnectionSerial::is_http(to.serial);
        if to.into_iter().any(is_http) && self.calls.awaits(id) {
            self.calls.settled(id, &encode(result).into());
            self.count(1);
        }
    }

    /// Counts and sends an error.
    pub(crate) fn send_error(&mut self, to: &ReplyTo, code: ErrorCode, detail: &str, retry_after_ms: Option<u64>) {
        self.counters.count_refused(code);
        let reply = ErrorReply { ids: to_wire::ids(to), call: to_wire::call(to), code, detail, retry_after_ms };
        self.send_reply(to, CallReplyKind::Refused { code, retry_after_ms }, &reply);
    }

    fn count(&self, deliveries: usize) {
        self.counters.deliveries.fetch_add(deliveries as u64, Relaxed);
    }

    fn send_stats(&mut self, core: &Core, now: Instant) {
        let counts = Counts {
            notifies: self.counters.notifies.load(Relaxed),
            deliveries: self.counters.deliveries.load(Relaxed),
        };
        let rates = self.observer_stats.next(now, counts);
        for workspace in core.observed_workspaces() {
            let Some(counts) = core.stats(workspace) else { continue };
            let outcomes: Vec<_> = Outcome::ALL.into_iter().map(to_wire::outcome).zip(counts.outcomes).collect();
            let stats = Stats {
                agents: counts.agents,
                providers: counts.providers,
                observers: counts.observers,
                open: counts.open,
                waiting: counts.waiting,
                notifies_per_second: rates.notifies,
                deliveries_per_second: rates.deliveries,
                outcomes: &outcomes,
                notify_to_result_ms: rates.notify_to_result,
            };
            let observers = core.observer_connections(workspace);
            self.send_to_all(observers.iter().copied(), FrameKind::Regular, || frame::text(&stats));
        }
    }

    /// Logs that an audience is full, at most once in [`AUDIENCE_FULL_EVERY`].
    pub(crate) fn warn_of_full_audience(&mut self, core: &Core, workspace: &str, to: &To, content: &Content) {
        let now = Instant::now();
        if self.warned_at.is_some_and(|at| now.duration_since(at) < AUDIENCE_FULL_EVERY) {
            return;
        }
        self.warned_at = Some(now);
        let most = core.limits().display_limit.saturating_add(core.limits().queue_limit);
        tracing::warn!(
            workspace, client = %content.provider_id, notificationId = %content.notification_id,
            correlationId = %content.correlation_id, agents = ?to.agents, groups = ?to.groups,
            "this audience is full: all its agents receive the same notifications, so it holds at most {most} open \
             notifications, however many agents it has; address notifications by group to hold more"
        );
    }
}
