//! `deskbell check`: makes the checks that `serve` would make with the same flags.

use std::io::{self, Write};
use std::process::ExitCode;

use super::answer::{load, print, print_errors};
use crate::config::{ConfigErrors, Sources};

/// Prints `ok` with the warnings on standard error, or prints all errors and exits with
/// [`EXIT_USAGE`](super::EXIT_USAGE).
pub(super) fn run(sources: &Sources, usage: ConfigErrors) -> ExitCode {
    match load(sources, usage) {
        Ok(config) => {
            for warning in &config.warnings {
                let _ = writeln!(io::stderr(), "deskbell: warning: {warning}");
            }
            print("ok\n")
        }
        Err(errors) => print_errors(&errors),
    }
}
