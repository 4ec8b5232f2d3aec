//! The hub as it runs on the internet: tokens, two workspaces in one hub, TLS, limits by address, the admin listener;
//! each from outside, mostly as an intruder would have it.

// Test helpers may do more than the hub: a failed expectation panics, on purpose.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::str_to_string)]
#![allow(clippy::needless_pass_by_value)]

#[path = "../support/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each suite uses a part of it")]
mod harness;
#[path = "../support/keys.rs"]
mod keys;
#[path = "../wire/raw.rs"]
#[allow(dead_code, reason = "each suite uses a part of it")]
mod raw;

mod admin;
mod client;
mod forge;
mod intruder;
mod limits;
mod refresh;
mod tls;
mod tokens;
mod workspaces;

use std::path::Path;
use std::process::Command;

use forge::{by_secret, token_of};
use harness::{Client, Hub, Setup, with};
use keys::key_file;
use serde_json::{Value, json};

/// The secret of these tests' hubs.
const SECRET: &str = "a secret of these tests, long enough to be one";

/// A hub that requires tokens signed with [`SECRET`].
fn guarded() -> Setup {
    guard(Setup::new())
}

fn guard(setup: Setup) -> Setup {
    let file = setup.home().join("secret");
    std::fs::write(&file, SECRET).unwrap();
    setup.args(&["--auth-secret-file", file.to_str().unwrap()])
}

/// The hub's and the tests' time, in seconds since 1970.
#[allow(clippy::disallowed_methods)]
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// A token of this person for the next minute.
fn token(sub: &str, role: &str) -> String {
    token_with(sub, role, json!({}))
}

fn token_with(sub: &str, role: &str, more: Value) -> String {
    signed(SECRET, with(json!({"sub": sub, "role": role, "exp": now() + 60}), more))
}

/// These claims, signed by HS256.
fn signed(secret: &str, claims: Value) -> String {
    token_of(&json!({"alg": "HS256", "typ": "JWT"}), claims, by_secret(secret.as_bytes()))
}

/// `deskbell token` with these arguments, and a file of this secret.
fn minted(home: &Path, arguments: &[&str]) -> String {
    let file = home.join("minting-secret");
    std::fs::write(&file, SECRET).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_deskbell"))
        .arg("token")
        .arg("--secret-file")
        .arg(file)
        .args(arguments)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Joins with a token.
async fn join(hub: &Hub, sub: &str, role: &str, more: Value) -> Client {
    hub.join(json!({"role": role, "token": token_with(sub, role, more)})).await
}

/// The answer to a hello: its welcome, or the code of the close.
async fn attempt(hub: &Hub, hello: Value) -> Result<Value, u16> {
    let mut client = hub.connect().await;
    client.send(with(json!({"type": "hello"}), hello)).await;
    client.first_or_close().await
}
