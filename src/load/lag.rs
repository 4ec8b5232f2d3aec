//! Detects whether this tool was the bottleneck: how busy its threads were, and how long they waited for a CPU.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The CPU usage of a thread since this value was created in that thread.
#[derive(Debug)]
pub(crate) struct Usage {
    since: Instant,
    cpu: Duration,
    waited: Option<Duration>,
}

/// The shares of a time span.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shares {
    /// The share during which the thread worked.
    pub(crate) busy: f64,
    /// The share during which it waited for a CPU; 0 if the system does not report it.
    pub(crate) waiting: f64,
}

impl Usage {
    pub(crate) fn begin() -> Self {
        Self { since: Instant::now(), cpu: cpu_time(), waited: waited() }
    }

    /// The shares until now. Call it in the same thread.
    pub(crate) fn shares(&self) -> Shares {
        let span = self.since.elapsed().as_secs_f64().max(1e-9);
        let waited = waited().zip(self.waited).map_or(Duration::ZERO, |(now, then)| now.saturating_sub(then));
        Shares { busy: cpu_time().saturating_sub(self.cpu).as_secs_f64() / span, waiting: waited.as_secs_f64() / span }
    }
}

impl Shares {
    /// The greater value of each share.
    pub(crate) fn worse(self, other: Self) -> Self {
        Self { busy: self.busy.max(other.busy), waiting: self.waiting.max(other.waiting) }
    }
}

fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// How long this thread has waited on a run queue (Linux: the second number there, in ns).
fn waited() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_counts_and_sleep_does_not() {
        let usage = Usage::begin();
        let from = cpu_time();
        while cpu_time() - from < Duration::from_millis(20) {}
        let worked = usage.since.elapsed();
        let shares = usage.shares();
        assert!(shares.busy * worked.as_secs_f64() > 0.018, "{shares:?}");
        assert!(shares.busy <= 1.1);
    }
}
