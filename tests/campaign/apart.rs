//! The clients that play other people's machines, in a process of their own and last in the scheduler's queue: this binary once
//! more, with an argument that names the part.
//!
//! In practice an attacker uses processors of its own, and here everything runs on one machine. So attackers get only the processor
//! time that the hub and the measured clients leave idle. (`chrt --idle`: a SCHED_IDLE process gives way at once to any process that
//! wakes up; a process of nice 19 keeps the processor until its time slice ends.)

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use crate::audience;
use crate::hostile::Hostility;

/// The first argument of a process that is one of these.
pub(crate) const WORD: &str = "apart";

/// Brings a command into the lowest scheduling class, where Debian has it.
const CHRT: &str = "/usr/bin/chrt";

/// One of them, as its parent sees it. It ends with its standard input, and so with its parent at the latest.
#[derive(Debug)]
pub(crate) struct Apart {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Apart {
    /// Starts the process, and waits until it is working. Blocks. `yields`: in the lowest scheduling class; on a busy machine it may
    /// get nothing done there.
    pub(crate) fn start(what: &str, port: u16, count: u64, yields: bool) -> Self {
        let own = std::env::current_exe().unwrap();
        let mut command = if yields { Command::new(CHRT) } else { Command::new(&own) };
        if yields {
            command.args(["--idle", "0"]).arg(&own);
        }
        let arguments = [WORD.to_owned(), what.to_owned(), port.to_string(), count.to_string()];
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "at it\n", "{what}");
        Self { input: child.stdin.take(), child, output }
    }

    /// Ends the process and returns its counts per second.
    pub(crate) fn stop(mut self) -> Value {
        drop(self.input.take());
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        self.child.wait().unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether they can give way to the hub and to the measured clients.
pub(crate) fn can_yield() -> bool {
    Path::new(CHRT).exists()
}

/// The attackers' counts.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Messages, single bytes or calls, whatever they send.
    pub(crate) sent: AtomicU64,
    pub(crate) connections: AtomicU64,
    /// Bytes that they read.
    pub(crate) read: AtomicU64,
    pub(crate) refused: AtomicU64,
}

impl Done {
    pub(crate) fn add(count: &AtomicU64, more: usize) {
        count.fetch_add(more as u64, Ordering::Relaxed);
    }
}

/// Such a process itself: `apart WHAT PORT COUNT`.
pub(crate) fn run(arguments: &[String]) {
    let [what, port, count] = arguments else { panic!("apart WHAT PORT COUNT") };
    let (port, count) = (port.parse().unwrap(), count.parse().unwrap());
    let done: &'static Done = Box::leak(Box::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        match Hostility::named(what) {
            Some(hostility) => hostility.begin(port, count, done).await,
            None => audience::begin(what, port, count, done).await,
        }
    });
    let (began, before) = (Instant::now(), done.read.load(Ordering::Relaxed));
    println!("at it");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    let seconds = began.elapsed().as_secs_f64();
    let rate = |count: &AtomicU64, before: u64| (count.load(Ordering::Relaxed) - before) as f64 / seconds;
    println!(
        "{}",
        json!({"sent": rate(&done.sent, 0), "connections": rate(&done.connections, 0), "read": rate(&done.read, before),
               "refused": rate(&done.refused, 0)})
    );
    // Connections that are still open end with the process.
    std::process::exit(0);
}
