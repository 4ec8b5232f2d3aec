//! One connection: its socket with or without TLS, its outbox, and the client that has joined over it. A shard holds the
//! connections of one thread.
//!
//! Files here, each of which may use those before it: `connection_serial`, `slab`, `control_frame`, `socket`, `stream`,
//! `outbox`, `joined_client`, `handle`, `shard`, `keep_alive`.

pub(crate) mod connection_serial;
pub(crate) mod control_frame;
pub(crate) mod handle;
pub(crate) mod joined_client;
pub(crate) mod keep_alive;
pub(crate) mod outbox;
pub(crate) mod shard;
pub(crate) mod slab;
pub(crate) mod socket;
pub(crate) mod stream;
