//! Runs one partition: gathers inputs, appends them to the log, applies what comes back, and hands on the effects. A
//! cluster may have several partitions, each a hub of its own with its own log; nothing here knows of the others.
//!
//! Files here may use those above them: `clock`, `delivery`, `input_queue`, `delivery_quota`, `codec`, `checked_apply`,
//! `group`, `membership`, `metrics`, `settings`, `partition`, `divergence`, `snapshotter`, `revoking`, `runner`,
//! `partitioning`.

mod checked_apply;
mod clock;
mod codec;
mod delivery;
mod delivery_quota;
mod divergence;
mod group;
mod input_queue;
mod membership;
mod metrics;
mod partition;
mod partitioning;
mod revoking;
mod runner;
mod settings;
mod snapshotter;
#[cfg(test)]
mod tests;

pub use checked_apply::{FailedCheck, apply_record};
pub use clock::{Clock, Monotonic, WallClock};
pub use codec::{CodecError, check_rules, decode_record, decode_snapshot, encode_snapshot};
pub use delivery::{CallRejected, Delivery};
pub use input_queue::{IN_FLIGHT_PER_CONNECTION_MAX, InputQueue, InputSender, Permit, Stopping};
pub use metrics::Metrics;
pub use partition::{HubError, Partition, Progress};
pub use partitioning::partition_of;
pub use revoking::{PartitionRevocations, Unconfirmed};
pub use runner::{Hub, HubHandle};
pub use settings::{HubSettings, SnapshotInterval};
