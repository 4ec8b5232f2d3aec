//! Sends messages of one partition's hub to the connections of this gateway: as frames in batches for the shards, or as
//! values to the HTTP requests that wait for them. It encodes each message once, on the hub's thread.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use deskbell_core::effect::ReplyTo;
use deskbell_core::entry::Recipients;
use deskbell_core::{ConnectionId, Content, Core, Incarnation, NotificationId};
use tokio::sync::oneshot;

use crate::gateway::connection::connection_serial::ConnectionSerial;
use crate::gateway::fanout::observer_stats::ObserverStats;
use crate::gateway::fanout::pending_calls::{CallReply, CallReplyKind, HeldReply, PendingCalls};
use crate::gateway::fanout::shard_batch::{Broadcast, FrameKind, ShardBatch, ShardSenders};
use crate::gateway::fanout::to_wire;
use crate::gateway::shared::gateway_metrics::GatewayMetrics;
use crate::gateway::shared::hello_ids::PendingHelloIds;
use crate::gateway::shared::settings::Settings;
use crate::protocol::outbound::{ErrorReply, encode};
use crate::protocol::{Close, Encode, ErrorCode, frame};

/// The least time between two warnings about full audiences.
const AUDIENCE_FULL_EVERY: Duration = Duration::from_secs(60);

/// Sends the messages of one partition's hub.
#[derive(Debug)]
pub(crate) struct MessageSender {
    pub(crate) incarnation: Incarnation,
    pub(crate) settings: Arc<Settings>,
    pub(crate) metrics: Arc<GatewayMetrics>,
    pub(crate) hello_ids: Arc<PendingHelloIds>,
    pub(crate) observer_stats: ObserverStats,
    shards: ShardSenders,
    /// The batch of each shard, collected until the next flush.
    batches: Vec<ShardBatch>,
    /// The targets of one message, by shard. Empty between messages.
    targets: Vec<Vec<u64>>,
    calls: Arc<PendingCalls>,
    /// Outcomes for calls over HTTP, held until the next flush.
    held_outcomes: Vec<(oneshot::Sender<Bytes>, Bytes)>,
    /// Replies to calls over HTTP, held until the next flush.
    held_replies: Vec<HeldReply>,
    warned_at: Option<Instant>,
}

/// The parts of a gateway that every partition's [`Fanout`] shares.
#[derive(Debug, Clone)]
pub(crate) struct FanoutParts {
    pub(crate) settings: Arc<Settings>,
    pub(crate) metrics: Arc<GatewayMetrics>,
    pub(crate) hello_ids: Arc<PendingHelloIds>,
    pub(crate) shards: ShardSenders,
    pub(crate) calls: Arc<PendingCalls>,
}

impl MessageSender {
    pub(crate) fn new(incarnation: Incarnation, parts: FanoutParts) -> Self {
        let FanoutParts { settings, metrics, hello_ids, shards, calls } = parts;
        let channels = shards.count();
        Self {
            incarnation,
            settings,
            metrics,
            hello_ids,
            observer_stats: ObserverStats::new(Instant::now()),
            batches: std::iter::repeat_with(ShardBatch::default).take(channels).collect(),
            // The last channel leads to the HTTP providers, which receive no frames.
            targets: vec![Vec::new(); channels - 1],
            shards,
            calls,
            held_outcomes: Vec::new(),
            held_replies: Vec::new(),
            warned_at: None,
        }
    }

    /// Hands the collected batches to the shards, and the held replies to the requests that wait for them.
    pub(crate) fn flush(&mut self) {
        for (index, batch) in self.batches.iter_mut().enumerate() {
            if !batch.is_empty() {
                self.shards.send_blocking(index, std::mem::take(batch));
            }
        }
        // The outcomes first: a task that receives its ack looks for the outcome at once.
        for (sender, outcome) in self.held_outcomes.drain(..) {
            // The client of the request may have gone.
            let _ = sender.send(outcome);
        }
        for (sender, reply) in self.held_replies.drain(..) {
            // The client of the request may have gone.
            let _ = sender.send(reply);
        }
    }

    /// Closes a connection after everything that is collected.
    pub(crate) fn close(&mut self, serial: u64, why: Close) {
        if let Some(batch) = self.batches.get_mut(self.shards.index_of(serial)) {
            batch.closes.push((serial, why));
        }
    }

    /// Closes all connections of a partition after everything that is collected.
    pub(crate) fn close_partition(&mut self, partition: usize, why: Close) {
        for batch in &mut self.batches {
            batch.close_all = Some((partition, why));
        }
    }

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
            let json = Bytes::from(encode(result));
            self.held_outcomes.extend(self.calls.settled(id).into_iter().map(|sender| (sender, json.clone())));
            self.count(1);
        }
    }

    /// Counts and sends an error.
    pub(crate) fn send_error(&mut self, to: &ReplyTo, code: ErrorCode, detail: &str, retry_after_ms: Option<u64>) {
        self.metrics.count_refused(code);
        let reply = ErrorReply::new(to_wire::ids(to), to_wire::call(to), code, detail).retry_after_ms(retry_after_ms);
        self.send_reply(to, CallReplyKind::Refused { code, retry_after_ms }, &reply);
    }

    fn count(&self, deliveries: usize) {
        self.metrics.deliveries.fetch_add(deliveries as u64, Relaxed);
    }

    /// Logs that an audience is full, at most once in [`AUDIENCE_FULL_EVERY`].
    pub(crate) fn warn_of_full_audience(&mut self, core: &Core, workspace: &str, to: &Recipients, content: &Content) {
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
