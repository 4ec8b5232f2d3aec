//! How many of something each client may have at once: connections by address, requests by provider.

use std::hash::Hash;
use std::sync::Arc;

use dashmap::DashMap;

/// The number of things in use for each key: connections for each address, requests for each provider. A key without any is
/// not stored. Without a limit nothing is counted.
#[derive(Debug)]
pub(crate) struct Quota<K: Eq + Hash>(DashMap<K, usize>);

impl<K: Eq + Hash> Default for Quota<K> {
    fn default() -> Self {
        Self(DashMap::new())
    }
}

/// One counted thing. It is given back when dropped.
#[derive(Debug)]
pub(crate) struct QuotaGuard<K: Eq + Hash>(Option<(Arc<Quota<K>>, K)>);

impl<K: Eq + Hash + Clone> Quota<K> {
    /// Counts one more for `key` if it has fewer than `max`. 0 means no limit.
    pub(crate) fn take(self: &Arc<Self>, key: K, max: usize) -> Option<QuotaGuard<K>> {
        if max == 0 {
            return Some(QuotaGuard(None));
        }
        let mut count = self.0.entry(key.clone()).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(QuotaGuard(Some((Arc::clone(self), key))))
    }
}

impl<K: Eq + Hash> Drop for QuotaGuard<K> {
    fn drop(&mut self) {
        let Some((quota, key)) = self.0.take() else { return };
        quota.0.remove_if_mut(&key, |_, count| {
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
    fn each_address_may_have_as_many_connections_as_the_limit() {
        let quota = Arc::new(Quota::default());
        let [one, two]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        let first = quota.take(one, 2);
        let second = quota.take(one, 2);
        assert!(first.is_some() && second.is_some() && quota.take(one, 2).is_none());
        assert!(quota.take(two, 2).is_some(), "another address has its own count");
        drop(first);
        assert!(quota.take(one, 2).is_some());
        drop(second);
        assert!(quota.0.is_empty());
        let [near, same]: [IpAddr; 2] = ["2001:db8::1", "2001:db8::ffff:2"].map(|address| address.parse().unwrap());
        let _one = quota.take(network_of(near), 1);
        assert!(
            quota.take(network_of(same), 1).is_none()
                && quota.take(network_of("2001:db8:0:1::1".parse().unwrap()), 1).is_some()
        );
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let quota = Arc::new(Quota::default());
        let guards: Vec<_> = (0..10).map(|_| quota.take(IpAddr::from([127, 0, 0, 1]), 0)).collect();
        assert!(guards.iter().all(Option::is_some) && quota.0.is_empty());
    }
}
