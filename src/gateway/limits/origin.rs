//! Whose pages may connect, and under which names they may ask. A browser tells where a page comes from, or else under
//! which name it asks; other clients say nothing and are free to come.

use std::net::SocketAddr;

/// The origins whose pages are let in. What the `Host` header says has no part in it: a page can be made to come
/// under any name that leads here.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    allowed: Vec<String>,
    configured: Vec<String>,
}

impl Origins {
    /// The hub's own (its listen address, or `localhost` with its port) and those that are `configured`.
    pub(crate) fn new(listen: SocketAddr, tls: bool, configured: &[String]) -> Self {
        let (scheme, own_port) = if tls { ("https", 443) } else { ("http", 80) };
        let mut allowed = vec![format!("{scheme}://{listen}"), format!("{scheme}://localhost:{}", listen.port())];
        if listen.port() == own_port {
            // An origin does not name its scheme's own port.
            allowed.extend([format!("{scheme}://{}", host(listen)), format!("{scheme}://localhost")]);
        }
        let configured: Vec<_> = configured.iter().map(|origin| normal(origin)).collect();
        allowed.extend(configured.iter().cloned());
        Self { allowed, configured }
    }

    /// Whether a page from `origin` may also read what it is answered, as only configured ones may.
    pub(crate) fn may_read(&self, origin: &str) -> bool {
        self.configured.contains(&normal(origin))
    }

    /// Whether a page from `origin` may connect.
    pub(crate) fn allow(&self, origin: &str) -> bool {
        let origin = normal(origin);
        self.allowed.contains(&origin)
    }

    /// Whether `host`, as it stands in a `Host` header, is no name that a stranger's page can come by: an address,
    /// `localhost`, a name without a dot (nobody on the internet has one), or a configured origin's.
    pub(crate) fn may_be_called(&self, host: &str) -> bool {
        let name = name_of(host);
        let mut labels = name.rsplit('.');
        let last = labels.next().unwrap_or_default();
        // No domain's last label begins with a digit; an address' does, however it is written.
        let is_address = name.starts_with('[') || last.starts_with(|first: char| first.is_ascii_digit());
        let is_local = labels.next().is_none() || last.eq_ignore_ascii_case("localhost");
        let of = |origin: &String| {
            origin.split_once("://").is_some_and(|(_, host)| name_of(host).eq_ignore_ascii_case(name))
        };
        is_address || is_local || self.configured.iter().any(of)
    }
}

/// A host as a `Host` header names it, without its port.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A host without its port, and without the dot that says that a name is whole.
fn name_of(host: &str) -> &str {
    let name = without_port(host);
    name.strip_suffix('.').unwrap_or(name)
}

fn host(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

/// Scheme and host know no case; a slash at the end is a common slip in configuration files.
fn normal(origin: &str) -> String {
    origin.trim_end_matches('/').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hubs_own_pages_and_configured_ones_may_connect_and_no_others() {
        let origins = Origins::new("127.0.0.1:8080".parse().unwrap(), false, &["https://Desk.example/".to_owned()]);
        for own in ["http://127.0.0.1:8080", "http://localhost:8080", "HTTP://LocalHost:8080", "https://desk.example"] {
            assert!(origins.allow(own), "{own}");
        }
        for other in [
            "http://127.0.0.1",
            "http://localhost:8081",
            "https://localhost:8080",
            "http://evil.example:8080",
            "http://localhost:8080.evil.example",
            "null",
            "",
        ] {
            assert!(!origins.allow(other), "{other}");
        }
        assert!(origins.may_read("https://desk.example") && !origins.may_read("http://localhost:8080"));
    }

    #[test]
    fn a_name_that_a_strangers_page_can_have_is_told_from_those_that_it_cannot() {
        let origins = Origins::new(([127, 0, 0, 1], 8080).into(), false, &["https://Desk.example:8443".to_owned()]);
        for own in [
            "127.0.0.1:8080",
            "127.0.0.1",
            "127.1",
            "0x7f.1:8080",
            "[::1]:8080",
            "[::1]",
            "localhost:8080",
            "LocalHost.",
            "deskbell.localhost:8080",
            "hub:8080",
            "x",
            "",
            "desk.example",
            "DESK.example.:8080",
        ] {
            assert!(origins.may_be_called(own), "{own}");
        }
        for other in [
            "evil.example:8080",
            "evil.example",
            "evil.example.",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8080",
            "1.evil.example",
            "more.desk.example",
            "xdesk.example",
            "::1.evil.example",
        ] {
            assert!(!origins.may_be_called(other), "{other}");
        }
    }

    #[test]
    fn the_schemes_own_port_is_not_written() {
        let origins = Origins::new("[::1]:80".parse().unwrap(), false, &[]);
        assert!(origins.allow("http://localhost") && origins.allow("http://[::1]"));
        let origins = Origins::new("127.0.0.1:443".parse().unwrap(), true, &[]);
        assert!(origins.allow("https://127.0.0.1") && !origins.allow("http://127.0.0.1:443"));
    }
}
