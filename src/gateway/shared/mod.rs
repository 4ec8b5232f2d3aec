//! State that every part of the gateway needs: settings, counters, the way to the hub, and the stop signal.

pub(crate) mod counters;
pub(crate) mod hello_ids;
pub(crate) mod settings;
pub(crate) mod state;
