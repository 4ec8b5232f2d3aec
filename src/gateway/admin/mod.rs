//! The operator's own listener.

pub(crate) mod explain;
pub(crate) mod server;
