//! The hubs' states: differences are detected, and a new hub gets the state quickly.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::campaign::Line;
use crate::fixture::{CONFIG, Cluster, http};
use crate::nats;

const LOG: &str = "deskbell.0.log";
const DIGESTS: &str = "deskbell.0.digest";

/// The number of records after which hubs compare digests.
const PER_DIGEST: u64 = 10_000;

async fn divergences(cluster: &Cluster) -> Vec<u64> {
    let mut all = Vec::new();
    for hub in &cluster.hubs {
        let metrics = http(hub.port, "/metrics").await;
        let line = metrics.lines().find_map(|line| line.strip_prefix("deskbell_divergences_total "));
        all.push(line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{metrics}")));
    }
    all
}

/// Fills the stream up to the next record at which hubs compare, and gives what each came to there.
pub(crate) fn digests(server: &nats::Server, hubs: usize) -> Vec<Vec<u8>> {
    // A record that was there already changes nothing, and is one more of them.
    let last = last_of(server);
    let message = server.request("$JS.API.STREAM.MSG.GET.DESKBELL_0", &format!(r#"{{"seq":{last}}}"#));
    let message: Value = serde_json::from_str(&message).unwrap();
    let record = STANDARD.decode(message["message"]["data"].as_str().unwrap()).unwrap();
    let mut heard = server.listen(DIGESTS);
    let due = (last / PER_DIGEST + 1) * PER_DIGEST;
    let mut there = last;
    while there < due {
        // Not more at once than three servers can write while they carry on.
        let wanted = due.min(there + 250);
        server.publish(LOG, &record, usize::try_from(wanted - there).unwrap());
        let began = Instant::now();
        while there < wanted {
            there = last_of(server);
            assert!(began.elapsed() < Duration::from_secs(60), "the stream ends at {there}, not at {wanted}");
        }
    }
    let mut digests = Vec::new();
    while digests.len() < hubs {
        let told = heard();
        let (number, value) = told.split_first_chunk::<8>().unwrap();
        if u64::from_be_bytes(*number) == due {
            digests.push(value.to_vec());
        }
    }
    digests
}

/// The number of the stream's last record.
fn last_of(server: &nats::Server) -> u64 {
    let info: Value = serde_json::from_str(&server.request("$JS.API.STREAM.INFO.DESKBELL_0", "")).unwrap();
    info["state"]["last_seq"].as_u64().unwrap()
}

#[tokio::test]
async fn a_state_that_differs_is_an_error_in_the_log_and_in_the_metric() {
    let Some(cluster) = Cluster::start(1, 2).await else { return };
    let server = &cluster.servers[0];
    // They agree, and their digests are on the subject.
    let told = digests(server, 2);
    assert_eq!(told[0], told[1]);
    // A simulated third hub reports another state at the next one.
    let planted = [(2 * PER_DIGEST).to_be_bytes(), 0x1234_5678_u64.to_be_bytes()].concat();
    server.publish(DIGESTS, &planted, 1);
    assert_eq!(divergences(&cluster).await, [0, 0]);
    digests(server, 2);
    for hub in &cluster.hubs {
        hub.says(&["this hub's state differs from another's", "record=20000"]).await;
    }
    assert_eq!(divergences(&cluster).await, [1, 1]);
}

const PATIENT: &str = "[[templates]]\nname = \"patient\"\ntitle = \"t\"\nqueueTimeout = \"1h\"\n";

/// The number of connections that ring at the same time.
const RINGERS: usize = 32;

/// By name only: `cargo test --release --test cluster -- --ignored --nocapture a_new_hub_joins` (a million; another
/// number by `JOIN_NOTIFICATIONS`).
#[tokio::test]
#[ignore = "it takes minutes"]
async fn a_new_hub_joins_within_ten_seconds_after_a_million_notifications() {
    let count = std::env::var("JOIN_NOTIFICATIONS").map_or(1_000_000, |count| count.parse().unwrap());
    let config = format!("{CONFIG}deliveriesPerSecond = 10000000\nqueueLimit = 1\n{PATIENT}");
    let Some(mut cluster) = Cluster::start_with(1, 2, &config).await else { return };
    let began = Instant::now();
    let mut ringers = Vec::new();
    for n in 0..RINGERS {
        let port = cluster.hubs[n % 2].port;
        ringers.push(tokio::spawn(ring_many(Line::to(port), n, count / RINGERS)));
    }
    for ringer in ringers {
        ringer.await.unwrap();
    }
    let filled = began.elapsed();
    let stream = cluster.servers[0].request("$JS.API.STREAM.INFO.DESKBELL_0", "");
    let stream: Value = serde_json::from_str(&stream).unwrap();
    let state = &stream["state"];
    let began = Instant::now();
    let hub = cluster.setup(&config).start().await;
    let joined = began.elapsed();
    println!(
        "{count} notifications in {filled:.0?}; the stream has records {} to {}, {} bytes; a new hub serves after \
         {joined:.2?}",
        state["first_seq"], state["last_seq"], state["bytes"]
    );
    let bot = hub.provider("bot-0").await;
    assert_eq!(bot.welcome["open"].as_array().unwrap().len(), 1);
    cluster.hubs.push(hub);
    assert!(joined < Duration::from_secs(10), "{joined:?}");
    assert_eq!(divergences(&cluster).await, [0, 0, 0]);
}

/// One notification waits for an agent; all later ones find the queue full, and are settled at once.
async fn ring_many(mut line: Line, ringer: usize, count: usize) {
    const AHEAD: usize = 64;
    let hello = json!({"type": "hello", "role": "provider", "providerId": format!("bot-{ringer}")});
    line.connect(&hello).await.unwrap();
    let ring = json!({"type": "notify", "templateName": "patient", "to": {"agents": [format!("nobody-{ringer}")]}});
    for _ in 0..=AHEAD.min(count) {
        line.send(&ring).await;
    }
    let mut settled = 0;
    while settled < count {
        let message = line.read(Duration::from_secs(60)).await.unwrap();
        match message.as_ref().and_then(|message| message["type"].as_str()) {
            Some("result") => {
                settled += 1;
                if settled + AHEAD <= count {
                    line.send(&ring).await;
                }
            }
            Some("ack") | None => {}
            Some(other) => panic!("{other}: {message:?}"),
        }
    }
}
