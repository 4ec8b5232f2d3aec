//! The summary of a run: figures, notes, and the hub's promises.

use std::collections::BTreeMap;
use std::fmt::Write;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::lag::Shares;
use super::measures::{Count, Latency, Measures};
use super::options::{DELIVERIES_PER_SECOND, LoadOptions, MESSAGES_PER_SECOND};
use super::promises::{BrokenPromises, Promise};
use deskbell_protocol::Outcome;
use deskbell_protocol::outbound::ClientLimits;

/// The summary, in the form that `--json` prints. Times are in ms.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    pub(crate) url: String,
    pub(crate) asked: Requested,
    pub(crate) achieved: Achieved,
    pub(crate) latencies_ms: BTreeMap<&'static str, Percentiles>,
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) promises: Vec<PromiseResult>,
    /// The first cases of broken promises.
    pub(crate) cases: Vec<String>,
    pub(crate) tool: Tool,
    /// Notes that are needed to interpret the figures.
    pub(crate) notes: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Requested {
    pub(crate) agents: usize,
    pub(crate) groups: usize,
    pub(crate) providers: usize,
    pub(crate) notifies_per_second: f64,
    pub(crate) seconds: f64,
    pub(crate) ramp_seconds: f64,
    pub(crate) think_ms: f64,
    pub(crate) shares: BTreeMap<&'static str, f64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Achieved {
    pub(crate) seconds: f64,
    pub(crate) notifies: u64,
    pub(crate) sent: u64,
    pub(crate) acks: u64,
    pub(crate) results: u64,
    pub(crate) refused: u64,
    pub(crate) acks_per_second: f64,
    pub(crate) results_per_second: f64,
    /// Messages that agents received.
    pub(crate) deliveries: u64,
    pub(crate) deliveries_per_second: f64,
    pub(crate) answers: u64,
    pub(crate) cancels: u64,
    pub(crate) connections_lost: u64,
    pub(crate) connections_churned: u64,
    pub(crate) results_repeated: u64,
}

/// The percentiles of a distribution.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
    pub(crate) mean: f64,
}

/// A promise, and how often the hub broke it.
#[derive(Debug, Serialize)]
pub(crate) struct PromiseResult {
    pub(crate) promise: &'static str,
    pub(crate) broken: u64,
}

/// How much this tool itself affected the figures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tool {
    pub(crate) busy: f64,
    pub(crate) waited_for_cpu: f64,
    pub(crate) lag_p99_ms: f64,
    /// Why this tool was the bottleneck, and not the hub.
    pub(crate) was_the_limit: Option<String>,
}

/// The combined results of all threads.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) measures: Measures,
    pub(crate) broken: BrokenPromises,
    pub(crate) outcomes: [u64; Outcome::ALL.len()],
    pub(crate) repeated: u64,
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) usage: Shares,
    pub(crate) limits: Option<ClientLimits>,
    pub(crate) audiences: usize,
    pub(crate) run_ns: u64,
}

/// Below this share of the requested rate, the hub did not keep up.
const KEPT_PACE: f64 = 0.95;

impl Summary {
    pub(crate) fn of(options: &LoadOptions, run: &Run) -> Self {
        let measures = &run.measures;
        let tool = Tool::of(measures, run.usage);
        let mut notes = capacity(options, run.limits, run.audiences);
        let achieved = Achieved::of(options, run);
        if achieved.acks_per_second < options.rate * KEPT_PACE {
            let acks = achieved.acks_per_second;
            notes.push(format!("the hub acknowledged {acks:.0} of {:.0} notifies/s: it did not keep up", options.rate));
        }
        notes.extend(tool.was_the_limit.clone());
        let skipped = measures.count(Count::Skipped);
        if skipped > 0 {
            notes.push(format!("{skipped} notifies were not sent, because too many were open at once"));
        }
        let quantiles = |latency: Latency| (latency.key(), Percentiles::of(measures.latency(latency)));
        let outcome = |outcome: Outcome| (outcome.response_reason(), run.outcomes[outcome as usize]);
        let promise =
            |promise: Promise| PromiseResult { promise: promise.text(), broken: run.broken.counts[promise as usize] };
        Self {
            url: options.url.clone(),
            asked: Requested::of(options, run.audiences),
            achieved,
            latencies_ms: Latency::ALL.into_iter().map(quantiles).filter(|(_, found)| found.count > 0).collect(),
            outcomes: Outcome::ALL.into_iter().map(outcome).filter(|(_, count)| *count > 0).collect(),
            failures: run.failures.clone(),
            promises: Promise::ALL.into_iter().map(promise).collect(),
            cases: run.broken.cases.clone(),
            tool,
            notes,
        }
    }

    /// The number of broken promises, counting each case.
    pub(crate) fn broken(&self) -> u64 {
        self.promises.iter().map(|kept| kept.broken).sum()
    }

    pub(crate) fn json(&self) -> String {
        // Texts and numbers are always valid JSON.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The summary as text for a terminal.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // A String takes every write.
        let _ = self.write_to(&mut text);
        text
    }

    fn write_to(&self, out: &mut String) -> std::fmt::Result {
        let (asked, achieved) = (&self.asked, &self.achieved);
        writeln!(out, "\n{}", self.url)?;
        writeln!(
            out,
            "  {} agents in {} groups, {} providers, {} s after {} s of ramp",
            asked.agents, asked.groups, asked.providers, asked.seconds, asked.ramp_seconds
        )?;
        writeln!(
            out,
            "  requested {:>10.1} notifies/s\n  achieved  {:>10.1} acks/s, {:.1} results/s, {:.0} deliveries/s to agents",
            asked.notifies_per_second,
            achieved.acks_per_second,
            achieved.results_per_second,
            achieved.deliveries_per_second
        )?;
        writeln!(
            out,
            "  {:<26}{:>10} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "ms", "count", "p50", "p90", "p99", "p99.9", "max"
        )?;
        for latency in Latency::ALL {
            if let Some(found) = self.latencies_ms.get(latency.key()) {
                let Percentiles { count, p50, p90, p99, p999, max, .. } = found;
                let name = latency.name();
                writeln!(out, "  {name:<26}{count:>10} {p50:>9.2} {p90:>9.2} {p99:>9.2} {p999:>9.2} {max:>9.2}")?;
            }
        }
        for (heading, counts) in [
            ("outcomes", self.outcomes.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Vec<_>>()),
            ("failures", self.failures.iter().map(|(name, count)| (name.clone(), *count)).collect()),
        ] {
            if !counts.is_empty() {
                writeln!(out, "  {heading}")?;
            }
            for (name, count) in counts {
                writeln!(out, "  {count:>12}  {name}")?;
            }
        }
        for note in &self.notes {
            writeln!(out, "  note: {note}")?;
        }
        for kept in &self.promises {
            match kept.broken {
                0 => writeln!(out, "  kept:   {}", kept.promise)?,
                times => writeln!(out, "  BROKEN: {} ({times} times)", kept.promise)?,
            }
        }
        self.cases.iter().try_for_each(|case| writeln!(out, "    {case}"))
    }
}

impl Requested {
    fn of(options: &LoadOptions, audiences: usize) -> Self {
        Self {
            agents: options.agents,
            groups: if options.groups() == 0 { 0 } else { audiences },
            providers: options.providers(),
            notifies_per_second: options.rate,
            seconds: options.duration.as_secs_f64(),
            ramp_seconds: options.ramp.as_secs_f64(),
            think_ms: options.think.as_secs_f64() * 1000.0,
            shares: BTreeMap::from([
                ("accept", options.accept_share()),
                ("reject", options.reject),
                ("ignore", options.ignore),
                ("cancel", options.cancel),
            ]),
        }
    }
}

impl Achieved {
    fn of(options: &LoadOptions, run: &Run) -> Self {
        let count = |what| run.measures.count(what);
        let span_ns = run.measures.span_ns;
        let seconds = run.run_ns as f64 / 1e9;
        // The whole spans between the ramp and the last arrival. Later replies do not count in the rates.
        let end = (run.run_ns / span_ns).max(1) as usize;
        let first = (options.ramp.as_nanos() as u64).div_ceil(span_ns).min(end as u64 - 1) as usize;
        let within = |what: Count| -> f64 {
            let spans = run.measures.spans.iter().take(end).skip(first);
            let whole: u64 = spans.map(|span| span.counts[what as usize]).sum();
            whole as f64 / ((end - first) as f64 * span_ns as f64 / 1e9)
        };
        Self {
            seconds,
            notifies: count(Count::Asked),
            sent: count(Count::Sent),
            acks: count(Count::Acked),
            results: count(Count::Resulted),
            refused: count(Count::Refused),
            acks_per_second: within(Count::Acked),
            results_per_second: within(Count::Resulted),
            deliveries: count(Count::Deliveries),
            deliveries_per_second: within(Count::Deliveries),
            answers: count(Count::Answers),
            cancels: count(Count::Cancels),
            connections_lost: count(Count::Lost),
            connections_churned: count(Count::Churned),
            results_repeated: run.repeated,
        }
    }
}

impl Percentiles {
    fn of(found: &Histogram<u64>) -> Self {
        let ms = |us: u64| us as f64 / 1000.0;
        let at = |quantile| ms(found.value_at_quantile(quantile));
        Self {
            count: found.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: ms(found.max()),
            mean: found.mean() / 1000.0,
        }
    }
}

impl Tool {
    /// A thread that is busier than this delays messages.
    const BUSY: f64 = 0.85;
    /// With this lag, the tool's own delay affects the figures.
    const LAG_MS: f64 = 5.0;
    const WAITING: f64 = 0.25;

    fn of(measures: &Measures, usage: Shares) -> Self {
        let lag_p99_ms = measures.latency(Latency::Lag).value_at_quantile(0.99) as f64 / 1000.0;
        let percent = |share: f64| (share * 100.0).round();
        let was_the_limit = if usage.busy > Self::BUSY {
            let busy = percent(usage.busy);
            Some(format!(
                "this tool was the bottleneck, not the hub: one of its threads was busy {busy} % of the time; use more --threads, or another machine"
            ))
        } else if usage.waiting > Self::WAITING {
            let waited = percent(usage.waiting);
            Some(format!(
                "the machine was the bottleneck: this tool waited for a CPU {waited} % of the time; run it on another machine than the hub"
            ))
        } else if lag_p99_ms > Self::LAG_MS {
            Some(format!(
                "this tool was late: 1 % of its messages were sent {lag_p99_ms:.1} ms late or more, which is part of all latencies"
            ))
        } else {
            None
        };
        Self { busy: usage.busy, waited_for_cpu: usage.waiting, lag_p99_ms, was_the_limit }
    }
}

/// Notes about load that exceeds the desks or the hub's default rate limits.
pub(crate) fn capacity(options: &LoadOptions, limits: Option<ClientLimits>, audiences: usize) -> Vec<String> {
    /// The display time of a built-in template.
    const TIMEOUT_SECONDS: f64 = 120.0;
    let mut notes = Vec::new();
    if let Some(limits) = limits {
        let life = (1.0 - options.ignore) * options.think.as_secs_f64() + options.ignore * TIMEOUT_SECONDS;
        let (shown, waiting) = (f64::from(limits.display_limit), f64::from(limits.queue_limit));
        let desks = audiences.max(1) as f64;
        let holds = desks * shown / life.max(1e-3);
        let open = options.rate * life;
        if options.rate > holds {
            notes.push(format!(
                "{:.0} notifies/s are more than the desks can hold: each of {desks} groups displays {shown} at once, for \
                 {life:.2} s on average, which is {holds:.0}/s. The {waiting} places in each queue fill up, and the hub \
                 rejects the rest with NotificationQueueLimitExceeded. Use a lower --rate, more --groups or a shorter \
                 --think",
                options.rate
            ));
        } else if open > desks * (shown + waiting) {
            notes.push(format!(
                "{open:.0} notifications would be open at once, but the desks hold {:.0}",
                desks * (shown + waiting)
            ));
        }
    }
    let providers = options.providers() as f64;
    for (each, most, what, limit) in [
        (options.messages() / providers, MESSAGES_PER_SECOND, "send", "messagesPerSecond"),
        (options.deliveries() / providers, DELIVERIES_PER_SECOND, "cause", "deliveriesPerSecond"),
    ] {
        if each > most {
            notes.push(format!(
                "each provider would {what} {each:.0} messages/s; the default limit of a hub is {most} ({limit}). Use more \
                 --providers"
            ));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const LIMITS: ClientLimits = ClientLimits { max_message_bytes: 65_536, display_limit: 3, queue_limit: 10 };

    fn options(arguments: &[&str]) -> LoadOptions {
        LoadOptions::try_parse_from([&["load"], arguments].concat()).unwrap()
    }

    fn run() -> Run {
        Run {
            measures: Measures::new(10_000_000_000),
            broken: BrokenPromises::default(),
            outcomes: Default::default(),
            repeated: 0,
            failures: BTreeMap::new(),
            usage: Shares::default(),
            limits: Some(LIMITS),
            audiences: 10,
            run_ns: 2_000_000_000,
        }
    }

    #[test]
    fn it_says_what_the_desks_can_hold() {
        // 10 audiences of 3 for 0.2 s: 150 a second.
        assert!(capacity(&options(&["--rate=149"]), Some(LIMITS), 10).is_empty());
        let notes = capacity(&options(&["--rate=151"]), Some(LIMITS), 10);
        assert!(notes[0].contains("150/s") && notes[0].contains("--groups"), "{notes:?}");
        let notes = capacity(&options(&["--rate=10", "--ignore=0.1"]), Some(LIMITS), 10);
        assert!(notes[0].contains("more than the desks can hold"), "{notes:?}");
    }

    #[test]
    fn it_says_what_a_provider_may() {
        let notes = capacity(&options(&["--rate=1000", "--providers=2"]), None, 1);
        assert!(notes[0].contains("messagesPerSecond"), "{notes:?}");
        assert!(capacity(&options(&["--rate=1000"]), None, 1).is_empty());
        let notes = capacity(&options(&["--agents=10000", "--groups=0", "--rate=100", "--providers=10"]), None, 1);
        assert!(notes[0].contains("deliveriesPerSecond"), "{notes:?}");
    }

    #[test]
    fn rates_are_of_the_run_and_not_of_what_came_after() {
        let mut run = Run { run_ns: 3_000_000_000, ..run() };
        for at in [0, 500_000_000, 1_500_000_000, 2_500_000_000, 3_500_000_000] {
            run.measures.add(Count::Acked, at);
        }
        for (ramp, rate) in [("--ramp=0s", 4.0 / 3.0), ("--ramp=1s", 1.0), ("--ramp=9s", 1.0)] {
            let achieved = Summary::of(&options(&[ramp]), &run).achieved;
            assert_eq!((achieved.acks, achieved.acks_per_second), (5, rate), "{ramp}");
        }
        let summary = Summary::of(&options(&[]), &run);
        assert_eq!(summary.broken(), 0);
    }

    #[test]
    fn it_says_when_it_was_the_limit_itself() {
        let mut run = run();
        assert!(Summary::of(&options(&[]), &run).notes[0].contains("acknowledged 0 of 50 notifies/s"));
        assert_eq!(Summary::of(&options(&[]), &run).tool.was_the_limit, None);
        run.measures.took(Latency::Lag, 20_000_000, true, 0);
        assert!(Summary::of(&options(&[]), &run).tool.was_the_limit.unwrap().contains("late"));
        run.usage = Shares { busy: 0.5, waiting: 0.5 };
        assert!(Summary::of(&options(&[]), &run).tool.was_the_limit.unwrap().contains("machine"));
        run.usage = Shares { busy: 0.95, waiting: 0.0 };
        let summary = Summary::of(&options(&[]), &run);
        assert!(summary.notes.iter().any(|note| note.contains("not the hub")));
    }

    #[test]
    fn a_broken_promise_stands_in_both_forms() {
        let mut run = run();
        run.broken.counts[Promise::OneWinner as usize] = 2;
        run.broken.cases.push("call 7 …".to_owned());
        let summary = Summary::of(&options(&[]), &run);
        assert_eq!(summary.broken(), 2);
        let text = summary.text();
        assert!(text.contains("BROKEN: one answer settles a notification, not two (2 times)\n"), "{text}");
        assert!(text.ends_with("    call 7 …\n"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&summary.json()).unwrap();
        assert_eq!(json["promises"][2]["broken"], 2);
    }
}
