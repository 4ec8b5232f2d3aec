//! Carries the core's effects to this hub's connections: each message is encoded once, on the hub's thread; the
//! shards' threads write it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::gateway::fanout::connection_serial::ConnectionSerial;
use crate::gateway::fanout::observer_stats::{Counts, ObserverStats};
use crate::gateway::fanout::to_wire;
use crate::gateway::fanout::trace;
use crate::gateway::fanout::write_plan::{Broadcast, FrameKind, ShardBatch};
use crate::gateway::shared::counters::Counters;
use crate::gateway::shared::hello_ids::PendingHelloIds;
use crate::gateway::shared::settings::Settings;
use crate::gateway::shared::state::whole_ms;
use crate::hub::{CallRejected, Delivery};
use crate::protocol::outbound::Stats;
use crate::protocol::outbound::{
    Ack, Activity, AnswerResult, CancelResult, Closed, DoneResult, ErrorReply, NotifyResult, PresenceUpdate,
    SessionEnded,
};
use crate::protocol::outbound::{ClientLimits, Welcome};
use crate::protocol::{CallName, Close, Encode, Envelope, ErrorCode, frame};
use deskbell_core::effect::{AgentSlot, Effect, Effects, ReplyTo};
use deskbell_core::entry::Recipients;
use deskbell_core::{ConnectionId, Content, Core, Incarnation, Name, Outcome, Position, Settled, Timestamp};

/// How often the operator is told of full audiences.
const AUDIENCE_FULL_EVERY: Duration = Duration::from_secs(60);

/// The gateway's side of [`Delivery`]. Used on the hub's thread.
#[derive(Debug)]
pub struct Fanout {
    partition: usize,
    incarnation: Incarnation,
    settings: Arc<Settings>,
    counters: Arc<Counters>,
    hellos: Arc<PendingHelloIds>,
    shards: Vec<mpsc::Sender<ShardBatch>>,
    /// What is gathered for each shard.
    batches: Vec<ShardBatch>,
    /// The targets of one message, by shard. Empty between messages.
    targets: Vec<Vec<u64>>,
    rates: ObserverStats,
    warned_at: Option<Instant>,
}

impl Fanout {
    pub(crate) fn new(
        partition: usize,
        incarnation: Incarnation,
        settings: Arc<Settings>,
        counters: Arc<Counters>,
        hellos: Arc<PendingHelloIds>,
        shards: Vec<mpsc::Sender<ShardBatch>>,
    ) -> Self {
        let batches = shards.iter().map(|_| ShardBatch::default()).collect();
        let targets = vec![Vec::new(); shards.len()];
        let rates = ObserverStats::new(Instant::now());
        Self { partition, incarnation, settings, counters, hellos, shards, batches, targets, rates, warned_at: None }
    }
}

impl Delivery for Fanout {
    fn deliver(&mut self, core: &Core, at: Timestamp, effects: Effects) {
        let Effects { joiner, list } = effects;
        for (workspace, effect) in list {
            Step { core, at, joiner, workspace: &workspace, out: self }.carry_out(effect);
        }
    }

    fn flush(&mut self) {
        for (batch, shard) in self.batches.iter_mut().zip(&self.shards) {
            if batch.is_empty() {
                continue;
            }
            if let Err(TrySendError::Full(batch)) = shard.try_send(std::mem::take(batch)) {
                // The shard is behind; it waits for nobody, so it comes. If it has stopped, nobody misses the batch.
                let _ = shard.blocking_send(batch);
            }
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
        self.error(to, code, &detail, Some(whole_ms(retry_after).max(1)));
    }

    fn disconnect(&mut self, serials: &[u64]) {
        for serial in serials {
            if let Some(batch) = self.batches.get_mut(usize::from(ConnectionSerial::unpack(*serial).shard)) {
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
        if self.rates.due_in(now).is_zero() {
            self.tell_observers(core, now);
            self.flush();
        }
        Some(self.rates.due_in(now))
    }
}

impl Fanout {
    /// One message to those of `to` that are this hub's; encoded only if there are any.
    fn tell(&mut self, to: impl IntoIterator<Item = ConnectionId>, kind: FrameKind, encode: impl FnOnce() -> Bytes) {
        let (own, all_targets) = (self.incarnation, &mut self.targets);
        // `for_each`, as what comes is flattened from several: a loop asks each of them anew for every connection.
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
                batch.sendings.push(Broadcast { frame: frame.clone(), kind, targets });
            }
        }
        self.count(count);
    }

    /// One message to one connection.
    fn tell_one(&mut self, to: ConnectionId, kind: FrameKind, message: &impl Encode) {
        if to.incarnation != self.incarnation {
            return;
        }
        if let Some(batch) = self.batches.get_mut(usize::from(ConnectionSerial::unpack(to.serial).shard)) {
            batch.sendings.push(Broadcast { frame: frame::text(message), kind, targets: vec![to.serial] });
            self.count(1);
        }
    }

    fn count(&mut self, deliveries: usize) {
        self.counters.deliveries.fetch_add(deliveries as u64, Relaxed);
    }

    fn error(&mut self, to: &ReplyTo, code: ErrorCode, detail: &str, retry_after_ms: Option<u64>) {
        self.counters.refused(code);
        let reply = ErrorReply::new(to_wire::ids(to), to_wire::call(to), code, detail).retry_after_ms(retry_after_ms);
        self.tell_one(to.connection, FrameKind::News, &reply);
    }

    fn tell_observers(&mut self, core: &Core, now: Instant) {
        let counts = Counts {
            notifies: self.counters.notifies.load(Relaxed),
            deliveries: self.counters.deliveries.load(Relaxed),
        };
        let told = self.rates.tell(now, counts);
        for workspace in core.observed_workspaces() {
            let Some(counts) = core.stats(workspace) else { continue };
            let outcomes: Vec<_> = Outcome::ALL.into_iter().zip(counts.outcomes).collect();
            let stats = Stats {
                agents: counts.agents,
                providers: counts.providers,
                observers: counts.observers,
                open: counts.open,
                waiting: counts.waiting,
                notifies_per_second: told.notifies,
                deliveries_per_second: told.deliveries,
                outcomes: &outcomes,
                notify_to_result_ms: told.notify_to_result,
            };
            let observers = core.observer_connections(workspace);
            self.tell(observers.iter().copied(), FrameKind::News, || frame::text(&stats));
        }
    }

    fn warn_of_full_audience(&mut self, core: &Core, workspace: &str, to: &Recipients, content: &Content) {
        let now = Instant::now();
        if self.warned_at.is_some_and(|at| now.duration_since(at) < AUDIENCE_FULL_EVERY) {
            return;
        }
        self.warned_at = Some(now);
        let most = core.limits().display_limit.saturating_add(core.limits().queue_limit);
        tracing::warn!(
            workspace, client = %content.provider_id, notificationId = %content.notification_id,
            correlationId = %content.correlation_id, agents = ?to.agents, groups = ?to.groups,
            "this audience is full: its agents' desks fill alike, so it holds at most {most} open notifications \
             however many agents it has; a busy workspace addresses by group"
        );
    }
}

/// One entry's effects on their way out.
struct Step<'a> {
    core: &'a Core,
    at: Timestamp,
    joiner: Option<ConnectionId>,
    workspace: &'a Name,
    out: &'a mut Fanout,
}

impl Step<'_> {
    fn carry_out(&mut self, effect: Effect) {
        if trace::is_wanted() {
            trace::tell(self.core, self.workspace, &effect);
        }
        match effect {
            Effect::Welcome(welcome) => self.welcome(&welcome),
            Effect::Ack { to, notification_id, duplicate } => {
                if !duplicate {
                    self.out.counters.notifies.fetch_add(1, Relaxed);
                }
                let ids = to_wire::ids(&to);
                self.reply(&to, &Ack { ids, call: CallName::NotifyEvent, notification_id, duplicate });
            }
            Effect::Settled { settled, position } => {
                self.out.rates.settled(Instant::now(), settled.elapsed().0);
                let to = self.core.provider_connections(self.workspace, &settled.provider_id);
                self.tell(to.iter().copied(), || frame::text(&result(&settled, position)));
            }
            Effect::SettledAgain { to, settled, position } => {
                let kind = if Some(to) == self.joiner { FrameKind::Replayed } else { FrameKind::News };
                self.out.tell_one(to, kind, &result(&settled, position));
            }
            Effect::CancelResult { to, cancellation_token, notification_id, outcome } => {
                let result = CancelResult {
                    ids: to_wire::ids(&to),
                    call: CallName::CancelEvent,
                    cancellation_token: to_wire::text(&cancellation_token),
                    notification_id,
                    value: outcome,
                };
                self.reply(&to, &result);
            }
            Effect::Done { to } => {
                self.reply(&to, &DoneResult { ids: to_wire::ids(&to), call: to_wire::call(&to), value: () })
            }
            Effect::Answered { to, notification_id, outcome, agent_id, won } => {
                let answered = AnswerResult {
                    ids: to_wire::ids(&to),
                    notification_id,
                    value: outcome,
                    agent_id: to_wire::optional(agent_id.as_ref()),
                    won,
                };
                self.reply(&to, &answered);
            }
            Effect::Refused { to, refusal } => {
                let (code, detail, retry_after_ms) = to_wire::refusal(&refusal);
                self.out.error(&to, code, &detail, retry_after_ms);
            }
            Effect::Display { agents, card } => self.agents_get(&agents, &to_wire::notification(&card)),
            Effect::Close { agents, notification_id, correlation_id, outcome, agent_id } => {
                let closed = Closed {
                    notification_id,
                    correlation_id: to_wire::text(&correlation_id),
                    value: outcome,
                    agent_id: to_wire::optional(agent_id.as_ref()),
                };
                self.agents_get(&agents, &closed);
            }
            Effect::SessionStarted { agent, session } => self.agents_get(&[agent], &to_wire::session(&session)),
            Effect::SessionEnded { agent, session_id, correlation_id } => {
                let ended = SessionEnded {
                    session_id: to_wire::text(&session_id),
                    correlation_id: to_wire::optional(correlation_id.as_ref()),
                };
                self.agents_get(&[agent], &ended);
            }
            Effect::Kpi { mark, breached } => {
                let to = self.core.all_agent_connections(self.workspace);
                self.tell(to, || frame::text(&to_wire::kpi(&mark, breached)));
            }
            Effect::Activity { agent, session_id, count, correlation_id } => {
                let correlation_id = to_wire::optional(correlation_id.as_ref());
                self.agents_get(&[agent], &Activity { session_id: to_wire::text(&session_id), count, correlation_id });
            }
            Effect::Presence { agent, presence, asked } => {
                let asker = asked.as_ref().map(|to| to.connection);
                let agent = [agent];
                let tabs = self.core.agent_connections(self.workspace, &agent);
                let others = tabs.filter(|connection| Some(*connection) != asker);
                let correlation_id = asked.as_ref().and_then(|to| to.correlation_id.as_deref());
                let news = PresenceUpdate { ids: Envelope::of(None, correlation_id), presence };
                self.tell(others, || frame::text(&news));
                if let Some(to) = &asked {
                    self.reply(to, &PresenceUpdate { ids: to_wire::ids(to), presence });
                }
            }
            Effect::Event { at, event } => {
                let to = self.core.observer_connections(self.workspace);
                self.tell(to.iter().copied(), || frame::text(&to_wire::event(at, &event)));
            }
            Effect::AudienceFull { to, content } => {
                self.out.warn_of_full_audience(self.core, self.workspace, &to, &content);
            }
            // The hub's own business.
            Effect::HubRemoved { .. } => {}
        }
    }

    fn welcome(&mut self, welcome: &deskbell_core::effect::Welcome) {
        let Some(joiner) = self.joiner.filter(|joiner| joiner.incarnation == self.out.incarnation) else { return };
        let said = self.out.hellos.take(joiner.serial);
        let settings = Arc::clone(&self.out.settings);
        let message = Welcome {
            ids: Envelope::of(said.id.as_deref(), said.correlation_id.as_deref()),
            workspace: to_wire::text(self.workspace),
            connection_id: joiner.to_string().into(),
            protocol: crate::protocol::VERSION,
            ping_interval_ms: whole_ms(settings.ping_interval),
            retention_ms: self.core.limits().retention.0,
            server_time: self.at,
            limits: ClientLimits {
                max_message_bytes: settings.max_message_bytes as u64,
                display_limit: self.core.limits().display_limit,
                queue_limit: self.core.limits().queue_limit,
            },
            state: to_wire::welcome_state(welcome),
        };
        self.out.tell_one(joiner, FrameKind::Welcome, &message);
    }

    fn reply(&mut self, to: &ReplyTo, message: &impl Encode) {
        self.out.tell_one(to.connection, FrameKind::News, message);
    }

    fn agents_get(&mut self, agents: &[AgentSlot], message: &impl Encode) {
        let connections = self.core.agent_connections(self.workspace, agents);
        self.tell(connections, || frame::text(message));
    }

    /// Tells them something, less the joiner, whose welcome has it all.
    fn tell(&mut self, to: impl Iterator<Item = ConnectionId>, encode: impl FnOnce() -> Bytes) {
        let joiner = self.joiner;
        self.out.tell(to.filter(|connection| Some(*connection) != joiner), FrameKind::News, encode);
    }
}

fn result(settled: &Settled, position: Position) -> NotifyResult<'_> {
    NotifyResult {
        ids: Envelope::of(settled.id.as_deref(), Some(&settled.correlation_id)),
        call: CallName::NotifyEvent,
        notification_id: settled.notification_id,
        value: settled.outcome,
        agent_id: to_wire::optional(settled.agent_id.as_ref()),
        decline_reason: to_wire::optional(settled.decline_reason.as_ref()),
        session_id: settled.outcome.is_accept().then(|| to_wire::text(&settled.session_id)),
        cancellation_token: to_wire::optional(settled.cancellation_token.as_ref()),
        elapsed_ms: settled.elapsed().0,
        reach: settled.reach,
        position: position.to_string().into(),
    }
}
