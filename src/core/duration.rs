//! Durations as people write them: whole numbers with the units d, h, m, s and ms, such as `90s`, `1m30s` or `100ms`.
//!
//! Every place that takes a duration from a person (settings, templates, queries, command lines) uses this one syntax.

use core::time::Duration;

/// Units in milliseconds, from the largest to the smallest.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Parses a duration. Units must go from the largest to the smallest, each at most once. Returns `None` for anything
/// else, and for a duration that does not fit into 64 bits of milliseconds.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total_ms: u64 = 0;
    while !rest.is_empty() || text.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let (_, unit_ms) = units.find(|(name, _)| *name == unit)?;
        total_ms = total_ms.checked_add(digits.parse::<u64>().ok()?.checked_mul(*unit_ms)?)?;
        rest = after;
    }
    Some(Duration::from_millis(total_ms))
}

/// Formats a duration so that [`parse`] reads it back. Days appear from two days on, because `24h` says more than `1d`.
/// Fractions of a millisecond are cut off.
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut rest_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let with_days = rest_ms >= 2 * UNITS[0].1;
    let mut text = String::new();
    for (unit, unit_ms) in &UNITS[usize::from(!with_days)..] {
        if rest_ms >= *unit_ms {
            text.push_str(&format!("{}{unit}", rest_ms / unit_ms));
            rest_ms %= unit_ms;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_go_from_the_largest_to_the_smallest() {
        for (text, ms) in
            [("0s", 0), ("100ms", 100), ("90s", 90_000), ("1m30s", 90_000), ("1d", 86_400_000), ("1h1ms", 3_600_001)]
        {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "5", "s", "5 s", "-5s", "1.5s", "30s1m", "1s1s", "5S", "5sec", "99999999999999999999s", "٣s"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_formatted_duration_is_parsed_back(ms in 0..u64::from(u32::MAX)) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse(&format(duration)), Some(duration));
        }

        #[test]
        fn no_text_panics(text in "([0-9dhms.]|\\PC){0,24}") {
            let _ = parse(&text);
        }
    }
}
