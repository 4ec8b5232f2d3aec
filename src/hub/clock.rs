//! The one place that reads the wall clock.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use deskbell_core::Timestamp;

/// Two clocks: the wall clock, which people set, and the monotonic one, by which durations are measured.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock. It may jump in both directions.
    fn now(&self) -> Timestamp;

    /// Milliseconds since an arbitrary moment of this process; never jumps. For everything that lasts.
    fn monotonic(&self) -> Timestamp;
}

/// What the monotonic clock counts from.
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

    fn monotonic(&self) -> Timestamp {
        let since = ORIGIN.get_or_init(Instant::now).elapsed();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
