//! The one place that reads the wall clock.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use deskbell_core::Timestamp;

/// Two clocks: the wall clock, which people set, and the monotonic one, by which durations are measured.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock. It may jump in both directions.
    fn now(&self) -> Timestamp;

    /// The monotonic clock, which never jumps. It measures everything that lasts.
    fn monotonic(&self) -> Monotonic;
}

/// A reading of the monotonic clock: milliseconds since an arbitrary moment of this process. Only the difference of two
/// readings of one process means anything, so this is not a [`Timestamp`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// This reading plus `ms` milliseconds. It stays at the largest reading instead of wrapping.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` until this reading; 0 if `earlier` is later.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The moment from which [`WallClock`] counts its monotonic readings.
static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Monotonic {
        let since = ORIGIN.get_or_init(Instant::now).elapsed();
        Monotonic(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
