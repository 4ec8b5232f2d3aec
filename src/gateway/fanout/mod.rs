//! The way out: the hub's effects become messages, and the shards write them to their connections. Calls over HTTP
//! receive their replies as values.
//!
//! Files here, each of which may use those before it: `shard_batch`, `write_plan`, `pending_calls`, `observer_stats`,
//! `to_wire`, `write_loop`, `disconnect`, `message_sender`, `effects`, `delivery`.

pub(crate) mod delivery;
pub(crate) mod disconnect;
pub(crate) mod effects;
pub(crate) mod message_sender;
pub(crate) mod observer_stats;
pub(crate) mod pending_calls;
pub(crate) mod shard_batch;
pub(crate) mod to_wire;
pub(crate) mod write_loop;
pub(crate) mod write_plan;
