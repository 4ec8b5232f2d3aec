//! The log of the process: one event is one line on standard error, as text or as JSON, whatever strings clients send.

mod writer;

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use deskbell_protocol::is_hidden;
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, FilterFn, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

use self::writer::LogQueue;

/// The filter if `DESKBELL_LOG` is not set.
pub const FILTER_DEFAULT: &str = "info,async_nats=error";

/// The format of log events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Plain text for people.
    #[default]
    Text,
    /// One JSON object per event.
    Json,
}

impl LogFormat {
    /// All formats with their names on the command line.
    pub const NAMES: [(&str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Text { "text" } else { "json" })
    }
}

/// The text is neither `text` nor `json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("allowed: text, json")]
pub struct NotALogFormat;

impl FromStr for LogFormat {
    type Err = NotALogFormat;

    fn from_str(text: &str) -> Result<Self, NotALogFormat> {
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, format)| *format).ok_or(NotALogFormat)
    }
}

/// Checks the syntax of a filter such as `info` or `deskbell=debug,info`.
///
/// # Errors
/// The message of the parser.
pub fn check_filter(filter: &str) -> Result<(), String> {
    EnvFilter::builder().parse(filter).map(drop).map_err(|error| error.to_string())
}

/// How long the end of the process waits for its last log lines.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// Starts logging for the whole process. Log lines are written in a thread of their own, so logging never blocks. An
/// invalid filter (see [`check_filter`]) counts as [`FILTER_DEFAULT`].
///
/// # Errors
/// The process has a logger already.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TryInitError> {
    let filter = EnvFilter::builder().parse(filter).unwrap_or_else(|_| EnvFilter::new(FILTER_DEFAULT));
    let queue = LogQueue::start(io::stderr());
    tracing_subscriber::registry().with(filter).with(no_frames()).with(layer(format, queue.clone())).try_init()?;
    writer::set_process_queue(queue);
    Ok(())
}

/// Waits until the log lines so far are written, at most one second. Without [`init`], does nothing.
pub fn flush() {
    if let Some(queue) = writer::process_queue() {
        queue.flush(FLUSH_LIMIT);
    }
}

/// How many log lines were dropped because standard error was not read in time.
#[must_use]
pub fn dropped_lines() -> u64 {
    writer::process_queue().map_or(0, |queue| queue.dropped())
}

/// Suppresses what tungstenite logs below `info`, whatever the filter: whole frames with tokens and customer names.
fn no_frames() -> FilterFn {
    filter_fn(|event| {
        let of_tungstenite = ["tungstenite", "tokio_tungstenite"].iter().any(|name| {
            event.target().strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        !of_tungstenite || *event.level() <= Level::INFO
    })
}

type Subscriber = tracing_subscriber::layer::Layered<FilterFn, tracing_subscriber::layer::Layered<EnvFilter, Registry>>;

fn layer(format: LogFormat, queue: LogQueue) -> Box<dyn Layer<Subscriber> + Send + Sync> {
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).log_internal_errors(false).with_writer(queue);
    match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for LogQueue {
    /// Queues one event as one line. The formatters write each event by one call. This never fails.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut line = escape(text.strip_suffix('\n').unwrap_or(&text));
        line.push('\n');
        self.push(line.into_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `text` on one line and without hidden effects: control characters, line and paragraph separators and bidirectional
/// formatting characters are escaped as in JSON (`\n`, `\u202e`).
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if is_hidden(c) => {
                // Writing to a string cannot fail. All harmful characters have at most four hexadecimal digits.
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Text with which a client could try to forge or hide a log line.
    const HOSTILE: &str = "Grace\r\n2026 ERROR forged \u{1b}[31m \u{202e}evil\u{2028}\u{85}\0";

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let queue = LogQueue::start(sink.clone());
        let filter = EnvFilter::builder().parse(filter).unwrap();
        let subscriber =
            tracing_subscriber::registry().with(filter).with(no_frames()).with(layer(format, queue.clone()));
        tracing::subscriber::with_default(subscriber, log);
        queue.flush(Duration::from_secs(60));
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn log_the_hostile() {
        tracing::info!(display = %HOSTILE, debug = ?HOSTILE, plain = HOSTILE, "message {HOSTILE}");
        tracing::info_span!("span", field = %HOSTILE).in_scope(|| tracing::info!("inside"));
    }

    #[test]
    fn one_event_is_one_line_without_hidden_characters() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let log = logged(format, "info", log_the_hostile);
            assert_eq!(log.lines().count(), 2, "{log}");
            assert!(log.ends_with('\n'));
            let harmful: Vec<_> = log.chars().filter(|c| *c != '\n' && is_hidden(*c)).collect();
            assert!(harmful.is_empty(), "{harmful:?} in {log}");
            assert!(log.contains("\\u202eevil"), "{log}");
        }
    }

    #[test]
    fn a_json_line_is_valid_json_with_the_logged_values() {
        let log = logged(LogFormat::Json, "info", log_the_hostile);
        for line in log.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["level"], "INFO");
        }
        let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
        assert_eq!(first["plain"], HOSTILE);
    }

    #[test]
    fn no_filter_shows_the_frames_of_tungstenite() {
        let log = logged(LogFormat::Text, "trace,tungstenite=trace,tungstenite::protocol=trace", || {
            tracing::trace!(target: "tungstenite::protocol", "frame with a token");
            tracing::debug!(target: "tokio_tungstenite", "frame with a token");
            tracing::info!(target: "tungstenite", "shown");
            tracing::trace!(target: "tungstenites_neighbour", "shown too");
        });
        assert!(!log.contains("token"), "{log}");
        assert_eq!(log.lines().count(), 2, "{log}");
    }

    #[test]
    fn the_filter_is_checked() {
        assert!(check_filter("deskbell::hub=debug,info").is_ok());
        assert!(check_filter("deskbell=loud").is_err());
    }

    #[test]
    fn harmless_text_stays_as_it_is() {
        let text = "José 👩‍💻 \"quoted\" \\ back";
        assert_eq!(escape(text), text);
    }
}
