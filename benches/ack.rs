//! The cost of durability for a provider: from notify to ack with the log on disk, compared with one bare write and fdatasync on the
//! same device in the same run. Prints, asserts nothing.
//!
//! `cargo bench --bench ack [-- --seconds 4 --repeats 1 --forms closed,open --providers 1,10,100 --rates 1000,20000]`; the
//! log lies under the target directory, so it measures the device that holds that. Two forms:
//!
//! - *closed loop*: each provider sends its next notify when the last one is acknowledged. As many calls are in flight as there
//!   are providers, and each waits for that number divided by the throughput: read it as throughput.
//! - *open loop*: a hundred providers together send at a fixed rate, whether acks arrive or not. Each wait counts
//!   from the time at which the notify was due, not from the time at which it was sent. Read it as latency.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "it prints what it measured, and stops if it cannot")]

#[allow(dead_code, reason = "the other bench uses the rest")]
#[path = "fanout/frames.rs"]
mod frames;
#[allow(dead_code, reason = "the other bench uses the rest")]
#[path = "fanout/server.rs"]
mod server;

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use server::{Server, cpu_by_thread};

/// Providers of the open loop.
const OPEN_PROVIDERS: usize = 100;
/// The approximate size of a record with one notify, in bytes.
const RECORD_BYTES: usize = 400;
const SYNCS: usize = 300;
/// The time limit for the last acks.
const LAST_ACKS: Duration = Duration::from_secs(20);
/// The beginning of an ack's frame. No other message of the hub to these providers contains it.
const ACK: &[u8] = br#"{"type":"ack""#;
const NOTIFY: &str =
    r#"{"type":"notify","templateName":"bench","templateParameters":{"title":"bench","body":"nothing"}}"#;

/// The results of one run.
#[derive(Debug)]
struct Run {
    bare: Histogram<u64>,
    acks: Histogram<u64>,
    /// The delay of the sender itself, which is part of each ack's time.
    late: Histogram<u64>,
    per_second: f64,
    /// The hub's CPU time per notify.
    cpu_us: f64,
}

fn main() {
    let given: Vec<String> = std::env::args().collect();
    let value = |name: &str, default: &str| {
        let at = given.iter().position(|argument| argument == name);
        at.and_then(|at| given.get(at + 1)).cloned().unwrap_or_else(|| default.to_owned())
    };
    let numbers = |text: String| text.split(',').map(|number| number.parse().unwrap()).collect::<Vec<usize>>();
    let time = Duration::from_secs_f64(value("--seconds", "4").parse().unwrap());
    let repeats: usize = value("--repeats", "1").parse().unwrap();
    let forms = value("--forms", "closed,open");
    // Sleeps should end on time, not 50 us later.
    let _ = fs::write("/proc/self/timerslack_ns", "1");
    println!("{}", server::machine());
    if forms.contains("closed") {
        println!("\nclosed loop\n\n| providers {HEAD}");
        for providers in numbers(value("--providers", "1,10,100")) {
            for _ in 0..repeats {
                print_row(providers, &run(|address| closed(address, providers, time)));
            }
        }
    }
    if forms.contains("open") {
        println!("\nopen loop, {OPEN_PROVIDERS} providers; notifies a second as asked\n\n| notifies/s {HEAD}");
        for rate in numbers(value("--rates", "1000,2000,5000,10000,20000")) {
            for _ in 0..repeats {
                print_row(rate, &run(|address| open(address, rate, time)));
            }
        }
    }
}

const HEAD: &str = "| one write + fdatasync, p50 (p99) us | notify to ack, p50 us | ratio | p99 us | ratio | acks/s \
                    | hub's CPU us each | sent late, p50 (p99) us |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|";

fn print_row(asked: usize, run: &Run) {
    let Run { bare, acks, late, per_second, cpu_us } = run;
    let [p50, p99] = [0.5, 0.99].map(|quantile| acks.value_at_quantile(quantile));
    let [bare50, bare99] = [0.5, 0.99].map(|quantile| bare.value_at_quantile(quantile));
    let [late50, late99] = [0.5, 0.99].map(|quantile| late.value_at_quantile(quantile));
    let ratio = |us: u64| us as f64 / bare50 as f64;
    println!(
        "| {asked} | {bare50} ({bare99}) | {p50} | {:.1} | {p99} | {:.1} | {per_second:.0} | {cpu_us:.1} | {late50} ({late99}) |",
        ratio(p50),
        ratio(p99)
    );
}

/// Runs `load` against a fresh hub, and the bare device before and after it.
fn run(load: impl FnOnce(SocketAddr) -> (Histogram<u64>, Histogram<u64>, Duration)) -> Run {
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-ack");
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch).unwrap();
    let mut bare = latencies();
    sync_alone(&scratch, &mut bare);
    let hub = Server::hub(Some(&scratch.join("data")), "0-1023");
    let before: u64 = cpu_by_thread(hub.pid()).values().sum();
    let (acks, late, elapsed) = load(hub.address);
    let cpu_us = (cpu_by_thread(hub.pid()).values().sum::<u64>() - before) as f64 / 1000.0 / acks.len() as f64;
    drop(hub);
    sync_alone(&scratch, &mut bare);
    let _ = fs::remove_dir_all(&scratch);
    Run { per_second: acks.len() as f64 / elapsed.as_secs_f64(), bare, acks, late, cpu_us }
}

/// Measures one append and its `fdatasync`, many times.
fn sync_alone(scratch: &Path, times: &mut Histogram<u64>) {
    let mut file = File::create(scratch.join("bare")).unwrap();
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&[b'x'; RECORD_BYTES]).unwrap();
        file.sync_data().unwrap();
        times.saturating_record(began.elapsed().as_micros() as u64);
    }
}

/// A histogram of microseconds, up to a minute. It has bounds, because one without bounds loses values that do not fit yet.
fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Each provider waits for its ack before it sends the next notify.
fn closed(address: SocketAddr, providers: usize, time: Duration) -> (Histogram<u64>, Histogram<u64>, Duration) {
    let sockets: Vec<_> = (0..providers).map(|number| join(address, number)).collect();
    runtime().block_on(async move {
        let began = Instant::now();
        let mut all = JoinSet::new();
        for socket in sockets {
            let mut socket = tokio::net::TcpStream::from_std(socket).unwrap();
            all.spawn(async move {
                let (notify, mut acks, mut times) = (frames::masked(NOTIFY), Acks::default(), latencies());
                while began.elapsed() < time {
                    let sent = Instant::now();
                    socket.write_all(&notify).await.unwrap();
                    while acks.read(&mut socket).await == 0 {}
                    times.saturating_record(sent.elapsed().as_micros() as u64);
                }
                times
            });
        }
        let mut acks = latencies();
        while let Some(one) = all.join_next().await {
            acks.add(one.unwrap()).unwrap();
        }
        (acks, latencies(), began.elapsed())
    })
}

/// Notifies are sent when they are due; another thread reads the acks.
fn open(address: SocketAddr, rate: usize, time: Duration) -> (Histogram<u64>, Histogram<u64>, Duration) {
    let mut senders = Vec::new();
    let mut receivers = Vec::new();
    for number in 0..OPEN_PROVIDERS {
        let socket = join(address, number);
        // The due time of each notify, in the order of sending, which is that of the acks.
        let (due, dues) = mpsc::channel();
        receivers.push((socket.try_clone().unwrap(), dues));
        senders.push((socket, due));
    }
    let count = rate * time.as_millis() as usize / 1000;
    let hearing = thread::spawn(move || hear(receivers, count));
    let (notify, mut late) = (frames::masked(NOTIFY), latencies());
    let began = Instant::now();
    for number in 0..count {
        let due = began + Duration::from_secs(1).mul_f64(number as f64 / rate as f64);
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            thread::sleep(early);
        }
        let (socket, dues) = &senders[number % OPEN_PROVIDERS];
        dues.send(due).unwrap();
        send_whole(socket, &notify);
        late.saturating_record(due.elapsed().as_micros() as u64);
    }
    let acks = hearing.join().unwrap();
    (acks, late, began.elapsed())
}

/// Reads acks until there are `count`.
fn hear(sockets: Vec<(TcpStream, mpsc::Receiver<Instant>)>, count: usize) -> Histogram<u64> {
    runtime().block_on(async move {
        let (acked, mut all_acked) = tokio::sync::mpsc::channel(count.max(1));
        let mut hearing = JoinSet::new();
        for (socket, dues) in sockets {
            let mut socket = tokio::net::TcpStream::from_std(socket).unwrap();
            let acked = acked.clone();
            hearing.spawn(async move {
                let mut acks = Acks::default();
                loop {
                    let more = acks.read(&mut socket).await;
                    let now = Instant::now();
                    for _ in 0..more {
                        let _ = acked.try_send(now.saturating_duration_since(dues.try_recv().unwrap()));
                    }
                }
            });
        }
        let mut times = latencies();
        for number in 0..count {
            let time = tokio::time::timeout(LAST_ACKS, all_acked.recv()).await;
            let time = time.unwrap_or_else(|_| panic!("no ack comes any more: {number} of {count}"));
            times.saturating_record(time.unwrap().as_micros() as u64);
        }
        times
    })
}

/// Counts the acks in the data of one socket.
#[derive(Debug, Default)]
struct Acks {
    /// The end of the data so far, which may be the beginning of an ack.
    rest: Vec<u8>,
}

impl Acks {
    /// Reads the available data and returns the number of acks that end in it.
    async fn read(&mut self, socket: &mut tokio::net::TcpStream) -> usize {
        assert!(socket.read_buf(&mut self.rest).await.unwrap() > 0, "the hub closed a connection");
        let acks = self.rest.windows(ACK.len()).filter(|bytes| bytes[0] == b'{' && *bytes == ACK).count();
        self.rest.drain(..self.rest.len().saturating_sub(ACK.len() - 1));
        acks
    }
}

/// A connected provider, after its welcome.
fn join(address: SocketAddr, number: usize) -> TcpStream {
    runtime().block_on(async {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let upgrade = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        socket.write_all(upgrade.as_bytes()).await.unwrap();
        let hello = format!(r#"{{"type":"hello","role":"provider","providerId":"bench-{number}"}}"#);
        socket.write_all(&frames::masked(&hello)).await.unwrap();
        let mut heard = Vec::new();
        while !heard.windows(18).any(|bytes| bytes == br#"{"type":"welcome","#) {
            assert!(socket.read_buf(&mut heard).await.unwrap() > 0, "the hub closed a connection");
        }
        socket.into_std().unwrap()
    })
}

/// Writes to a non-blocking socket.
fn send_whole(mut socket: &TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_micros(50)),
            Err(error) => panic!("{error}"),
        }
    }
}
