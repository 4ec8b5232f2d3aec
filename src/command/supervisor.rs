//! What the hub tells systemd, where that has started it (`Type=notify`, `WatchdogSec=`). Elsewhere it tells nobody.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

/// It serves.
pub(super) fn ready(address: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("serving at {address}"))]);
}

/// It was asked to stop.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("closing clients")]);
}

/// How often it is to be told that the hub lives: twice within the time after which systemd takes it for stuck.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|every| !every.is_zero())
}

/// Tells it, as long as each of `turns` goes on: a hub one of whose threads stands still is not alive, whatever its
/// sockets do. `wake` makes them turn: one that has nothing to do may sleep for longer than `every`. Runs until it is
/// dropped.
pub(super) async fn keep_telling(every: Duration, turns: impl Fn() -> Vec<u64>, wake: impl Fn()) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: Option<Vec<u64>> = None;
    loop {
        ticks.tick().await;
        let now = turns();
        if before.is_some_and(|before| before.iter().zip(&now).any(|(before, now)| before == now)) {
            tracing::error!("the hub's thread stands still: systemd is not told that it lives");
        } else {
            tell(&[NotifyState::Watchdog]);
        }
        before = Some(now);
        wake();
    }
}

fn tell(state: &[NotifyState<'_>]) {
    // A supervisor that does not listen has no say.
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be told how the hub is");
    }
}
