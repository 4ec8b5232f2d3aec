//! Which web pages may connect (`Origin`), and under which names pages may ask (`Host`).
//!
//! Browsers send the origin of the page, and pages cannot forge it. Other programs need not send one, and may connect.
//!
//! With authentication, a page of another site has no token, so it gains nothing from a connection. The hub's own pages are
//! then those with an origin that equals the `Host` of the request, under any name and behind any proxy. Without
//! authentication, a page of another site that reaches the hub under a name of its own (DNS rebinding) could do everything.
//! Then only addresses, `localhost` and configured origins count as the hub's own.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{self, HeaderMap};

use crate::network::PublicUrl;

/// The allowed origins.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    listen: SocketAddr,
    /// The scheme of the listener.
    scheme: &'static str,
    authenticated: bool,
    /// `publicUrl` and `allowedOrigins`, without wildcards.
    configured: Vec<String>,
    /// `scheme` and the end of the host, from the wildcard on: `https`, `.example.com:8443`.
    wildcards: Vec<(String, String)>,
    /// `allowedOrigins` is `["*"]`.
    all: bool,
}

impl Origins {
    /// `allowed` and `public_url` count in addition to the hub's own origins.
    pub(crate) fn new(
        listen: SocketAddr,
        tls: bool,
        authenticated: bool,
        public_url: Option<&PublicUrl>,
        allowed: &[String],
    ) -> Self {
        let (patterns, plain): (Vec<_>, Vec<_>) =
            allowed.iter().map(|origin| normalized(origin)).partition(|o| o.contains('*'));
        let wildcard = |pattern: &String| {
            let (scheme, rest) = pattern.split_once("://*")?;
            Some((scheme.to_owned(), rest.to_owned()))
        };
        Self {
            listen,
            scheme: if tls { "https" } else { "http" },
            authenticated,
            configured: plain.into_iter().chain(public_url.map(|url| normalized(&url.origin))).collect(),
            wildcards: patterns.iter().filter_map(wildcard).collect(),
            all: patterns.iter().any(|pattern| pattern == "*"),
        }
    }

    /// Whether a page from `origin` may connect with a request that has these `hosts` (see [`hosts`]).
    pub(crate) fn allow(&self, origin: &str, hosts: &[&str]) -> bool {
        let origin = normalized(origin);
        self.all || self.is_configured(&origin) || self.is_own(&origin, hosts)
    }

    /// Whether a page from `origin` may read the answers of the HTTP API: only those that are configured one by one.
    pub(crate) fn may_read(&self, origin: &str) -> bool {
        self.is_configured(&normalized(origin))
    }

    fn is_configured(&self, origin: &str) -> bool {
        let matches = |(scheme, rest): &(String, String)| {
            let labels = origin
                .strip_prefix(scheme.as_str())
                .and_then(|host| host.strip_prefix("://")?.strip_suffix(rest.as_str()));
            labels.is_some_and(|labels| {
                labels.split('.').all(|label| {
                    !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
                })
            })
        };
        self.configured.iter().any(|known| known == origin) || self.wildcards.iter().any(matches)
    }

    fn is_own(&self, origin: &str, hosts: &[&str]) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return false,
        };
        let (name, port) = split_port(authority);
        let port = port.unwrap_or(default_port);
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let is_local = name == "localhost" || address.is_some_and(|address| address.is_loopback());
        let is_listen = address == Some(self.listen.ip());
        if !self.authenticated && (is_local || is_listen) && port == self.listen.port() && scheme == self.scheme {
            return true;
        }
        (self.authenticated || address.is_some())
            && hosts.iter().any(|host| {
                let (host_name, host_port) = split_port(host);
                host_name.eq_ignore_ascii_case(name) && host_port.unwrap_or(default_port) == port
            })
    }

    /// Whether a page of another site cannot have the name in this `Host` header: an address, `localhost`, a name without
    /// a dot (no site on the internet has one), or the name of a configured origin.
    pub(crate) fn may_be_called(&self, host: &str) -> bool {
        let name = name_of(host);
        let mut labels = name.rsplit('.');
        let last = labels.next().unwrap_or_default();
        // The last label of a domain never starts with a digit. That of an address does, in every notation.
        let is_address = name.starts_with('[') || last.starts_with(|first: char| first.is_ascii_digit());
        let is_local = labels.next().is_none() || last.eq_ignore_ascii_case("localhost");
        let of = |origin: &String| {
            origin.split_once("://").is_some_and(|(_, host)| name_of(host).eq_ignore_ascii_case(name))
        };
        is_address || is_local || self.configured.iter().any(of)
    }
}

/// The names under which a request asks: `Host`, or, if a trusted proxy sent it, `X-Forwarded-Host` as well.
pub(crate) fn hosts(headers: &HeaderMap, from_trusted_proxy: bool) -> Vec<&str> {
    let host = headers.get_all(header::HOST).iter();
    let forwarded = headers.get_all("x-forwarded-host").iter().filter(|_| from_trusted_proxy);
    host.chain(forwarded)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect()
}

fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (authority, None),
    }
}

/// The host of a `Host` header without its port.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A host without its port and without the dot of a complete name.
fn name_of(host: &str) -> &str {
    let name = without_port(host);
    name.strip_suffix('.').unwrap_or(name)
}

/// Scheme and host ignore case. A slash at the end is a common slip.
fn normalized(origin: &str) -> String {
    origin.trim_end_matches('/').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(authenticated: bool, allowed: &[&str]) -> Origins {
        let allowed: Vec<_> = allowed.iter().map(|&origin| origin.to_owned()).collect();
        let public = PublicUrl { origin: "https://desk.example".to_owned(), path: String::new() };
        Origins::new("127.0.0.1:8080".parse().unwrap(), false, authenticated, Some(&public), &allowed)
    }

    #[test]
    fn without_authentication_addresses_localhost_and_configured_origins_may_connect() {
        let origins = origins(false, &["https://Crm.example/"]);
        for own in [
            "http://127.0.0.1:8080",
            "http://127.9.9.9:8080",
            "http://[::1]:8080",
            "http://localhost:8080",
            "HTTP://LocalHost:8080",
            "https://crm.example",
            "https://desk.example",
        ] {
            assert!(origins.allow(own, &[]), "{own}");
        }
        assert!(origins.allow("http://10.0.0.7:8080", &["10.0.0.7:8080"]), "an address cannot be rebound");
        assert!(origins.allow("http://10.0.0.7", &["10.0.0.7"]));
        for (other, host) in [
            ("http://127.0.0.1", "hub"),
            ("http://localhost:8081", "localhost:8080"),
            ("https://localhost:8080", "localhost:8080"),
            ("http://evil.example:8080", "evil.example:8080"),
            ("http://10.0.0.7:8080", "10.0.0.8:8080"),
            ("http://localhost:8080.evil.example", "hub"),
            ("capacitor://localhost:8080", "localhost:8080"),
            ("null", "null"),
            ("", ""),
        ] {
            assert!(!origins.allow(other, &[host]), "{other}");
        }
        assert!(origins.may_read("https://crm.example") && !origins.may_read("http://localhost:8080"));
    }

    #[test]
    fn with_authentication_a_page_under_the_same_host_may_connect() {
        let origins = origins(true, &[]);
        for (origin, host) in [
            ("https://bell.internal", "bell.internal"),
            ("https://bell.internal", "bell.internal:443"),
            ("http://bell.internal:8080", "Bell.Internal:8080"),
            ("http://[fd00::1]:8080", "[fd00::1]:8080"),
            ("http://localhost:8080", "localhost:8080"),
        ] {
            assert!(origins.allow(origin, &[host]), "{origin} {host}");
        }
        for (origin, host) in [
            ("https://evil.example", "bell.internal"),
            ("https://bell.internal:8443", "bell.internal"),
            ("https://bell.internal.evil.example", "bell.internal"),
            ("null", "bell.internal"),
        ] {
            assert!(!origins.allow(origin, &[host]), "{origin} {host}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_whole_labels() {
        let wild = origins(true, &["https://*.example.com"]);
        for allowed in ["https://a.example.com", "https://a.b.example.com"] {
            assert!(wild.allow(allowed, &[]), "{allowed}");
        }
        for refused in [
            "https://example.com",
            "https://.example.com",
            "https://evilexample.com",
            "http://a.example.com",
            "https://a.example.com.evil.example",
            "https://a.example.com:444",
            "https://evil.example/.example.com",
        ] {
            assert!(!wild.allow(refused, &[]), "{refused}");
        }
        assert!(origins(true, &["*"]).allow("https://anything.example", &[]));
    }

    #[test]
    fn only_a_trusted_proxy_may_forward_a_host() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "10.0.0.1".parse().unwrap());
        headers.insert("x-forwarded-host", "bell.example, inner".parse().unwrap());
        assert_eq!(hosts(&headers, false), ["10.0.0.1"]);
        assert_eq!(hosts(&headers, true), ["10.0.0.1", "bell.example", "inner"]);
    }

    #[test]
    fn a_name_that_another_site_can_have_is_recognized() {
        let origins = origins(false, &["https://Crm.example:8443"]);
        for own in [
            "127.0.0.1:8080",
            "127.0.0.1",
            "127.1",
            "[::1]:8080",
            "localhost",
            "LocalHost:8080",
            "hub",
            "hub:8080",
            "crm.example",
            "crm.example.:8443",
            "desk.example",
            "a.localhost",
        ] {
            assert!(origins.may_be_called(own), "{own}");
        }
        for other in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example"] {
            assert!(!origins.may_be_called(other), "{other}");
        }
    }
}
