//! Line charts as SVG, drawn by hand: no script, no font, colours by class so that the page's theme decides.

use std::fmt::Write;

/// A chart.
#[derive(Debug)]
pub(super) struct Chart {
    /// What a screen reader says it is.
    pub(super) label: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// At most [`SERIES_MAX`]: so many colours there are.
    pub(super) series: Vec<Series>,
}

pub(super) const SERIES_MAX: usize = 7;

/// An axis: where its values lie, and which are named.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) name: &'static str,
    pub(super) from: f64,
    pub(super) to: f64,
    /// Each decade takes the same room.
    pub(super) logarithmic: bool,
    pub(super) ticks: Vec<(f64, String)>,
}

/// A line with its name. Where a value is missing, so is the line.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 44.0;

impl Axis {
    /// From 0 to somewhat above the greatest value, with round numbers named.
    pub(super) fn linear(name: &'static str, greatest: f64) -> Self {
        let greatest = if greatest > 0.0 { greatest } else { 1.0 };
        let step = round_step(greatest / 5.0);
        let to = (greatest / step).ceil().max(1.0) * step;
        let count = (to / step).round() as usize;
        let ticks = (0..=count).map(|at| (at as f64 * step, short(at as f64 * step))).collect();
        Self { name, from: 0.0, to, logarithmic: false, ticks }
    }

    /// The decades around the values, all above 0.
    pub(super) fn decades(name: &'static str, least: f64, greatest: f64) -> Self {
        let first = least.max(1e-3).log10().floor() as i32;
        let last = (greatest.max(1e-3).log10().ceil() as i32).max(first + 1);
        let ticks = (first..=last).map(|power| (10_f64.powi(power), short(10_f64.powi(power)))).collect();
        Self { name, from: 10_f64.powi(first), to: 10_f64.powi(last), logarithmic: true, ticks }
    }

    /// Where a value lies, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let scaled = |value: f64| if self.logarithmic { value.max(self.from.min(self.to)).log10() } else { value };
        let (from, to) = (scaled(self.from), scaled(self.to));
        ((scaled(value) - from) / (to - from)).clamp(0.0, 1.0)
    }
}

impl Chart {
    /// The chart, with a legend above it.
    pub(super) fn svg(&self) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = self.write_to(&mut out);
        out
    }

    fn write_to(&self, out: &mut String) -> std::fmt::Result {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        let x = |value| LEFT + self.x.place(value) * (right - LEFT);
        let y = |value| bottom - self.y.place(value) * (bottom - TOP);
        let label = escaped(&self.label);
        writeln!(out, r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">"#)?;
        for (value, text) in &self.y.ticks {
            let (at, text) = (y(*value), escaped(text));
            writeln!(out, r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1}" y2="{at:.1}"/>"#)?;
            writeln!(out, r#"<text class="tick end" x="{:.1}" y="{:.1}">{text}</text>"#, LEFT - 8.0, at + 4.0)?;
        }
        for (value, text) in &self.x.ticks {
            let (at, text) = (x(*value), escaped(text));
            writeln!(out, r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{bottom}"/>"#)?;
            writeln!(out, r#"<text class="tick mid" x="{at:.1}" y="{:.1}">{text}</text>"#, bottom + 16.0)?;
        }
        writeln!(
            out,
            r#"<text class="name mid" x="{:.1}" y="{:.1}">{}</text>"#,
            (LEFT + right) / 2.0,
            HEIGHT - 8.0,
            escaped(self.x.name)
        )?;
        writeln!(out, r#"<text class="name" x="4" y="16">{}</text>"#, escaped(self.y.name))?;
        for (colour, series) in self.series.iter().take(SERIES_MAX).enumerate() {
            let points: Vec<String> =
                series.points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
            if points.len() == 1 {
                let (cx, cy) = points[0].split_once(',').unwrap_or_default();
                writeln!(out, r#"<circle class="s{colour} dot" cx="{cx}" cy="{cy}" r="3"/>"#)?;
            }
            writeln!(out, r#"<polyline class="s{colour}" points="{}"/>"#, points.join(" "))?;
        }
        writeln!(out, "</svg>")?;
        writeln!(out, r#"<ul class="legend">"#)?;
        for (colour, series) in self.series.iter().take(SERIES_MAX).enumerate() {
            writeln!(out, r#"<li class="s{colour}">{}</li>"#, escaped(&series.name))?;
        }
        writeln!(out, "</ul>")
    }
}

/// 1, 2 or 5 times a power of ten, at least as great.
fn round_step(at_least: f64) -> f64 {
    let power = 10_f64.powf(at_least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= at_least * 0.999)
        .unwrap_or(power)
}

/// A number as short as it can be told.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", trimmed(value / 1e6)),
        value if value >= 1e4 => format!("{}k", trimmed(value / 1e3)),
        value => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text as HTML and SVG take it.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_names_round_numbers_and_holds_all_values() {
        for (greatest, to, ticks) in [(0.0, 1.0, 6), (7.0, 8.0, 5), (50.0, 50.0, 6), (12_345.0, 15_000.0, 4)] {
            let axis = Axis::linear("x", greatest);
            assert!((axis.to - to).abs() < to * 0.51 && axis.to >= greatest, "{greatest}: {axis:?}");
            assert!(axis.ticks.len() <= ticks + 2, "{axis:?}");
        }
        let axis = Axis::decades("y", 0.3, 42.0);
        assert_eq!((axis.from, axis.to, axis.ticks.len()), (0.1, 100.0, 4));
        assert!((axis.place(10.0 / 3.162_277_66) - 0.5).abs() < 0.01);
    }

    #[test]
    fn what_is_drawn_lies_within_and_is_escaped() {
        let series = Series { name: "a<b".to_owned(), points: vec![(0.0, 0.0), (10.0, 1e9), (-5.0, -1.0)] };
        let chart = Chart {
            label: "\"quoted\"".to_owned(),
            x: Axis::linear("s", 10.0),
            y: Axis::linear("ms", 5.0),
            series: vec![series],
        };
        let svg = chart.svg();
        assert!(svg.contains("a&lt;b") && svg.contains("&quot;quoted&quot;"));
        let points = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(points, "64.0,256.0 736.0,28.0 64.0,256.0");
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in
            [(0.0, "0"), (0.001, "0.001"), (2.5, "2.5"), (1000.0, "1000"), (20_000.0, "20k"), (3e6, "3M")]
        {
            assert_eq!(short(value), text);
        }
    }
}
