//! Where a hub is.

use tokio_tungstenite::tungstenite::http::Uri;

use super::error::Ended;

/// Where the hub is.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    host: String,
    port: u16,
    uri: Uri,
}

impl Address {
    /// Reads `ws://host:port/ws`; the path may be missing, and `http:` is as `ws:`.
    pub(crate) fn parse(url: &str) -> Result<Self, Ended> {
        let wrong = |what: &str| Ended::Address(format!("{url:?} {what}"));
        let uri: Uri = url.parse().map_err(|error| wrong(&format!("is no address: {error}")))?;
        match uri.scheme_str() {
            Some("ws" | "http") => {}
            Some("wss" | "https") => return Err(wrong("needs TLS, which this client does not have")),
            _ => return Err(wrong("must begin with ws://")),
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
        let port = uri.port_u16().unwrap_or(80);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path == "/" { "/ws" } else { path };
        let uri =
            format!("ws://{host}:{port}{path}").parse().map_err(|error| wrong(&format!("is no address: {error}")))?;
        Ok(Self { host: host.trim_matches(['[', ']']).to_owned(), port, uri })
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
        ] {
            assert_eq!(Address::parse(url).unwrap().uri.to_string(), expected);
        }
        assert_eq!(Address::parse("ws://[::1]:5").unwrap().host, "::1");
        for url in ["wss://hub", "https://hub", "ftp://hub", "hub:80", "", "ws://"] {
            assert!(matches!(Address::parse(url), Err(Ended::Address(_))), "{url}");
        }
    }
}
