//! The text of `/metrics`. docs/metrics.md has the same table; a test holds one against the other.

use std::sync::atomic::Ordering::Relaxed;

use super::house::House;
use super::words;
use crate::metrics::{Kind, Text};

/// Everything that this hub counts, as Prometheus reads it.
pub(super) fn text(house: &House) -> String {
    use Kind::{Counter, Gauge};
    let mut text = Text::default();
    house.counters.write(&mut text);
    let ready = house.behind.ready.load(Relaxed) && !house.is_stopping();
    text.one("deskbell_ready", Gauge, "Whether notifications are taken: 1 or 0.", u64::from(ready));
    let version = [(env!("CARGO_PKG_VERSION"), 1)];
    text.by("deskbell_build_info", Gauge, "Always 1; which version this is.", "version", version);
    let help = "Inputs of clients that wait for the next group of the log.";
    text.one("deskbell_intake_depth", Gauge, help, house.behind.intake.depth() as u64);
    let hub = &house.behind.metrics;
    text.one("deskbell_notifications_total", Counter, "Notifications taken.", hub.notifications());
    let settled = hub.settled().map(|(outcome, count)| (words::outcome(outcome).response_reason(), count));
    text.by(
        "deskbell_settled_total",
        Counter,
        "Notifications settled, by outcome (`responseReason`).",
        "outcome",
        settled,
    );
    let help = "From a notify's arrival until its result.";
    text.histogram("deskbell_notify_to_result_seconds", help, &hub.notify_to_result);
    let totals = hub.totals();
    text.one("deskbell_open_notifications", Gauge, "Notifications without an outcome, of all workspaces.", totals.open);
    let help = "Of these, never displayed to anyone yet.";
    text.one("deskbell_waiting_notifications", Gauge, help, totals.waiting);
    text.one("deskbell_sessions", Gauge, "Open sessions, of all workspaces.", totals.sessions);
    text.one("deskbell_workspaces", Gauge, "Workspaces with anybody or anything in them.", totals.workspaces);
    let help = "From handing a group to the log until it is read back: on disk one write and sync, in a cluster the \
                way through the stream.";
    text.histogram("deskbell_append_seconds", help, &hub.append);
    text.one("deskbell_log_bytes", Gauge, "Bytes of the log, snapshots included.", hub.log_bytes());
    text.one("deskbell_log_last_record", Gauge, "The last record of the log that was applied.", hub.last_record());
    let (written, failed) = hub.snapshots();
    let snapshots = [("written", written), ("failed", failed)];
    text.by("deskbell_snapshots_total", Counter, "Snapshots made in the background.", "result", snapshots);
    let help = "The last record in the newest snapshot of this run.";
    text.one("deskbell_snapshot_record", Gauge, help, hub.snapshot_record());
    let help = "Records that the background fold, which makes snapshots, is behind.";
    text.one("deskbell_fold_lag_records", Gauge, help, hub.fold_lag());
    text.one("deskbell_hubs", Gauge, "Hubs of this cluster that are alive, as far as the log says.", hub.hubs());
    let help = "Times that another hub's state differed from this one's. Anything but 0 is a fault.";
    text.one("deskbell_divergences_total", Counter, help, hub.divergences());
    text.finish()
}
