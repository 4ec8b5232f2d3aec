//! Everything that is served over HTTP: pages, probes, metrics, the WebSocket upgrade, and the provider API.
//!
//! Files here, each of which may use those before it: `query`, `assets`, `template_list`, `metrics`, `response`,
//! `request_checks`, `endpoint`, `api_error`, `api_request`, `providers`, `api`, `timeouts`, `services`, `upgrade`, `routes`,
//! `bounded_server`, `metrics_listener`, `server`.

pub(crate) mod api;
pub(crate) mod api_error;
pub(crate) mod api_request;
pub(crate) mod assets;
pub(crate) mod bounded_server;
pub(crate) mod endpoint;
pub(crate) mod metrics;
pub(crate) mod metrics_listener;
pub(crate) mod providers;
pub(crate) mod query;
pub(crate) mod request_checks;
pub(crate) mod response;
pub(crate) mod routes;
pub(crate) mod server;
pub(crate) mod services;
pub(crate) mod template_list;
pub(crate) mod timeouts;
pub(crate) mod upgrade;
