//! The fan-out: the gateway's side of the hub's [`Delivery`].

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use deskbell_core::effect::{Effects, ReplyTo};
use deskbell_core::{Core, Incarnation, Outcome, Timestamp};

use crate::gateway::fanout::effects::EffectSender;
use crate::gateway::fanout::message_sender::{FanoutParts, MessageSender};
use crate::gateway::fanout::observer_stats::Counts;
use crate::gateway::fanout::shard_batch::FrameKind;
use crate::gateway::shared::state::whole_ms;
use crate::hub::{CallRejected, Delivery};
use crate::protocol::outbound::Stats;
use crate::protocol::{Close, ErrorCode, frame};

/// Carries the effects of one partition's hub to the connections of this gateway. It is used on the hub's thread.
#[derive(Debug)]
pub struct Fanout {
    partition: usize,
    sender: MessageSender,
}

impl Fanout {
    pub(crate) fn new(partition: usize, incarnation: Incarnation, parts: FanoutParts) -> Self {
        Self { partition, sender: MessageSender::new(incarnation, parts) }
    }
}

impl Delivery for Fanout {
    fn deliver(&mut self, core: &Core, at: Timestamp, effects: Effects) {
        let Effects { joiner, list } = effects;
        for (workspace, effect) in list {
            EffectSender { core, at, joiner, workspace: &workspace, sender: &mut self.sender }.send(effect);
        }
    }

    fn flush(&mut self) {
        self.sender.flush();
    }

    fn refuse(&mut self, to: &ReplyTo, why: CallRejected) {
        let (code, detail, retry_after) = match why {
            CallRejected::Unavailable { retry_after, detail } => (ErrorCode::Unavailable, detail, retry_after),
            CallRejected::DeliveriesPerSecond { retry_after, limit } => {
                let detail = format!("the provider's calls cause more than {limit} deliveries per second");
                (ErrorCode::RateLimited, detail, retry_after)
            }
        };
        self.sender.send_error(to, code, &detail, Some(whole_ms(retry_after).max(1)));
    }

    fn disconnect(&mut self, serials: &[u64]) {
        for serial in serials {
            self.sender.close(*serial, Close::LogSilent);
        }
    }

    fn disconnect_all(&mut self) {
        self.sender.close_partition(self.partition, Close::LogSilent);
    }

    fn rejoin(&mut self, incarnation: Incarnation) {
        self.sender.incarnation = incarnation;
    }

    fn tick(&mut self, core: &Core) -> Option<Duration> {
        core.observed_workspaces().next()?;
        let now = Instant::now();
        if self.sender.observer_stats.due_in(now).is_zero() {
            self.send_stats(core, now);
            self.sender.flush();
        }
        Some(self.sender.observer_stats.due_in(now))
    }
}

impl Fanout {
    /// Sends observers the numbers of their workspaces.
    fn send_stats(&mut self, core: &Core, now: Instant) {
        let counts = Counts {
            notifies: self.sender.metrics.notifies.load(Relaxed),
            deliveries: self.sender.metrics.deliveries.load(Relaxed),
        };
        let rates = self.sender.observer_stats.next(now, counts);
        for workspace in core.observed_workspaces() {
            let Some(counts) = core.stats(workspace) else { continue };
            let outcomes: Vec<_> = Outcome::ALL.into_iter().zip(counts.outcomes).collect();
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
            self.sender.send_to_all(observers.iter().copied(), FrameKind::Regular, || frame::text(&stats));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use deskbell_core::effect::{CallKind, Effect, Refusal};
    use deskbell_core::{ConnectionId, NotificationId, Position, Reach, Settled};
    use tokio::sync::mpsc;

    use super::*;
    use crate::gateway::connection::connection_serial::{ConnectionSerial, HTTP_SHARD};
    use crate::gateway::fanout::pending_calls::PendingCalls;
    use crate::gateway::fanout::shard_batch::ShardSenders;

    const INCARNATION: Incarnation = Incarnation(1);

    fn connection(shard: u8) -> ConnectionId {
        let serial = ConnectionSerial { shard, generation: 0, slot: 0 }.pack();
        ConnectionId { incarnation: INCARNATION, serial }
    }

    fn reply_to(connection: ConnectionId, number: Option<u64>) -> ReplyTo {
        ReplyTo { connection, call: Some(CallKind::Notify), id: None, correlation_id: None, number }
    }

    fn settled(notification_id: NotificationId) -> Arc<Settled> {
        Arc::new(Settled {
            notification_id,
            provider_id: "bot".into(),
            id: None,
            correlation_id: "c".into(),
            fingerprint: 1,
            cancellation_token: None,
            session_id: "s".into(),
            outcome: Outcome::Cancelled,
            agent_id: None,
            decline_reason: None,
            reach: Reach::default(),
            notified_at: Timestamp(1),
            settled_at: Timestamp(2),
            number: 1,
        })
    }

    #[test]
    fn nothing_leaves_before_the_flush() {
        let (shard, mut frames) = mpsc::channel(8);
        let (http, _http) = mpsc::channel(8);
        let calls = Arc::<PendingCalls>::default();
        let mut waiting = calls.register(connection(HTTP_SHARD).serial);
        let parts = FanoutParts {
            settings: Arc::new(crate::command::serve::gateway_settings(&crate::config::Config::default())),
            metrics: Arc::default(),
            hello_ids: Arc::default(),
            shards: ShardSenders::new(vec![shard], http),
            calls,
        };
        let mut fanout = Fanout::new(0, INCARNATION, parts);
        let notification_id = NotificationId(7);
        let to = reply_to(connection(HTTP_SHARD), Some(waiting.number));
        let position = Position { epoch: 1, settled: 1 };
        let effects = [
            Effect::Refused { to: reply_to(connection(0), None), refusal: Refusal::IdTaken },
            Effect::Ack { to, notification_id, duplicate: true, unused: Vec::new(), unknown: Vec::new() },
            Effect::SettledAgain { to: connection(HTTP_SHARD), settled: settled(notification_id), position },
        ];
        for effect in effects {
            let list = vec![("default".into(), effect)];
            fanout.deliver(&Core::default(), Timestamp(2), Effects { joiner: None, list });
        }
        fanout.disconnect(&[connection(0).serial]);
        assert!(frames.try_recv().is_err(), "no frame and no close");
        assert!(waiting.reply.try_recv().is_err(), "no reply over HTTP");
        assert!(waiting.outcome.try_recv().is_err(), "no outcome over HTTP");
        fanout.flush();
        let batch = frames.try_recv().unwrap();
        assert_eq!((batch.broadcasts.len(), batch.closes.len()), (1, 1));
        assert!(waiting.reply.try_recv().is_ok() && waiting.outcome.try_recv().is_ok());
    }
}
