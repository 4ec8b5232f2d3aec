//! Notifies systemd (`Type=notify`, `WatchdogSec=`). Without systemd, all of this does nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

/// Reports that the hub serves.
pub(super) fn ready(address: &str) {
    notify_systemd(&[NotifyState::Ready, NotifyState::Status(&format!("serving at {address}"))]);
}

/// Reports that the hub is stopping.
pub(super) fn stopping() {
    notify_systemd(&[NotifyState::Stopping, NotifyState::Status("closing clients")]);
}

/// The time between two signs of life. It is half of the time after which systemd restarts the hub.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|every| !every.is_zero())
}

/// Sends signs of life to the watchdog while each counter of `turns` keeps moving. If one thread of a hub is stuck, the hub is not alive,
/// even if its sockets still work. `wake` wakes the threads, because an idle one can sleep for longer than `every`. Runs
/// until the future is dropped.
pub(super) async fn feed_watchdog(every: Duration, turns: impl Fn() -> Vec<u64>, wake: impl Fn()) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: Option<Vec<u64>> = None;
    loop {
        ticks.tick().await;
        let now = turns();
        if before.is_some_and(|before| before.iter().zip(&now).any(|(before, now)| before == now)) {
            tracing::error!("a hub thread is stuck; the systemd watchdog is not fed");
        } else {
            notify_systemd(&[NotifyState::Watchdog]);
        }
        before = Some(now);
        wake();
    }
}

fn notify_systemd(state: &[NotifyState<'_>]) {
    // A failure here must not stop the hub.
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}
