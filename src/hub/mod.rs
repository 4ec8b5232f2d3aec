//! Runs one partition: gathers inputs, appends them to the log, applies what comes back, hands on what follows. A
//! cluster may have several, each a hub of its own with its own log; nothing here knows of the others.
//!
//! Files here may use those above them: `clock`, `delivery`, `intake`, `rates`, `codec`, `group`, `standing`,
//! `metrics`, `partition`, `fold`, `run`, `spread`.

mod clock;
mod codec;
mod delivery;
mod fold;
mod group;
mod intake;
mod metrics;
mod partition;
mod rates;
mod run;
#[cfg(test)]
mod sim;
mod spread;
mod standing;

pub use clock::{Clock, WallClock};
pub use codec::{CodecError, decode_record, decode_snapshot, encode_snapshot};
pub use delivery::{Delivery, NotTried};
pub use intake::{Intake, PENDING_PER_CONNECTION_MAX, Port, Room, Stopping};
pub use metrics::Metrics;
pub use partition::{HubError, HubSettings, Partition, Turned};
pub use run::{Handle, Hub};
pub use spread::partition_of;
