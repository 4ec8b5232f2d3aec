//! The real process: starting, stopping and killing it, and its output.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request};

use super::{Client, PATIENCE, Setup, Stream, document};

/// The exit status and the output of a process.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What a hub has written to its standard error so far.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<Mutex<String>>);

impl Said {
    pub(crate) fn so_far(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// The last lines for a failure message, or everything from the first panic on.
    pub(super) fn tail(&self) -> String {
        let all = self.so_far();
        let lines: Vec<&str> = all.lines().collect();
        let last = lines.len().saturating_sub(30);
        let panicked = lines.iter().position(|line| line.contains("panicked at"));
        lines[panicked.map_or(last, |at| at.min(last))..].join("\n")
    }
}

/// A running hub; killed when dropped.
pub(crate) struct Hub {
    child: Child,
    lines: mpsc::Receiver<String>,
    stdout: String,
    pub(crate) stderr: Said,
    stderr_reader: Option<std::thread::JoinHandle<()>>,
    pub(crate) port: u16,
    pub(crate) setup: Setup,
    /// Further hubs of the same cluster, and how many connections went to either so far.
    others: Vec<Self>,
    connections: AtomicUsize,
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the hub's standard error, its end:\n{}\n---", self.stderr.tail());
        }
    }
}

impl Hub {
    /// Starts any command of the binary, with these variables and no others of its own.
    pub(crate) fn spawn_with(command: Command, setup: Setup, variables: &[(&str, String)]) -> Self {
        Self::spawn_telling(command, setup, variables, &Said::default())
    }

    /// Several that are one: the first, and `others`, all of which write to one standard error. Waits until they serve.
    pub(super) async fn spawn_several(
        first: Command,
        others: impl Iterator<Item = Command>,
        setup: &Setup,
        variables: &[(&str, String)],
    ) -> Self {
        let mut first = Self::spawn_with(first, setup.clone(), variables);
        for command in others {
            let hub = Self::spawn_telling(command, setup.clone(), variables, &first.stderr);
            first.others.push(hub);
        }
        first.await_listening().await;
        for hub in &mut first.others {
            hub.await_listening().await;
        }
        first
    }

    /// Starts a hub and appends its standard error to the given buffer.
    fn spawn_telling(mut command: Command, setup: Setup, variables: &[(&str, String)], stderr: &Said) -> Self {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DESKBELL_")) {
            command.env_remove(name);
        }
        command.envs(variables.iter().map(|(name, value)| (*name, value)));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let (stderr, said) = (stderr.clone(), stderr.clone());
        let mut pipe = child.stderr.take().unwrap();
        let stderr_reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                said.0.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
        });
        let (tell, lines) = mpsc::channel(1024);
        let pipe = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in pipe.lines().map_while(Result::ok) {
                if tell.blocking_send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            lines,
            stdout: String::new(),
            stderr,
            stderr_reader: Some(stderr_reader),
            port: 0,
            setup,
            others: Vec::new(),
            connections: AtomicUsize::new(0),
        }
    }

    pub(crate) async fn await_listening(&mut self) {
        self.await_listening_for(PATIENCE).await;
    }

    pub(crate) async fn await_listening_for(&mut self, patience: Duration) {
        let line = timeout(patience, self.lines.recv()).await;
        let Ok(Some(line)) = line else {
            panic!("no line on standard output ({line:?}); standard error:\n{}", self.stderr.so_far());
        };
        self.stdout.push_str(&line);
        self.stdout.push('\n');
        let scheme = if self.setup.speaks_tls() { "https" } else { "http" };
        let before = format!("deskbell listening on {scheme}://127.0.0.1:");
        let port = line.strip_prefix(&before).and_then(|port| port.parse().ok());
        self.port = port.unwrap_or_else(|| panic!("not the line that the contract promises: {line:?}"));
    }

    /// The port that it reports as its own, at any address.
    pub(crate) async fn says_where_it_listens(&mut self) -> u16 {
        let line = timeout(PATIENCE, self.lines.recv()).await.expect("it starts").expect("a line");
        line.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{line:?}"))
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// In a cluster all of its hubs get it.
    pub(crate) fn signal(&self, signal: &str) {
        for hub in std::iter::once(self).chain(&self.others) {
            assert!(Command::new("kill").args([signal, &hub.pid()]).status().unwrap().success());
        }
    }

    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Kills it as a power cut would, and waits until it is gone.
    pub(crate) fn kill_9(mut self) -> Setup {
        self.child.kill().unwrap();
        self.others.clear();
        self.child.wait().unwrap();
        self.setup.clone()
    }

    /// kill -9, then the same hub again over the same data, on another port.
    pub(crate) async fn crash_and_restart(self) -> Self {
        self.kill_9().start().await
    }

    /// An orderly stop, then the same hub again over the same data, on another port.
    pub(crate) async fn stop_and_restart(self) -> Self {
        let setup = self.setup.clone();
        self.terminate();
        assert_eq!(self.exit().await.code, Some(0));
        setup.start().await
    }

    /// Waits for its end. In a cluster all of its hubs end alike.
    pub(crate) async fn exit(mut self) -> Exit {
        let others = std::mem::take(&mut self.others);
        let mut exit = self.exit_of_one().await;
        for hub in others {
            let other = hub.exit_of_one().await;
            assert_eq!(other.code, exit.code, "{}", other.stderr);
            exit.stderr = other.stderr;
        }
        exit
    }

    async fn exit_of_one(mut self) -> Exit {
        // Its standard output ends with it: that is the event to wait for.
        let end = timeout(PATIENCE, async {
            while let Some(line) = self.lines.recv().await {
                self.stdout.push_str(&line);
                self.stdout.push('\n');
            }
        });
        assert!(end.await.is_ok(), "it still runs; standard error:\n{}", self.stderr.so_far());
        let status = self.child.wait().unwrap();
        // The output may be a moment behind.
        self.stderr_reader.take().unwrap().join().unwrap();
        Exit { code: status.code(), stdout: self.stdout.clone(), stderr: self.stderr.so_far() }
    }

    /// Waits until its standard error holds all of `words`, in any order.
    pub(crate) async fn says(&self, words: &[&str]) {
        for word in words {
            self.says_after(0, word).await;
        }
    }

    /// Waits until its standard error holds `word` behind its first `skip` bytes.
    pub(crate) async fn says_after(&self, skip: usize, word: &str) {
        let said = async {
            while !self.stderr.so_far()[skip..].contains(word) {
                // A thread reads the pipe of another process: there is no event to wait for.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(PATIENCE, said).await.is_ok(), "never said {word:?}; said:\n{}", self.stderr.so_far());
    }

    // -------------------------------------------------------- its clients

    /// A connection that has sent nothing yet.
    pub(crate) async fn connect(&self) -> Client {
        let (client, _) = self.connect_with(Some("deskbell.v1"), &[]).await.expect("the upgrade");
        client
    }

    /// Connects with a chosen subprotocol and further headers; gives the response too.
    pub(crate) async fn connect_with(
        &self,
        subprotocol: Option<&str>,
        headers: &[(&'static str, &str)],
    ) -> Result<(Client, tungstenite::handshake::client::Response), Box<tungstenite::Error>> {
        let port = self.next_port();
        let mut request = format!("ws://127.0.0.1:{port}/ws").into_client_request().unwrap();
        if let Some(subprotocol) = subprotocol {
            request.headers_mut().append("Sec-WebSocket-Protocol", HeaderValue::from_str(subprotocol).unwrap());
        }
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
        }
        self.upgrade(request, Box::new(Self::tcp_to(port).await)).await
    }

    /// A TCP connection on which nothing was sent.
    pub(crate) async fn tcp(&self) -> TcpStream {
        Self::tcp_to(self.next_port()).await
    }

    async fn tcp_to(port: u16) -> TcpStream {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp
    }

    /// Of how many processes it is.
    pub(crate) fn size(&self) -> usize {
        self.others.len() + 1
    }

    /// Where the next connection goes: in a cluster to its hubs in turn, as a load balancer would have it.
    fn next_port(&self) -> u16 {
        let turn = self.connections.fetch_add(1, Ordering::Relaxed) % self.size();
        if turn == 0 { self.port } else { self.others[turn - 1].port }
    }

    /// Makes this stream a WebSocket.
    pub(crate) async fn upgrade(
        &self,
        request: Request<()>,
        stream: Box<dyn Stream>,
    ) -> Result<(Client, tungstenite::handshake::client::Response), Box<tungstenite::Error>> {
        // Read before there is a connection that has to say hello in time: the first time takes long on a busy machine.
        document();
        let upgrade = tokio_tungstenite::client_async(request, stream);
        let (ws, response) = timeout(PATIENCE, upgrade).await.expect("an answer to the upgrade").map_err(Box::new)?;
        Ok((Client::new(ws, self.stderr.clone(), self.setup.seen.clone()), response))
    }

    /// The HTTP status with which an upgrade is refused.
    pub(crate) async fn upgrade_refused(&self, subprotocol: Option<&str>, headers: &[(&'static str, &str)]) -> u16 {
        match self.connect_with(subprotocol, headers).await {
            Ok(_) => panic!("the upgrade should be refused"),
            Err(error) => match *error {
                tungstenite::Error::Http(response) => response.status().as_u16(),
                other => panic!("no HTTP answer: {other}"),
            },
        }
    }

    /// A client that sent a `hello` with these fields and received the welcome.
    pub(crate) async fn join(&self, hello: Value) -> Client {
        // A hub of a cluster that got no processor time for some seconds does not know whether it is still a member, and refuses.
        let began = Instant::now();
        while self.setup.may_be_one_of_several() && began.elapsed() < PATIENCE {
            let mut client = self.connect().await;
            if client.hello_or_close(hello.clone()).await {
                return client;
            }
        }
        let mut client = self.connect().await;
        client.hello(hello).await;
        client
    }

    pub(crate) async fn provider(&self, id: &str) -> Client {
        self.join(json!({"role": "provider", "providerId": id})).await
    }

    pub(crate) async fn agent(&self, id: &str) -> Client {
        self.join(json!({"role": "agent", "agentId": id})).await
    }

    pub(crate) async fn agent_in(&self, id: &str, groups: &[&str]) -> Client {
        self.join(json!({"role": "agent", "agentId": id, "groups": groups})).await
    }

    pub(crate) async fn observer(&self) -> Client {
        self.join(json!({"role": "observer"})).await
    }

    /// Closes the last connection of an agent or a provider, and waits until the hub has taken note.
    pub(crate) async fn depart(&self, client: Client) {
        let mut watcher = self.observer().await;
        let id = client.welcome.get("agentId").or(client.welcome.get("providerId")).unwrap().clone();
        client.leave().await;
        let left = |m: &Value| {
            m["event"] == "agentLeft" && m["agentId"] == id || m["event"] == "providerLeft" && m["providerId"] == id
        };
        watcher.take(&format!("{id} to leave"), left).await;
    }
}
