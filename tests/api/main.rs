//! The protocol over plain HTTP, from outside: the real process, real sockets, and the OpenAPI document as the judge of
//! every exchange.

// Test helpers may do more than the hub: a failed expectation panics, on purpose.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::str_to_string)]
#![allow(clippy::needless_pass_by_value)]

#[path = "../support/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each suite uses a part of it")]
mod harness;
#[path = "../wire/raw.rs"]
#[allow(dead_code, reason = "each suite uses a part of it")]
mod raw;

#[path = "../support/keys.rs"]
mod keys;

mod ask;
mod bots;
mod calls;
mod document;
mod doors;
mod guide;
mod refusals;
mod repeats;
mod tokens;

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::Setup;

/// A hub that asks for tokens, and the file of their secret.
fn guarded(setup: Setup) -> (Setup, PathBuf) {
    let file = setup.home().join("secret");
    std::fs::write(&file, "a secret of these tests, long enough to be one").unwrap();
    (setup.args(&["--auth-secret-file", file.to_str().unwrap()]), file)
}

/// A token of these claims.
fn token(secret: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskbell"));
    let output = command.args(["token", "--secret-file"]).arg(secret).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
