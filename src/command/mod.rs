//! The command line: `serve` (also without any word), `check`, `explain`, `load`, `token`.
//!
//! Files here may use those above them: `answer`, `load`, `token`, `explain`, `arguments`, `supervisor`,
//! `partitions`, `serve`, `check`.

mod answer;
mod arguments;
mod check;
mod explain;
mod load;
mod partitions;
pub mod serve;
mod supervisor;
mod token;

use std::ffi::OsString;
use std::process::ExitCode;

pub use answer::EXIT_USAGE;
use answer::{load, refuse, say};
use arguments::{Asked, Command};

use crate::telemetry;

/// Does what the command line says. `arguments` begins with the program's own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Those that take flags of their own and none of a hub's settings.
    match arguments.get(1).and_then(|word| word.to_str()) {
        Some("load") => return load::run(arguments.into_iter().skip(2)),
        Some("token") => return token::run(arguments.into_iter().skip(1)),
        Some("explain") => return explain::run(arguments.into_iter().skip(1)),
        _ => {}
    }
    match arguments::parse(arguments, std::env::vars_os().collect()) {
        Asked::Text(text) => say(&text),
        Asked::Command(Command::Check { sources, usage }) => check::run(&sources, usage),
        Asked::Command(Command::Serve { sources, usage }) => match load(&sources, usage) {
            Err(faults) => refuse(&faults),
            Ok(config) => {
                // Only a test's own subscriber can be in the way.
                let _ = telemetry::init(config.log_format, &config.log_filter);
                for notice in &config.notices {
                    tracing::warn!("{notice}");
                }
                serve::run(&config)
            }
        },
    }
}
