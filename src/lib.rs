//! deskbell: a realtime notification hub. Providers ring, agents' desks show it, the first answer settles it.
//!
//! # Layout
//! See `ARCHITECTURE.md`. Dependencies point up this list, never down.

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
