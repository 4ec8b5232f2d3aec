//! A cluster of hubs over one or three servers.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Hub, Setup};
use crate::nats;
use crate::proxy::Proxy;

/// What every hub of these tests is configured with.
pub(crate) const CONFIG: &str = r#"
[limits]
messagesPerSecond = 100000
regroupTime = "1s"
"#;

pub(crate) struct Cluster {
    pub(crate) servers: Vec<nats::Server>,
    pub(crate) hubs: Vec<Hub>,
}

impl Cluster {
    /// `None` if nats-server is not installed.
    pub(crate) async fn start(servers: usize, hubs: usize) -> Option<Self> {
        Self::start_with(servers, hubs, CONFIG).await
    }

    pub(crate) async fn start_with(servers: usize, hubs: usize, config: &str) -> Option<Self> {
        if !nats::is_there() {
            return None;
        }
        let servers = if servers == 1 { vec![nats::Server::alone()] } else { nats::Server::three() };
        Some(Self::of(servers, hubs, config).await)
    }

    /// Hubs over these servers.
    pub(crate) async fn of(servers: Vec<nats::Server>, hubs: usize, config: &str) -> Self {
        let mut cluster = Self { servers, hubs: Vec::new() };
        for _ in 0..hubs {
            let hub = cluster.setup(config).start().await;
            cluster.hubs.push(hub);
        }
        cluster
    }

    /// How one more hub is started.
    pub(crate) fn setup(&self, config: &str) -> Setup {
        setup(config, self.servers.iter().map(nats::Server::url))
    }

    /// A hub's own ways to the servers, each of which can be cut.
    pub(crate) async fn ways(&self) -> Vec<Proxy> {
        let mut ways = Vec::new();
        for server in &self.servers {
            ways.push(Proxy::to(server.port()).await);
        }
        ways
    }
}

/// How a hub is started that finds its servers at these addresses.
pub(crate) fn setup(config: &str, urls: impl Iterator<Item = String>) -> Setup {
    let urls: Vec<String> = urls.collect();
    Setup::new().without_data_dir().config(config).args(&["--cluster", &urls.join(",")])
}

/// Between which servers the ways are that [`three_that_can_be_cut_apart`] makes.
pub(crate) const WAYS: [[usize; 2]; 6] = [[0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1]];

/// Three servers, and their ways to each other, in the order of [`WAYS`].
pub(crate) async fn three_that_can_be_cut_apart() -> (Vec<nats::Server>, Vec<Proxy>) {
    let mut ways = Vec::new();
    let servers = nats::Server::three_over(async |port| {
        ways.push(Proxy::to(port).await);
        ways[ways.len() - 1].port()
    });
    (servers.await, ways)
}

/// The response from this port and path; empty if there is none.
pub(crate) async fn http(port: u16, path: &str) -> String {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    tokio::time::timeout(Duration::from_secs(5), ask).await.ok().and_then(Result::ok).unwrap_or_default()
}

/// The status of a hub's `/readyz`.
pub(crate) async fn ready(hub: &Hub) -> u16 {
    http(hub.port, "/readyz").await.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// One request by plain HTTP: its status and the JSON of its answer.
pub(crate) async fn ask(hub: &Hub, request: &str, body: &str) -> (u16, serde_json::Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", hub.port)).await.unwrap();
    let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json");
    let whole = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(whole.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(crate::harness::PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
}

/// Waits until a hub is ready, or not; how long it took.
pub(crate) async fn await_ready(hub: &Hub, wanted: bool, within: Duration) -> Duration {
    let began = Instant::now();
    loop {
        let status = ready(hub).await;
        if (status == 200) == wanted {
            return began.elapsed();
        }
        assert!(began.elapsed() < within, "readyz says {status} for {within:?}; {}", hub.stderr.so_far());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
