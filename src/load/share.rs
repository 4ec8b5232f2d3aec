//! The share of each thread in a run, and the state that all threads use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::message_fields::CallIds;
use super::options::LoadOptions;
use super::socket::HubAddress;

/// The share of one thread.
#[derive(Debug)]
pub(crate) struct LoadShare {
    pub(crate) options: Arc<LoadOptions>,
    pub(crate) hub: HubAddress,
    pub(crate) shared: Arc<RunState>,
    pub(crate) call_ids: CallIds,
    pub(crate) seed: u64,
    pub(crate) agents: Vec<LoadClient>,
    pub(crate) providers: Vec<LoadClient>,
    /// The groups that notifies address; `None` stands for all agents.
    pub(crate) audiences: Vec<Option<String>>,
    /// Whether the groups are taken from the welcomes.
    pub(crate) learn_audiences: bool,
    /// Notifies per second.
    pub(crate) rate: f64,
    /// Agents per second that drop their connection.
    pub(crate) churn: f64,
}

/// One simulated client: its role, name and token.
#[derive(Debug, Clone)]
pub(crate) struct LoadClient {
    /// `None` if its name is in its token.
    pub(crate) name: Option<String>,
    /// The index of an agent's group.
    pub(crate) audience: u32,
    pub(crate) token: Option<String>,
}

/// The state that the threads share with each other and with the progress bar.
#[derive(Debug)]
pub(crate) struct RunState {
    /// The start of all times, which are in ns.
    pub(crate) clock: Instant,
    /// The number of threads that have connected all their clients.
    pub(crate) ready: AtomicU64,
    /// The start of the run; 0 before it is known.
    pub(crate) start: AtomicU64,
    /// Set by a signal: the run ends early.
    pub(crate) stop: AtomicBool,
    pub(crate) live: Vec<LiveFigures>,
}

/// The live figures of one thread.
#[derive(Debug, Default)]
pub(crate) struct LiveFigures {
    pub(crate) open: AtomicU64,
    pub(crate) asked: AtomicU64,
    pub(crate) acked: AtomicU64,
    pub(crate) resulted: AtomicU64,
    pub(crate) deliveries: AtomicU64,
    pub(crate) unended: AtomicU64,
    pub(crate) broken: AtomicU64,
    /// Percentiles of the last whole second, in µs.
    pub(crate) ack_p50: AtomicU64,
    pub(crate) ack_p99: AtomicU64,
    pub(crate) draining: AtomicBool,
    pub(crate) done: AtomicBool,
}

impl RunState {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            clock: Instant::now(),
            ready: AtomicU64::new(0),
            start: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            live: (0..threads).map(|_| LiveFigures::default()).collect(),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn sum(&self, of: impl Fn(&LiveFigures) -> &AtomicU64) -> u64 {
        self.live.iter().map(|live| of(live).load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn max(&self, of: impl Fn(&LiveFigures) -> &AtomicU64) -> u64 {
        self.live.iter().map(|live| of(live).load(Ordering::Relaxed)).max().unwrap_or(0)
    }

    pub(crate) fn all(&self, of: impl Fn(&LiveFigures) -> &AtomicBool) -> bool {
        self.live.iter().all(|live| of(live).load(Ordering::Relaxed))
    }
}

/// Divides a run among threads: group `g` goes to thread `g mod threads` with its agents, and so do the providers.
pub(crate) fn deal(
    options: &Arc<LoadOptions>,
    hub: &HubAddress,
    shared: &Arc<RunState>,
    run: u32,
    agent_tokens: &[String],
    provider_tokens: &[String],
) -> Vec<LoadShare> {
    let (threads, groups) = (options.threads, options.groups());
    let in_tokens = !agent_tokens.is_empty();
    let token = |tokens: &[String], at: usize| tokens.get(at % tokens.len().max(1)).cloned();
    let name = |tokens: &[String], letter, at| tokens.is_empty().then(|| format!("load-{run:08x}-{letter}{at}"));
    let agent = |at: usize| LoadClient {
        name: name(agent_tokens, 'a', at),
        audience: (at % groups.max(1) / threads) as u32,
        token: token(agent_tokens, at),
    };
    let provider =
        |at: usize| LoadClient { name: name(provider_tokens, 'p', at), audience: 0, token: token(provider_tokens, at) };
    let mine = |thread: usize, end: usize| (thread..end).step_by(threads);
    let part = |thread: usize| {
        let audiences: Vec<_> = match groups {
            0 => vec![None],
            _ if in_tokens => Vec::new(),
            _ => mine(thread, groups).map(|group| Some(format!("load-{run:08x}-g{group}"))).collect(),
        };
        let agents = (0..options.agents).filter(|at| at % groups.max(1) % threads == thread).map(agent).collect();
        // Each group gets the same rate.
        let share = mine(thread, groups.max(1)).count() as f64 / groups.max(1) as f64;
        LoadShare {
            options: Arc::clone(options),
            hub: hub.clone(),
            shared: Arc::clone(shared),
            call_ids: CallIds::new(run ^ thread as u32),
            seed: options.seed.wrapping_mul(1_000_003) + thread as u64,
            agents,
            providers: mine(thread, options.providers()).map(provider).collect(),
            audiences,
            learn_audiences: in_tokens && groups != 0,
            rate: options.rate * share,
            churn: options.churn * share,
        }
    };
    (0..threads).map(part).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn parts(arguments: &[&str], agent_tokens: &[String]) -> Vec<LoadShare> {
        let options = Arc::new(LoadOptions::try_parse_from([&["load"], arguments].concat()).unwrap());
        let hub = HubAddress { address: ([127, 0, 0, 1], 1).into(), host: String::new(), path: String::new() };
        let shared = Arc::new(RunState::new(options.threads));
        deal(&options, &hub, &shared, 0xab, agent_tokens, &[])
    }

    #[test]
    fn every_agent_group_and_provider_is_dealt_once() {
        let parts = parts(&["--agents=47", "--groups=5", "--providers=4", "--threads=3", "--rate=100"], &[]);
        let mut names: Vec<_> = parts.iter().flat_map(|part| &part.agents).map(|agent| agent.name.clone()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 47);
        assert_eq!(parts.iter().map(|part| part.audiences.len()).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!(parts.iter().map(|part| part.providers.len()).collect::<Vec<_>>(), [2, 1, 1]);
        assert!((parts.iter().map(|part| part.rate).sum::<f64>() - 100.0).abs() < 1e-9);
        for part in &parts {
            assert!(part.agents.iter().all(|agent| (agent.audience as usize) < part.audiences.len()));
        }
    }

    #[test]
    fn tokens_go_round_and_name_their_clients() {
        let parts = parts(&["--agents=3"], &["x".to_owned(), "y".to_owned()]);
        let tokens: Vec<_> = parts[0].agents.iter().map(|agent| agent.token.clone().unwrap()).collect();
        assert_eq!(tokens, ["x", "y", "x"]);
        assert!(parts[0].agents.iter().all(|agent| agent.name.is_none()) && parts[0].learn_audiences);
    }

    #[test]
    fn without_groups_all_are_one_audience() {
        let parts = parts(&["--agents=30", "--groups=0"], &[]);
        assert_eq!(parts[0].audiences, [None]);
        assert_eq!(parts[0].agents.len(), 30);
    }
}
