//! A running hub is copied with the commands of `docs/data-directory.md`, and the copy works.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Hub, Setup, text};
use crate::table::Table;

/// Calls before the copy, and while it is made.
const BEFORE: usize = 300;

/// Runs it; true if the copy knew all that was acknowledged before it was begun.
pub(crate) async fn run() -> bool {
    // An orderly stop leaves a snapshot, so that there is one to copy.
    let first = Setup::on_disk().config("[limits]\nmessagesPerSecond = 100000\n").start().await;
    let mut bot = first.provider("bot").await;
    bot.ring_to("chat", &["nobody yet"]).await;
    drop(bot);
    first.terminate();
    let setup = first.setup.clone();
    assert_eq!(first.exit().await.code, Some(0));
    let hub = setup.start().await;
    let mut before = traffic(&hub, BEFORE).await;
    let mut bot = hub.provider("opener").await;
    let open = bot.ring_to("chat", &["ada"]).await;
    let copy = Setup::on_disk();
    let copying = {
        let (from, to) = (setup.data_dir(), copy.data_dir());
        tokio::task::spawn_blocking(move || copy_as_documented(&from.display().to_string(), &to.display().to_string()))
    };
    let during = traffic(&hub, BEFORE).await;
    copying.await.unwrap();
    hub.kill_9();
    let hub = copy.start().await;
    let restored = results_of(&hub, "caller").await;
    let known = before.len();
    before.retain(|id, value| restored.get(id) != Some(value));
    let wrong = during.iter().filter(|(id, value)| restored.get(*id).is_some_and(|known| known != *value)).count();
    let again = hub.provider("opener").await;
    let still_open = again.welcome["open"].as_array().unwrap().iter().any(|n| n["notificationId"] == open.as_str());
    let mut table = Table::new("backup of a running hub");
    table.row("settled before the copy", known);
    table.row("of these unknown to the copy", before.len());
    table.row("settled while it was made", during.len());
    table.row("of these with another outcome in the copy", wrong);
    table.row("an open notification is still open", still_open);
    table.print();
    before.is_empty() && wrong == 0 && still_open
}

/// The commands of the page, word for word but for the directories.
fn copy_as_documented(from: &str, to: &str) {
    let script = format!("umask 077 && mkdir {to} && cp {from}/snapshot-* {to}/ && cp {from}/log-* {to}/");
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
}

/// Rings and cancels; gives each notification's outcome.
async fn traffic(hub: &Hub, calls: usize) -> BTreeMap<String, Value> {
    let mut bot = hub.provider("caller").await;
    let mut known = BTreeMap::new();
    for _ in 0..calls {
        let token = format!("token-{}", unused());
        let id = bot.ring_with("chat", json!({"cancellationToken": token, "to": {"agents": ["nobody"]}})).await;
        bot.call(json!({"type": "cancel", "cancellationToken": token})).await;
        let result = bot.result_of(&id).await;
        known.insert(id, result["value"].clone());
    }
    known
}

fn unused() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// All results that the hub still has for a provider.
pub(crate) async fn results_of(hub: &Hub, provider: &str) -> BTreeMap<String, Value> {
    let mut again = hub.join(json!({"role": "provider", "providerId": provider, "resume": true})).await;
    let told = again.rest().await;
    told.into_iter()
        .filter(|m| m["type"] == "result" && m["msdyn_name"] == "NotifyEvent")
        .map(|m| (text(&m["notificationId"]), m["value"].clone()))
        .collect()
}
