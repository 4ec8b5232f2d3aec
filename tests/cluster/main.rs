//! Several hubs over real NATS servers, all as processes on loopback. Together they keep the promises of one hub, also when hubs or
//! servers are killed, paused or cut off. Without nats-server the tests are left out (`tests/support/left_out.rs`).
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, missing_docs, reason = "tests")]

mod campaign;
mod credentials;
mod deploy;
mod evidence;
mod fixture;
#[allow(
    dead_code,
    unused_imports,
    clippy::needless_pass_by_value,
    reason = "made for the wire tests; not all of it is needed here"
)]
#[path = "../support/harness/mod.rs"]
mod harness;
mod life;
mod measure;
mod moving;
#[allow(dead_code, reason = "the log's own tests use it too")]
#[path = "../support/nats.rs"]
mod nats;
mod outages;
mod partitions;
mod proxy;
mod state;
mod upgrade;

use harness::left_out;
