//! What one thread carries of a run, and what all of them share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::line::Hub;
use super::look::Marks;
use super::options::Options;

/// One thread's part.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) options: Arc<Options>,
    pub(super) hub: Hub,
    pub(super) shared: Arc<Shared>,
    pub(super) marks: Marks,
    pub(super) seed: u64,
    pub(super) agents: Vec<Client>,
    pub(super) providers: Vec<Client>,
    /// The groups that notifies go to; `None`: all agents.
    pub(super) audiences: Vec<Option<String>>,
    /// Whether the audiences are to be learned from the welcomes.
    pub(super) learn_audiences: bool,
    /// Notifies per second.
    pub(super) rate: f64,
    /// Agents per second that drop their connection.
    pub(super) churn: f64,
}

/// A client of a part.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// `None`: its token names it.
    pub(super) name: Option<String>,
    /// Of an agent: which of the audiences it is in.
    pub(super) audience: u32,
    pub(super) token: Option<String>,
}

/// What threads tell each other and the one that shows the figures.
#[derive(Debug)]
pub(super) struct Shared {
    /// All times are ns since then.
    pub(super) clock: Instant,
    /// Threads whose clients are all connected.
    pub(super) ready: AtomicU64,
    /// When the run begins; 0: not known yet.
    pub(super) start: AtomicU64,
    /// Somebody wants it to end.
    pub(super) stop: AtomicBool,
    pub(super) live: Vec<Live>,
}

/// The figures of one thread while it runs.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) open: AtomicU64,
    pub(super) asked: AtomicU64,
    pub(super) acked: AtomicU64,
    pub(super) resulted: AtomicU64,
    pub(super) deliveries: AtomicU64,
    pub(super) unended: AtomicU64,
    pub(super) broken: AtomicU64,
    /// Of the last whole second, in µs.
    pub(super) ack_p50: AtomicU64,
    pub(super) ack_p99: AtomicU64,
    pub(super) draining: AtomicBool,
    pub(super) done: AtomicBool,
}

impl Shared {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            clock: Instant::now(),
            ready: AtomicU64::new(0),
            start: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            live: (0..threads).map(|_| Live::default()).collect(),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn sum(&self, of: impl Fn(&Live) -> &AtomicU64) -> u64 {
        self.live.iter().map(|live| of(live).load(Ordering::Relaxed)).sum()
    }

    pub(super) fn max(&self, of: impl Fn(&Live) -> &AtomicU64) -> u64 {
        self.live.iter().map(|live| of(live).load(Ordering::Relaxed)).max().unwrap_or(0)
    }

    pub(super) fn all(&self, of: impl Fn(&Live) -> &AtomicBool) -> bool {
        self.live.iter().all(|live| of(live).load(Ordering::Relaxed))
    }
}

/// Deals a run to threads: group `g` to thread `g mod threads`, with its agents; providers likewise.
pub(super) fn deal(
    options: &Arc<Options>,
    hub: &Hub,
    shared: &Arc<Shared>,
    run: u32,
    agent_tokens: &[String],
    provider_tokens: &[String],
) -> Vec<Part> {
    let (threads, groups) = (options.threads, options.groups());
    let in_tokens = !agent_tokens.is_empty();
    let token = |tokens: &[String], at: usize| tokens.get(at % tokens.len().max(1)).cloned();
    let name = |tokens: &[String], letter, at| tokens.is_empty().then(|| format!("load-{run:08x}-{letter}{at}"));
    let agent = |at: usize| Client {
        name: name(agent_tokens, 'a', at),
        audience: (at % groups.max(1) / threads) as u32,
        token: token(agent_tokens, at),
    };
    let provider =
        |at: usize| Client { name: name(provider_tokens, 'p', at), audience: 0, token: token(provider_tokens, at) };
    let mine = |thread: usize, end: usize| (thread..end).step_by(threads);
    let part = |thread: usize| {
        let audiences: Vec<_> = match groups {
            0 => vec![None],
            _ if in_tokens => Vec::new(),
            _ => mine(thread, groups).map(|group| Some(format!("load-{run:08x}-g{group}"))).collect(),
        };
        let agents = (0..options.agents).filter(|at| at % groups.max(1) % threads == thread).map(agent).collect();
        // Of the groups, each gets the same rate.
        let share = mine(thread, groups.max(1)).count() as f64 / groups.max(1) as f64;
        Part {
            options: Arc::clone(options),
            hub: hub.clone(),
            shared: Arc::clone(shared),
            marks: Marks::new(run ^ thread as u32),
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

    fn parts(arguments: &[&str], agent_tokens: &[String]) -> Vec<Part> {
        let options = Arc::new(Options::try_parse_from([&["load"], arguments].concat()).unwrap());
        let hub = Hub { address: ([127, 0, 0, 1], 1).into(), host: String::new(), path: String::new() };
        let shared = Arc::new(Shared::new(options.threads));
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
