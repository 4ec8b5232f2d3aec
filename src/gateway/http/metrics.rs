//! The text of `/metrics`. docs/metrics.md lists the same metrics, and a test compares the two.
//!
//! With several partitions the values are sums, which describe the hub as a whole. Two families have one value for each
//! partition, because a sum cannot show which partition is not ready, or how unevenly the work is shared.

use crate::gateway::shared::state::GatewayState;
use crate::hub::{HubHandle, Metrics};
use crate::metrics::{Histogram, Kind, Text};
use deskbell_core::Outcome;

/// All metrics of this hub, in the text format of Prometheus.
pub(crate) fn text(state: &GatewayState) -> String {
    use Kind::{Counter, Gauge};
    let hubs = &state.backend.hubs;
    let sum = |of: fn(&Metrics) -> u64| hubs.iter().map(|hub| of(&hub.metrics)).sum::<u64>();
    let mut text = Text::default();
    state.metrics.write(&mut text, state.handshakes.taken());
    text.one("deskbell_ready", Gauge, "Whether the hub accepts notifications: 1 or 0.", u64::from(state.is_ready()));
    let version = [(env!("CARGO_PKG_VERSION"), 1)];
    text.by("deskbell_build_info", Gauge, "Always 1; the label is the version of the hub.", "version", version);
    let help = "Inputs of clients that wait for the next record of the log.";
    text.one("deskbell_intake_depth", Gauge, help, hubs.iter().map(|hub| hub.inputs.depth() as u64).sum());
    text.one("deskbell_notifications_total", Counter, "Notifications accepted.", sum(Metrics::notifications));
    text.by(
        "deskbell_settled_total",
        Counter,
        "Notifications settled, by outcome (`responseReason`).",
        "outcome",
        settled(hubs),
    );
    let help = "From a notify's arrival until its result.";
    text.histogram("deskbell_notify_to_result_seconds", help, &histograms(hubs, |hub| &hub.notify_to_result));
    let help = "Notifications without an outcome, of all workspaces.";
    text.one("deskbell_open_notifications", Gauge, help, sum(|hub| hub.totals().open));
    let help = "Open notifications that were never displayed to an agent.";
    text.one("deskbell_waiting_notifications", Gauge, help, sum(|hub| hub.totals().waiting));
    text.one("deskbell_sessions", Gauge, "Open sessions, of all workspaces.", sum(|hub| hub.totals().sessions));
    let help = "Workspaces with at least one client, notification, session or mark.";
    text.one("deskbell_workspaces", Gauge, help, sum(|hub| hub.totals().workspaces));
    let help = "From appending a record to the log until it is read back: on disk one write and sync, in a cluster the \
                way through the stream.";
    text.histogram("deskbell_append_seconds", help, &histograms(hubs, |hub| &hub.append));
    text.one("deskbell_log_bytes", Gauge, "Bytes of the log, snapshots included.", sum(Metrics::log_bytes));
    let help = "The last record of the log that was applied.";
    text.one("deskbell_log_last_record", Gauge, help, sum(Metrics::last_record));
    let snapshots = [("written", sum(|hub| hub.snapshots().0)), ("failed", sum(|hub| hub.snapshots().1))];
    text.by("deskbell_snapshots_total", Counter, "Snapshots made in the background.", "result", snapshots);
    let help = "The last record in the newest snapshot of this run.";
    text.one("deskbell_snapshot_record", Gauge, help, sum(Metrics::snapshot_record));
    let help = "Records that the snapshotter is behind.";
    text.one("deskbell_fold_lag_records", Gauge, help, sum(Metrics::fold_lag));
    let alive = hubs.iter().map(|hub| hub.metrics.hubs()).min().unwrap_or(0);
    text.one("deskbell_hubs", Gauge, "Hubs of this cluster that are alive, according to the log.", alive);
    let help = "Times that another hub's state differed from this one's. Anything but 0 is a fault.";
    text.one("deskbell_divergences_total", Counter, help, sum(Metrics::divergences));
    by_partition(hubs, &mut text);
    text.finish()
}

fn by_partition(hubs: &[HubHandle], text: &mut Text) {
    let numbers: Vec<String> = (0..hubs.len()).map(|partition| partition.to_string()).collect();
    let by = |of: fn(&HubHandle) -> u64| numbers.iter().map(String::as_str).zip(hubs.iter().map(of));
    let help = "Whether the partition accepts notifications: 1 or 0.";
    text.by("deskbell_partition_ready", Kind::Gauge, help, "partition", by(|hub| u64::from(hub.is_ready())));
    let help = "The last record of the partition's log that was applied.";
    text.by("deskbell_partition_last_record", Kind::Gauge, help, "partition", by(|hub| hub.metrics.last_record()));
}

fn settled(hubs: &[HubHandle]) -> impl Iterator<Item = (&'static str, u64)> {
    Outcome::ALL.into_iter().map(|outcome| {
        let of = |hub: &HubHandle| hub.metrics.settled(outcome);
        (outcome.response_reason(), hubs.iter().map(of).sum())
    })
}

fn histograms(hubs: &[HubHandle], of: impl Fn(&Metrics) -> &Histogram) -> Vec<&Histogram> {
    hubs.iter().map(|hub| of(&hub.metrics)).collect()
}
