//! IP networks, the public URL, and URLs without the credentials in them.

use std::net::IpAddr;

pub use ipnet::IpNet as Network;

/// Whether `network` includes `address`. An IPv4 address that is written as IPv6 (`::ffff:10.0.0.7`) counts as IPv4.
#[must_use]
pub fn includes(network: &Network, address: IpAddr) -> bool {
    network.contains(&address.to_canonical())
}

/// The URL where people reach the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// `scheme://host` or `scheme://host:port`, as browsers write an origin.
    pub origin: String,
    /// The path below which everything is served, without a slash at its end: empty, or such as `/bell`.
    pub path: String,
}

impl std::fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}/", self.origin, self.path)
    }
}

/// Parses a network such as `10.0.0.0/8`, or one address, which is a network of its own.
#[must_use]
pub fn parse_network(text: &str) -> Option<Network> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(Network::from))
}

/// `url` without a user name and password, so that it can be shown and logged.
#[must_use]
pub fn without_userinfo(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    if scheme.is_empty() { place.to_owned() } else { format!("{scheme}://{place}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_includes_its_addresses_in_either_notation() {
        let includes =
            |network: &str, address: &str| includes(&parse_network(network).unwrap(), address.parse().unwrap());
        assert!(includes("10.0.0.0/8", "10.255.1.2"));
        assert!(includes("10.1.2.3", "::ffff:10.1.2.3"));
        assert!(!includes("10.0.0.0/8", "11.0.0.1"));
        assert!(includes("0.0.0.0/0", "1.2.3.4") && !includes("0.0.0.0/0", "::1"));
        assert!(includes("fd00::/8", "fd12::1") && includes("::/0", "::1"));
        assert_eq!(parse_network("::1").unwrap().to_string(), "::1/128");
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "proxy", "1.2.3.4:80"] {
            assert_eq!(parse_network(text), None, "{text}");
        }
    }

    #[test]
    fn credentials_are_cut_out_of_a_url() {
        for (url, shown) in [
            ("nats://ada:s3cret@a:4222", "nats://a:4222"),
            ("token@a:1", "a:1"),
            ("https://id.example/keys", "https://id.example/keys"),
        ] {
            assert_eq!(without_userinfo(url), shown);
        }
    }
}
