//! Runs one partition: gathers inputs, appends them to the log, applies what comes back, hands on what follows.
//!
//! Files here may use those above them: `clock`, `delivery`, `intake`, `rates`, `codec`, `group`, `standing`, `metrics`, `partition`, `fold`,
//! `run`.

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
mod standing;

pub use clock::{Clock, WallClock};
pub use codec::{CodecError, decode_record, decode_snapshot, encode_snapshot};
pub use delivery::{Delivery, NotTried};
pub use intake::{Intake, PENDING_PER_CONNECTION_MAX, Port, Room, Stopping};
pub use metrics::Metrics;
pub use partition::{HubError, HubSettings, Partition, Turned};
pub use run::Hub;
