//! The way out: the hub's effects become messages, and the shards write them to their connections. Calls over HTTP
//! receive their replies as values.
//!
//! Files here, each of which may use those before it: `connection_serial`, `slab`, `control_frame`, `socket`, `stream`,
//! `outbox`, `batch`, `write_plan`, `pending_calls`, `observer_stats`, `to_wire`, `trace`, `joined_client`,
//! `connection`, `shard`, `write_loop`, `disconnect`, `message_sender`, `effects`, `delivery`.

pub(crate) mod batch;
pub(crate) mod connection;
pub(crate) mod connection_serial;
pub(crate) mod control_frame;
pub(crate) mod delivery;
pub(crate) mod disconnect;
pub(crate) mod effects;
pub(crate) mod joined_client;
pub(crate) mod message_sender;
pub(crate) mod observer_stats;
pub(crate) mod outbox;
pub(crate) mod pending_calls;
pub(crate) mod shard;
pub(crate) mod slab;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod to_wire;
pub(crate) mod trace;
pub(crate) mod write_loop;
pub(crate) mod write_plan;
