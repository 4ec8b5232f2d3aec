//! The servers that are measured, as processes of their own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The hub's configuration, with limits high enough for the measurement.
const CONFIG: &str = r#"
[limits]
displayLimit = 64
queueLimit = 1000
messagesPerSecond = 1000000
maxConnections = 100000
deliveriesPerSecond = 1000000000

[[templates]]
name = "bench"
title = "{title}"
timeout = "1h"
fields = [{ label = "body", value = "{body}" }]
"#;

/// A running server; it is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    config: Option<PathBuf>,
}

impl Server {
    /// The hub of this build, with its log in memory or in a directory, on processors `processors`.
    pub(crate) fn hub(log: Option<&Path>, processors: &str) -> Self {
        let config = std::env::temp_dir().join(format!("deskbell-bench-{}.toml", std::process::id()));
        fs::write(&config, CONFIG).unwrap();
        let hub = [env!("CARGO_BIN_EXE_deskbell"), "serve", "--listen", "127.0.0.1:0", "--config"];
        let mut command = hub.to_vec();
        command.push(config.to_str().unwrap());
        match log {
            Some(directory) => command.extend(["--data-dir", directory.to_str().unwrap()]),
            None => command.push("--memory"),
        }
        let mut server = Self::start(processors, &command);
        server.config = Some(config);
        server
    }

    /// The floor for this many agents and frames of this size.
    pub(crate) fn floor(agents: usize, frame_bytes: usize) -> Self {
        let own = std::env::current_exe().unwrap();
        Self::start("0", &[own.to_str().unwrap(), "floor", &agents.to_string(), &frame_bytes.to_string()])
    }

    fn start(processors: &str, command: &[&str]) -> Self {
        let mut process = pinned(processors, command).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit(['/', ' ']).next().and_then(|address| address.parse().ok());
        Self { process, address: address.expect("the server says where it listens"), config: None }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(config) = &self.config {
            let _ = fs::remove_file(config);
        }
    }
}

/// A command pinned to some processors, with as many file descriptors as the system allows.
pub(crate) fn pinned(processors: &str, command: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("ulimit -n $(ulimit -Hn); exec taskset -c {processors} \"$@\"");
    shell.args(["-c", &script, "sh"]).args(command);
    shell
}

/// Describes the machine.
pub(crate) fn machine() -> String {
    let first = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.rsplit(':').next().unwrap_or_default().trim().to_owned()
    };
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get);
    format!(
        "deskbell {}, {} x {}, kernel {}",
        env!("CARGO_PKG_VERSION"),
        processors,
        first("/proc/cpuinfo", "model name"),
        first("/proc/sys/kernel/osrelease", "")
    )
}

/// The processor time of each thread of a process in nanoseconds, by thread id.
pub(crate) fn cpu_by_thread(pid: u32) -> BTreeMap<u32, u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let of_thread = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        Some((thread.file_name().to_str()?.parse().ok()?, text.split(' ').next()?.parse().ok()?))
    };
    threads.filter_map(of_thread).collect()
}

/// Resident bytes of a process.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().split(' ').next().unwrap().parse::<u64>().unwrap() * 1024
}
