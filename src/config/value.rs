//! Parses single values: sizes, addresses, origins of pages, and URLs.

use std::net::{Ipv6Addr, SocketAddr};

use crate::network::PublicUrl;

/// Units of a size in bytes, from the largest.
const SIZE_UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Parses a size: a whole number of bytes, or a number with a unit: `65536`, `64KiB`, `256MiB`.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().ok()?;
    if unit.is_empty() {
        return Some(number);
    }
    let (_, bytes) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*bytes)
}

/// Formats a size in the largest unit that divides it.
pub(super) fn show_size(bytes: u64) -> String {
    match SIZE_UNITS[..4].iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// Parses `ADDR:PORT`. `localhost` means 127.0.0.1; other names are not resolved.
pub(super) fn address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))),
        None => text.parse().ok(),
    }
}

/// Parses a browser's origin, `scheme://host` with or without `:port`, and returns it as browsers write it: in lower
/// case and without the scheme's default port.
pub(super) fn origin(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://")?;
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let (host, port) = host_and_port(authority)?;
    let port = port.filter(|port| !matches!((scheme, port), ("http", 80) | ("https", 443)));
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    scheme_ok.then(|| format!("{scheme}://{host}{port}"))
}

/// Parses an origin, `*` for all origins, or an origin with a wildcard: `https://*.example.com` stands for one or more
/// whole labels. Two literal labels must follow the wildcard.
pub(super) fn origin_pattern(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://*.") else { return origin(text) };
    let written = origin(&format!("{scheme}://{rest}"))?;
    let (scheme, rest) = written.split_once("://")?;
    let host = rest.split(':').next().unwrap_or_default();
    let labels = host.split('.').filter(|label| !label.is_empty()).count();
    let is_address = host.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()));
    (labels >= 2 && labels == host.split('.').count() && !is_address).then(|| format!("{scheme}://*.{rest}"))
}

/// Parses a public URL: http or https, with or without a path.
pub(super) fn public_url(text: &str) -> Option<PublicUrl> {
    let (scheme, rest) = text.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let origin = origin(&format!("{scheme}://{authority}"))?;
    let path = path.trim_end_matches('/');
    let path_ok = path.split('/').skip(1).all(|segment| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c))
    });
    let ok = path_ok && (origin.starts_with("http://") || origin.starts_with("https://"));
    ok.then(|| PublicUrl { origin, path: path.to_owned() })
}

/// Parses a NATS server, `nats://host:4222` or `tls://host:4222`, with or without `user:password@` before the host.
/// The scheme and the port have defaults.
pub(super) fn server(text: &str) -> Option<String> {
    let (scheme, authority) = text.split_once("://").unwrap_or(("nats", text));
    let (secret, place) = match authority.rsplit_once('@') {
        Some((secret, place)) => (Some(secret), place),
        None => (None, authority),
    };
    let (host, port) = host_and_port(place)?;
    let port = port.unwrap_or(4222);
    let secret_ok = secret.is_none_or(|secret| !secret.is_empty() && !secret.contains(['/', ' ']));
    let secret = secret.map(|secret| format!("{secret}@")).unwrap_or_default();
    let ok = matches!(scheme, "nats" | "tls") && secret_ok && port > 0;
    ok.then(|| format!("{scheme}://{secret}{host}:{port}"))
}

/// Splits `host`, `host:port`, `[::1]` or `[::1]:port`. Returns `None` if the host has characters that no host has.
fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse::<u16>().ok()?)),
        _ => (authority, None),
    };
    let host_ok = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
    };
    host_ok.then_some((host, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::network::without_userinfo;

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
    fn wildcards_stand_for_whole_labels_before_two_literal_ones() {
        for text in ["*", "https://*.example.com", "https://*.example.com:8443", "https://desk.example.com"] {
            assert_eq!(origin_pattern(text).as_deref(), Some(text));
        }
        for text in [
            "https://*",
            "https://*.com",
            "https://*.",
            "https://*.a..b",
            "https://a.*.example.com",
            "https://x*.example.com",
            "*.example.com",
            "https://*.0.0.1",
            "https://*.example.com/",
        ] {
            assert_eq!(origin_pattern(text), None, "{text}");
        }
    }

    #[test]
    fn public_urls() {
        for (text, shown) in [
            ("https://Desk.example.com/bell/", "https://desk.example.com/bell/"),
            ("https://desk.example.com", "https://desk.example.com/"),
            ("http://desk:8080/a/b", "http://desk:8080/a/b/"),
        ] {
            assert_eq!(public_url(text).unwrap().to_string(), shown);
        }
        for text in
            ["", "desk.example.com", "ftp://a/", "https://a/b?c", "https://a/../b", "https://a//b", "https://a/b c"]
        {
            assert_eq!(public_url(text), None, "{text}");
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
        fn a_formatted_size_is_parsed_back(bytes in any::<u64>()) {
            prop_assert_eq!(size(&show_size(bytes)), Some(bytes));
        }

        #[test]
        fn no_text_panics(text in "([0-9:/.KiB\\[\\]]|\\PC){0,24}") {
            let _ = (size(&text), address(&text), origin_pattern(&text), public_url(&text), server(&text));
        }
    }
}
