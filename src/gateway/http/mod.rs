//! Everything that is served over HTTP: pages, probes, metrics, the WebSocket upgrade, and the provider API.
//!
//! Files here, each of which may use those before it: `query`, `assets`, `template_list`, `metrics`, `response`,
//! `access`, `endpoint`, `api_error`, `providers`, `api`, `activity`, `services`, `upgrade`, `routes`, `internal_server`,
//! `server`.

pub(crate) mod access;
pub(crate) mod activity;
pub(crate) mod api;
pub(crate) mod api_error;
pub(crate) mod assets;
pub(crate) mod endpoint;
pub(crate) mod internal_server;
pub(crate) mod metrics;
pub(crate) mod providers;
pub(crate) mod query;
pub(crate) mod response;
pub(crate) mod routes;
pub(crate) mod server;
pub(crate) mod services;
pub(crate) mod template_list;
pub(crate) mod upgrade;
