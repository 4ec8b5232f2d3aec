//! `deskbell check`: says what `serve` with the same flags would find wrong.

use std::process::ExitCode;

use super::answer::{load, refuse, say};
use crate::config::{Faults, Sources};

/// Prints `ok`, or all faults and exits with [`EXIT_USAGE`](super::EXIT_USAGE).
pub(super) fn run(sources: &Sources, usage: Faults) -> ExitCode {
    match load(sources, usage) {
        Ok(_) => say("ok\n"),
        Err(faults) => refuse(&faults),
    }
}
