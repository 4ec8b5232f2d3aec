//! The load generator: one thread, many sockets, as cheap as tokio lets it be.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
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
use super::server::{Server, cpu_ns, pinned, resident_bytes};

/// Connections that are being opened at once.
const OPENING: usize = 128;
/// Deliveries per second of the phase that measures latency.
const STEADY_PER_SECOND: f64 = 20_000.0;
/// How long sockets rest before the server's memory is read.
const SETTLE: Duration = Duration::from_secs(1);
/// Nothing came for so long: something is wrong.
const STALLED: Duration = Duration::from_secs(20);
/// Makes a KPI mark about 300 bytes on the wire.
const PADDING: usize = 150;

/// What one server did under one form.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    /// Bytes of the frame that everybody got.
    pub(crate) frame_bytes: usize,
    /// Resident bytes per agent, connected and idle.
    pub(crate) idle_bytes: f64,
    /// The same after the traffic.
    pub(crate) used_bytes: f64,
    /// One message in flight.
    pub(crate) one: Burst,
    /// Eight.
    pub(crate) eight: Burst,
    /// At a steady rate, in microseconds.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// A phase at full speed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Burst {
    pub(crate) per_second: f64,
    pub(crate) cpu_us: f64,
}

/// Runs the generator, on a processor of its own, against a server; `frame_bytes` is for the floor.
pub(crate) fn against(server: &Server, form: Form, agents: usize, seconds: Duration, frame_bytes: usize) -> Measured {
    let own = std::env::current_exe().unwrap();
    let several = std::thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    let processor = if several { "1" } else { "0" };
    let [address, pid] = [server.address.to_string(), server.pid().to_string()];
    let [agents, seconds] = [agents.to_string(), seconds.as_secs_f64().to_string()];
    let frame_bytes = frame_bytes.to_string();
    let command = [own.to_str().unwrap(), "load", &address, &pid, form.name(), &agents, &seconds, &frame_bytes];
    let output = pinned(processor, &command).stderr(std::process::Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [frame_bytes, idle_bytes, used_bytes, ones, one, eights, eight, p50_us, p99_us] = numbers[..] else {
        panic!("the generator failed: {text}");
    };
    Measured {
        frame_bytes: frame_bytes as usize,
        idle_bytes,
        used_bytes,
        one: Burst { per_second: ones, cpu_us: one },
        eight: Burst { per_second: eights, cpu_us: eight },
        p50_us,
        p99_us,
    }
}

/// The generator's own process: `ADDRESS PID FORM AGENTS SECONDS FRAME-BYTES`; says what it measured in numbers only.
pub(crate) fn run(given: &[String]) {
    let [address, pid, form, agents, seconds, frame_bytes] = given else { panic!("six arguments are wanted") };
    let load = Load {
        address: address.parse().unwrap(),
        pid: pid.parse().unwrap(),
        form: Form::named(form),
        agents: agents.parse().unwrap(),
        seconds: Duration::from_secs_f64(seconds.parse().unwrap()),
        frame_bytes: frame_bytes.parse().unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let measured = LocalSet::new().block_on(&runtime, load.measure());
    let mut text = String::new();
    let Measured { frame_bytes, idle_bytes, used_bytes, one, eight, p50_us, p99_us } = measured;
    let _ = write!(text, "{frame_bytes} {idle_bytes} {used_bytes} {} {} ", one.per_second, one.cpu_us);
    let _ = write!(text, "{} {} {p50_us} {p99_us}", eight.per_second, eight.cpu_us);
    println!("{text}");
    // The sockets' tasks need not be taken apart one by one.
    std::process::exit(0);
}

#[derive(Debug)]
struct Load {
    address: SocketAddr,
    pid: u32,
    form: Form,
    agents: usize,
    seconds: Duration,
    /// Of the floor's frames.
    frame_bytes: usize,
}

/// What all sockets count together.
#[derive(Debug, Default)]
struct Counts {
    frames: Cell<u64>,
    /// Whoever publishes is woken at so many frames.
    wake_at: Cell<u64>,
    woken: Notify,
    frame_bytes: Cell<usize>,
    /// When each message of the steady phase went out; empty in the others.
    published: RefCell<Vec<Instant>>,
    latencies_us: RefCell<Option<Histogram<u64>>>,
    buffer: RefCell<Vec<u8>>,
}

impl Load {
    async fn measure(self) -> Measured {
        let before = resident_bytes(self.pid);
        let counts = Rc::new(Counts { buffer: RefCell::new(vec![0; 64 * 1024]), ..Counts::default() });
        self.open(&counts).await;
        let hello = r#"{"type":"hello","role":"provider","providerId":"bench"}"#;
        let (replies, mut publisher) = self.connect(hello).await.into_split();
        spawn_local(discard(replies));
        tokio::time::sleep(SETTLE).await;
        let per_agent = |bytes: u64| bytes.saturating_sub(before) as f64 / self.agents as f64;
        let idle_bytes = per_agent(resident_bytes(self.pid));
        self.burst(&mut publisher, &counts, 1, self.seconds / 5).await;
        let one = self.burst(&mut publisher, &counts, 1, self.seconds).await;
        let eight = self.burst(&mut publisher, &counts, 8, self.seconds).await;
        let used_bytes = per_agent(resident_bytes(self.pid));
        // Of a cycle, two frames come for each message: which one is late depends on the agent who accepts.
        let latency = if self.form == Form::Cycle { None } else { Some(self.steady(&mut publisher, &counts).await) };
        let (p50_us, p99_us) = latency.unwrap_or_default();
        let frame_bytes = counts.frame_bytes.get();
        Measured { frame_bytes, idle_bytes, used_bytes, one, eight, p50_us, p99_us }
    }

    /// Opens all agents' connections, and a task for each that counts what comes.
    async fn open(&self, counts: &Rc<Counts>) {
        let mut opened = 0;
        if self.form == Form::Cycle {
            spawn_local(accept_all(self.address, agent_hello(opened), Rc::clone(counts)));
            opened += 1;
        }
        while opened < self.agents {
            let more = OPENING.min(self.agents - opened);
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
        if self.form != Form::Floor {
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

    /// The next message, and how many frames come of it.
    fn message(&self) -> (Vec<u8>, u64) {
        let body = "x".repeat(PADDING);
        let agents = self.agents as u64;
        match self.form {
            Form::Floor => {
                // As the hub's frames are: text, and its length in two bytes.
                let frame_bytes = self.frame_bytes;
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

    /// As fast as it goes, with at most so many messages in flight.
    async fn burst(
        &self,
        publisher: &mut OwnedWriteHalf,
        counts: &Rc<Counts>,
        in_flight: u64,
        time: Duration,
    ) -> Burst {
        let (message, frames) = self.message();
        let (cpu, began, first) = (cpu_ns(self.pid), Instant::now(), counts.frames.get());
        let mut sent = 0;
        while began.elapsed() < time {
            publisher.write_all(&message).await.unwrap();
            sent += 1;
            if sent >= in_flight {
                counts.reach(first + (sent - in_flight + 1) * frames).await;
            }
        }
        counts.reach(first + sent * frames).await;
        let (elapsed, all) = (began.elapsed(), (sent * frames) as f64);
        Burst { per_second: all / elapsed.as_secs_f64(), cpu_us: (cpu_ns(self.pid) - cpu) as f64 / 1000.0 / all }
    }

    /// At a fixed rate: how long after its time a frame arrives (microseconds, median and 99th percentile).
    async fn steady(&self, publisher: &mut OwnedWriteHalf, counts: &Rc<Counts>) -> (f64, f64) {
        let (message, frames) = self.message();
        let first = counts.frames.get();
        let pause = Duration::from_secs_f64(frames as f64 / STEADY_PER_SECOND);
        *counts.latencies_us.borrow_mut() = Some(Histogram::new_with_bounds(1, 60_000_000, 3).unwrap());
        let began = Instant::now();
        let mut sent = 0;
        while began.elapsed() < self.seconds * 2 {
            let due = began + pause * sent;
            tokio::time::sleep_until(due.into()).await;
            // From when it was due, not from when it went out: what keeps it back counts.
            counts.published.borrow_mut().push(due);
            publisher.write_all(&message).await.unwrap();
            sent += 1;
        }
        counts.reach(first + u64::from(sent) * frames).await;
        let latencies = counts.latencies_us.borrow();
        let at = |quantile| latencies.as_ref().unwrap().value_at_quantile(quantile) as f64;
        (at(0.5), at(0.99))
    }
}

impl Counts {
    /// So many frames came.
    fn add(&self, frames: u64) {
        self.frames.set(self.frames.get() + frames);
        if self.frames.get() >= self.wake_at.get() {
            self.woken.notify_one();
        }
    }

    /// Waits until so many frames have come in all.
    async fn reach(&self, frames: u64) {
        self.wake_at.set(frames);
        while self.frames.get() < frames {
            let before = self.frames.get();
            let woken = tokio::time::timeout(STALLED, self.woken.notified()).await;
            assert!(woken.is_ok() || self.frames.get() > before, "nothing comes: {before} of {frames} frames");
        }
    }

    /// A socket's frame number `number` of the steady phase came.
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

/// Counts what comes on one agent's socket, for ever.
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
        let mut frames = 0;
        cutter.cut(&buffer[..read], |frame| {
            if frame.is_text {
                frames += 1;
                counts.frame_bytes.set(frame.bytes);
                if steady {
                    counts.arrived(steady_frames, now);
                    steady_frames += 1;
                }
            }
        });
        drop(buffer);
        counts.add(frames);
    }
}

/// The one agent who accepts whatever is offered.
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
            counts.add(1);
        } else if text.starts_with(r#"{"type":"closed""#) {
            counts.add(1);
        }
    }
}

fn agent_hello(number: usize) -> String {
    format!(r#"{{"type":"hello","role":"agent","agentId":"agent-{number}"}}"#)
}

/// Reads one frame, the welcome: nothing follows it before anything is published.
async fn read_frame(socket: &mut TcpStream) {
    let (mut cutter, mut buffer, mut frames) = (Cutter::default(), [0; 4096], 0);
    while frames == 0 {
        let read = socket.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the server closed a connection");
        cutter.cut(&buffer[..read], |_| frames += 1);
    }
}

/// Replies are not what is measured here.
async fn discard(mut socket: OwnedReadHalf) {
    let mut buffer = vec![0; 64 * 1024];
    while socket.read(&mut buffer).await.unwrap() > 0 {}
}
