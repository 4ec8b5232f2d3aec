//! Whose pages may connect. A browser tells where a page comes from; other clients say nothing and are free to come.

use std::net::SocketAddr;

/// The origins whose pages are let in. What the `Host` header says has no part in it: a page can be made to come
/// under any name that leads here.
#[derive(Debug, Clone)]
pub(super) struct Origins {
    allowed: Vec<String>,
    configured: Vec<String>,
}

impl Origins {
    /// The hub's own (its listen address, or `localhost` with its port) and those that are `configured`.
    pub(super) fn new(listen: SocketAddr, tls: bool, configured: &[String]) -> Self {
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
    pub(super) fn may_read(&self, origin: &str) -> bool {
        self.configured.contains(&normal(origin))
    }

    /// Whether a page from `origin` may connect.
    pub(super) fn allow(&self, origin: &str) -> bool {
        let origin = normal(origin);
        self.allowed.contains(&origin)
    }
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
    fn the_schemes_own_port_is_not_written() {
        let origins = Origins::new("[::1]:80".parse().unwrap(), false, &[]);
        assert!(origins.allow("http://localhost") && origins.allow("http://[::1]"));
        let origins = Origins::new("127.0.0.1:443".parse().unwrap(), true, &[]);
        assert!(origins.allow("https://127.0.0.1") && !origins.allow("http://127.0.0.1:443"));
    }
}
