//! Starts hubs and speaks to them.
//!
//! Nothing here sleeps where there is an event: whatever a test waits for is a message, a close, a line or the end of a
//! process, for at most [`PATIENCE`]. Silence is shown by a round trip through the hub, not by waiting.

mod client;
mod cluster;
mod coverage;
mod dice;
mod document;
mod hub;
#[path = "../left_out.rs"]
pub(crate) mod left_out;
mod setup;
mod talk;
mod words;

use std::time::Duration;

use tokio::time::timeout;

pub(crate) use client::{Client, Stream};
pub(crate) use cluster::{in_cluster, left_out_in_cluster};
pub(crate) use coverage::Seen;
pub(crate) use dice::Dice;
pub(crate) use document::{Side, document};
pub(crate) use hub::{Exit, Hub};
pub(crate) use setup::{Setup, hub};
pub(crate) use words::*;

/// The longest that anything is waited for; far more than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits at most [`PATIENCE`] for an event that must happen; otherwise it fails with a description of the event.
pub(crate) async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for {what}"))
}

/// A notificationId that no hub has given.
pub(crate) const NOBODYS: &str = "0192f0c4-7e3a-7b21-8c55-0123456789ab";
