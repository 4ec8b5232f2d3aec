//! How values are written: durations, sizes, addresses, origins.

use std::net::SocketAddr;
use std::time::Duration;

/// Units of a duration in milliseconds, from the largest.
const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of a size in bytes, from the largest.
const SIZE_UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads a duration: whole numbers with the units d, h, m, s, ms, from the largest to the smallest, each at most
/// once: `90s`, `1m30s`, `100ms`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut units = TIME_UNITS.iter();
    let mut ms: u64 = 0;
    while !rest.is_empty() || text.is_empty() {
        let (number, after) = number(rest)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, unit_ms) = units.find(|(name, _)| *name == unit)?;
        ms = ms.checked_add(number.checked_mul(*unit_ms)?)?;
        rest = after;
    }
    Some(Duration::from_millis(ms))
}

/// Writes a duration so that [`duration`] reads it. Days are written from two days on: 24h says more than 1d.
pub(super) fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let days = rest >= 2 * TIME_UNITS[0].1;
    let mut shown = String::new();
    for (unit, ms) in &TIME_UNITS[usize::from(!days)..] {
        if rest >= *ms {
            shown.push_str(&format!("{}{unit}", rest / ms));
            rest %= ms;
        }
    }
    if shown.is_empty() { "0s".to_owned() } else { shown }
}

/// Reads a size: a whole number of bytes, or one with a unit: `65536`, `64KiB`, `256MiB`.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = number(text)?;
    if unit.is_empty() {
        return Some(number);
    }
    let (_, bytes) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*bytes)
}

/// Writes a size in its largest whole unit.
pub(super) fn show_size(bytes: u64) -> String {
    match SIZE_UNITS[..4].iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// Reads `ADDR:PORT`; `localhost` is 127.0.0.1, other names are not looked up.
pub(super) fn address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))),
        None => text.parse().ok(),
    }
}

/// Reads a browser's origin, `scheme://host` with or without `:port`, and writes it as browsers do: in lower case,
/// without the scheme's own port.
pub(super) fn origin(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://")?;
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse::<u16>().ok()?)),
        _ => (authority, None),
    };
    let host_ok = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
    };
    let port = port.filter(|port| !matches!((scheme, port), ("http", 80) | ("https", 443)));
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    (scheme_ok && host_ok).then(|| format!("{scheme}://{host}{port}"))
}

/// The number that `text` begins with, and what follows it.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in
            [("0s", 0), ("100ms", 100), ("90s", 90_000), ("1m30s", 90_000), ("1d", 86_400_000), ("1h1ms", 3_600_001)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "5", "s", "5 s", "-5s", "1.5s", "30s1m", "1s1s", "5S", "5sec", "99999999999999999999s", "٣s"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("0", 0), ("65536", 65536), ("64KiB", 65536), ("256MiB", 1 << 28), ("7B", 7)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "KiB", "64KB", "64 KiB", "-1", "1.5MiB", "99999999999TiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(address("localhost:80"), Some(([127, 0, 0, 1], 80).into()));
        assert!(address("[::1]:0").is_some() && address("0.0.0.0:65535").is_some());
        for text in ["", ":80", "80", "127.0.0.1", "example.org:80", "127.0.0.1:65536", "::1:80 "] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn origins() {
        for (text, written) in [
            ("https://Desk.example.org", "https://desk.example.org"),
            ("https://desk.example.org:443", "https://desk.example.org"),
            ("http://desk:8080", "http://desk:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://[::1]", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(origin(text).as_deref(), Some(written), "{text}");
        }
        for text in
            ["", "*", "null", "desk.example.org", "https://", "https://a/", "https://a/b", "https://a:x", "https://ü"]
        {
            assert_eq!(origin(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in 0..u64::from(u32::MAX), bytes in any::<u64>()) {
            let time = Duration::from_millis(ms);
            prop_assert_eq!(duration(&show_duration(time)), Some(time));
            prop_assert_eq!(size(&show_size(bytes)), Some(bytes));
        }

        #[test]
        fn nothing_panics(text in "([0-9dhms:/.KiB\\[\\]]|\\PC){0,24}") {
            let _ = (duration(&text), size(&text), address(&text), origin(&text));
        }
    }
}
