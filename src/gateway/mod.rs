//! The hub's edge: one port for HTTP and WebSocket, the life of every connection, and what goes out to it.
//!
//! Files here may use those above them: `frame`, `socket`, `outbox`.

mod frame;
mod outbox;
mod socket;
