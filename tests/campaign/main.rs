//! Faults, floods and long runs against the real hub, each a command: `cargo test --test campaign -- NAME [--option N]`.
//! Without a name: the short ones, as `cargo test` runs them. `docs/reliability.md` says what each does and prints.

// What helpers of tests may do is wider than what the hub may: a failed expectation panics, on purpose.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::str_to_string)]

#[path = "../support/harness/mod.rs"]
#[allow(dead_code, unused_imports, clippy::needless_pass_by_value, reason = "made for the wire's tests")]
mod harness;

mod agent;
mod chance;
mod check;
mod kills;
mod link;
mod provider;
mod record;
mod scene;
mod table;
mod unsynced;

use std::process::ExitCode;

use kills::Plan;

/// The commands. The first few are the short run.
const COMMANDS: [&str; 2] = ["kills", "unsynced"];

/// What the command line asks for.
#[derive(Debug, Default)]
struct Asked {
    commands: Vec<String>,
    options: Vec<(String, u64)>,
}

impl Asked {
    fn read() -> Self {
        let mut asked = Self::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some(option @ ("seed" | "cycles" | "run-ms" | "clients" | "count")) => {
                    let value = words.next().and_then(|value| value.parse().ok());
                    asked
                        .options
                        .push((option.to_owned(), value.unwrap_or_else(|| panic!("--{option} needs a number"))));
                }
                // The test runner's own, such as --nocapture, mean nothing here.
                Some(_) => {}
                None => asked.commands.push(word),
            }
        }
        asked
    }

    fn option(&self, name: &str, default: u64) -> u64 {
        self.options.iter().rev().find(|(option, _)| option == name).map_or(default, |(_, value)| *value)
    }

    fn plan(&self, cycles: u64, unsynced: bool) -> Plan {
        Plan {
            seed: self.option("seed", 1),
            cycles: self.option("cycles", cycles),
            run_ms: self.option("run-ms", 1500),
            clients: self.option("clients", 24),
            unsynced,
        }
    }
}

fn main() -> ExitCode {
    let asked = Asked::read();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let kept = runtime.block_on(run(&asked));
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(asked: &Asked) -> bool {
    if asked.commands.is_empty() {
        let kills = kills::run(&asked.plan(12, false)).await;
        let unsynced = kills::run(&asked.plan(6, true)).await;
        return kills && unsynced;
    }
    let mut kept = true;
    for command in &asked.commands {
        kept &= match command.as_str() {
            "kills" => kills::run(&asked.plan(300, false)).await,
            "unsynced" => kills::run(&asked.plan(200, true)).await,
            // `cargo test some_name` filters the tests of all binaries; there is none of that name here.
            _ => {
                println!("campaign: nothing is named {command}; there is {}", COMMANDS.join(", "));
                true
            }
        };
    }
    kept
}
