//! The edge of the hub: listeners, HTTP, WebSocket sessions, and the fan-out of messages to connections.
//!
//! One thread accepts connections. The other threads, the *shards*, each serve a share of them on a runtime of their
//! own. The hub's thread encodes each message once and hands every shard one batch per group of log entries
//! ([`Fanout`]); it never writes to a socket. Client messages enter the hub's inputs from the task of their connection.
//!
//! Dependencies point one way: `admin` → `http` → `session` → `fanout` → `limits` → `shared`. Each folder's `mod.rs`
//! says what belongs there. Files beside the folders, which put everything together: `listener`.

mod admin;
mod fanout;
mod http;
mod limits;
mod listener;
mod session;
mod shared;

pub use fanout::delivery::Fanout;
pub use listener::{BindError, Gateway, Serving};
pub use shared::settings::Settings;
pub use shared::state::{Backend, Histories};

#[cfg(test)]
mod tests;
