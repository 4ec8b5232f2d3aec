//! A group of inputs: how it is built, and which callers wait for it.

use std::time::Instant;

use deskbell_core::effect::ReplyTo;
use deskbell_core::entry::{Action, AgentAction, Input};
use deskbell_core::{ConnectionId, Core, Incarnation};
use tokio::sync::OwnedSemaphorePermit;

use super::clock::Monotonic;
use super::codec::GroupBytes;
use super::delivery::CallRejected;
use super::delivery_quota::DeliveryQuota;
use super::input_queue::QueuedInput;

/// Inputs that were appended to the log and are not read back yet.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) group: u64,
    pub(super) bytes: Vec<u8>,
    /// When it was first appended, by the monotonic clock.
    pub(super) since: Monotonic,
    /// The same moment with more precision, for the metrics only.
    pub(super) began: Instant,
    /// When it was last appended.
    pub(super) sent_at: Monotonic,
    pub(super) inputs: GroupInputs,
}

/// The inputs of a group until it is done: the calls that wait for a reply, the leaves and the permits.
#[derive(Debug, Default)]
pub(super) struct GroupInputs {
    pub(super) callers: Vec<Caller>,
    pub(super) leaves: Vec<QueuedInput>,
    /// They bound the inputs that a connection has in flight.
    permits: Vec<OwnedSemaphorePermit>,
}

/// A caller that waits for a group.
#[derive(Debug)]
pub(super) enum Caller {
    /// A call, which gets a reply.
    Call(ReplyTo),
    /// A hello, by the number of its connection.
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

/// Inputs that are being collected into a group.
#[derive(Debug)]
pub(super) struct GroupBuilder {
    pub(super) bytes: GroupBytes,
    inputs: GroupInputs,
}

impl GroupInputs {
    /// Adds an input.
    pub(super) fn add(&mut self, mut input: QueuedInput, incarnation: Incarnation) {
        match &input.entry.input {
            // `seen` has no reply.
            Input::Call { call, .. } if matches!(call.action, Action::Agent(AgentAction::Seen { .. })) => {}
            Input::Call { connection, call } => {
                let connection = ConnectionId { incarnation, serial: *connection };
                self.callers.push(Caller::Call(ReplyTo::new(connection, call)));
            }
            Input::Join { connection, .. } => {
                self.callers.push(Caller::Join(*connection));
            }
            Input::Leave { .. } => {
                self.leaves.push(input);
                return;
            }
            Input::Started { .. } | Input::Configured(_) | Input::Tick => {}
            Input::Revoke { .. } | Input::LiftRevocation { .. } => {}
            Input::Removed { .. } | Input::Silent { .. } => {}
        }
        self.permits.extend(input.permit.take());
    }
}

impl GroupBuilder {
    /// Starts a group that every hub of this state can read.
    pub(super) fn new(core: &Core) -> Self {
        Self { bytes: GroupBytes::new(core), inputs: GroupInputs::default() }
    }

    /// Adds an input and returns the group's size in bytes.
    pub(super) fn add(&mut self, input: QueuedInput, incarnation: Incarnation) -> usize {
        let bytes = self.bytes.push(&input.entry);
        self.inputs.add(input, incarnation);
        bytes
    }

    /// The group as it is appended: `seal` makes the record of its entries.
    pub(super) fn in_flight(self, group: u64, now: Monotonic, seal: impl FnOnce(GroupBytes) -> Vec<u8>) -> InFlight {
        InFlight {
            group,
            bytes: seal(self.bytes),
            since: now,
            began: Instant::now(),
            sent_at: now,
            inputs: self.inputs,
        }
    }
}

/// The rejection of a call that would exceed its provider's deliveries per second.
pub(super) fn exceeds_quota(
    core: &Core,
    rates: &mut DeliveryQuota,
    incarnation: Incarnation,
    waiting: &QueuedInput,
    now: Monotonic,
) -> Option<(ReplyTo, CallRejected)> {
    let Input::Call { connection, call } = &waiting.entry.input else { return None };
    let connection = ConnectionId { incarnation, serial: *connection };
    let (workspace, provider) = core.provider_of(connection)?;
    let Action::Provider(action) = &call.action else { return None };
    let cost = core.cost(workspace, action);
    let retry_after = rates.take(workspace, provider, cost, now).err()?;
    Some((ReplyTo::new(connection, call), CallRejected::DeliveriesPerSecond { retry_after, limit: rates.limit() }))
}
