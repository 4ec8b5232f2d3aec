//! Faults, floods and long runs against the real hub, each a command: `cargo test --test campaign -- NAME [--option N]`.
//! Without a name: the short ones, as `tests/run` runs them. `docs/reliability.md` says what each does and prints.

// Test helpers may do more than the hub: a failed expectation panics, on purpose.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::str_to_string)]

#[path = "../support/harness/mod.rs"]
#[allow(dead_code, unused_imports, clippy::needless_pass_by_value, reason = "made for the wire's tests")]
mod harness;

mod agent;
mod amplification;
mod apart;
mod audience;
mod backup;
mod chance;
mod check;
mod full_disk;
mod hostile;
mod kills;
mod light;
mod link;
mod provider;
mod record;
mod scene;
mod storm;
mod table;
mod unsynced;
mod upgrade;
mod usage;
mod work;
mod years;

use std::process::ExitCode;
use std::time::Duration;

use kills::Plan;

/// The commands.
const COMMANDS: &str = "kills, unsynced, full-disk, backup, upgrade, storm, hostile, amplification, years";

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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == apart::WORD) {
        apart::run(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    let asked = Asked::read();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let kept = runtime.block_on(run(&asked));
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(asked: &Asked) -> bool {
    let mut kept = true;
    if asked.commands.is_empty() {
        kept &= kills::run(&asked.plan(8, false)).await;
        kept &= kills::run(&asked.plan(4, true)).await;
        kept &= upgrade::run(asked.option("seed", 1), 1, 24).await;
        kept &= full_disk::run().await;
        kept &= backup::run().await;
        kept &= amplification::run(500, Duration::from_secs(1), false).await;
    }
    for command in &asked.commands {
        kept &= match command.as_str() {
            "kills" => kills::run(&asked.plan(300, false)).await,
            "unsynced" => kills::run(&asked.plan(200, true)).await,
            "full-disk" => full_disk::run().await,
            "backup" => backup::run().await,
            "upgrade" => {
                upgrade::run(asked.option("seed", 1), asked.option("count", 10), asked.option("clients", 24)).await
            }
            "storm" => storm::run(asked.option("count", 10_000)).await,
            "hostile" => hostile::run(asked.option("count", 10_000)).await,
            "amplification" => {
                amplification::run(asked.option("count", 10_000), Duration::from_secs(10), apart::can_yield()).await
            }
            "years" => years::run(asked.option("count", 1_000_000)).await,
            _ => {
                eprintln!("campaign: there is no command {command}; the commands are {COMMANDS}");
                false
            }
        };
    }
    kept
}
