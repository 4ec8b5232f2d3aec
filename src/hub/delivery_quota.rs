//! The quota of deliveries that each provider may cause.

use std::collections::BTreeMap;
use std::time::Duration;

use deskbell_core::Name;

use super::clock::Monotonic;

/// Above this number of providers, those with a full quota are forgotten.
const KEPT_MAX: usize = 1_024;

/// Token buckets by provider. A call costs as many deliveries as there are connections that it would go to.
#[derive(Debug)]
pub(super) struct DeliveryQuota {
    per_second: u64,
    spent: BTreeMap<(Name, Name), Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// The remaining deliveries × 1000, so that rounding to milliseconds loses nothing.
    milli_left: u64,
    at: Monotonic,
}

impl DeliveryQuota {
    /// A quota of `per_second` deliveries per provider, with a burst of twice that.
    pub(super) fn new(per_second: u64) -> Self {
        Self { per_second, spent: BTreeMap::new() }
    }

    pub(super) fn limit(&self) -> u64 {
        self.per_second
    }

    fn milli_burst(&self) -> u64 {
        self.per_second.saturating_mul(2_000)
    }

    /// Takes `cost` deliveries, or returns the time until they are available. A call that costs more than a whole burst is
    /// allowed when the burst is full, so that a large audience can be rung at all.
    pub(super) fn take(
        &mut self,
        workspace: &Name,
        provider: &Name,
        cost: u64,
        now: Monotonic,
    ) -> Result<(), Duration> {
        if cost == 0 {
            return Ok(());
        }
        let (burst, per_second) = (self.milli_burst(), self.per_second);
        let key = (workspace.clone(), provider.clone());
        let bucket = self.spent.entry(key).or_insert(Bucket { milli_left: burst, at: now });
        let gained = now.since_ms(bucket.at).saturating_mul(per_second);
        bucket.milli_left = bucket.milli_left.saturating_add(gained).min(burst);
        bucket.at = bucket.at.max(now);
        let wanted = cost.saturating_mul(1_000).min(burst);
        if bucket.milli_left < wanted {
            let missing = wanted - bucket.milli_left;
            return Err(Duration::from_millis(missing.div_ceil(per_second.max(1))));
        }
        bucket.milli_left -= wanted;
        if self.spent.len() > KEPT_MAX {
            self.spent.retain(|_, bucket| {
                bucket.milli_left.saturating_add(now.since_ms(bucket.at).saturating_mul(per_second)) < burst
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_twice_the_rate_then_the_rate() {
        let mut rates = DeliveryQuota::new(100);
        let (workspace, a, b): (Name, Name, Name) = ("default".into(), "a".into(), "b".into());
        let mut take = |provider: &Name, cost, at| rates.take(&workspace, provider, cost, Monotonic(at));
        assert_eq!(take(&a, 200, 0), Ok(()));
        assert_eq!(take(&a, 1, 0), Err(Duration::from_millis(10)));
        assert_eq!(take(&a, 0, 0), Ok(()), "what goes to nobody costs nothing");
        assert_eq!(take(&b, 150, 0), Ok(()), "one provider does not cost another");
        assert_eq!(take(&a, 1, 10), Ok(()));
        assert_eq!(take(&a, 1_000, 500), Err(Duration::from_millis(1_510)), "a whole burst is wanted");
        assert_eq!(take(&a, 1_000, 2_010), Ok(()), "more than a burst goes when the burst is whole");
    }
}
