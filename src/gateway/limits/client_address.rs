//! The address of a client, behind trusted proxies.

use std::net::IpAddr;

use hyper::header::HeaderMap;

use crate::network::{self, Network};

/// The other end of a TCP connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    /// Whether it connected to a loopback address. Then it runs on this machine, and may be a browser.
    pub(crate) by_loopback: bool,
}

/// The address of the client behind `peer`. `X-Forwarded-For` is read from the right: each proxy appends the address of the
/// peer that connected to it. The first address that does not belong to a trusted proxy is the client; everything to its left
/// may be forged.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut client = peer.to_canonical();
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let mut forwarded = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    while trusted.iter().any(|network| network::includes(network, client)) {
        match forwarded.next().and_then(address) {
            Some(before) => client = before,
            None => break,
        }
    }
    client
}

/// An address, with or without its port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let with_port = || text.parse().ok().map(|address: std::net::SocketAddr| address.ip());
    text.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// The network that counts as one address in limits: an IPv4 address, or the /64 of an IPv6 address, since one client usually
/// has a whole /64.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !(u64::MAX as u128);
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & NETWORK).into()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn client_of(peer: &str, lines: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        let trusted = ["10.0.0.0/8", "::1"].map(|network| network::parse_network(network).unwrap());
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_can_name_the_client() {
        for (peer, lines, client) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            // The client wrote the left entry itself, and it is ignored.
            ("10.0.0.1", &["127.0.0.1, 203.0.113.9, 10.7.7.7"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1", "203.0.113.9:5555"], "203.0.113.9"),
            ("::1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("10.0.0.1", &["203.0.113.9, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["10.1.1.1"], "10.1.1.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ] {
            assert_eq!(client_of(peer, lines), client, "{peer} {lines:?}");
        }
    }
}
