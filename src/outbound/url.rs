//! URLs that the hub may request: https, or http to the own machine.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hyper::Uri;

/// A URL with https, or with http and a loopback address or `localhost`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundUrl {
    pub(super) tls: bool,
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) authority: String,
    pub(super) path: String,
}

/// The text is not a URL that the hub may request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an https URL, or an http URL of this machine")]
pub struct NotAnOutboundUrl;

impl OutboundUrl {
    /// `scheme://host:port`, as browsers write an origin.
    #[must_use]
    pub fn origin(&self) -> String {
        let (scheme, default_port) = if self.tls { ("https", 443) } else { ("http", 80) };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == default_port {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{}", self.port)
        }
    }

    /// The URL of a redirect, which may be relative to this one.
    pub(super) fn join(&self, location: &str) -> Option<Self> {
        if location.starts_with("//") {
            return None;
        }
        if location.starts_with('/') {
            return Some(Self { path: location.to_owned(), ..self.clone() });
        }
        location.parse().ok()
    }
}

impl FromStr for OutboundUrl {
    type Err = NotAnOutboundUrl;

    fn from_str(text: &str) -> Result<Self, NotAnOutboundUrl> {
        let uri: Uri = text.parse().map_err(|_| NotAnOutboundUrl)?;
        let authority =
            uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or(NotAnOutboundUrl)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_loopback => false,
            _ => return Err(NotAnOutboundUrl),
        };
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { tls, host, port, authority: authority.to_string(), path })
    }
}

impl fmt::Display for OutboundUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_or_http_of_this_machine() {
        for (text, written) in [
            ("https://Id.example/keys?x=1", "https://id.example/keys?x=1"),
            ("https://id.example:8443", "https://id.example:8443/"),
            ("http://127.0.0.1:80/a", "http://127.0.0.1/a"),
            ("http://localhost:3000/a", "http://localhost:3000/a"),
            ("http://[::1]:3000/a", "http://[::1]:3000/a"),
        ] {
            assert_eq!(text.parse::<OutboundUrl>().unwrap().to_string(), written);
        }
        for text in
            ["", "id.example", "http://id.example/", "http://10.0.0.1/", "ftp://a/", "https://", "https://u:p@a/"]
        {
            assert!(text.parse::<OutboundUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_redirect_can_be_relative() {
        let url: OutboundUrl = "https://id.example/a".parse().unwrap();
        assert_eq!(url.join("/b").unwrap().to_string(), "https://id.example/b");
        assert_eq!(url.join("https://other.example/b").unwrap().to_string(), "https://other.example/b");
        assert!(url.join("//other.example/b").is_none() && url.join("http://other.example/").is_none());
    }
}
