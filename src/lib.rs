//! The hub of deskbell: providers raise notifications, agents answer them, and the first answer settles each.
//!
//! This library is for the hub's own program and tests; `ARCHITECTURE.md` describes its modules. Use `deskbell-client` to write a
//! provider or an agent in Rust.

pub mod auth;
pub mod command;
pub mod config;
pub mod explain;
pub mod gateway;
pub mod hub;
pub mod log;
pub mod metrics;
pub mod network;
pub mod telemetry;
pub mod template;
pub mod tls;
pub mod watched;

pub use deskbell_protocol as protocol;
