//! The load generator: one thread or a few, many sockets, and little work per message.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use super::Form;
use super::frames::{Cutter, masked};
use super::server::{Server, cpu_by_thread, pinned, resident_bytes};

/// Connections that are opened at the same time.
const OPENING: usize = 128;
/// Deliveries per second of the phase that measures latency.
const STEADY_PER_SECOND: f64 = 20_000.0;
/// The pause before the server's memory is read.
const SETTLE: Duration = Duration::from_secs(1);
/// The run fails after this time without a message.
const STALLED: Duration = Duration::from_secs(20);
/// Makes a KPI mark about 300 bytes on the wire.
const PADDING: usize = 150;

/// The results of one server with one workload.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// The size of the frame that all agents received.
    pub(crate) frame_bytes: usize,
    /// Resident bytes per agent, connected and idle.
    pub(crate) idle_bytes: f64,
    /// Resident bytes per agent after the traffic.
    pub(crate) used_bytes: f64,
    /// The results for each requested number of messages in flight.
    pub(crate) bursts: Vec<Burst>,
    /// Latency at a steady rate, in microseconds.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// The results of a phase at full speed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Burst {
    pub(crate) per_second: f64,
    pub(crate) cpu_us: f64,
    /// The share of the server's CPU time that its busiest thread took.
    pub(crate) busiest: f64,
    /// The number of processors that the generator used.
    pub(crate) generator: f64,
    /// Frames that the generator read from a socket at once: those that the server had written together, or a few more.
    pub(crate) together: f64,
}

/// The generator's task.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) form: Form,
    pub(crate) agents: usize,
    /// Numbers of messages in flight, with one phase at full speed for each; unused places are 0.
    pub(crate) in_flight: [u64; 4],
    /// The length of each phase at full speed.
    pub(crate) seconds: Duration,
    /// The size of the floor's frames; 0 for the hub.
    pub(crate) frame_bytes: usize,
    /// The number of the generator's threads. With a single thread latency is measured, too.
    pub(crate) threads: usize,
}

/// Runs the generator against a server. A single thread gets a processor of its own; several threads run on any processor.
pub(crate) fn against(server: &Server, asked: Asked) -> Measured {
    let own = std::env::current_exe().unwrap();
    let several = thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    let processors = match asked.threads {
        1 if several => "1",
        1 => "0",
        _ => "0-1023",
    };
    let [address, pid] = [server.address.to_string(), server.pid().to_string()];
    let [agents, seconds] = [asked.agents.to_string(), asked.seconds.as_secs_f64().to_string()];
    let [frame_bytes, threads] = [asked.frame_bytes.to_string(), asked.threads.to_string()];
    let in_flight = asked.in_flight.map(|number| number.to_string()).join(",");
    let own = [own.to_str().unwrap(), "load", &address, &pid];
    let command = [&own[..], &[asked.form.name(), &agents, &seconds, &frame_bytes, &threads, &in_flight]].concat();
    let output = pinned(processors, &command).stderr(std::process::Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [frame_bytes, idle_bytes, used_bytes, p50_us, p99_us, ref bursts @ ..] = numbers[..] else {
        panic!("the generator failed: {text}");
    };
    let bursts = bursts.chunks(Burst::NUMBERS).map(Burst::of).collect();
    Measured { frame_bytes: frame_bytes as usize, idle_bytes, used_bytes, bursts, p50_us, p99_us }
}

impl Burst {
    const NUMBERS: usize = 5;

    fn of(numbers: &[f64]) -> Self {
        let [per_second, cpu_us, busiest, generator, together] = numbers[..] else { panic!("five numbers are wanted") };
        Self { per_second, cpu_us, busiest, generator, together }
    }

    fn numbers(&self) -> [f64; Self::NUMBERS] {
        [self.per_second, self.cpu_us, self.busiest, self.generator, self.together]
    }
}

/// The generator's own process: `ADDRESS PID FORM AGENTS SECONDS FRAME-BYTES THREADS IN-FLIGHT`. It prints its results as numbers only.
pub(crate) fn run(given: &[String]) {
    let [address, pid, form, agents, seconds, frame_bytes, threads, in_flight] = given else {
        panic!("eight arguments are wanted")
    };
    let in_flight: Vec<u64> = in_flight.split(',').map(|number| number.parse().unwrap()).collect();
    let load = Load {
        address: address.parse().unwrap(),
        pid: pid.parse().unwrap(),
        asked: Asked {
            form: Form::named(form),
            agents: agents.parse().unwrap(),
            seconds: Duration::from_secs_f64(seconds.parse().unwrap()),
            frame_bytes: frame_bytes.parse().unwrap(),
            threads: threads.parse().unwrap(),
            in_flight: in_flight.try_into().unwrap(),
        },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Measured { frame_bytes, idle_bytes, used_bytes, bursts, p50_us, p99_us } =
        LocalSet::new().block_on(&runtime, load.measure());
    let mut text = format!("{frame_bytes} {idle_bytes} {used_bytes} {p50_us} {p99_us}");
    for number in bursts.iter().flat_map(Burst::numbers) {
        let _ = write!(text, " {number}");
    }
    println!("{text}");
    // Ends the process without dropping each socket's task.
    std::process::exit(0);
}

#[derive(Debug, Clone, Copy)]
struct Load {
    address: SocketAddr,
    pid: u32,
    asked: Asked,
}

/// The counts of all threads together.
#[derive(Debug, Default)]
struct Tally {
    frames: AtomicU64,
    /// The number of reads that returned frames.
    reads: AtomicU64,
    /// The number of frames at which the publisher is woken.
    wake_at: AtomicU64,
    woken: Notify,
    frame_bytes: AtomicUsize,
}

/// The counts of one thread's sockets together.
#[derive(Debug, Default)]
struct Counts {
    tally: Arc<Tally>,
    /// The send time of each message of the steady phase; empty in other phases.
    published: RefCell<Vec<Instant>>,
    latencies_us: RefCell<Option<Histogram<u64>>>,
    buffer: RefCell<Vec<u8>>,
}

impl Load {
    async fn measure(self) -> Measured {
        let Asked { form, agents, seconds, threads, .. } = self.asked;
        let before = resident_bytes(self.pid);
        let tally = Arc::new(Tally::default());
        let counts = Rc::new(Counts::new(Arc::clone(&tally)));
        let part = agents.div_ceil(threads);
        for thread in 1..threads {
            self.open_beside(agents.min(part * thread)..agents.min(part * (thread + 1)), Arc::clone(&tally)).await;
        }
        self.open(0..part, &counts).await;
        let hello = r#"{"type":"hello","role":"provider","providerId":"bench"}"#;
        let (replies, mut publisher) = self.connect(hello).await.into_split();
        spawn_local(discard(replies));
        tokio::time::sleep(SETTLE).await;
        let per_agent = |bytes: u64| bytes.saturating_sub(before) as f64 / agents as f64;
        let idle_bytes = per_agent(resident_bytes(self.pid));
        self.burst(&mut publisher, &tally, 1, seconds / 5).await;
        let mut bursts = Vec::new();
        for in_flight in self.asked.in_flight.into_iter().filter(|number| *number > 0) {
            bursts.push(self.burst(&mut publisher, &tally, in_flight, seconds).await);
        }
        let used_bytes = per_agent(resident_bytes(self.pid));
        // In a cycle each message causes two frames; which one is late depends on the accepting agent.
        let steady = form != Form::Cycle && threads == 1;
        let (p50_us, p99_us) = if steady { self.steady(&mut publisher, &counts).await } else { (0.0, 0.0) };
        let frame_bytes = tally.frame_bytes.load(Relaxed);
        Measured { frame_bytes, idle_bytes, used_bytes, bursts, p50_us, p99_us }
    }

    /// Opens these agents' connections in a thread of their own.
    async fn open_beside(self, numbers: Range<usize>, tally: Arc<Tally>) {
        let (opened, all_opened) = tokio::sync::oneshot::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async move {
                self.open(numbers, &Rc::new(Counts::new(tally))).await;
                opened.send(()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        all_opened.await.unwrap();
    }

    /// Opens these agents' connections, and starts a task for each that counts frames.
    async fn open(&self, numbers: Range<usize>, counts: &Rc<Counts>) {
        let mut opened = numbers.start;
        if self.asked.form == Form::Cycle && opened == 0 {
            spawn_local(accept_all(self.address, agent_hello(opened), Rc::clone(counts)));
            opened += 1;
        }
        while opened < numbers.end {
            let more = OPENING.min(numbers.end - opened);
            let opening = (opened..opened + more).map(|number| async move { self.connect(&agent_hello(number)).await });
            for socket in futures::future::join_all(opening).await {
                spawn_local(listen(socket, Rc::clone(counts)));
            }
            opened += more;
        }
    }

    async fn connect(&self, hello: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        if self.asked.form != Form::Floor {
            let request = format!(
                "GET /ws HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                self.address
            );
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                assert!(socket.read_buf(&mut head).await.unwrap() > 0, "the server closed a connection");
            }
            socket.write_all(&masked(hello)).await.unwrap();
            read_frame(&mut socket).await;
        }
        socket
    }

    /// The next message, and the number of frames that it causes.
    fn message(&self) -> (Vec<u8>, u64) {
        let body = "x".repeat(PADDING);
        let agents = self.asked.agents as u64;
        match self.asked.form {
            Form::Floor => {
                // Like the hub's frames: text, with a length of two bytes.
                let frame_bytes = self.asked.frame_bytes;
                let mut frame = vec![b'x'; frame_bytes];
                frame[..4].copy_from_slice(&[0x81, 126, ((frame_bytes - 4) >> 8) as u8, (frame_bytes - 4) as u8]);
                (frame, agents)
            }
            Form::Fanout => (masked(&format!(r#"{{"type":"kpi","sessionId":"bench","details":"{body}"}}"#)), agents),
            Form::Cycle => {
                let parameters = format!(r#"{{"title":"bench","body":"{body}"}}"#);
                let notify = format!(r#"{{"type":"notify","templateName":"bench","templateParameters":{parameters}}}"#);
                (masked(&notify), 2 * agents)
            }
        }
    }

    /// Sends at full speed, with at most this many messages in flight.
    async fn burst(&self, publisher: &mut OwnedWriteHalf, tally: &Tally, in_flight: u64, time: Duration) -> Burst {
        let (message, frames) = self.message();
        let (own, before, first) = (own_cpu_ns(), cpu_by_thread(self.pid), tally.frames.load(SeqCst));
        let (began, reads, mut sent) = (Instant::now(), tally.reads.load(Relaxed), 0);
        while began.elapsed() < time {
            publisher.write_all(&message).await.unwrap();
            sent += 1;
            if sent >= in_flight {
                tally.reach(first + (sent - in_flight + 1) * frames).await;
            }
        }
        tally.reach(first + sent * frames).await;
        let (seconds, all) = (began.elapsed().as_secs_f64(), (sent * frames) as f64);
        let used = cpu_by_thread(self.pid).into_iter().map(|(thread, ns)| ns - before.get(&thread).unwrap_or(&0));
        let used: Vec<f64> = used.map(|ns| ns as f64).collect();
        let cpu_ns: f64 = used.iter().sum();
        Burst {
            per_second: all / seconds,
            cpu_us: cpu_ns / 1000.0 / all,
            busiest: used.into_iter().fold(0.0, f64::max) / cpu_ns,
            generator: (own_cpu_ns() - own) as f64 / 1e9 / seconds,
            together: all / (tally.reads.load(Relaxed) - reads) as f64,
        }
    }

    /// Sends at a fixed rate and measures the delay of frames (microseconds, median and 99th percentile).
    async fn steady(&self, publisher: &mut OwnedWriteHalf, counts: &Rc<Counts>) -> (f64, f64) {
        let (message, frames) = self.message();
        let first = counts.tally.frames.load(SeqCst);
        let pause = Duration::from_secs_f64(frames as f64 / STEADY_PER_SECOND);
        *counts.latencies_us.borrow_mut() = Some(Histogram::new_with_bounds(1, 60_000_000, 3).unwrap());
        let began = Instant::now();
        let mut sent = 0;
        while began.elapsed() < self.asked.seconds * 2 {
            let due = began + pause * sent;
            tokio::time::sleep_until(due.into()).await;
            // Measured from the time at which it was due, so that delays of the sender count.
            counts.published.borrow_mut().push(due);
            publisher.write_all(&message).await.unwrap();
            sent += 1;
        }
        counts.tally.reach(first + u64::from(sent) * frames).await;
        let latencies = counts.latencies_us.borrow();
        let at = |quantile| latencies.as_ref().unwrap().value_at_quantile(quantile) as f64;
        (at(0.5), at(0.99))
    }
}

impl Tally {
    /// Notes that frames arrived.
    fn add(&self, frames: u64) {
        // Sequentially consistent with the other side's store and load, so that one of the two sees the other.
        let all = self.frames.fetch_add(frames, SeqCst) + frames;
        if all >= self.wake_at.load(SeqCst) {
            self.woken.notify_one();
        }
    }

    /// Waits until this many frames have arrived in all.
    async fn reach(&self, frames: u64) {
        self.wake_at.store(frames, SeqCst);
        loop {
            let before = self.frames.load(SeqCst);
            if before >= frames {
                return;
            }
            let woken = tokio::time::timeout(STALLED, self.woken.notified()).await;
            assert!(woken.is_ok() || self.frames.load(SeqCst) > before, "nothing comes: {before} of {frames} frames");
        }
    }
}

impl Counts {
    fn new(tally: Arc<Tally>) -> Self {
        Self { tally, buffer: RefCell::new(vec![0; 64 * 1024]), ..Self::default() }
    }

    /// Notes frame number `number` of a socket in the steady phase.
    fn arrived(&self, number: usize, now: Instant) {
        if let Some(latencies) = &mut *self.latencies_us.borrow_mut()
            && let Some(published) = self.published.borrow().get(number)
        {
            let latency_us = now.saturating_duration_since(*published).as_micros() as u64;
            latencies.saturating_record(latency_us);
        }
    }

    fn is_steady(&self) -> bool {
        self.latencies_us.borrow().is_some()
    }
}

/// Counts the frames of one agent's socket. Never ends.
async fn listen(socket: TcpStream, counts: Rc<Counts>) {
    let mut cutter = Cutter::default();
    let mut steady_frames = 0;
    loop {
        socket.readable().await.unwrap();
        let mut buffer = counts.buffer.borrow_mut();
        let read = match socket.try_read(&mut buffer) {
            Ok(0) => panic!("the server closed a connection"),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => panic!("{error}"),
        };
        let (steady, now) = (counts.is_steady(), Instant::now());
        let (mut frames, mut frame_bytes) = (0, 0);
        cutter.cut(&buffer[..read], |frame| {
            if frame.is_text {
                frames += 1;
                frame_bytes = frame.bytes;
                if steady {
                    counts.arrived(steady_frames, now);
                    steady_frames += 1;
                }
            }
        });
        drop(buffer);
        if frames > 0 {
            counts.tally.frame_bytes.store(frame_bytes, Relaxed);
            counts.tally.reads.fetch_add(1, Relaxed);
            counts.tally.add(frames);
        }
    }
}

/// The agent that accepts every notification.
async fn accept_all(address: SocketAddr, hello: String, counts: Rc<Counts>) {
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut socket, _) = client_async(format!("ws://{address}/ws"), socket).await.unwrap();
    socket.send(Message::text(hello)).await.unwrap();
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message.unwrap() else { continue };
        if text.starts_with(r#"{"type":"notification""#) {
            let id = text.split(r#""notificationId":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
            let accept = format!(r#"{{"type":"accept","notificationId":"{id}"}}"#);
            socket.send(Message::text(accept)).await.unwrap();
            counts.tally.add(1);
        } else if text.starts_with(r#"{"type":"closed""#) {
            counts.tally.add(1);
        }
    }
}

fn own_cpu_ns() -> u64 {
    cpu_by_thread(std::process::id()).values().sum()
}

fn agent_hello(number: usize) -> String {
    format!(r#"{{"type":"hello","role":"agent","agentId":"agent-{number}"}}"#)
}

/// Reads one frame, the welcome; no other frame follows before a message is published.
async fn read_frame(socket: &mut TcpStream) {
    let (mut cutter, mut buffer, mut frames) = (Cutter::default(), [0; 4096], 0);
    while frames == 0 {
        let read = socket.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the server closed a connection");
        cutter.cut(&buffer[..read], |_| frames += 1);
    }
}

/// Reads and discards replies, which are not measured.
async fn discard(mut socket: OwnedReadHalf) {
    let mut buffer = vec![0; 64 * 1024];
    while socket.read(&mut buffer).await.unwrap() > 0 {}
}
