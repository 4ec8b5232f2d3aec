//! Output that all commands share: results, usage errors and configuration errors.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::{Config, ConfigErrors, Sources};

/// The exit code for a wrong command line or configuration (EX_USAGE).
pub const EXIT_USAGE: u8 = 64;

/// Loads the configuration. `usage` holds the errors of the command line, which are reported together with the others.
pub(super) fn load(sources: &Sources, mut usage: ConfigErrors) -> Result<Config, ConfigErrors> {
    match Config::load(sources) {
        Ok(config) if usage.is_empty() => Ok(config),
        Ok(_) => Err(usage),
        Err(errors) => {
            usage.extend(errors);
            Err(usage)
        }
    }
}

/// Writes to standard output. A closed standard output is not an error.
pub(super) fn print(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Prints what clap reports: help goes to standard output, and a usage error goes to standard error in clap's layout.
pub(super) fn print_clap(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return print(&text);
    }
    let _ = write!(io::stderr(), "deskbell: {}", text.trim_start_matches("error: "));
    ExitCode::from(EXIT_USAGE)
}

/// Writes all errors to standard error.
pub(super) fn print_errors(errors: &ConfigErrors) -> ExitCode {
    let indented: String = errors.lines().iter().map(|line| format!("  {line}\n")).collect();
    let count = match errors.len() {
        1 => "1 error".to_owned(),
        count => format!("{count} errors"),
    };
    let _ = write!(io::stderr(), "deskbell: {count} in the configuration or the command line\n{indented}");
    ExitCode::from(EXIT_USAGE)
}
