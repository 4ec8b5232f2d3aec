//! The one place where a test reports that it did not run. `tests/run` prints these reports at its end.
//!
//! A missing program is a failure where `CI` is `true`: there, `tests/run` installs everything that the tests need.

use std::io::Write as _;

/// The file to which each test that did not run adds a line: its name, a tab, the reason.
const FILE: &str = "DESKBELL_LEFT_OUT";

/// Reports that the running test was left out, and why. Its name is that of its thread.
#[allow(dead_code, reason = "not every test binary leaves tests out")]
pub(crate) fn left_out(reason: &str) {
    let thread = std::thread::current();
    left_out_as(thread.name().unwrap_or("a test"), reason);
}

/// Reports that `name` was left out, and why.
#[allow(clippy::print_stdout, reason = "a test's output")]
pub(crate) fn left_out_as(name: &str, reason: &str) {
    println!("left out: {name}: {reason}");
    if let Some(path) = std::env::var_os(FILE) {
        let line = format!("{}: {name}\t{reason}\n", env!("CARGO_CRATE_NAME"));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .unwrap_or_else(|error| panic!("{FILE} names {}: {error}", path.display()));
    }
}

/// Reports that the running test needs a program (or a right) that this machine does not have.
///
/// # Panics
/// Where `CI` is `true`.
#[allow(dead_code, reason = "not every test binary needs a program")]
pub(crate) fn is_missing(what: &str, how_to_get_it: &str) {
    let thread = std::thread::current();
    is_missing_for(thread.name().unwrap_or("a test"), what, how_to_get_it);
}

/// Does the same for a test with a name that is not that of its thread.
#[allow(dead_code, reason = "not every test binary needs a program")]
pub(crate) fn is_missing_for(name: &str, what: &str, how_to_get_it: &str) {
    let reason = format!("{what} is missing ({how_to_get_it})");
    assert!(!in_ci(), "{name}: {reason}, and CI is set");
    left_out_as(name, &reason);
}

fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1")
}
