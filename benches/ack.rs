//! What durability costs a provider: from notify to ack with the log on disk, beside one bare write and fdatasync of the
//! same device in the same run. Prints, asserts nothing.
//!
//! `cargo bench --bench ack`; the log lies under the target directory, so it measures the device that holds that. Each
//! provider sends its next notify when the last one is acknowledged.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "it prints what it measured, and stops if it cannot")]

#[allow(dead_code, reason = "the other bench uses the rest")]
#[path = "fanout/server.rs"]
mod server;

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use server::Server;

/// How long each number of providers is measured.
const TIME: Duration = Duration::from_secs(4);
/// Bytes of a record with one notify in it, about.
const RECORD_BYTES: usize = 400;
const SYNCS: usize = 300;

fn main() {
    println!("{}\n", server::machine());
    println!("| providers | one write + fdatasync, p50 | notify to ack, p50 | ratio | p99 | acks/s |");
    println!("|---:|---:|---:|---:|---:|---:|");
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-ack");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for providers in [1, 10, 100] {
        let _ = fs::remove_dir_all(&scratch);
        fs::create_dir_all(&scratch).unwrap();
        let before = bare(&scratch);
        let hub = Server::hub(Some(&scratch.join("data")), "0-1023");
        let acks = runtime.block_on(notify_all(hub.address, providers));
        drop(hub);
        let bare = (before + bare(&scratch)) / 2;
        let at = |quantile| Duration::from_micros(acks.value_at_quantile(quantile));
        let ratio = at(0.5).as_secs_f64() / bare.as_secs_f64();
        let per_second = acks.len() as f64 / TIME.as_secs_f64();
        println!("| {providers} | {bare:.1?} | {:.1?} | {ratio:.2} | {:.1?} | {per_second:.0} |", at(0.5), at(0.99));
    }
    let _ = fs::remove_dir_all(&scratch);
}

/// The median of one append and its `fdatasync`.
fn bare(scratch: &Path) -> Duration {
    let mut file = File::create(scratch.join("bare")).unwrap();
    let mut times: Vec<Duration> = (0..SYNCS)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[b'x'; RECORD_BYTES]).unwrap();
            file.sync_data().unwrap();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[SYNCS / 2]
}

/// Microseconds, up to a minute. Bounded, as one without bounds cuts off what it has no room for yet.
fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).unwrap()
}

async fn notify_all(address: SocketAddr, providers: usize) -> Histogram<u64> {
    let until = Instant::now() + TIME;
    let each = (0..providers).map(|number| notify(address, number, until));
    let mut all = latencies();
    for one in futures::future::join_all(each).await {
        all.add(one).unwrap();
    }
    all
}

/// One provider; its latencies in microseconds.
async fn notify(address: SocketAddr, number: usize, until: Instant) -> Histogram<u64> {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (mut socket, _) = client_async(format!("ws://{address}/ws"), socket).await.unwrap();
    let hello = format!(r#"{{"type":"hello","role":"provider","providerId":"bench-{number}"}}"#);
    socket.send(Message::text(hello)).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let notify = r#"{"type":"notify","templateName":"bench","templateParameters":{"title":"bench","body":"nothing"}}"#;
    let mut latencies = latencies();
    while Instant::now() < until {
        let began = Instant::now();
        socket.send(Message::text(notify)).await.unwrap();
        loop {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
            if text.starts_with(r#"{"type":"ack""#) {
                break;
            }
        }
        latencies.saturating_record(began.elapsed().as_micros() as u64);
    }
    latencies
}
