//! Where clients come from, and how many of a kind there are of each of them.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use dashmap::DashMap;
use hyper::header::HeaderMap;

use crate::network::{self, Network};

/// Who is at the other end of a TCP connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// Whether it came to an address of loopback: then it is on this machine, and may be a browser.
    pub(super) by_loopback: bool,
}

/// The address of the client behind `peer`. Only what a trusted proxy says is believed: from the right, each proxy
/// names who came to it; the first that is no trusted proxy is the client.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut client = peer.to_canonical();
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let mut said = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    while trusted.iter().any(|network| network::includes(network, client)) {
        match said.next().and_then(address) {
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

/// How many there are of one kind by whose they are: connections by address, requests by provider. Holds those only who
/// have some, and is empty where there is no limit.
#[derive(Debug)]
pub(super) struct Crowd<K: Eq + Hash>(DashMap<K, usize>);

impl<K: Eq + Hash> Default for Crowd<K> {
    fn default() -> Self {
        Self(DashMap::new())
    }
}

/// One of somebody's; given back when dropped.
#[derive(Debug)]
pub(super) struct Spot<K: Eq + Hash>(Option<(Arc<Crowd<K>>, K)>);

impl<K: Eq + Hash + Clone> Crowd<K> {
    /// One more of `whose`, if there are fewer than `max`; 0: no limit.
    pub(super) fn join(self: &Arc<Self>, whose: K, max: usize) -> Option<Spot<K>> {
        if max == 0 {
            return Some(Spot(None));
        }
        let mut count = self.0.entry(whose.clone()).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Spot(Some((Arc::clone(self), whose))))
    }
}

impl<K: Eq + Hash> Drop for Spot<K> {
    fn drop(&mut self) {
        let Some((crowd, whose)) = self.0.take() else { return };
        crowd.0.remove_if_mut(&whose, |_, count| {
            *count -= 1;
            *count == 0
        });
    }
}

/// What counts as one address: an IPv6 client has a whole /64 to itself.
pub(super) fn place(address: IpAddr) -> IpAddr {
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
        let trusted = ["10.0.0.0/8", "::1"].map(|network| network.parse().unwrap());
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        for (peer, lines, client) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            // What the client itself put there stays on the left, and nobody looks at it.
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

    #[test]
    fn an_address_has_so_many_connections_and_no_more() {
        let crowd = Arc::new(Crowd::default());
        let [one, two]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        let first = crowd.join(one, 2);
        let second = crowd.join(one, 2);
        assert!(first.is_some() && second.is_some() && crowd.join(one, 2).is_none());
        assert!(crowd.join(two, 2).is_some(), "given back at once");
        drop(first);
        assert!(crowd.join(one, 2).is_some());
        drop(second);
        assert!(crowd.0.is_empty());
        let [near, same]: [IpAddr; 2] = ["2001:db8::1", "2001:db8::ffff:2"].map(|address| address.parse().unwrap());
        let _one = crowd.join(place(near), 1);
        assert!(
            crowd.join(place(same), 1).is_none() && crowd.join(place("2001:db8:0:1::1".parse().unwrap()), 1).is_some()
        );
    }

    #[test]
    fn without_a_limit_nobody_is_counted() {
        let crowd = Arc::new(Crowd::default());
        let spots: Vec<_> = (0..10).map(|_| crowd.join(IpAddr::from([127, 0, 0, 1]), 0)).collect();
        assert!(spots.iter().all(Option::is_some) && crowd.0.is_empty());
    }
}
