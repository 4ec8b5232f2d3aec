//! The hub's edge: one port for HTTP and WebSocket, the life of every connection, and what goes out to it.
//!
//! One thread accepts; the others, the *shards*, serve connections, each its own, on a runtime of its own. The hub's
//! thread encodes what is to be told, once, and hands each shard one batch per group ([`Fanout`]); it never writes.
//! What a client says goes into the hub's intake from its own task. Only this room knows WebSocket.
//!
//! Files here may use those above them: `settings`, `counters`, `serial`, `slab`, `rate`, `rates`, `origin`, `frame`,
//! `socket`, `errand`, `inside`, `stream`, `outbox`, `round`, `words`, `story`, `hellos`, `address`, `expiry`, `house`,
//! `metrics`, `templates`, `inputs`, `link`, `admission`, `shard`, `doors`, `reader`, `connection`, `envoy`,
//! `delivery`, `assets`, `reply`, `api`, `http`, `explaining`, `admin`, `server`.

mod address;
mod admin;
mod admission;
mod api;
mod assets;
mod connection;
mod counters;
mod delivery;
mod doors;
mod envoy;
mod errand;
mod expiry;
mod explaining;
mod frame;
mod hellos;
mod house;
mod http;
mod inputs;
mod inside;
mod link;
mod metrics;
mod origin;
mod outbox;
mod rate;
mod rates;
mod reader;
mod reply;
mod round;
mod serial;
mod server;
mod settings;
mod shard;
mod slab;
mod socket;
mod story;
mod stream;
mod templates;
mod words;

pub use delivery::Fanout;
pub use house::{Behind, Past};
pub use server::{BindError, Gateway, Serving};
pub use settings::Settings;

#[cfg(test)]
mod tests;
