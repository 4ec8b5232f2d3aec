//! One WebSocket connection: its handshake, its messages, and its end.

pub(crate) mod admission;
pub(crate) mod from_wire;
pub(crate) mod lifecycle;
pub(crate) mod reader;
pub(crate) mod render;
