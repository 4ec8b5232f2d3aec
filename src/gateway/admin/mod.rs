//! The admin listener, for operators.
//!
//! Files here, each of which may use those before it: `explain`, `server`.

pub(crate) mod explain;
pub(crate) mod server;
