//! One WebSocket session: its hello, its messages, and its end.
//!
//! Files here, each of which may use those before it: `from_wire`, `rate_limits`, `admission`, `reader`,
//! `messages`, `closing`, `lifecycle`.

pub(crate) mod admission;
pub(crate) mod closing;
pub(crate) mod from_wire;
pub(crate) mod lifecycle;
pub(crate) mod messages;
pub(crate) mod rate_limits;
pub(crate) mod reader;
