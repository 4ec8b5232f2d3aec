//! State that every part of the gateway needs: settings, bounds, metrics, the way to the hub, and the stop signal.
//!
//! Files here, each of which may use those before it: `settings`, `bounds`, `gateway_metrics`, `trace_log`, `hello_ids`,
//! `stop_signal`, `state`.

pub(crate) mod bounds;
pub(crate) mod gateway_metrics;
pub(crate) mod hello_ids;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod stop_signal;
pub(crate) mod trace_log;
