//! The commands: `serve` (the default), `check`, `explain`, `load`, `token`.
//!
//! Files here may use those above them: `answer`, `load`, `token`, `explain`, `arguments`, `supervisor`,
//! `partitions`, `revoked_file`, `serve`, `check`.

mod answer;
mod arguments;
mod check;
mod explain;
mod load;
mod partitions;
mod revoked_file;
pub mod serve;
mod supervisor;
mod token;

use std::ffi::OsString;
use std::process::ExitCode;

pub use answer::EXIT_USAGE;
use answer::{load, print, print_errors};
use arguments::{Command, Invocation};

use crate::telemetry;

/// Runs the command of `arguments`, which start with the name of the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // These commands have their own flags, and do not take the settings of a hub.
    match arguments.get(1).and_then(|word| word.to_str()) {
        Some("load") => return load::run(arguments.into_iter().skip(2)),
        Some("token") => return token::run(arguments.into_iter().skip(1)),
        Some("explain") => return explain::run(arguments.into_iter().skip(1)),
        _ => {}
    }
    match arguments::parse(arguments, std::env::vars_os().collect()) {
        Invocation::Text(text) => print(&text),
        Invocation::Command(Command::Check { sources, usage, token }) => check::run(&sources, usage, token.as_deref()),
        Invocation::Command(Command::Serve { sources, usage }) => match load(&sources, usage) {
            Err(errors) => print_errors(&errors),
            Ok(config) => {
                // This fails only if a test has installed its own subscriber.
                let _ = telemetry::init(config.log_format, &config.log_filter);
                for warning in &config.warnings {
                    tracing::warn!("{warning}");
                }
                let exit = serve::run(&config);
                telemetry::flush();
                exit
            }
        },
    }
}
