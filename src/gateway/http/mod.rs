//! Everything served over plain HTTP: pages, probes, metrics, the WebSocket upgrade, and the provider API.

pub(crate) mod api;
pub(crate) mod assets;
pub(crate) mod loopback;
pub(crate) mod metrics;
pub(crate) mod pending_calls;
pub(crate) mod providers;
pub(crate) mod response;
pub(crate) mod routes;
