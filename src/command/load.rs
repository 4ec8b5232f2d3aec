//! `deskbell load`: runs the load tool, which is a program of its own (`src/load`), so that the hub does not contain it.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The name of the load tool's executable. It is in the same directory as the hub's.
const EXECUTABLE: &str = "deskbell-load";

/// The command, for the help of the whole program. The load tool has its own `--help`.
pub(super) fn command_line() -> clap::Command {
    clap::Command::new("load").about("Measure a hub under load, and check that it keeps its promises")
}

/// Replaces this process by the load tool. Returns only if that fails.
pub(super) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(EXECUTABLE)));
    let tool = beside.unwrap_or_else(|| PathBuf::from(EXECUTABLE));
    let error = Command::new(&tool).args(arguments).exec();
    let tool = tool.display();
    let _ = match error.kind() {
        ErrorKind::NotFound => writeln!(
            io::stderr(),
            "deskbell load: the load tool is missing: {tool}\nBuild it with `cargo build --release -p deskbell-load`, and \
             copy target/release/{EXECUTABLE} to the directory of deskbell."
        ),
        _ => writeln!(io::stderr(), "deskbell load: {tool} cannot be run: {error}"),
    };
    ExitCode::FAILURE
}
