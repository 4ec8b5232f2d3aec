//! The results as a table: the median over the rounds of each round's ratio to its own floor, and the spread.

use std::fmt::{self, Display, Formatter};

use super::Form;
use super::load::Measured;

#[derive(Debug)]
pub(crate) struct Table {
    agents: usize,
    /// The runs, each with the floor that ran right after it.
    runs: Vec<(Form, Measured, Measured)>,
}

impl Table {
    pub(crate) fn new(agents: usize) -> Self {
        Self { agents, runs: Vec::new() }
    }

    pub(crate) fn add(&mut self, form: Form, hub: Measured, floor: Measured) {
        self.runs.push((form, hub, floor));
    }

    /// The value of `of` for each run of a workload.
    fn spread(&self, form: Form, of: impl Fn(&Measured, &Measured) -> f64) -> Spread {
        let runs = self.runs.iter().filter(|(of, ..)| *of == form);
        Spread::of(runs.map(|(_, hub, floor)| of(hub, floor)).collect())
    }

    fn floor_spread(&self, of: impl Fn(&Measured) -> f64) -> Spread {
        Spread::of(self.runs.iter().map(|(_, _, floor)| of(floor)).collect())
    }
}

/// Median, minimum and maximum.
#[derive(Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { median: values[values.len() / 2], least: values[0], most: values[values.len() - 1] }
    }
}

impl Display for Spread {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2}-{:.2})", self.median, self.least, self.most)
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (agents, frame) = (self.agents, self.runs[0].1.frame_bytes);
        writeln!(f, "\n{agents} agents, frames of {frame} bytes; median (least-most) of {} runs\n", self.runs.len())?;
        writeln!(f, "| | floor | form | hub | hub / floor |\n|---|---:|---|---:|---:|")?;
        let mut forms: Vec<Form> = Vec::new();
        for (form, ..) in &self.runs {
            if !forms.contains(form) {
                forms.push(*form);
            }
        }
        type Of = fn(&Measured) -> f64;
        let rows: [(&str, Of); 6] = [
            ("CPU us per delivery, 1 in flight", |m| m.bursts[0].cpu_us),
            ("CPU us per delivery, 8 in flight", |m| m.bursts[1].cpu_us),
            ("deliveries/s, 1 in flight", |m| m.bursts[0].per_second),
            ("deliveries/s, 8 in flight", |m| m.bursts[1].per_second),
            ("p50 us at 20 000 deliveries/s", |m| m.p50_us),
            ("p99 us at 20 000 deliveries/s", |m| m.p99_us),
        ];
        for (what, of) in rows {
            for &form in &forms {
                let hub = self.spread(form, |hub, _| of(hub));
                if hub.most == 0.0 {
                    continue;
                }
                let ratio = self.spread(form, |hub, floor| of(hub) / of(floor));
                writeln!(f, "| {what} | {} | {} | {hub} | {ratio} |", self.floor_spread(of), form.name())?;
            }
        }
        for &form in &forms {
            let kib = |bytes: f64| bytes / 1024.0;
            let idle = self.spread(form, |hub, _| kib(hub.idle_bytes));
            let used = self.spread(form, |hub, _| kib(hub.used_bytes));
            writeln!(f, "| resident KiB per agent, idle | | {} | {idle} | |", form.name())?;
            writeln!(f, "| the same, after the traffic | | {} | {used} | |", form.name())?;
        }
        Ok(())
    }
}
