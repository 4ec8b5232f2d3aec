//! The admin listener, for operators.
//!
//! Files here, each of which may use those before it: `explain`, `all_clients`, `revocations`, `server`.

pub(crate) mod all_clients;
pub(crate) mod explain;
pub(crate) mod revocations;
pub(crate) mod server;
