//! Real nats-server processes on loopback, each with a directory of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::left_out::is_missing;

/// Whether this machine has a nats-server. If not, reports the running test as left out.
pub(crate) fn is_there() -> bool {
    let there = Command::new("nats-server").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !there {
        is_missing("nats-server", "Debian: apt-get install nats-server");
    }
    there
}

/// The server's version: its first two numbers.
#[allow(dead_code, reason = "not every test asks")]
pub(crate) fn version() -> (u32, u32) {
    let said = Command::new("nats-server").arg("--version").output().unwrap().stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    let mut numbers = said.rsplit('v').next().unwrap().trim().split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap_or(0))
}

/// A port that is free, and that stays free until the caller listens there. It is below those that the system gives to
/// connections and to listeners on port 0, and each test process begins at another one.
pub(crate) fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU32, Ordering};
    const FROM: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(7_919);
    loop {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        assert!(tried < COUNT, "no port is free");
        let port = u16::try_from(FROM + first.wrapping_add(tried) % COUNT).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// One server.
pub(crate) struct Server {
    home: tempfile::TempDir,
    child: Option<Child>,
    port: u16,
}

impl Server {
    /// A single server, without a cluster.
    pub(crate) fn alone() -> Self {
        Self::with("", free_port(), "alone")
    }

    /// Three servers that are one cluster.
    #[allow(dead_code, reason = "not every test needs three")]
    pub(crate) fn three() -> Vec<Self> {
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let routes: Vec<String> = ports.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        let configuration = |port: &u16| {
            format!("cluster {{ name: test, listen: \"127.0.0.1:{port}\", routes: [{}] }}", routes.join(", "))
        };
        ports
            .iter()
            .enumerate()
            .map(|(n, port)| Self::with(&configuration(port), free_port(), &format!("server-{n}")))
            .collect()
    }

    /// Three servers that reach each other only through the proxies that `way` makes for a port: from server 0 to 1
    /// and 2, from 1 to 0 and 2, from 2 to 0 and 1. The address that a server announces for itself leads nowhere.
    #[allow(dead_code, reason = "not every test cuts servers apart")]
    pub(crate) async fn three_over(mut way: impl AsyncFnMut(u16) -> u16) -> Vec<Self> {
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let mut servers = Vec::new();
        for n in 0..3 {
            let mut routes = Vec::new();
            for (_, port) in ports.iter().enumerate().filter(|(other, _)| *other != n) {
                routes.push(format!("\"nats://127.0.0.1:{}\"", way(*port).await));
            }
            let configuration = format!(
                "cluster {{ name: test, listen: \"127.0.0.1:{}\", advertise: \"127.0.0.1:1\", routes: [{}] }}",
                ports[n],
                routes.join(", ")
            );
            servers.push(Self::with(&configuration, free_port(), &format!("server-{n}")));
        }
        servers
    }

    /// A server with more lines in its configuration.
    pub(crate) fn with(configuration: &str, port: u16, name: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let text = format!(
            "server_name: {name}\nlisten: \"127.0.0.1:{port}\"\n\
             jetstream {{ store_dir: \"{}\" }}\n{configuration}\n",
            home.path().join("store").display()
        );
        std::fs::write(home.path().join("nats.conf"), text).unwrap();
        let mut server = Self { home, child: None, port };
        server.start();
        server
    }

    /// Starts it again with its data.
    pub(crate) fn start(&mut self) {
        let log = std::fs::File::create(self.home.path().join("log")).unwrap();
        let child = Command::new("nats-server")
            .arg("-c")
            .arg(self.home.path().join("nats.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "nats-server does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until it knows the others, and all three have the whole stream.
    #[allow(dead_code, reason = "not every test has several")]
    pub(crate) fn await_jetstream(&self) {
        /// A replica that was silent for longer counts as away: leaders send every second.
        const LATELY_NS: u64 = 2_000_000_000;
        let began = Instant::now();
        loop {
            let info = self.ask("$JS.API.STREAM.INFO.DESKBELL_0", "");
            let parsed: serde_json::Value = serde_json::from_str(&info).unwrap_or_default();
            let whole = |replica: &serde_json::Value| {
                replica["current"] == true
                    && replica["offline"] != true
                    && replica["lag"].as_u64().unwrap_or(0) == 0
                    && replica["active"].as_u64().is_some_and(|ago| ago < LATELY_NS)
            };
            let replicas = parsed["cluster"]["replicas"].as_array().map_or(&[][..], Vec::as_slice);
            if parsed["cluster"]["leader"].is_string() && replicas.len() == 2 && replicas.iter().all(whole) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "the stream is not whole again: {info}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGSTOP or SIGCONT, as `kill` names them.
    #[allow(dead_code, reason = "not every test that has servers pauses them")]
    pub(crate) fn signal(&self, name: &str) {
        if let Some(child) = &self.child {
            let pid = child.id().to_string();
            assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
        }
    }

    #[allow(dead_code, reason = "not every test kills them")]
    pub(crate) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    #[allow(dead_code, reason = "not every test needs it")]
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    #[allow(dead_code, reason = "not every test looks into it")]
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// Sets how many bytes a stream may hold.
    #[allow(dead_code, reason = "not every test fills one")]
    pub(crate) fn limit_stream(&self, name: &str, subject: &str, max_bytes: i64) {
        let config = format!(
            r#"{{"name":"{name}","subjects":["{subject}"],"retention":"limits","storage":"file","num_replicas":1,"discard":"new","max_bytes":{max_bytes},"deny_delete":true}}"#
        );
        self.request(&format!("$JS.API.STREAM.UPDATE.{name}"), &config);
    }

    /// One request in NATS' own words, and its answer; asked again while the servers elect a leader.
    #[allow(dead_code, reason = "not every test asks")]
    pub(crate) fn request(&self, subject: &str, payload: &str) -> String {
        let began = Instant::now();
        let mut answer = self.ask(subject, payload);
        while (answer.is_empty() || answer.contains("\"code\":503")) && began.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(100));
            answer = self.ask(subject, payload);
        }
        assert!(!answer.is_empty() && !answer.contains("\"error\""), "{subject}: {answer}");
        answer
    }

    /// Has the server take a message so many times, as fast as it takes it.
    #[allow(dead_code, reason = "not every test fills a stream")]
    pub(crate) fn publish(&self, subject: &str, payload: &[u8], times: usize) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        stream.write_all(b"CONNECT {\"verbose\":false}\r\n").unwrap();
        let message = [format!("PUB {subject} {}\r\n", payload.len()).as_bytes(), payload, b"\r\n"].concat();
        for batch in 0..times.div_ceil(500) {
            stream.write_all(&message.repeat((times - batch * 500).min(500))).unwrap();
        }
        // The server answers in order, so it has accepted everything before the ping.
        stream.write_all(b"PING\r\n").unwrap();
        let mut line = String::new();
        while !line.starts_with("PONG") {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the server hangs up");
        }
    }

    /// Subscribes to a subject; each call waits for its next message.
    #[allow(dead_code, reason = "not every test listens")]
    pub(crate) fn listen(&self, subject: &str) -> impl FnMut() -> Vec<u8> + use<> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        stream.write_all(format!("CONNECT {{\"verbose\":false}}\r\nSUB {subject} 1\r\nPING\r\n").as_bytes()).unwrap();
        let mut line = String::new();
        while !line.starts_with("PONG") {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the server hangs up");
        }
        move || {
            loop {
                let mut line = String::new();
                assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the server hangs up");
                if let Some(head) = line.strip_prefix("MSG ") {
                    let bytes = head.trim().rsplit(' ').next().and_then(|bytes| bytes.parse().ok()).unwrap();
                    let mut payload = vec![0; bytes];
                    lines.read_exact(&mut payload).unwrap();
                    return payload;
                }
                if line.starts_with("PING") {
                    stream.write_all(b"PONG\r\n").unwrap();
                }
            }
        }
    }

    /// The response; empty if there is none.
    #[allow(dead_code, reason = "not every test asks")]
    pub(crate) fn ask(&self, subject: &str, payload: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let length = payload.len();
        let question =
            format!("CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer {length}\r\n{payload}\r\n");
        stream.write_all(question.as_bytes()).unwrap();
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
            if line.starts_with("MSG ") {
                line.clear();
                let _ = lines.read_line(&mut line);
                return line.trim().to_owned();
            }
            line.clear();
        }
        String::new()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal("CONT");
        self.kill();
    }
}
