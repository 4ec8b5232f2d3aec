//! The address of a hub.

use tokio_tungstenite::tungstenite::http::Uri;

use super::error::EndReason;
use super::tls::{TlsSetup, Trust};

/// The address of a hub: `ws://host:port/path` or `wss:`.
#[derive(Debug, Clone)]
pub struct Address {
    host: String,
    port: u16,
    uri: Uri,
    tls: bool,
    tls_setup: Option<TlsSetup>,
}

impl Address {
    /// Parses an address. The path is `/ws` if it is missing. `http:` means `ws:`, and `https:` means `wss:`.
    ///
    /// # Errors
    /// [`EndReason::Address`] if it is not a valid address.
    pub fn parse(url: &str) -> Result<Self, EndReason> {
        let wrong = |what: &str| EndReason::Address(format!("{url:?} {what}"));
        let uri: Uri = url.parse().map_err(|error| wrong(&format!("is not a valid address: {error}")))?;
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
            .map_err(|error| wrong(&format!("is not a valid address: {error}")))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port, uri, tls: scheme == "wss", tls_setup: None })
    }

    /// The same address with the TLS setup that a `wss:` address needs.
    pub(super) fn trusting(self, trust: &Trust) -> Result<Self, EndReason> {
        let tls_setup = if self.tls { Some(trust.tls_setup(&self.host)?) } else { None };
        Ok(Self { tls_setup, ..self })
    }

    /// Whether the address needs TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The TLS setup of a `wss:` address.
    pub(super) fn tls_setup(&self) -> Option<&TlsSetup> {
        self.tls_setup.as_ref()
    }

    /// The host's name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address of the upgrade request.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value of the `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        self.uri.authority().map_or_else(String::new, ToString::to_string)
    }

    /// The path with its query.
    #[must_use]
    pub fn path(&self) -> String {
        self.uri.path_and_query().map_or_else(String::new, ToString::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_address_is_optional() {
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
            assert!(matches!(Address::parse(url), Err(EndReason::Address(_))), "{url}");
        }
    }
}
