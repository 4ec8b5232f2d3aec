//! A hub for tests from outside: the program itself, on a free port, stopped or killed and started again at the same place.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running hub. Killed when dropped.
pub(crate) struct Hub {
    process: Child,
    port: u16,
    directory: TempDir,
}

impl Hub {
    /// One with a durable log, in a directory of its own.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (process, port) = spawn(directory.path(), 0);
        Self { process, port, directory }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/ws", self.port)
    }

    /// Like a power cut: nothing is flushed, and no client gets a close.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }

    /// Waits until it has taken so many notifications.
    #[allow(dead_code, reason = "not every test kills it under traffic")]
    pub(crate) fn await_notifications(&self, wanted: u64) {
        const LONGEST: Duration = Duration::from_secs(60);
        let began = Instant::now();
        loop {
            let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
            let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            socket.write_all(request.as_bytes()).expect("it reads");
            let mut answer = String::new();
            socket.read_to_string(&mut answer).expect("it answers");
            let taken = answer.lines().find_map(|line| line.strip_prefix("deskbell_notifications_total "));
            if taken.and_then(|taken| taken.parse::<u64>().ok()).is_some_and(|taken| taken >= wanted) {
                return;
            }
            assert!(began.elapsed() < LONGEST, "not {wanted} notifications within {LONGEST:?}: {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// On the same port with the same log.
    pub(crate) fn start_again(&mut self) {
        (self.process, self.port) = spawn(self.directory.path(), self.port);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(directory: &Path, port: u16) -> (Child, u16) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskbell"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DESKBELL_")) {
        command.env_remove(name);
    }
    command.arg("serve").arg("--listen").arg(format!("127.0.0.1:{port}")).arg("--data-dir").arg(directory.join("data"));
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("deskbell runs");
    let mut line = String::new();
    let out = process.stdout.take().expect("piped");
    BufReader::new(out).read_line(&mut line).expect("it says where it listens");
    let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    (process, port)
}
