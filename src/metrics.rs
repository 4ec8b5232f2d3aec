//! Metrics for Prometheus: a histogram, and the text format. They are values that callers pass around, not globals.
//!
//! `/metrics` serves version 0.0.4 of the format. (The crate `prometheus-client` writes OpenMetrics, where the name of a counter's
//! family differs from the name in its lines; a scraper of the text format would not match them.)

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A histogram of durations. Recording one takes two additions and no allocation.
#[derive(Debug)]
pub struct Histogram {
    /// Upper bounds of the buckets in microseconds, in ascending order.
    bounds_us: &'static [u64],
    /// The counts: one for each bound, and one for durations above all bounds.
    buckets: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

impl Histogram {
    /// An empty histogram.
    #[must_use]
    pub fn new(bounds_us: &'static [u64]) -> Self {
        let buckets = (0..=bounds_us.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds_us, buckets, sum_us: AtomicU64::new(0) }
    }

    /// Records one duration.
    pub fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = self.bounds_us.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }
}

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rises only, from 0 at the start of the hub.
    Counter,
    /// A current value.
    Gauge,
}

/// Builds the text, metric by metric.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Writes a metric with one value.
    pub fn one(&mut self, name: &str, kind: Kind, help: &str, value: u64) {
        self.head(name, if kind == Kind::Counter { "counter" } else { "gauge" }, help);
        self.line(format_args!("{name} {value}"));
    }

    /// Writes a metric with one value for each value of a label. Label values are constants of this program, so they need no escaping.
    pub fn by<'l>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'l str, u64)>,
    ) {
        self.head(name, if kind == Kind::Counter { "counter" } else { "gauge" }, help);
        for (of, value) in values {
            self.line(format_args!("{name}{{{label}=\"{of}\"}} {value}"));
        }
    }

    /// Writes a histogram in seconds: the sum of several histograms that have the same bounds.
    pub fn histogram(&mut self, name: &str, help: &str, parts: &[&Histogram]) {
        self.head(name, "histogram", help);
        let bounds = parts.first().map_or(&[][..], |histogram| histogram.bounds_us);
        let in_bucket = |at: usize| -> u64 {
            parts.iter().filter_map(|histogram| histogram.buckets.get(at)).map(|bucket| bucket.load(Relaxed)).sum()
        };
        let mut count = 0;
        for (at, bound) in bounds.iter().enumerate() {
            count += in_bucket(at);
            self.line(format_args!("{name}_bucket{{le=\"{}\"}} {count}", Seconds(*bound)));
        }
        count += in_bucket(bounds.len());
        let sum_us = parts.iter().map(|histogram| histogram.sum_us.load(Relaxed)).sum();
        self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {count}"));
        self.line(format_args!("{name}_sum {}", Seconds(sum_us)));
        self.line(format_args!("{name}_count {count}"));
    }

    /// The finished text.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

/// Microseconds as seconds.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, part) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let part = format!("{part:06}");
        write!(f, "{whole}.{}", part.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_up_to_each_bound() {
        let histogram = Histogram::new(&[500, 1_000, 2_500_000]);
        for us in [1, 500, 501, 2_000_000, 3_000_000] {
            histogram.observe(Duration::from_micros(us));
        }
        let mut text = Text::default();
        text.histogram("x_seconds", "How long.", &[&histogram]);
        assert_eq!(
            text.finish().lines().collect::<Vec<_>>(),
            [
                "# HELP x_seconds How long.",
                "# TYPE x_seconds histogram",
                "x_seconds_bucket{le=\"0.0005\"} 2",
                "x_seconds_bucket{le=\"0.001\"} 3",
                "x_seconds_bucket{le=\"2.5\"} 4",
                "x_seconds_bucket{le=\"+Inf\"} 5",
                "x_seconds_sum 5.001002",
                "x_seconds_count 5",
            ]
        );
    }

    #[test]
    fn a_number_and_numbers_by_label() {
        let mut text = Text::default();
        text.one("a_total", Kind::Counter, "A.", 3);
        text.by("b", Kind::Gauge, "B.", "role", [("agent", 1), ("observer", 0)]);
        let lines = "# HELP a_total A.\n# TYPE a_total counter\na_total 3\n\
                     # HELP b B.\n# TYPE b gauge\nb{role=\"agent\"} 1\nb{role=\"observer\"} 0\n";
        assert_eq!(text.finish(), lines);
    }
}
