//! The options of a run, and their checks.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use deskbell_protocol::parse_duration;

/// Measures a hub under load, and checks that it keeps its promises.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "load",
    bin_name = "deskbell load",
    about = "Measure a hub under load, and check that it keeps its promises",
    after_help = "Arrivals are fixed in advance (open loop): a late answer slows nothing down, and all is measured from \
                  when it should have been sent. Exit code 1: a promise was broken, or the run could not be made."
)]
pub(crate) struct Options {
    /// Address of the hub
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:8080/ws")]
    pub(crate) url: String,
    /// Agents, each with one connection
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) agents: usize,
    /// Number of groups that the agents are split into; each notify goes to one group; 0: no groups, each goes to all agents [default: ten agents per group]
    #[arg(long, value_name = "N")]
    pub(crate) groups: Option<usize>,
    /// Providers, each with one connection [default: as few as a hub's default rates allow]
    #[arg(long, value_name = "N")]
    pub(crate) providers: Option<usize>,
    /// Notifies per second, of all providers together
    #[arg(long, value_name = "N", default_value_t = 50.0)]
    pub(crate) rate: f64,
    /// Whether notifies are sent at even intervals or at random
    #[arg(long, value_enum, default_value_t = Arrivals::Even)]
    pub(crate) arrivals: Arrivals,
    /// Warm-up before measuring, during which the rate rises
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub(crate) ramp: Duration,
    /// How long to measure
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// After the run, wait until nothing has settled for this long
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) drain: Duration,
    /// Share of the notifies that is accepted [default: the rest]
    #[arg(long, value_name = "0..1")]
    pub(crate) accept: Option<f64>,
    /// Share that is rejected
    #[arg(long, value_name = "0..1", default_value_t = 0.1)]
    pub(crate) reject: f64,
    /// Share that no agent answers; those still open at the end are cancelled
    #[arg(long, value_name = "0..1", default_value_t = 0.0)]
    pub(crate) ignore: f64,
    /// Share that its provider cancels
    #[arg(long, value_name = "0..1", default_value_t = 0.05)]
    pub(crate) cancel: f64,
    /// Mean time from a notification's display to its answer, or from a notify to its cancel; half to one and a half times it
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = duration)]
    pub(crate) think: Duration,
    /// Agents that answer the same notification at about the same moment
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) racers: u32,
    /// Agents per second that drop their connection and reconnect
    #[arg(long, value_name = "N", default_value_t = 0.0)]
    pub(crate) churn: f64,
    /// Name of the template
    #[arg(long, value_name = "NAME", default_value = "msdyn_chat_incoming_unauthenticated")]
    pub(crate) template: String,
    /// Keep the sessions that accepts start, instead of ending each at once
    #[arg(long)]
    pub(crate) keep_sessions: bool,
    /// File with one token per line, for the agents in turn; the groups are then those of the tokens
    #[arg(long, value_name = "FILE")]
    pub(crate) agent_tokens: Option<PathBuf>,
    /// File with one token per line, for the providers in turn
    #[arg(long, value_name = "FILE")]
    pub(crate) provider_tokens: Option<PathBuf>,
    /// Handshakes in progress at the same time
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) parallel: usize,
    /// Threads that carry the load; groups and providers are divided among them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) threads: usize,
    /// Seed of an earlier run, to repeat its random decisions
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print the results as JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arrival times of notifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrivals {
    /// At equal intervals, to the groups in turn
    Even,
    /// At random (Poisson), to random groups
    Poisson,
}

/// The upper limit of all counts: connections, notifies per second.
const COUNT_MAX: usize = 1_000_000;
/// The messages and deliveries per second that a hub allows a provider by default.
pub(crate) const MESSAGES_PER_SECOND: f64 = 200.0;
pub(crate) const DELIVERIES_PER_SECOND: f64 = 50_000.0;
/// The share of these rates that is used if the number of providers is not given.
const USED: f64 = 0.7;

impl Options {
    /// All faults of the options, one line each.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut must = |holds: bool, fault: &str| {
            if !holds {
                faults.push(fault.to_owned());
            }
        };
        must((1..=COUNT_MAX).contains(&self.agents), "--agents: from 1 to 1000000");
        must(self.groups.is_none_or(|groups| groups <= self.agents), "--groups: at most as many as agents");
        must(self.providers.is_none_or(|n| (1..=COUNT_MAX).contains(&n)), "--providers: from 1 to 1000000");
        must((0.0..=COUNT_MAX as f64).contains(&self.rate), "--rate: from 0 to 1000000");
        must((0.0..=COUNT_MAX as f64).contains(&self.churn), "--churn: from 0 to 1000000");
        let shares = [self.accept.unwrap_or(0.0), self.reject, self.ignore, self.cancel];
        must(shares.iter().all(|share| (0.0..=1.0).contains(share)), "a share: from 0 to 1");
        let sum: f64 = shares.iter().sum();
        let whole = if self.accept.is_some() { (sum - 1.0).abs() < 1e-6 } else { sum <= 1.0 };
        must(whole, "--accept, --reject, --ignore and --cancel together make 1 (leave out --accept for what remains)");
        must(!self.duration.is_zero(), "--duration: more than 0");
        must(self.racers >= 1, "--racers: at least 1");
        must(self.parallel >= 1, "--parallel: at least 1");
        must((1..=64).contains(&self.threads), "--threads: from 1 to 64");
        must(
            self.threads == 1 || (self.agent_tokens.is_none() && self.groups != Some(0)),
            "--threads: without --groups, or with groups from tokens, only one thread is possible",
        );
        faults
    }

    /// The groups; 0: none.
    pub(crate) fn groups(&self) -> usize {
        self.groups.unwrap_or_else(|| self.agents.div_ceil(10))
    }

    /// Agents that one notify goes to.
    pub(crate) fn audience(&self) -> f64 {
        self.agents as f64 / self.groups().max(1) as f64
    }

    pub(crate) fn accept_share(&self) -> f64 {
        self.accept.unwrap_or(1.0 - self.reject - self.ignore - self.cancel)
    }

    pub(crate) fn providers(&self) -> usize {
        let needed = (self.messages() / MESSAGES_PER_SECOND).max(self.deliveries() / DELIVERIES_PER_SECOND) / USED;
        self.providers.unwrap_or((needed.ceil() as usize).max(self.threads)).max(1)
    }

    /// Messages per second that all providers send: the notify, and the calls that follow it.
    pub(crate) fn messages(&self) -> f64 {
        let ends = if self.keep_sessions { 0.0 } else { self.accept_share() };
        self.rate * (1.0 + self.cancel + ends)
    }

    /// Deliveries per second that notifies cause: each notification is displayed and closed.
    pub(crate) fn deliveries(&self) -> f64 {
        self.rate * self.audience() * 2.0
    }

    /// Open files that the run needs: one per connection, and some more.
    pub(crate) fn files(&self) -> u64 {
        (self.agents + self.providers() + 64) as u64
    }
}

/// The lines of a file, without empty ones.
///
/// # Errors
/// The reason why the file cannot be read, or that it contains no token.
pub(crate) fn tokens(file: Option<&PathBuf>) -> Result<Vec<String>, String> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let tokens: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if tokens.is_empty() { Err(format!("{} contains no token", file.display())) } else { Ok(tokens) }
}

/// Parses a duration as the configuration does.
fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a duration is written as 500ms, 2s or 1m30s".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn options(arguments: &[&str]) -> Options {
        Options::try_parse_from([&["load"], arguments].concat()).unwrap()
    }

    #[test]
    fn the_flags_are_sound() {
        Options::command().debug_assert();
        assert!(options(&[]).faults().is_empty());
    }

    #[test]
    fn groups_of_ten_and_as_few_providers_as_the_hub_lets() {
        let asked = options(&["--agents", "95", "--rate", "1000"]);
        assert_eq!(asked.groups(), 10);
        assert!((asked.accept_share() - 0.85).abs() < 1e-9);
        // 1.9 messages for each notify, of which a provider may send 140 a second.
        assert_eq!(asked.providers(), 14);
        assert_eq!(options(&["--agents", "10000", "--groups", "0", "--rate", "10"]).providers(), 6);
        assert_eq!(options(&["--providers", "3"]).providers(), 3);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (arguments, fault) in [
            (&["--agents=0"][..], "--agents"),
            (&["--agents=5", "--groups=6"], "--groups"),
            (&["--rate=-1"], "--rate"),
            (&["--rate=NaN"], "--rate"),
            (&["--reject=0.9", "--cancel=0.2"], "together"),
            (&["--accept=0.5"], "together"),
            (&["--ignore=2"], "a share"),
            (&["--duration=0s"], "--duration"),
            (&["--threads=2", "--groups=0"], "--threads"),
        ] {
            let faults = options(arguments).faults();
            assert!(faults.iter().any(|one| one.contains(fault)), "{arguments:?}: {faults:?}");
        }
    }
}
