//! What every command says alike: what is wrong, and what was asked for.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::{Config, Faults, Sources};

/// The exit code for a wrong command line or configuration (EX_USAGE).
pub const EXIT_USAGE: u8 = 64;

/// The configuration, unless it or the command line is wrong.
pub(super) fn load(sources: &Sources, mut usage: Faults) -> Result<Config, Faults> {
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
pub(super) fn say(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// What clap has to say: help is asked for and goes to standard output; what is wrong with the command line is said as
/// clap lays it out, with the usage below.
pub(super) fn help_or_refuse(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return say(&text);
    }
    let _ = write!(io::stderr(), "deskbell: {}", text.trim_start_matches("error: "));
    ExitCode::from(EXIT_USAGE)
}

/// Names all faults on standard error.
pub(super) fn refuse(faults: &Faults) -> ExitCode {
    let indented: String = faults.lines().iter().map(|line| format!("  {line}\n")).collect();
    let count = match faults.len() {
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    let _ = write!(io::stderr(), "deskbell: {count} in the configuration or the command line\n{indented}");
    ExitCode::from(EXIT_USAGE)
}
