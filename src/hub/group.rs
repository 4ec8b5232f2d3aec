//! A group of inputs: how it is builder, and who waits for it.

use std::time::Instant;

use deskbell_core::effect::ReplyTo;
use deskbell_core::entry::{Action, AgentAction, Input};
use deskbell_core::{ConnectionId, Core, Incarnation, Timestamp};
use tokio::sync::OwnedSemaphorePermit;

use super::codec::GroupBytes;
use super::delivery::CallRejected;
use super::delivery_quota::DeliveryQuota;
use super::input_queue::QueuedInput;

/// Inputs that were handed to the log and are not read back yet.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) group: u64,
    pub(super) bytes: Vec<u8>,
    /// When it was first handed to the log, by the monotonic clock.
    pub(super) since: Timestamp,
    /// The same moment, finer: for the metrics alone.
    pub(super) began: Instant,
    /// When it was last handed to the log.
    pub(super) sent_at: Timestamp,
    pub(super) callers: Vec<Caller>,
    pub(super) leaves: Vec<QueuedInput>,
    /// Held until the group is done: a connection's inputs under way are bounded by them.
    _permits: Vec<OwnedSemaphorePermit>,
}

/// Who waits for a group.
#[derive(Debug)]
pub(super) enum Caller {
    /// A call that is answered.
    Call(ReplyTo),
    /// A hello.
    Join(u64),
}

impl Caller {
    pub(super) fn serial(&self) -> u64 {
        match self {
            Self::Call(to) => to.connection.serial,
            Self::Join(serial) => *serial,
        }
    }
}

/// Inputs on their way into a group.
#[derive(Debug, Default)]
pub(super) struct GroupBuilder {
    pub(super) bytes: GroupBytes,
    callers: Vec<Caller>,
    leaves: Vec<QueuedInput>,
    permits: Vec<OwnedSemaphorePermit>,
}

impl GroupBuilder {
    /// Adds an input; the group's bytes then.
    pub(super) fn take(&mut self, mut waiting: QueuedInput, incarnation: Incarnation) -> usize {
        let bytes = self.bytes.push(&waiting.entry);
        match &waiting.entry.input {
            // Nobody waits for a word about `seen`.
            Input::Call { call, .. } if matches!(call.action, Action::Agent(AgentAction::Seen { .. })) => {}
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
            Input::Started { .. } | Input::Configured(_) | Input::Tick => {}
            Input::Removed { .. } | Input::Silent { .. } => {}
        }
        self.permits.extend(waiting.permit.take());
        bytes
    }

    /// The group as it goes to the log: `seal` makes the record of its entries.
    pub(super) fn in_flight(self, group: u64, now: Timestamp, seal: impl FnOnce(GroupBytes) -> Vec<u8>) -> InFlight {
        InFlight {
            group,
            bytes: seal(self.bytes),
            since: now,
            began: Instant::now(),
            sent_at: now,
            callers: self.callers,
            leaves: self.leaves,
            _permits: self.permits,
        }
    }
}

/// Whether a provider's call would go past its deliveries per second.
pub(super) fn exceeds_quota(
    core: &Core,
    rates: &mut DeliveryQuota,
    incarnation: Incarnation,
    waiting: &QueuedInput,
    now: Timestamp,
) -> Option<(ReplyTo, CallRejected)> {
    let Input::Call { connection, call } = &waiting.entry.input else { return None };
    let connection = ConnectionId { incarnation, serial: *connection };
    let (workspace, provider) = core.provider_of(connection)?;
    let Action::Provider(action) = &call.action else { return None };
    let cost = core.cost(workspace, action);
    let retry_after = rates.take(workspace, provider, cost, now).err()?;
    Some((ReplyTo::new(connection, call), CallRejected::DeliveriesPerSecond { retry_after, limit: rates.limit() }))
}
