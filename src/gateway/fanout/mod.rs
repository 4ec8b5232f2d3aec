//! The way out: the hub's effects become frames, and the shards write them to their connections' sockets.

pub(crate) mod connection;
pub(crate) mod connection_serial;
pub(crate) mod control_frame;
pub(crate) mod delivery;
pub(crate) mod disconnect;
pub(crate) mod observer_stats;
pub(crate) mod outbox;
pub(crate) mod shard;
pub(crate) mod slab;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod to_wire;
pub(crate) mod trace;
pub(crate) mod write_plan;
