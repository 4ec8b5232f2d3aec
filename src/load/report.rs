//! The report of a run as one page that needs nothing else: tables, and charts that are readable in light and dark.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::chart::{Axis, Chart, Series, escaped};
use super::measures::{Count, Latency, Measures, Span};
use super::summary::{Quantiles, Summary};

/// The latencies that are drawn.
const DRAWN: [Latency; 7] = [
    Latency::Ack,
    Latency::Displayed,
    Latency::Answer,
    Latency::AnswerToResult,
    Latency::Cancel,
    Latency::Result,
    Latency::Lag,
];

const STYLE: &str = "
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1f24; --soft: #5b6570; --line: #d9dee3; --bad: #b3261e; --good: #1d6f42;
  --c0: #1f5fbf; --c1: #b3541e; --c2: #1d7a4f; --c3: #8a3fa0; --c4: #8c6d00; --c5: #0b7285; --c6: #6b7280; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14181c; --ink: #e6eaee; --soft: #9aa5b1; --line: #2e363e; --bad: #ff8a80; --good: #7bd8a5;
    --c0: #7eb0ff; --c1: #ffa871; --c2: #6fd3a0; --c3: #d79bea; --c4: #e3c14e; --c5: #62cbe0; --c6: #aab3bd; } }
body { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; } .scroll { overflow-x: auto; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); } th:first-child, td:first-child { text-align: left; }
th { color: var(--soft); font-weight: 500; } figure { margin: 1rem 0; } figcaption, .soft { color: var(--soft); }
svg { width: 100%; height: auto; } .grid { stroke: var(--line); } text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.end { text-anchor: end; } .mid { text-anchor: middle; } polyline { fill: none; stroke-width: 1.8; } polyline.s0 { stroke-width: 4.5; opacity: .55; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; margin: .3rem 0; }
.legend li::before { content: ''; display: inline-block; width: 1rem; height: .2rem; margin-right: .4rem; vertical-align: middle; background: currentColor; }
.verdict { border-left: .3rem solid var(--good); padding: .4rem .8rem; } .verdict.bad { border-color: var(--bad); } .bad { color: var(--bad); }
";

/// The page.
pub(super) fn page(summary: &Summary, measures: &Measures) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_page(&mut out, summary, measures);
    out
}

fn write_page(out: &mut String, summary: &Summary, measures: &Measures) -> std::fmt::Result {
    writeln!(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")?;
    writeln!(
        out,
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>deskbell under load</title>"
    )?;
    write!(out, "<style>{STYLE}")?;
    for colour in 0..DRAWN.len() {
        writeln!(
            out,
            ".s{colour} {{ stroke: var(--c{colour}); color: var(--c{colour}); }} .s{colour}.dot {{ fill: var(--c{colour}); }}"
        )?;
    }
    writeln!(
        out,
        ".legend li {{ stroke: none; }}\n</style></head><body>\n<h1>{} under load</h1>",
        escaped(&summary.url)
    )?;
    verdict(out, summary)?;
    asked(out, summary)?;
    latencies(out, summary)?;
    figure(
        out,
        "Latency by percentile",
        &percentiles(measures),
        "How long the slowest took: to the right of 99 is what one in a hundred waited, to the right of 99.9 one in a thousand. All is measured from when it should have happened.",
    )?;
    figure(
        out,
        "Latency over time",
        &over_time(measures),
        "The middle and the slow end of each span of time. A step upwards that stays says that the hub could not keep pace.",
    )?;
    figure(
        out,
        "Rates over time",
        &rates(measures),
        "If acks and results follow what was asked, the hub kept pace. Results run on after the end, while what was open is answered or withdrawn.",
    )?;
    counts(out, summary)?;
    writeln!(out, "</body></html>")
}

fn verdict(out: &mut String, summary: &Summary) -> std::fmt::Result {
    match summary.broken() {
        0 => writeln!(out, "<div class=\"verdict\">Every promise that a client can see was kept.</div>")?,
        broken => writeln!(out, "<div class=\"verdict bad\">Promises were broken, {broken} times.</div>")?,
    }
    writeln!(out, "<ul>")?;
    for note in &summary.notes {
        writeln!(out, "<li>{}</li>", escaped(note))?;
    }
    writeln!(out, "</ul><div class=\"scroll\"><table><tr><th>promise<th>broken</tr>")?;
    for kept in &summary.promises {
        let class = if kept.broken > 0 { " class=\"bad\"" } else { "" };
        writeln!(out, "<tr{class}><td>{}<td>{}</tr>", escaped(kept.promise), kept.broken)?;
    }
    writeln!(out, "</table></div>")?;
    for case in &summary.cases {
        writeln!(out, "<div class=\"bad\">{}</div>", escaped(case))?;
    }
    Ok(())
}

fn asked(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let (asked, achieved) = (&summary.asked, &summary.achieved);
    writeln!(out, "<h2>Asked and achieved</h2><div class=\"scroll\"><table>")?;
    for (name, value) in [
        ("agents, groups, providers", format!("{}, {}, {}", asked.agents, asked.groups, asked.providers)),
        ("measured, after a ramp of", format!("{} s, {} s", asked.seconds, asked.ramp_seconds)),
        ("thinking, on average", format!("{} ms", asked.think_ms)),
        ("notifies asked", format!("{:.1}/s", asked.notifies_per_second)),
        ("acks", format!("{:.1}/s", achieved.acks_per_second)),
        ("results", format!("{:.1}/s", achieved.results_per_second)),
        ("deliveries to agents", format!("{:.0}/s", achieved.deliveries_per_second)),
        ("notifies, acks, results", format!("{}, {}, {}", achieved.notifies, achieved.acks, achieved.results)),
        (
            "connections lost, dropped on purpose",
            format!("{}, {}", achieved.connections_lost, achieved.connections_churned),
        ),
        (
            "this tool: busy, waiting for a CPU",
            format!("{:.0} %, {:.0} %", summary.tool.busy * 100.0, summary.tool.waited_for_cpu * 100.0),
        ),
    ] {
        writeln!(out, "<tr><td>{name}<td>{value}</tr>")?;
    }
    writeln!(out, "</table></div>")
}

fn latencies(out: &mut String, summary: &Summary) -> std::fmt::Result {
    writeln!(out, "<h2>Latencies, in ms</h2><div class=\"scroll\"><table>")?;
    writeln!(out, "<tr><th>from → to<th>count<th>p50<th>p90<th>p99<th>p99.9<th>max</tr>")?;
    for latency in Latency::ALL {
        if let Some(found) = summary.latencies_ms.get(latency.key()) {
            let Quantiles { count, p50, p90, p99, p999, max, .. } = found;
            let name = latency.name();
            writeln!(
                out,
                "<tr><td>{name}<td>{count}<td>{p50:.2}<td>{p90:.2}<td>{p99:.2}<td>{p999:.2}<td>{max:.2}</tr>"
            )?;
        }
    }
    writeln!(out, "</table></div>")
}

fn figure(out: &mut String, title: &str, chart: &Chart, caption: &str) -> std::fmt::Result {
    writeln!(out, "<h2>{title}</h2><figure>{}<figcaption>{caption}</figcaption></figure>", chart.svg())
}

fn counts(out: &mut String, summary: &Summary) -> std::fmt::Result {
    writeln!(out, "<h2>Outcomes</h2><div class=\"scroll\"><table>")?;
    for (outcome, count) in &summary.outcomes {
        writeln!(out, "<tr><td>{outcome}<td>{count}</tr>")?;
    }
    writeln!(out, "</table></div>")?;
    if !summary.failures.is_empty() {
        writeln!(out, "<h2>Failures</h2><div class=\"scroll\"><table>")?;
        for (why, count) in &summary.failures {
            writeln!(out, "<tr><td>{}<td>{count}</tr>", escaped(why))?;
        }
        writeln!(out, "</table></div>")?;
    }
    Ok(())
}

/// Latency against how rare it is, as far as there are enough samples for it.
fn percentiles(measures: &Measures) -> Chart {
    let drawn = DRAWN.into_iter().filter(|latency| !measures.latency(*latency).is_empty());
    let series: Vec<_> = drawn
        .map(|latency| Series { name: latency.name().to_owned(), points: by_rarity(measures.latency(latency)) })
        .collect();
    let ticks = [(1.0, "0"), (10.0, "90"), (100.0, "99"), (1e3, "99.9"), (1e4, "99.99"), (1e5, "99.999")];
    let rarest = series.iter().filter_map(|series| series.points.last()).map(|(at, _)| *at).fold(10.0, f64::max);
    let to = 10_f64.powf(rarest.log10().ceil());
    let x = Axis {
        name: "percentile",
        from: 1.0,
        to,
        logarithmic: true,
        ticks: ticks.into_iter().filter(|(at, _)| *at <= to).map(|(at, text)| (at, text.to_owned())).collect(),
    };
    let values = || series.iter().flat_map(|series| &series.points).map(|(_, ms)| *ms).filter(|ms| *ms > 0.0);
    let y = Axis::decades("ms", values().fold(f64::MAX, f64::min).min(1.0), values().fold(1.0, f64::max));
    Chart { label: "Latency by percentile, one line for each kind".to_owned(), x, y, series }
}

/// Points at `1 / (1 - quantile)`.
fn by_rarity(found: &Histogram<u64>) -> Vec<(f64, f64)> {
    const STEPS_PER_DECADE: i32 = 12;
    let decades = (found.len() as f64).log10().clamp(0.0, 5.0);
    let steps = (decades * f64::from(STEPS_PER_DECADE)) as i32;
    let point = |step: i32| {
        let rarity = 10_f64.powf(f64::from(step) / f64::from(STEPS_PER_DECADE));
        (rarity, found.value_at_quantile(1.0 - 1.0 / rarity) as f64 / 1000.0)
    };
    (0..=steps).map(point).collect()
}

fn over_time(measures: &Measures) -> Chart {
    let of = |name: &str, pick: fn(&Span) -> &Histogram<u32>, quantile: f64| {
        let at = |(at, span): (usize, &Span)| {
            let found = pick(span);
            (!found.is_empty()).then(|| (time(measures, at), found.value_at_quantile(quantile) as f64 / 1000.0))
        };
        Series { name: name.to_owned(), points: measures.spans.iter().enumerate().filter_map(at).collect() }
    };
    let series = vec![
        of("notify → ack, p50", |span| &span.ack, 0.5),
        of("notify → ack, p99", |span| &span.ack, 0.99),
        of("notify → displayed, p50", |span| &span.displayed, 0.5),
        of("notify → displayed, p99", |span| &span.displayed, 0.99),
    ];
    let greatest = series.iter().flat_map(|series| &series.points).map(|(_, ms)| *ms).fold(0.0, f64::max);
    timed("Latency over time", "ms", greatest, measures, series)
}

fn rates(measures: &Measures) -> Chart {
    let seconds = measures.span_ns as f64 / 1e9;
    let of = |name: &str, what: Count| {
        let at = |(at, span): (usize, &Span)| (time(measures, at), span.counts[what as usize] as f64 / seconds);
        Series { name: name.to_owned(), points: measures.spans.iter().enumerate().map(at).collect() }
    };
    let series = vec![of("asked", Count::Asked), of("acks", Count::Acked), of("results", Count::Resulted)];
    let greatest = series.iter().flat_map(|series| &series.points).map(|(_, rate)| *rate).fold(0.0, f64::max);
    timed("Rates over time", "per second", greatest, measures, series)
}

fn timed(label: &str, unit: &'static str, greatest: f64, measures: &Measures, series: Vec<Series>) -> Chart {
    let end = time(measures, measures.spans.len());
    Chart { label: label.to_owned(), x: Axis::linear("seconds", end), y: Axis::linear(unit, greatest), series }
}

/// When a span begins, in s.
fn time(measures: &Measures, span: usize) -> f64 {
    span as f64 * measures.span_ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Parser;

    use super::super::judge::Broken;
    use super::super::lag::Shares;
    use super::super::options::Options;
    use super::super::summary::Run;
    use super::*;

    fn run() -> Run {
        let mut measures = Measures::new(5_000_000_000);
        for at in 0..5000_u64 {
            for latency in [Latency::Ack, Latency::Displayed, Latency::Result] {
                measures.took(latency, 100_000 + at * 1000 * (latency as u64 + 1), true, at * 1_000_000);
            }
            measures.add(Count::Asked, at * 1_000_000);
        }
        Run {
            measures,
            broken: Broken::default(),
            outcomes: [1; 8],
            repeated: 0,
            failures: BTreeMap::from([("<script>".to_owned(), 3)]),
            usage: Shares::default(),
            limits: None,
            audiences: 1,
            run_ns: 5_000_000_000,
        }
    }

    #[test]
    fn the_page_needs_nothing_else_and_escapes_what_the_hub_said() {
        let options = Options::try_parse_from(["load"]).unwrap();
        let run = run();
        let page = page(&Summary::of(&options, &run), &run.measures);
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script") && !page.contains("src="));
        assert_eq!(page.matches("<svg").count(), 3);
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("Every promise"));
    }

    #[test]
    fn a_run_of_nothing_has_a_page_too() {
        let options = Options::try_parse_from(["load"]).unwrap();
        let run = Run { measures: Measures::new(0), ..run() };
        assert!(page(&Summary::of(&options, &run), &run.measures).contains("</html>"));
    }

    #[test]
    fn percentiles_go_as_far_as_the_samples() {
        let points = by_rarity(run().measures.latency(Latency::Ack));
        let (rarity, ms) = *points.last().unwrap();
        assert!((3000.0..=5000.0).contains(&rarity) && (5.0..5.2).contains(&ms), "{rarity} {ms}");
        assert!(points.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }
}
