//! Where a hub is.

use tokio_tungstenite::tungstenite::http::Uri;

use super::error::Ended;
use super::trust::{Seal, Trust};

/// Where the hub is.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    host: String,
    port: u16,
    uri: Uri,
    tls: bool,
    seal: Option<Seal>,
}

impl Address {
    /// Reads `ws://host:port/ws` or `wss:`; the path may be missing, and `http:` is as `ws:`, `https:` as `wss:`.
    pub(crate) fn parse(url: &str) -> Result<Self, Ended> {
        let wrong = |what: &str| Ended::Address(format!("{url:?} {what}"));
        let uri: Uri = url.parse().map_err(|error| wrong(&format!("is no address: {error}")))?;
        let (scheme, own_port) = match uri.scheme_str() {
            Some("ws" | "http") => ("ws", 80),
            Some("wss" | "https") => ("wss", 443),
            _ => return Err(wrong("must begin with ws:// or wss://")),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
        let port = uri.port_u16().unwrap_or(own_port);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path == "/" { "/ws" } else { path };
        let uri = format!("{scheme}://{host}:{port}{path}")
            .parse()
            .map_err(|error| wrong(&format!("is no address: {error}")))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port, uri, tls: scheme == "wss", seal: None })
    }

    /// The same, with what opens TLS where that is spoken.
    pub(super) fn trusting(self, trust: &Trust) -> Result<Self, Ended> {
        let seal = if self.tls { Some(trust.seal(&self.host)?) } else { None };
        Ok(Self { seal, ..self })
    }

    /// Whether TLS is spoken there.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls
    }

    /// What opens TLS, where that is spoken.
    pub(super) fn seal(&self) -> Option<&Seal> {
        self.seal.as_ref()
    }

    /// The host's name or address, without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What is asked for.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// As in the `Host` header.
    pub(crate) fn authority(&self) -> String {
        self.uri.authority().map_or_else(String::new, ToString::to_string)
    }

    /// With its query.
    pub(crate) fn path(&self) -> String {
        self.uri.path_and_query().map_or_else(String::new, ToString::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_out_the_path() {
        for (url, expected) in [
            ("ws://127.0.0.1:8080/ws", "ws://127.0.0.1:8080/ws"),
            ("ws://hub", "ws://hub:80/ws"),
            ("http://hub:1/", "ws://hub:1/ws"),
            ("ws://[::1]:5/x?y", "ws://[::1]:5/x?y"),
            ("wss://hub", "wss://hub:443/ws"),
            ("https://hub:1/", "wss://hub:1/ws"),
        ] {
            assert_eq!(Address::parse(url).unwrap().uri.to_string(), expected);
        }
        assert_eq!(Address::parse("ws://[::1]:5").unwrap().host, "::1");
        for url in ["ftp://hub", "hub:80", "", "ws://"] {
            assert!(matches!(Address::parse(url), Err(Ended::Address(_))), "{url}");
        }
    }
}
