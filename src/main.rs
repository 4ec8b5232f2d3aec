//! The program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    deskbell::command::run(std::env::args_os())
}
