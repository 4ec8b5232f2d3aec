//! The edge of the hub: listeners, HTTP, WebSocket sessions, and the fan-out of messages to connections.
//!
//! One thread accepts connections. The other threads, the *shards*, each serve a share of them on a runtime of their
//! own. The hub's thread encodes each message once and hands every shard one batch per group of log entries
//! ([`Fanout`]); it never writes to a socket. Client messages enter the hub's inputs from the task of their connection.
//!
//! Dependencies point one way: `admin` uses `http`, which uses `session`, which uses `fanout`, which uses `connection`, which
//! uses `shared` and `limits`. Files and folders here, each of which may use those before it: `limits`, `shared`,
//! `connection`, `fanout`, `session`, `http`, `admin`, `listener`.

mod admin;
mod connection;
mod fanout;
mod http;
mod limits;
mod listener;
mod session;
mod shared;

pub use fanout::delivery::Fanout;
pub use listener::{BindError, Gateway, Serving};
pub use shared::settings::{PageSignIn, Settings};
pub use shared::state::{Backend, Histories};

#[cfg(test)]
mod tests;
