//! The load tool (`deskbell load`): many agents and providers against a hub, with an open loop of arrivals, and a check
//! that the hub keeps its promises.
//!
//! Each thread is one loop over thousands of sockets, without a task or a buffer for each, so that the tool can run beside
//! the hub on one machine without distorting the results. If it did distort them, it says so.
//!
//! Files here may use those above them: `frame`, `message_fields`, `options`, `schedule`, `lag`, `socket`, `promises`, `measures`,
//! `share`, `engine`, `connections`, `desks`, `callers`, `summary`.

mod callers;
mod connections;
mod desks;
mod engine;
mod frame;
mod lag;
mod measures;
mod message_fields;
mod options;
mod promises;
mod schedule;
mod share;
mod socket;
mod summary;

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clap::Parser;
use deskbell_client::Address;
use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::engine::{Engine, ThreadResult};
use self::options::{LoadOptions, tokens};
use self::share::{LoadShare, RunState, deal};
use self::socket::HubAddress;
use self::summary::{Run, Summary};

/// The exit code for a wrong command line (EX_USAGE).
const EXIT_USAGE: u8 = 64;
/// After this time without an answer from the hub the tool prints a notice.
const KNOCK_MAX: Duration = Duration::from_secs(2);

/// Exit code 1 if the run could not be made or a promise was broken.
fn main() -> ExitCode {
    let options = match LoadOptions::try_parse() {
        Ok(options) => Arc::new(options),
        Err(error) => {
            // Nobody may be reading the output; the exit code says the same.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let parts = match prepare(&options) {
        Ok(parts) => parts,
        Err(faults) => {
            print_error_line(&format!("deskbell load: {}", faults.join("\n               ")));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match carry(&options, parts) {
        Ok(run) => report(&options, &run),
        Err(error) => {
            print_error_line(&format!("deskbell load: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Checks all that can be checked before anything is connected.
fn prepare(options: &Arc<LoadOptions>) -> Result<Vec<LoadShare>, Vec<String>> {
    let mut faults = options.faults();
    let mut noted = |found: Result<Vec<String>, String>| found.map_err(|fault| faults.push(fault)).unwrap_or_default();
    let agent_tokens = noted(tokens(options.agent_tokens.as_ref()));
    let provider_tokens = noted(tokens(options.provider_tokens.as_ref()));
    let hub = find(&options.url).map_err(|fault| faults.push(format!("--url: {fault}"))).ok();
    faults.extend(raise_open_files(options.files()).err());
    match hub {
        Some(hub) if faults.is_empty() => {
            let shared = Arc::new(RunState::new(options.threads));
            let run = fastrand::u32(..);
            Ok(deal(options, &hub, &shared, run, &agent_tokens, &provider_tokens))
        }
        _ => Err(faults),
    }
}

fn find(url: &str) -> Result<HubAddress, String> {
    let address = Address::parse(url).map_err(|error| error.to_string())?;
    if address.is_tls() {
        return Err(format!("{url:?} needs TLS, which the load tool does not support"));
    }
    let found = (address.host(), address.port()).to_socket_addrs().map_err(|error| error.to_string())?;
    let first = found.into_iter().next().ok_or_else(|| "no such host".to_owned())?;
    Ok(HubAddress { address: first, host: address.authority(), path: address.path() })
}

/// Raises this process's limit of open files, as far as the system lets it.
fn raise_open_files(needed: u64) -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        let maximum = limit.maximum.unwrap_or_default();
        return Err(format!(
            "this run needs {needed} open files, but the limit of this process is {maximum}; raise it with `ulimit -n \
             {needed}` (as root: `ulimit -Hn {needed}`; a service: LimitNOFILE={needed}; a container: --ulimit \
             nofile={needed})"
        ));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })
        .map_err(|error| format!("the limit of open files cannot be raised to {needed}: {error}"))
}

/// Carries the load in its threads, shows how it goes, and puts together what they saw.
fn carry(options: &Arc<LoadOptions>, parts: Vec<LoadShare>) -> Result<Run, String> {
    let Some(shared) = parts.first().map(|part| Arc::clone(&part.shared)) else { return Err("no part".to_owned()) };
    stop_when_asked(&shared);
    knock(&parts);
    let threads: Vec<_> = parts.into_iter().enumerate().map(|(at, part)| spawn(at, part, &shared)).collect();
    let threads = threads.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| format!("no thread: {error}"))?;
    show(options, &shared, &threads);
    let mut run: Option<Run> = None;
    for thread in threads {
        let harvest = thread.join().map_err(|_| "a thread of this tool panicked".to_owned())??;
        match &mut run {
            None => run = Some(Run::of(harvest)),
            Some(run) => run.merge(harvest),
        }
    }
    run.ok_or_else(|| "no thread".to_owned())
}

/// Says at once if nothing answers there. The run is made all the same, as soon as something does: a hub that is being
/// started is waited for.
fn knock(parts: &[LoadShare]) {
    let Some(part) = parts.first() else { return };
    let within = Duration::from_nanos(engine::connect_within_ns(part.agents.len() + part.providers.len()));
    if let Err(error) = TcpStream::connect_timeout(&part.hub.address, KNOCK_MAX.min(within)) {
        let (hub, seconds) = (part.hub.address, within.as_secs());
        print_error_line(&format!("deskbell load: nothing answers at {hub} ({error}); trying for {seconds} s more"));
    }
}

fn spawn(at: usize, part: LoadShare, shared: &Arc<RunState>) -> io::Result<JoinHandle<Result<ThreadResult, String>>> {
    let shared = Arc::clone(shared);
    thread::Builder::new().name(format!("load-{at}")).spawn(move || {
        let harvest = Engine::new(part, at).map_err(|error| error.to_string()).and_then(Engine::run);
        if harvest.is_err() {
            // The others wait for all to be ready.
            shared.stop.store(true, Ordering::Relaxed);
        }
        harvest
    })
}

/// On SIGINT or SIGTERM the run ends early, and still tells what it saw; on a second one it ends at once.
fn stop_when_asked(shared: &Arc<RunState>) {
    let shared = Arc::clone(shared);
    let waiting = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                shared.stop.store(true, Ordering::Relaxed);
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
    };
    // Without it a signal ends the process as it always does.
    let _ = thread::Builder::new().name("load-signals".to_owned()).spawn(waiting);
}

/// Shows on standard error how it goes, until the threads are done.
fn show(options: &LoadOptions, shared: &RunState, threads: &[JoinHandle<Result<ThreadResult, String>>]) {
    let clients = (options.agents + options.providers()) as u64;
    let run_ms = (options.ramp + options.duration).as_millis() as u64;
    let bar = ProgressBar::new(clients);
    // The templates are right ones.
    if let Ok(style) = ProgressStyle::with_template("{prefix:>10} [{bar:30}] {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    while !threads.iter().all(JoinHandle::is_finished) {
        let start = shared.start.load(Ordering::Relaxed);
        if start == 0 {
            let open = shared.sum(|live| &live.open);
            bar.set_prefix("connecting");
            bar.set_position(open);
            bar.set_message(format!("{open} of {clients} clients"));
        } else {
            let draining = shared.all(|live| &live.draining);
            bar.set_prefix(if draining { "draining" } else { "running" });
            bar.set_length(run_ms);
            bar.set_position((shared.now().saturating_sub(start) / 1_000_000).min(run_ms));
            bar.set_message(figures(shared));
        }
        thread::sleep(Duration::from_millis(100));
    }
    bar.finish_and_clear();
}

fn figures(shared: &RunState) -> String {
    let ms = |us: u64| us as f64 / 1000.0;
    let broken = match shared.sum(|live| &live.broken) {
        0 => String::new(),
        broken => format!(", {broken} PROMISES BROKEN"),
    };
    format!(
        "{} notifies, {} results, {} open, {} deliveries; ack p50 {:.1} ms, p99 {:.1} ms{broken}",
        shared.sum(|live| &live.asked),
        shared.sum(|live| &live.resulted),
        shared.sum(|live| &live.unended),
        shared.sum(|live| &live.deliveries),
        ms(shared.max(|live| &live.ack_p50)),
        ms(shared.max(|live| &live.ack_p99)),
    )
}

impl Run {
    fn of(harvest: ThreadResult) -> Self {
        Self {
            measures: harvest.measures,
            broken: harvest.checker.broken,
            outcomes: harvest.checker.outcomes,
            repeated: harvest.checker.repeated,
            failures: harvest.failures,
            usage: harvest.usage,
            limits: harvest.limits,
            audiences: harvest.audiences,
            run_ns: harvest.run_ns,
        }
    }

    fn merge(&mut self, harvest: ThreadResult) {
        self.measures.merge(&harvest.measures);
        self.broken.merge(harvest.checker.broken);
        for (mine, other) in self.outcomes.iter_mut().zip(harvest.checker.outcomes) {
            *mine += other;
        }
        self.repeated += harvest.checker.repeated;
        for (why, count) in harvest.failures {
            *self.failures.entry(why).or_default() += count;
        }
        self.usage = self.usage.worse(harvest.usage);
        self.audiences += harvest.audiences;
        self.run_ns = self.run_ns.max(harvest.run_ns);
    }
}

/// Prints the summary, as text or as JSON.
fn report(options: &LoadOptions, run: &Run) -> ExitCode {
    let summary = Summary::of(options, run);
    let text = summary.text();
    if options.json {
        let _ = io::stdout().write_all(summary.json().as_bytes());
        print_error_line(text.trim_end());
    } else {
        let _ = io::stdout().write_all(text.as_bytes());
    }
    if summary.broken() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Writes a line to standard error. A closed standard error is not a failure.
fn print_error_line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_named_before_anything_is_connected() {
        let arguments = ["load", "--agents=0", "--url=wss://hub", "--agent-tokens=/nowhere/at/all"];
        let options = Arc::new(LoadOptions::try_parse_from(arguments).unwrap());
        let faults = prepare(&options).unwrap_err();
        for part in ["--agents", "--url", "TLS", "/nowhere/at/all"] {
            assert!(faults.iter().any(|fault| fault.contains(part)), "{part}: {faults:?}");
        }
    }

    #[test]
    fn too_many_files_are_refused_with_what_to_do() {
        let fault = raise_open_files(u64::MAX / 4).unwrap_err();
        assert!(fault.contains("ulimit -n"), "{fault}");
        assert_eq!(raise_open_files(10), Ok(()));
    }

    #[test]
    fn the_hub_is_found_by_its_address() {
        let hub = find("ws://127.0.0.1:8080").unwrap();
        assert_eq!((hub.address.port(), hub.host.as_str(), hub.path.as_str()), (8080, "127.0.0.1:8080", "/ws"));
    }
}
