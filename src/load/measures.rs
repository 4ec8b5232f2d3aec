//! The measurements: latencies of the run, and counts for each second.

use hdrhistogram::Histogram;

/// The longest latency: one hour, in µs. Longer ones count as this.
const LONGEST_US: u64 = 3_600_000_000;
/// The most spans of a run. The last one has everything after it.
const SPANS_MAX: u64 = 600;
const SECOND_NS: u64 = 1_000_000_000;

/// The latencies of a run, in µs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Latency {
    /// From the scheduled time of a notify until its ack.
    Ack,
    /// From the same time until the first display.
    Displayed,
    /// From the same time until each display.
    EveryDisplay,
    /// From the scheduled time of an answer until the hub's reply.
    Answer,
    /// From the scheduled time of the first answer until the provider's result.
    AnswerToResult,
    /// From the scheduled time of a cancel until the hub's reply.
    Cancel,
    /// From the scheduled time of a notify until the provider's result, including the agents' thinking time.
    Result,
    /// From the scheduled time of a message until this tool sent it.
    Lag,
}

impl Latency {
    pub(crate) const ALL: [Self; 8] = [
        Self::Ack,
        Self::Displayed,
        Self::EveryDisplay,
        Self::Answer,
        Self::AnswerToResult,
        Self::Cancel,
        Self::Result,
        Self::Lag,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ack => "notify → ack",
            Self::Displayed => "notify → displayed",
            Self::EveryDisplay => "notify → every display",
            Self::Answer => "answer → reply",
            Self::AnswerToResult => "answer → result",
            Self::Cancel => "cancel → reply",
            Self::Result => "notify → result",
            Self::Lag => "lag of this tool",
        }
    }

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Ack => "notifyToAck",
            Self::Displayed => "notifyToDisplayed",
            Self::EveryDisplay => "notifyToEveryDisplay",
            Self::Answer => "answerToReply",
            Self::AnswerToResult => "answerToResult",
            Self::Cancel => "cancelToReply",
            Self::Result => "notifyToResult",
            Self::Lag => "ownLag",
        }
    }
}

/// Everything that the clients count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// Scheduled notifies.
    Asked,
    /// Notifies that were sent.
    Sent,
    Acked,
    Resulted,
    Refused,
    /// Messages that agents received: notification, closed, session and so on.
    Deliveries,
    Answers,
    Cancels,
    /// Connections that were lost.
    Lost,
    /// Connections that this tool dropped on purpose.
    Churned,
    /// Notifies that were not sent because too many were open.
    Skipped,
}

impl Count {
    pub(crate) const ALL: [Self; 11] = [
        Self::Asked,
        Self::Sent,
        Self::Acked,
        Self::Resulted,
        Self::Refused,
        Self::Deliveries,
        Self::Answers,
        Self::Cancels,
        Self::Lost,
        Self::Churned,
        Self::Skipped,
    ];
}

/// One span of the run: a second, or more if the run is long.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) counts: [u64; Count::ALL.len()],
    pub(crate) ack: Histogram<u32>,
    pub(crate) displayed: Histogram<u32>,
}

/// All measurements.
#[derive(Debug, Clone)]
pub(crate) struct Measures {
    latencies: Vec<Histogram<u64>>,
    pub(crate) counts: [u64; Count::ALL.len()],
    pub(crate) spans: Vec<Span>,
    pub(crate) span_ns: u64,
}

impl Measures {
    /// Empty measurements for a run of this length.
    pub(crate) fn new(run_ns: u64) -> Self {
        Self {
            latencies: Latency::ALL.map(|_| histogram(3)).into_iter().collect(),
            counts: Default::default(),
            spans: Vec::new(),
            span_ns: run_ns.div_ceil(SPANS_MAX).next_multiple_of(SECOND_NS).max(SECOND_NS),
        }
    }

    pub(crate) fn latency(&self, which: Latency) -> &Histogram<u64> {
        &self.latencies[which as usize]
    }

    /// Records a latency. `measured` says whether it counts in the percentiles.
    pub(crate) fn took(&mut self, which: Latency, ns: u64, measured: bool, at: u64) {
        let us = ns / 1000;
        if measured {
            self.latencies[which as usize].saturating_record(us);
        }
        match which {
            Latency::Ack => self.span(at).ack.saturating_record(us),
            Latency::Displayed => self.span(at).displayed.saturating_record(us),
            _ => {}
        }
    }

    pub(crate) fn add(&mut self, what: Count, at: u64) {
        self.counts[what as usize] += 1;
        self.span(at).counts[what as usize] += 1;
    }

    pub(crate) fn count(&self, what: Count) -> u64 {
        self.counts[what as usize]
    }

    /// Adds the measurements of another thread.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, other) in self.latencies.iter_mut().zip(&other.latencies) {
            // Both histograms have the same bounds, so this cannot fail.
            let _ = mine.add(other);
        }
        add_counts(&mut self.counts, &other.counts);
        for (at, other) in other.spans.iter().enumerate() {
            let mine = self.span(at as u64 * self.span_ns);
            add_counts(&mut mine.counts, &other.counts);
            let _ = mine.ack.add(&other.ack);
            let _ = mine.displayed.add(&other.displayed);
        }
    }

    fn span(&mut self, at: u64) -> &mut Span {
        let span = (at / self.span_ns).min(SPANS_MAX) as usize;
        if self.spans.len() <= span {
            self.spans.resize_with(span + 1, Span::new);
        }
        &mut self.spans[span]
    }
}

impl Span {
    fn new() -> Self {
        Self { counts: Default::default(), ack: histogram(2), displayed: histogram(2) }
    }
}

fn add_counts(mine: &mut [u64; Count::ALL.len()], other: &[u64; Count::ALL.len()]) {
    for (mine, other) in mine.iter_mut().zip(other) {
        *mine += other;
    }
}

/// A histogram that grows as needed.
fn histogram<C: hdrhistogram::Counter>(digits: u8) -> Histogram<C> {
    // These bounds are valid, so this cannot fail.
    let bounded = Histogram::new_with_bounds(1, LONGEST_US, digits);
    let mut histogram = bounded.unwrap_or_else(|error| unreachable!("bounds of a histogram: {error}"));
    histogram.auto(true);
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn what_two_threads_measured_is_added() {
        let (mut one, mut other) = (Measures::new(SECOND), Measures::new(SECOND));
        one.took(Latency::Ack, 1_000_000, true, 0);
        other.took(Latency::Ack, 3_000_000, true, 2 * SECOND);
        other.took(Latency::Ack, 9_000_000, false, 2 * SECOND);
        other.add(Count::Sent, 2 * SECOND);
        one.merge(&other);
        let ack = one.latency(Latency::Ack);
        assert_eq!((ack.len(), ack.max() / 100), (2, 30));
        assert_eq!((one.count(Count::Sent), one.spans.len()), (1, 3));
        assert_eq!((one.spans[2].ack.len(), one.spans[2].counts[Count::Sent as usize]), (2, 1));
    }

    #[test]
    fn a_long_run_has_longer_spans() {
        assert_eq!(Measures::new(60 * SECOND).span_ns, SECOND);
        let mut day = Measures::new(86_400 * SECOND);
        assert_eq!(day.span_ns, 144 * SECOND);
        day.add(Count::Sent, u64::MAX);
        assert_eq!(day.spans.len() as u64, SPANS_MAX + 1);
    }

    #[test]
    fn each_name_is_its_own() {
        for (at, latency) in Latency::ALL.into_iter().enumerate() {
            assert_eq!(latency as usize, at);
            assert!(Latency::ALL[at + 1..].iter().all(|other| other.key() != latency.key()));
        }
        for (at, count) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, at);
        }
    }
}
