//! How many of something each client may have at once: connections by address, requests by provider.

use std::hash::Hash;
use std::sync::Arc;

use dashmap::DashMap;

/// How many there are of one kind by whose they are: connections by address, requests by provider. Holds those only who
/// have some, and is empty where there is no limit.
#[derive(Debug)]
pub(crate) struct Quota<K: Eq + Hash>(DashMap<K, usize>);

impl<K: Eq + Hash> Default for Quota<K> {
    fn default() -> Self {
        Self(DashMap::new())
    }
}

/// One of somebody's; given back when dropped.
#[derive(Debug)]
pub(crate) struct QuotaGuard<K: Eq + Hash>(Option<(Arc<Quota<K>>, K)>);

impl<K: Eq + Hash + Clone> Quota<K> {
    /// One more of `whose`, if there are fewer than `max`; 0: no limit.
    pub(crate) fn take(self: &Arc<Self>, whose: K, max: usize) -> Option<QuotaGuard<K>> {
        if max == 0 {
            return Some(QuotaGuard(None));
        }
        let mut count = self.0.entry(whose.clone()).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(QuotaGuard(Some((Arc::clone(self), whose))))
    }
}

impl<K: Eq + Hash> Drop for QuotaGuard<K> {
    fn drop(&mut self) {
        let Some((crowd, whose)) = self.0.take() else { return };
        crowd.0.remove_if_mut(&whose, |_, count| {
            *count -= 1;
            *count == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::gateway::limits::client_address::network_of;

    #[test]
    fn an_address_has_so_many_connections_and_no_more() {
        let crowd = Arc::new(Quota::default());
        let [one, two]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        let first = crowd.take(one, 2);
        let second = crowd.take(one, 2);
        assert!(first.is_some() && second.is_some() && crowd.take(one, 2).is_none());
        assert!(crowd.take(two, 2).is_some(), "given back at once");
        drop(first);
        assert!(crowd.take(one, 2).is_some());
        drop(second);
        assert!(crowd.0.is_empty());
        let [near, same]: [IpAddr; 2] = ["2001:db8::1", "2001:db8::ffff:2"].map(|address| address.parse().unwrap());
        let _one = crowd.take(network_of(near), 1);
        assert!(
            crowd.take(network_of(same), 1).is_none()
                && crowd.take(network_of("2001:db8:0:1::1".parse().unwrap()), 1).is_some()
        );
    }

    #[test]
    fn without_a_limit_nobody_is_counted() {
        let crowd = Arc::new(Quota::default());
        let spots: Vec<_> = (0..10).map(|_| crowd.take(IpAddr::from([127, 0, 0, 1]), 0)).collect();
        assert!(spots.iter().all(Option::is_some) && crowd.0.is_empty());
    }
}
