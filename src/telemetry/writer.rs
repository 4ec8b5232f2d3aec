//! Writes log lines in a thread of its own, so that a reader of standard error that stops reading never stops the hub.
//!
//! The queue is bounded in bytes. Lines that do not fit are dropped and counted, and the log says how many are missing
//! as soon as something can be written again.

use std::io::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

/// How many bytes of log lines may wait for the writer thread.
const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The memory that a queued line needs in addition to its text.
const LINE_OVERHEAD_BYTES: usize = 64;

/// The report of dropped lines, after their number.
const MISSING: &str = " log lines are missing here: standard error was not read in time";

/// A handle of the queue. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct LogQueue {
    sender: Sender<Message>,
    state: Arc<QueueState>,
}

#[derive(Debug, Default)]
struct QueueState {
    queued_bytes: AtomicUsize,
    /// Lines dropped since the last report in the log.
    unreported: AtomicU64,
    /// Lines dropped since the start.
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Answer as soon as all lines before this message are written.
    Flush(SyncSender<()>),
}

impl LogQueue {
    /// Starts the thread that writes to `output`. Without a thread (the system refuses one), all lines are dropped.
    pub(super) fn start(output: impl Write + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        let state = Arc::new(QueueState::default());
        let writer = Arc::clone(&state);
        let _ = thread::Builder::new().name("log".to_owned()).spawn(move || write_lines(&receiver, &writer, output));
        Self { sender, state }
    }

    /// Queues a line. Never blocks.
    pub(super) fn push(&self, line: Vec<u8>) {
        let bytes = line.len() + LINE_OVERHEAD_BYTES;
        if self.state.queued_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > QUEUE_BYTES_MAX
            || self.sender.send(Message::Line(line)).is_err()
        {
            self.state.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.state.unreported.fetch_add(1, Ordering::Relaxed);
            self.state.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all queued lines are written, at most for `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let (done, flushed) = sync_channel(1);
        if self.sender.send(Message::Flush(done)).is_ok() {
            let _ = flushed.recv_timeout(limit);
        }
    }

    /// How many lines were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::Relaxed)
    }
}

/// The queue of the process, set once by [`init`](super::init).
static PROCESS_QUEUE: RwLock<Option<LogQueue>> = RwLock::new(None);

pub(super) fn set_process_queue(queue: LogQueue) {
    *PROCESS_QUEUE.write().unwrap_or_else(PoisonError::into_inner) = Some(queue);
}

pub(super) fn process_queue() -> Option<LogQueue> {
    PROCESS_QUEUE.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn write_lines(messages: &Receiver<Message>, state: &QueueState, mut output: impl Write) {
    for message in messages {
        match message {
            Message::Line(line) => {
                // A log that cannot be written must not stop the hub.
                let _ = output.write_all(&line);
                state.queued_bytes.fetch_sub(line.len() + LINE_OVERHEAD_BYTES, Ordering::Relaxed);
                let dropped = state.unreported.swap(0, Ordering::Relaxed);
                if dropped > 0 {
                    let _ = writeln!(output, "{dropped}{MISSING}");
                }
            }
            Message::Flush(done) => {
                let _ = output.flush();
                let _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::*;

    #[test]
    fn an_output_that_blocks_drops_lines_and_reports_how_many() {
        let (mut reader, writer) = io::pipe().unwrap();
        let queue = LogQueue::start(writer);
        let line = [vec![b'x'; 999], vec![b'\n']].concat();
        // Nobody reads the pipe, so the queue fills up. `push` must return all the same.
        let count = QUEUE_BYTES_MAX / line.len() * 2;
        for _ in 0..count {
            queue.push(line.clone());
        }
        let dropped = queue.dropped();
        assert!(dropped > 0);
        let reading = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        queue.flush(Duration::from_secs(60));
        drop(queue);
        let text = reading.join().unwrap();
        let written = text.lines().filter(|line| line.starts_with('x')).count() as u64;
        assert_eq!(written + dropped, count as u64);
        // The first lines went into the pipe while others were queued, so there can be several reports.
        let reports = text.lines().filter_map(|line| line.strip_suffix(MISSING)?.parse::<u64>().ok());
        assert_eq!(reports.sum::<u64>(), dropped);
    }

    #[test]
    fn a_flush_without_a_reader_ends_after_its_limit() {
        let (_reader, writer) = io::pipe().unwrap();
        let queue = LogQueue::start(writer);
        queue.push(vec![b'x'; 1 << 20]);
        queue.flush(Duration::from_millis(10));
    }
}
