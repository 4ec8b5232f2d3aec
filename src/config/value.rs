//! How values are written: durations, sizes, addresses, origins.

use std::net::SocketAddr;
use std::time::Duration;

use deskbell_protocol::DURATION_UNITS;
pub use deskbell_protocol::parse_duration as duration;

/// Units of a size in bytes, from the largest.
const SIZE_UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Writes a duration so that [`duration`] reads it. Days are written from two days on: 24h says more than 1d.
pub(super) fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let days = rest >= 2 * DURATION_UNITS[0].1;
    let mut shown = String::new();
    for (unit, ms) in &DURATION_UNITS[usize::from(!days)..] {
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

/// Reads a NATS server, `nats://host:4222` or `tls://host:4222`, possibly with `user:password@` before the host; the
/// scheme may be left out, and so may the port.
pub(super) fn server(text: &str) -> Option<String> {
    let (scheme, authority) = text.split_once("://").unwrap_or(("nats", text));
    let (secret, place) = match authority.rsplit_once('@') {
        Some((secret, place)) => (Some(secret), place),
        None => (None, authority),
    };
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse::<u16>().ok()?),
        _ => (place, 4222),
    };
    let host_ok = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
    };
    let secret_ok = secret.is_none_or(|secret| !secret.is_empty() && !secret.contains(['/', ' ']));
    let secret = secret.map(|secret| format!("{secret}@")).unwrap_or_default();
    let ok = matches!(scheme, "nats" | "tls") && host_ok && secret_ok && port > 0;
    ok.then(|| format!("{scheme}://{secret}{host}:{port}"))
}

/// A server's URL without what stands before the host, as it may be shown.
pub(super) fn without_userinfo(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    if scheme.is_empty() { place.to_owned() } else { format!("{scheme}://{place}") }
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

    #[test]
    fn servers() {
        for (text, written) in [
            ("nats://a:4222", "nats://a:4222"),
            ("a", "nats://a:4222"),
            ("tls://[::1]:5000", "tls://[::1]:5000"),
            ("nats://ada:s3cret@a.example", "nats://ada:s3cret@a.example:4222"),
            ("tok@a:1", "nats://tok@a:1"),
        ] {
            assert_eq!(server(text).as_deref(), Some(written), "{text}");
            assert_eq!(server(written).as_deref(), Some(written), "{text}");
            assert!(!without_userinfo(written).contains("s3cret"));
        }
        for text in ["", "nats://", "http://a:1", "a:0", "a:x", "a b", "nats://a:1/b", "@a", "a,b"] {
            assert_eq!(server(text), None, "{text}");
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
            let _ = (duration(&text), size(&text), address(&text), origin(&text), server(&text), without_userinfo(&text));
        }
    }
}
