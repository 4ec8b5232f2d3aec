//! The wire tests against several hubs: `DESKBELL_WIRE=cluster cargo test --test wire`.
//!
//! Each `Setup` is then three hubs over one stream, and its clients are spread over them in turn. All share one
//! nats-server, and each setup has an account of its own, which is isolated from the others. With
//! `DESKBELL_WIRE_PARTITIONS=2` the log has that many streams.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::PATIENCE;
use super::left_out::left_out;

/// Hubs of each test.
pub(super) const HUBS: usize = 3;

/// More than there are tests.
const ACCOUNTS: usize = 1_000;

/// The password of all accounts' users.
const PASSWORD: &str = "wire";

/// Whether the tests that ask one hub are to ask three instead.
pub(crate) fn in_cluster() -> bool {
    std::env::var("DESKBELL_WIRE").is_ok_and(|kind| kind == "cluster")
}

/// Whether this is a run over a cluster, where the test has no meaning; if so, reports it as left out.
pub(crate) fn left_out_in_cluster(why: &str) -> bool {
    if in_cluster() {
        left_out(&format!("not in the run against three hubs: {why}"));
    }
    in_cluster()
}

/// An account of the server, in which there is nothing yet.
pub(super) struct Account {
    /// The server.
    pub(super) url: String,
    /// What opens the account, as a password file has it.
    pub(super) secret: String,
}

impl Account {
    pub(super) fn open() -> Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        static OPENED: AtomicUsize = AtomicUsize::new(0);
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        assert!(number < ACCOUNTS, "there are only {ACCOUNTS} accounts");
        Self { url: SERVER.get_or_init(Server::start).url(), secret: format!("user-{number}:{PASSWORD}\n") }
    }
}

/// The nats-server of this process.
struct Server {
    port: u16,
    /// Ends when this process ends and so closes its standard input; stops the server and removes its directory.
    _keeper: Child,
}

impl Server {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap().keep();
        let mut text = format!("listen: \"127.0.0.1:-1\"\njetstream {{ store_dir: \"{}\" }}\n", home.display());
        text.push_str("accounts {\n");
        for number in 0..ACCOUNTS {
            let user = format!("{{ user: user-{number}, password: {PASSWORD} }}");
            writeln!(text, "  account-{number} {{ jetstream: enabled, users: [ {user} ] }}").unwrap();
        }
        text.push_str("}\n");
        std::fs::write(home.join("nats.conf"), text).unwrap();
        let keeper = Command::new("sh")
            .args(["-c", "nats-server -c nats.conf -l log & read -r _; kill -9 $!; cd /; rm -rf \"$0\""])
            .arg(&home)
            .current_dir(&home)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Self { port: Self::port(home.join("log")), _keeper: keeper }
    }

    /// The free port that it has taken.
    fn port(log: PathBuf) -> u16 {
        let began = Instant::now();
        loop {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let port = said.split_once("client connections on 127.0.0.1:").and_then(|(_, rest)| rest.lines().next());
            if let Some(port) = port.and_then(|port| port.parse().ok()).filter(|_| said.contains("Server is ready")) {
                return port;
            }
            assert!(began.elapsed() < PATIENCE, "no nats-server (Debian: apt-get install nats-server): {said}");
            // A file of another process: there is no event to wait for.
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}
