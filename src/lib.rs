//! deskbell: a realtime notification hub. Providers ring, agents' desks show it, the first answer settles it.
//!
//! # Layout
//! See `ARCHITECTURE.md`. Dependencies point up this list, never down.

pub mod client;
pub mod hub;
pub mod log;
pub mod protocol;
pub mod workspace;
