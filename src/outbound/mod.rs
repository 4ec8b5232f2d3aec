//! Outbound HTTPS: the only place from which the hub opens connections to web servers.
//!
//! Every request has limits for time, size and redirects. Requests run as async tasks and never on a hub's thread.

mod client;
mod url;

pub use client::{FetchError, HttpsClient, Response};
pub use url::{NotAnOutboundUrl, OutboundUrl};
