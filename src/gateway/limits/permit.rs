//! Counted permits. A permit returns to its pool when it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The permits of one kind, counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct PermitPool(Arc<AtomicUsize>);

/// One permit of a pool. It is given back when dropped.
#[derive(Debug)]
pub(crate) struct PoolPermit(Arc<AtomicUsize>);

impl PermitPool {
    /// Takes a permit if fewer than `max` are taken.
    pub(crate) fn take(&self, max: usize) -> Option<PoolPermit> {
        let add = |taken: usize| (taken < max).then_some(taken + 1);
        self.0.fetch_update(Relaxed, Relaxed, add).ok()?;
        Some(PoolPermit(Arc::clone(&self.0)))
    }

    /// Takes a permit, however many are taken: the pool only counts.
    pub(crate) fn count_one(&self) -> PoolPermit {
        self.0.fetch_add(1, Relaxed);
        PoolPermit(Arc::clone(&self.0))
    }

    /// How many permits are taken now.
    pub(crate) fn taken(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Drop for PoolPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_bounded_and_given_back() {
        let pool = PermitPool::default();
        let first = pool.take(2);
        let second = pool.take(2);
        assert!(first.is_some() && second.is_some() && pool.take(2).is_none());
        drop(first);
        assert!(pool.take(2).is_some());
        assert_eq!(pool.taken(), 1);
        let _more = (pool.count_one(), pool.count_one());
        assert_eq!(pool.taken(), 3, "counted past the bound of others");
    }
}
