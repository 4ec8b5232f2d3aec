//! Checks the hub against its contract (docs/PROTOCOL.md) from outside: the real process and real sockets, without the library.
//!
//! Each test starts its own hub on a free port and checks one rule. `harness` has the helpers; the other
//! files follow the sections of the contract.

// Test helpers may do more than the hub: a failed expectation panics, on purpose.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::str_to_string)]
// A JSON object that a test has just built is passed by value, as a caller would do.
#![allow(clippy::needless_pass_by_value)]

#[path = "../support/harness/mod.rs"]
#[allow(dead_code, reason = "some of it is for the campaign")]
mod harness;
mod raw;

mod answers;
mod asyncapi;
mod autos;
mod cancel;
mod chaos;
mod context;
mod damage;
mod explain;
mod fields;
mod hello;
mod http;
mod idempotence;
mod kpi;
mod life;
mod limits;
mod logs;
mod metrics;
mod notify;
mod observer;
mod operate;
mod presence;
mod recovery;
mod resume;
mod seeds;
mod service;
mod sessions;
mod slow;
mod tabs;
mod transport;
