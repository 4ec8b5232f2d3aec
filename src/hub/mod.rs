//! Runs one partition: gathers inputs, appends them to the log, applies what comes back, hands on what follows.
//!
//! Files here may use those above them: `clock`, `delivery`, `intake`, `partition`, `run`.

mod delivery;
mod intake;

pub use delivery::{Delivery, NotTried};
pub use intake::{Intake, PENDING_PER_CONNECTION_MAX, Port, Stopping};
