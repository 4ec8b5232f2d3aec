//! The command line: `serve` (also without any word), `check`.
//!
//! Files here may use those above them: `arguments`, `serve`, `check`.

mod arguments;
mod check;
pub mod serve;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use arguments::{Asked, Command};

use crate::config::{Config, Faults};
use crate::telemetry;

/// The exit code for a wrong command line or configuration (EX_USAGE).
pub const EXIT_USAGE: u8 = 64;

/// Does what the command line says. `arguments` begins with the program's own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match arguments::parse(arguments.into_iter().collect(), std::env::vars_os().collect()) {
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

/// The configuration, unless it or the command line is wrong.
fn load(sources: &crate::config::Sources, mut usage: Faults) -> Result<Config, Faults> {
    match Config::load(sources) {
        Ok(config) if usage.is_empty() => Ok(config),
        Ok(_) => Err(usage),
        Err(faults) => {
            usage.extend(faults);
            Err(usage)
        }
    }
}

/// Writes to standard output. Nobody listening there is no failure.
fn say(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Names all faults on standard error.
fn refuse(faults: &Faults) -> ExitCode {
    let count = match faults.len() {
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    let _ = writeln!(io::stderr(), "deskbell: {count}, nothing was started\n{}", indented(faults));
    ExitCode::from(EXIT_USAGE)
}

fn indented(faults: &Faults) -> String {
    faults.lines().iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
