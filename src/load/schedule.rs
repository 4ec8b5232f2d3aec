//! The schedule of the notifies. It is fixed before the run: a slow hub does not slow the arrivals, and latencies count from
//! the scheduled time, so that no delay is hidden.

use fastrand::Rng;

/// The times of the notifies, in ns since the start of the run.
#[derive(Debug)]
pub(crate) struct Schedule {
    per_ns: f64,
    ramp_ns: f64,
    end_ns: u64,
    /// `None` for equal intervals; else the generator of exponential intervals.
    random: Option<Rng>,
    arrived: f64,
    next: Option<u64>,
}

impl Schedule {
    /// A rate that rises from 0 until `ramp_ns`, is constant from then on, and ends at `end_ns`.
    pub(crate) fn new(per_second: f64, ramp_ns: u64, end_ns: u64, poisson: Option<Rng>) -> Self {
        let mut schedule = Self {
            per_ns: per_second / 1e9,
            ramp_ns: ramp_ns as f64,
            end_ns,
            random: poisson,
            arrived: 0.0,
            next: None,
        };
        schedule.advance();
        schedule
    }

    /// The time of the next notify; `None` after the last.
    pub(crate) fn next(&self) -> Option<u64> {
        self.next
    }

    pub(crate) fn advance(&mut self) {
        self.arrived += match &mut self.random {
            None => 1.0,
            Some(random) => -(1.0 - random.f64()).ln(),
        };
        let at = self.time_of(self.arrived) as u64;
        self.next = (at < self.end_ns).then_some(at);
    }

    /// The time at which the expected number of arrivals reaches `count`.
    fn time_of(&self, count: f64) -> f64 {
        let in_ramp = self.per_ns * self.ramp_ns / 2.0;
        if count < in_ramp {
            (2.0 * self.ramp_ns * count / self.per_ns).sqrt()
        } else {
            self.ramp_ns + (count - in_ramp) / self.per_ns
        }
    }
}

impl Iterator for Schedule {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let next = self.next?;
        self.advance();
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn evenly_from_first_to_last() {
        let times: Vec<_> = Schedule::new(100.0, 0, 2 * SECOND, None).collect();
        assert_eq!(times.len(), 199);
        assert!(times.windows(2).all(|pair| (9_999_999..=10_000_001).contains(&(pair[1] - pair[0]))));
    }

    #[test]
    fn the_ramp_rises_to_the_rate() {
        let times: Vec<_> = Schedule::new(1000.0, 4 * SECOND, 6 * SECOND, None).collect();
        let within =
            |from: u64, to: u64| times.iter().filter(|&&at| (from * SECOND..to * SECOND).contains(&at)).count();
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(|second| within(second, second + 1) / 25 * 25),
            [100, 375, 625, 875, 1000, 1000]
        );
        assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn by_chance_as_many_on_average() {
        let times = Schedule::new(1000.0, 0, 20 * SECOND, Some(Rng::with_seed(1)));
        let count = times.count();
        assert!((19_500..20_500).contains(&count), "{count}");
    }

    #[test]
    fn no_rate_is_no_arrival() {
        assert_eq!(Schedule::new(0.0, 0, SECOND, None).next(), None);
        assert_eq!(Schedule::new(0.0, SECOND, 2 * SECOND, None).next(), None);
    }
}
