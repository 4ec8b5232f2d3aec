//! The gain from a second processor for the hub, on a machine without a third one for the load generator.
//!
//! The hub gets a part of one processor, or the same part of two; the rest of both is the generator's (two threads), which is
//! then not the limit. Whether that holds is printed: the hub has to use up what it gets, and the generator must not be on
//! both processors all the time. A hub that leaves its work to one thread could take the time of both processors on one;
//! so its busiest thread's part of its CPU is printed, too: with two shards that share the work it is half.

use std::fmt::Write as _;

use super::load::{Asked, Burst, Measured, against};
use super::quota::{NoQuota, Quota};
use super::server::Server;
use super::table::Spread;
use super::{Arguments, Form};

const GENERATOR_THREADS: usize = 2;
/// The numbers of messages in flight: one, and rising numbers that can be written together.
const IN_FLIGHT: [u64; 4] = [1, 8, 32, 128];

/// One round: the hub on one processor, then on two.
type Round = (Measured, Measured);

pub(crate) fn measure(arguments: &Arguments) {
    if std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get) < 2 {
        println!("this machine has no second processor");
        std::process::exit(1);
    }
    println!("\nhub: {0} % of one processor, then {0} % of each of two; median (least-most)\n", arguments.quota);
    let columns = [
        "agents",
        "form",
        "in flight",
        "deliveries/s, 1",
        "2",
        "ratio",
        "CPU us per delivery, 1",
        "2",
        "ratio",
        "frames together, 1",
        "2",
        "of its quota used, 1",
        "2",
        "busiest thread, 2",
        "generator, processors",
    ];
    println!("| {} |\n|{}", columns.join(" | "), "---:|".repeat(columns.len()));
    for &agents in &arguments.agents {
        for &form in &arguments.forms {
            let rounds: Result<Vec<Round>, NoQuota> = (0..arguments.repeats)
                .map(|_| Ok((one_run(arguments, form, agents, 1)?, one_run(arguments, form, agents, 2)?)))
                .collect();
            match rounds {
                Ok(rounds) => print!("{}", rows(arguments.quota, form, agents, &rounds)),
                Err(error) => {
                    println!("not measured: {error}");
                    std::process::exit(1);
                }
            }
        }
    }
}

fn one_run(arguments: &Arguments, form: Form, agents: usize, processors: u32) -> Result<Measured, NoQuota> {
    let quota = Quota::new(arguments.quota * processors)?;
    // The quota is applied only when the hub runs: it starts one shard per processor, and would count the quota as well.
    let hub = Server::hub(None, if processors == 1 { "0" } else { "0,1" });
    quota.hold(hub.pid())?;
    let (seconds, threads) = (arguments.seconds, GENERATOR_THREADS);
    let asked = Asked { form, agents, in_flight: IN_FLIGHT, seconds, frame_bytes: 0, threads };
    let measured = against(&hub, asked);
    drop(hub);
    Ok(measured)
}

fn rows(quota: u32, form: Form, agents: usize, rounds: &[Round]) -> String {
    let mut text = String::new();
    for (number, in_flight) in IN_FLIGHT.into_iter().enumerate() {
        let spread = |of: &dyn Fn(Burst, Burst) -> f64| {
            Spread::of(rounds.iter().map(|(one, two)| of(one.bursts[number], two.bursts[number])).collect())
        };
        let whole = |spread: Spread| format!("{:.0}", spread.median);
        let used = |burst: Burst, processors: f64| {
            burst.per_second * burst.cpu_us / 1e6 / (f64::from(quota) / 100.0 * processors)
        };
        let columns = [
            whole(spread(&|one, _| one.per_second)),
            whole(spread(&|_, two| two.per_second)),
            spread(&|one, two| two.per_second / one.per_second).to_string(),
            spread(&|one, _| one.cpu_us).to_string(),
            spread(&|_, two| two.cpu_us).to_string(),
            spread(&|one, two| two.cpu_us / one.cpu_us).to_string(),
            format!("{:.1}", spread(&|one, _| one.together).median),
            format!("{:.1}", spread(&|_, two| two.together).median),
            spread(&|one, _| used(one, 1.0)).to_string(),
            spread(&|_, two| used(two, 2.0)).to_string(),
            spread(&|_, two| two.busiest).to_string(),
            spread(&|_, two| two.generator).to_string(),
        ];
        let _ = writeln!(text, "| {agents} | {} | {in_flight} | {} |", form.name(), columns.join(" | "));
    }
    text
}
