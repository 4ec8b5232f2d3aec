//! `deskbell check`: says what `serve` with the same flags would find wrong.

use std::io::{self, Write};
use std::process::ExitCode;

use super::answer::{load, refuse, say};
use crate::config::{Faults, Sources};

/// Prints `ok`, and on standard error what is no fault but should be known; or all faults and exits with
/// [`EXIT_USAGE`](super::EXIT_USAGE).
pub(super) fn run(sources: &Sources, usage: Faults) -> ExitCode {
    match load(sources, usage) {
        Ok(config) => {
            for notice in &config.notices {
                let _ = writeln!(io::stderr(), "deskbell: warning: {notice}");
            }
            say("ok\n")
        }
        Err(faults) => refuse(&faults),
    }
}
