//! The one place that reads the wall clock.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use deskbell_core::Timestamp;

/// Tells the time by which records are stamped.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now. May jump, as wall clocks do; the core never lets time run back.
    fn now(&self) -> Timestamp;

    /// Milliseconds since some moment of this process; never jumps. For how long something takes, and to tell the time
    /// of a log that has a clock of its own.
    fn monotonic(&self) -> Timestamp {
        self.now()
    }
}

/// What the monotonic clock counts from.
static BEGAN: OnceLock<Instant> = OnceLock::new();

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Timestamp {
        let since = BEGAN.get_or_init(Instant::now).elapsed();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
