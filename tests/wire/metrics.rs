//! `/metrics`, checked against docs/metrics.md in both directions, and against the events of the test.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use crate::harness::{Hub, PATIENCE, Setup, has, hub, left_out_in_cluster};
use crate::raw::get;

/// The description of a metric.
#[derive(Debug, PartialEq, Eq)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
    help: String,
}

async fn body(hub: &Hub) -> String {
    get(hub.port, "/metrics").await.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// The families of the text; fails where a line belongs to none.
fn served(body: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut help = ("", "");
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').unwrap();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, help.0, "HELP and TYPE of one family stand together");
            let family = Family { kind: kind.into(), labels: BTreeSet::new(), help: help.1.into() };
            assert!(families.insert(name.into(), family).is_none(), "{name} twice");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{line}");
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            let name = if families.contains_key(base) { base } else { name };
            assert_eq!(name, help.0, "{line} does not stand below its family");
            let family = families.get_mut(name).unwrap();
            for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
                let (label, value) = label.split_once('=').unwrap();
                assert!(value.starts_with('"') && value.ends_with('"'), "{line}");
                if label != "le" {
                    family.labels.insert(label.into());
                }
            }
        }
    }
    families
}

/// The table of the documentation.
fn documented() -> BTreeMap<String, Family> {
    let page = include_str!("../../docs/metrics.md");
    let cells = |line: &str| -> Vec<String> { line.split('|').map(|cell| cell.trim().to_owned()).collect() };
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let [_, name, kind, label, help, _] = cells(row).try_into().expect("four cells");
        let labels = label.split_whitespace().map(|label| label.trim_matches('`').to_owned()).collect();
        (name.trim_matches('`').to_owned(), Family { kind, labels, help })
    })
    .collect()
}

/// The value of one line.
fn value(body: &str, series: &str) -> f64 {
    let line = body.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {body}")).parse().unwrap()
}

/// Waits until all these metrics have the expected values: gauges are a moment behind.
async fn await_values(hub: &Hub, expected: &[(&str, f64)]) -> String {
    let look = async {
        loop {
            let body = body(hub).await;
            if expected.iter().all(|(series, expected)| value(&body, series) == *expected) {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, look).await {
        Ok(body) => body,
        Err(_) => panic!("never so: {expected:?}; it is\n{}", body(hub).await),
    }
}

#[tokio::test]
async fn the_documentation_lists_exactly_the_metrics_served() {
    let hub = hub("").await;
    let (served, documented) = (served(&body(&hub).await), documented());
    assert!(served.len() > 20, "{served:?}");
    for (name, family) in &served {
        assert!(name.starts_with("deskbell_"), "{name}");
        assert_eq!(Some(family), documented.get(name), "{name} as it is served, and as docs/metrics.md has it");
        assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}");
    }
    for name in documented.keys() {
        assert!(served.contains_key(name), "docs/metrics.md has {name}, the hub has not");
    }
}

#[tokio::test]
async fn the_metrics_count_each_event() {
    if left_out_in_cluster("each hub counts its own connections") {
        return;
    }
    let hub = Setup::on_disk().start().await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let _observer = hub.observer().await;
    let first = bot.ring("chat").await;
    ada.shown(&first).await;
    bot.ring_with("chat", json!({"cancellationToken": "t"})).await;
    bot.ring_with("chat", json!({"to": {"agents": ["nobody"]}})).await;
    has(&ada.call(json!({"type": "accept", "notificationId": first})).await, json!({"won": true}));
    has(&bot.call(json!({"type": "cancel", "cancellationToken": "t"})).await, json!({"type": "result"}));
    has(&bot.call(json!({"type": "cancel", "cancellationToken": "nope"})).await, json!({"type": "error"}));
    let body = await_values(
        &hub,
        &[
            ("deskbell_connections{role=\"agent\"}", 1.0),
            ("deskbell_connections{role=\"provider\"}", 1.0),
            ("deskbell_connections{role=\"observer\"}", 1.0),
            ("deskbell_notifications_total", 3.0),
            ("deskbell_settled_total{outcome=\"Accept\"}", 1.0),
            ("deskbell_settled_total{outcome=\"Cancelled\"}", 1.0),
            ("deskbell_settled_total{outcome=\"DisplayTimeout\"}", 0.0),
            ("deskbell_notify_to_result_seconds_count", 2.0),
            ("deskbell_refused_total{code=\"notFound\"}", 1.0),
            ("deskbell_open_notifications", 1.0),
            ("deskbell_waiting_notifications", 1.0),
            ("deskbell_sessions", 1.0),
            ("deskbell_workspaces", 1.0),
            ("deskbell_ready", 1.0),
            ("deskbell_hubs", 1.0),
            ("deskbell_intake_depth", 0.0),
            ("deskbell_divergences_total", 0.0),
        ],
    )
    .await;
    assert!(value(&body, "deskbell_append_seconds_count") > 3.0 && value(&body, "deskbell_append_seconds_sum") > 0.0);
    assert!(value(&body, "deskbell_log_bytes") > 100.0 && value(&body, "deskbell_log_last_record") > 3.0);
    assert!(value(&body, "deskbell_deliveries_total") > 5.0);
    assert!(body.contains(&format!("deskbell_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"))));
    // No client's string is a label.
    assert!(!body.contains("bot") && !body.contains(&first), "{body}");
    bot.leave().await;
    await_values(&hub, &[("deskbell_connections{role=\"provider\"}", 0.0)]).await;
}
