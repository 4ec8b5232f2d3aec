//! How durations are written: in the configuration, in the query of an HTTP request, and in the flags of the load tool.

use std::time::Duration;

/// The units of a duration in milliseconds, the largest first.
pub const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Parses a duration: whole numbers with the units d, h, m, s and ms, the largest first, each unit at most once: `90s`,
/// `1m30s`, `100ms`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut units = DURATION_UNITS.iter();
    let mut ms: u64 = 0;
    while !rest.is_empty() || text.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let (_, unit_ms) = units.find(|(name, _)| *name == unit)?;
        ms = ms.checked_add(number.parse::<u64>().ok()?.checked_mul(*unit_ms)?)?;
        rest = after;
    }
    Some(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_whole_numbers_with_units() {
        for (text, ms) in
            [("0s", 0), ("100ms", 100), ("90s", 90_000), ("1m30s", 90_000), ("1d", 86_400_000), ("1h1ms", 3_600_001)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "5", "s", "5 s", "-5s", "1.5s", "30s1m", "1s1s", "5S", "5sec", "99999999999999999999s", "٣s"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
