//! The cost of fan-out: the real hub, compared with a floor that only calls `write(2)`, in turns within one run.
//!
//! `cargo bench --bench fanout [-- --agents 1000,10000 --repeats 3 --seconds 1.5 --forms fanout,cycle]`
//!
//! The hub (memory log, this build) and the floor run pinned to the first processor, the load generator to the
//! second. Two forms: `fanout` is one KPI mark to every agent; `cycle` is one notify to every agent, one accept, the
//! result, and a `closed` to every agent. CPU is that of the server's threads (`/proc/*/task/*/schedstat`), the kernel's
//! TCP work in their system calls included. See benches/README.md for how to read the table.
//!
//! `cargo bench --bench fanout -- --second-processor [--quota 30]` measures how much more the hub delivers on two
//! processors than on one (see `second.rs`). It needs root, because it limits the hub with a control group.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "it prints what it measured, and stops if it cannot")]

mod floor;
mod frames;
mod load;
mod quota;
mod second;
mod server;
mod table;

use std::time::Duration;

use load::Asked;
use server::Server;
use table::Table;

/// A workload: the kind of message, and the deliveries that it causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The floor: the publisher's bytes are written to every subscriber.
    Floor,
    /// One KPI mark to every agent.
    Fanout,
    /// Notify, accept, result, closed.
    Cycle,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Fanout => "fanout",
            Self::Cycle => "cycle",
        }
    }

    fn named(name: &str) -> Self {
        [Self::Floor, Self::Fanout, Self::Cycle].into_iter().find(|form| form.name() == name).expect("a form's name")
    }
}

#[derive(Debug)]
struct Arguments {
    agents: Vec<usize>,
    repeats: usize,
    seconds: Duration,
    forms: Vec<Form>,
    /// Measure the second processor instead.
    second: bool,
    /// The hub's share of each processor, in per cent.
    quota: u32,
}

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match given.first().map(String::as_str) {
        Some("floor") => floor::serve(given[1].parse().unwrap(), given[2].parse().unwrap()),
        Some("load") => load::run(&given[1..]),
        _ => {
            let arguments = arguments(&given);
            println!("{}", server::machine());
            if arguments.second { second::measure(&arguments) } else { measure(&arguments) }
        }
    }
}

fn arguments(given: &[String]) -> Arguments {
    let value = |name: &str, default: &str| -> String {
        let at = given.iter().position(|argument| argument == name);
        at.and_then(|at| given.get(at + 1)).cloned().unwrap_or_else(|| default.to_owned())
    };
    let list = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    Arguments {
        agents: list(value("--agents", "1000,10000")).iter().map(|n| n.parse().unwrap()).collect(),
        repeats: value("--repeats", "3").parse().unwrap(),
        seconds: Duration::from_secs_f64(value("--seconds", "1.5").parse().unwrap()),
        forms: list(value("--forms", "fanout,cycle")).iter().map(|name| Form::named(name)).collect(),
        second: given.iter().any(|argument| argument == "--second-processor"),
        quota: value("--quota", "30").parse().unwrap(),
    }
}

fn measure(arguments: &Arguments) {
    for &agents in &arguments.agents {
        let mut table = Table::new(agents);
        for _ in 0..arguments.repeats {
            for &form in &arguments.forms {
                let (seconds, in_flight) = (arguments.seconds, [1, 8, 0, 0]);
                let asked = Asked { form, agents, in_flight, seconds, frame_bytes: 0, threads: 1 };
                let hub = load::against(&Server::hub(None, "0"), asked);
                let frame_bytes = hub.frame_bytes;
                let floor = Server::floor(agents, frame_bytes);
                let floor = load::against(&floor, Asked { form: Form::Floor, frame_bytes, ..asked });
                table.add(form, hub, floor);
            }
        }
        println!("{table}");
    }
}
