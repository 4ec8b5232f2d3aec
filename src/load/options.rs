//! The options of a run, and their validation.

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
pub(crate) struct LoadOptions {
    /// The hub's address
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:8080/ws")]
    pub(crate) url: String,
    /// Agents, each with one connection
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) agents: usize,
    /// Number of groups; each notify goes to one group; 0: no groups, each notify goes to all agents [default: one group per ten agents]
    #[arg(long, value_name = "N")]
    pub(crate) groups: Option<usize>,
    /// Providers, each with one connection [default: as few as the hub's default rate limits allow]
    #[arg(long, value_name = "N")]
    pub(crate) providers: Option<usize>,
    /// Notifies per second, of all providers together
    #[arg(long, value_name = "N", default_value_t = 50.0)]
    pub(crate) rate: f64,
    /// How the notifies are distributed in time
    #[arg(long, value_enum, default_value_t = Arrivals::Even)]
    pub(crate) arrivals: Arrivals,
    /// Time during which the rate rises, before the measurement
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub(crate) ramp: Duration,
    /// Time of the measurement
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// After the measurement, wait for open notifications until none has been settled for this time
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) drain: Duration,
    /// Share of notifications that agents accept [default: the rest]
    #[arg(long, value_name = "0..1")]
    pub(crate) accept: Option<f64>,
    /// Share that agents reject
    #[arg(long, value_name = "0..1", default_value_t = 0.1)]
    pub(crate) reject: f64,
    /// Share that no agent answers; the providers cancel them at the end
    #[arg(long, value_name = "0..1", default_value_t = 0.0)]
    pub(crate) ignore: f64,
    /// Share that the providers cancel
    #[arg(long, value_name = "0..1", default_value_t = 0.05)]
    pub(crate) cancel: f64,
    /// Mean time from display to answer, and from notify to cancel; each is between half and one and a half times this
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = duration)]
    pub(crate) think: Duration,
    /// Agents that answer the same notification at almost the same time
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) racers: u32,
    /// Agents per second that drop their connection and reconnect
    #[arg(long, value_name = "N", default_value_t = 0.0)]
    pub(crate) churn: f64,
    /// Template of the notifications
    #[arg(long, value_name = "NAME", default_value = "msdyn_chat_incoming_unauthenticated")]
    pub(crate) template: String,
    /// Keep the sessions that accepts start, instead of ending each at once
    #[arg(long)]
    pub(crate) keep_sessions: bool,
    /// File with one token per line, for the agents in turn; the groups are then those in the tokens
    #[arg(long, value_name = "FILE")]
    pub(crate) agent_tokens: Option<PathBuf>,
    /// File with one token per line, for the providers in turn
    #[arg(long, value_name = "FILE")]
    pub(crate) provider_tokens: Option<PathBuf>,
    /// Connections that are opened at the same time
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) parallel: usize,
    /// Threads of this tool; groups and providers are divided among them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) threads: usize,
    /// Seed of the random choices; the same seed repeats them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print the results as JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// The distribution of notifies in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrivals {
    /// At equal intervals, to the groups in turn
    Even,
    /// A Poisson process, to random groups
    Poisson,
}

/// The upper limit of connections and of notifies per second.
const COUNT_MAX: usize = 1_000_000;
/// The default rate limits of a hub for one provider: messages and deliveries per second.
pub(crate) const MESSAGES_PER_SECOND: f64 = 200.0;
pub(crate) const DELIVERIES_PER_SECOND: f64 = 50_000.0;
/// The share of these limits that is used if the number of providers is not given.
const USED: f64 = 0.7;

impl LoadOptions {
    /// All invalid options, one line each.
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
            "--threads: only one, if there are no groups or they are in the tokens",
        );
        faults
    }

    /// The number of groups; 0 stands for no groups.
    pub(crate) fn groups(&self) -> usize {
        self.groups.unwrap_or_else(|| self.agents.div_ceil(10))
    }

    /// The number of agents to which one notify goes.
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

    /// Messages per second from all providers: notifies, cancels and ends of sessions.
    pub(crate) fn messages(&self) -> f64 {
        let ends = if self.keep_sessions { 0.0 } else { self.accept_share() };
        self.rate * (1.0 + self.cancel + ends)
    }

    /// Deliveries per second that the notifies cause: each notification is displayed and closed.
    pub(crate) fn deliveries(&self) -> f64 {
        self.rate * self.audience() * 2.0
    }

    /// The open files that the run needs: one for each connection, and some more.
    pub(crate) fn files(&self) -> u64 {
        (self.agents + self.providers() + 64) as u64
    }
}

/// The tokens in a file, one per line.
///
/// # Errors
/// The file cannot be read, or has no token.
pub(crate) fn tokens(file: Option<&PathBuf>) -> Result<Vec<String>, String> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let tokens: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if tokens.is_empty() { Err(format!("{}: there is no token in it", file.display())) } else { Ok(tokens) }
}

/// Parses a duration as the configuration does.
fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a duration is written as 500ms, 2s or 1m30s".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn options(arguments: &[&str]) -> LoadOptions {
        LoadOptions::try_parse_from([&["load"], arguments].concat()).unwrap()
    }

    #[test]
    fn the_flags_are_sound() {
        LoadOptions::command().debug_assert();
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
