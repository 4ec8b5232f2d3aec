//! Sends the effects of one log entry to the clients concerned. [`to_wire`](super::to_wire) makes the messages.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use bytes::Bytes;
use deskbell_core::effect::{self, AgentSlot, Effect, ReplyTo};
use deskbell_core::entry::Presence;
use deskbell_core::{ConnectionId, Core, Name, NotificationId, Position, Settled, Timestamp};

use crate::gateway::fanout::message_sender::MessageSender;
use crate::gateway::fanout::pending_calls::CallReplyKind;
use crate::gateway::fanout::shard_batch::FrameKind;
use crate::gateway::fanout::to_wire;
use crate::gateway::shared::state::whole_ms;
use crate::gateway::shared::trace_log;
use crate::protocol::outbound::{
    Activity, CancelResult, ClientLimits, DoneResult, PresenceUpdate, SessionContext, SessionEnded, Welcome,
};
use crate::protocol::{CallName, Encode, Envelope, RawJson, VERSION, frame};

/// Sends the effects of one entry.
#[derive(Debug)]
pub(crate) struct EffectSender<'a> {
    /// The state right after the entry.
    pub(crate) core: &'a Core,
    /// The time of the entry.
    pub(crate) at: Timestamp,
    /// The connection that joined by the entry. Its welcome contains everything, so it receives nothing else.
    pub(crate) joiner: Option<ConnectionId>,
    pub(crate) workspace: &'a Name,
    pub(crate) sender: &'a mut MessageSender,
}

impl EffectSender<'_> {
    pub(crate) fn send(&mut self, effect: Effect) {
        if trace_log::is_enabled() {
            trace_log::effect(self.core, self.workspace, &effect);
        }
        match effect {
            Effect::Welcome(welcome) => self.welcome(&welcome),
            Effect::Ack { to, notification_id, duplicate, unused, unknown } => {
                self.ack(&to, notification_id, duplicate, &unused, &unknown);
            }
            Effect::Settled { settled, position } => self.settled(&settled, position),
            Effect::SettledAgain { to, settled, position } => self.settled_again(to, &settled, position),
            Effect::CancelResult { to, cancellation_token, notification_id, outcome } => {
                let (ids, call) = (to_wire::ids(&to), CallName::CancelEvent);
                let (cancellation_token, value) = (to_wire::text(&cancellation_token), outcome);
                self.reply(&to, &CancelResult { ids, call, cancellation_token, notification_id, value });
            }
            Effect::Done { to } => {
                self.reply(&to, &DoneResult { ids: to_wire::ids(&to), call: to_wire::call(&to), value: () });
            }
            Effect::Answered { to, notification_id, outcome, agent_id, won } => {
                self.reply(&to, &to_wire::answered(&to, notification_id, outcome, agent_id.as_ref(), won));
            }
            Effect::Refused { to, refusal } => {
                let (code, detail, retry_after_ms) = to_wire::refusal(&refusal);
                if trace_log::is_enabled() {
                    trace_log::refused_by_the_hub(self.core, self.workspace, &to, code, &detail);
                }
                self.sender.send_error(&to, code, &detail, retry_after_ms);
            }
            Effect::Display { agents, card } => self.send_to_agents(&agents, &to_wire::notification(&card)),
            Effect::Close { agents, notification_id, correlation_id, outcome, agent_id } => {
                let closed = to_wire::closed(notification_id, &correlation_id, outcome, agent_id.as_ref());
                self.send_to_agents(&agents, &closed);
            }
            Effect::SessionStarted { agent, session, context } => {
                self.send_to_agents(&[agent], &to_wire::session(&session, context.as_ref()));
            }
            Effect::Context { to, session_id, context } => {
                let (ids, session_id) = (to_wire::ids(&to), to_wire::text(&session_id));
                let context = RawJson::checked(context.json());
                self.reply(&to, &SessionContext { ids, session_id, context });
            }
            Effect::SessionEnded { agent, session_id, correlation_id } => {
                let (session_id, correlation_id) =
                    (to_wire::text(&session_id), to_wire::optional(correlation_id.as_ref()));
                self.send_to_agents(&[agent], &SessionEnded { session_id, correlation_id });
            }
            Effect::Kpi { mark, breached } => {
                let agents = self.core.all_agent_connections(self.workspace);
                self.send_to_connections(agents, || frame::text(&to_wire::kpi(&mark, breached)));
            }
            Effect::Activity { agent, session_id, count, correlation_id } => {
                let (session_id, correlation_id) =
                    (to_wire::text(&session_id), to_wire::optional(correlation_id.as_ref()));
                self.send_to_agents(&[agent], &Activity { session_id, count, correlation_id });
            }
            Effect::Presence { agent, presence, asked } => self.presence(agent, presence, asked.as_ref()),
            Effect::Event { at, event } => {
                let observers = self.core.observer_connections(self.workspace);
                self.send_to_connections(observers.iter().copied(), || frame::text(&to_wire::event(at, &event)));
            }
            Effect::AudienceFull { to, content } => {
                self.sender.warn_of_full_audience(self.core, self.workspace, &to, &content);
            }
            // The hub itself handles this effect.
            Effect::HubRemoved { .. } => {}
        }
    }

    fn welcome(&mut self, welcome: &effect::Welcome) {
        let Some(joiner) = self.joiner.filter(|joiner| joiner.incarnation == self.sender.incarnation) else { return };
        let hello = self.sender.hello_ids.take(joiner.serial);
        let settings = Arc::clone(&self.sender.settings);
        let message = Welcome {
            ids: Envelope::of(hello.id.as_deref(), hello.correlation_id.as_deref()),
            workspace: to_wire::text(self.workspace),
            connection_id: joiner.to_string().into(),
            protocol: VERSION,
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
        self.sender.send_to_one(joiner, FrameKind::Welcome, &message);
    }

    fn ack(&mut self, to: &ReplyTo, id: NotificationId, duplicate: bool, unused: &[Name], unknown: &[Name]) {
        if !duplicate {
            self.sender.metrics.notifies.fetch_add(1, Relaxed);
        }
        let ack = to_wire::ack(to, id, duplicate, unused, unknown);
        self.sender.send_reply(to, CallReplyKind::Ack(id), &ack);
    }

    fn settled(&mut self, settled: &Settled, position: Position) {
        self.sender.observer_stats.settled(Instant::now(), settled.elapsed().0);
        let provider = self.core.provider_connections(self.workspace, &settled.provider_id);
        let result = to_wire::result(settled, position);
        self.send_to_connections(provider.iter().copied(), || frame::text(&result));
        self.sender.send_result_over_http(provider.iter().copied(), settled.notification_id, &result);
    }

    fn settled_again(&mut self, to: ConnectionId, settled: &Settled, position: Position) {
        let kind = if Some(to) == self.joiner { FrameKind::Replayed } else { FrameKind::Regular };
        let result = to_wire::result(settled, position);
        self.sender.send_to_one(to, kind, &result);
        self.sender.send_result_over_http([to], settled.notification_id, &result);
    }

    fn presence(&mut self, agent: AgentSlot, presence: Presence, asked: Option<&ReplyTo>) {
        let asker = asked.map(|to| to.connection);
        let agent = [agent];
        let others = self.core.agent_connections(self.workspace, &agent).filter(|other| Some(*other) != asker);
        let correlation_id = asked.and_then(|to| to.correlation_id.as_deref());
        let update = PresenceUpdate { ids: Envelope::of(None, correlation_id), presence };
        self.send_to_connections(others, || frame::text(&update));
        if let Some(to) = asked {
            self.reply(to, &PresenceUpdate { ids: to_wire::ids(to), presence });
        }
    }

    fn reply(&mut self, to: &ReplyTo, message: &impl Encode) {
        self.sender.send_reply(to, CallReplyKind::Done, message);
    }

    fn send_to_agents(&mut self, agents: &[AgentSlot], message: &impl Encode) {
        let connections = self.core.agent_connections(self.workspace, agents);
        self.send_to_connections(connections, || frame::text(message));
    }

    /// Sends a message to connections, except the joiner.
    fn send_to_connections(&mut self, to: impl Iterator<Item = ConnectionId>, encode: impl FnOnce() -> Bytes) {
        let joiner = self.joiner;
        let to = to.filter(|connection| Some(*connection) != joiner);
        self.sender.send_to_all(to, FrameKind::Regular, encode);
    }
}
