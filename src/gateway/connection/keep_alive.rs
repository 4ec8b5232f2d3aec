//! Pings, and the end of peers that are silent for too long.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::gateway::connection::shard::{Shard, yield_every};
use crate::gateway::connection::socket::Socket;
use crate::gateway::shared::bounds::CONNECTIONS_PER_TURN;

/// Rounds over all connections within the shorter of ping interval and idle timeout.
const ROUNDS_PER_TIMEOUT: u32 = 4;
/// Steps of one round, so that pings go out evenly.
const STEPS_PER_ROUND: u32 = 16;
/// The longest round. A silent peer may be dropped late by this time.
const ROUND_MAX: Duration = Duration::from_secs(1);

/// Sends the pings of a shard, and drops silent peers. Never ends.
pub(crate) async fn run<S: Socket>(shard: &Shard<S>) {
    let settings = &shard.state.settings;
    let round = (settings.ping_interval.min(settings.idle_timeout) / ROUNDS_PER_TIMEOUT).min(ROUND_MAX);
    let mut steps = interval((round / STEPS_PER_ROUND).max(Duration::from_millis(1)));
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for step in (0..STEPS_PER_ROUND as usize).cycle() {
        steps.tick().await;
        let now_ms = shard.state.uptime_ms();
        for (at, slot) in (step..shard.slots()).step_by(STEPS_PER_ROUND as usize).enumerate() {
            if let Some(connection) = shard.in_slot(slot) {
                connection.keep_alive(now_ms);
            }
            yield_every(CONNECTIONS_PER_TURN, at).await;
        }
    }
}
