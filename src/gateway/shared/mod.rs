//! State that every part of the gateway needs: settings, bounds, counters, the way to the hub, and the stop signal.
//!
//! Files here, each of which may use those before it: `settings`, `bounds`, `counters`, `hello_ids`, `stop_signal`,
//! `state`.

pub(crate) mod bounds;
pub(crate) mod counters;
pub(crate) mod hello_ids;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod stop_signal;
