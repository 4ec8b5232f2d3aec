//! Logging: one event is one line on standard error, as text or as JSON. Text from clients cannot forge or break a line.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::str::FromStr;

use deskbell_protocol::is_hidden;
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, FilterFn, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

/// The filter if `DESKBELL_LOG` is not set.
pub const FILTER_DEFAULT: &str = "info,async_nats=error";

/// The format of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object per event.
    Json,
}

impl Format {
    /// All formats, with their names on the command line.
    pub const NAMES: [(&str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Text { "text" } else { "json" })
    }
}

/// The name of the format is neither `text` nor `json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("allowed: text, json")]
pub struct NotAFormat;

impl FromStr for Format {
    type Err = NotAFormat;

    fn from_str(text: &str) -> Result<Self, NotAFormat> {
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, format)| *format).ok_or(NotAFormat)
    }
}

/// Checks that `filter` is valid, such as `info`, `debug`, or `deskbell=debug,info`.
///
/// # Errors
/// Describes the fault.
pub fn check_filter(filter: &str) -> Result<(), String> {
    EnvFilter::builder().parse(filter).map(drop).map_err(|error| error.to_string())
}

/// Starts logging for the whole process. An invalid filter (see [`check_filter`]) is replaced by [`FILTER_DEFAULT`].
///
/// # Errors
/// If logging has already been started.
pub fn init(format: Format, filter: &str) -> Result<(), TryInitError> {
    let filter = EnvFilter::builder().parse(filter).unwrap_or_else(|_| EnvFilter::new(FILTER_DEFAULT));
    tracing_subscriber::registry().with(filter).with(no_frames()).with(layer(format, io::stderr)).try_init()
}

/// tungstenite logs whole frames below `info`, with tokens and customers' names. These events are dropped, whatever the filter.
fn no_frames() -> FilterFn {
    filter_fn(|event| {
        let of_tungstenite = ["tungstenite", "tokio_tungstenite"].iter().any(|name| {
            event.target().strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        !of_tungstenite || *event.level() <= Level::INFO
    })
}

type Subscriber = tracing_subscriber::layer::Layered<FilterFn, tracing_subscriber::layer::Layered<EnvFilter, Registry>>;

fn layer<W, M>(format: Format, write: M) -> Box<dyn Layer<Subscriber> + Send + Sync>
where
    W: Write,
    M: Fn() -> W + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).log_internal_errors(false).with_writer(Lines(write));
    match format {
        Format::Text => layer.boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    }
}

/// Turns each write into one line. The formatters write each event with a single call.
struct Lines<M>(M);

struct Line<W>(W);

impl<'a, W: Write, M: Fn() -> W + 'a> MakeWriter<'a> for Lines<M> {
    type Writer = Line<W>;

    fn make_writer(&'a self) -> Line<W> {
        Line((self.0)())
    }
}

impl<W: Write> Write for Line<W> {
    /// Always succeeds, because an unwritable log must not stop the hub.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut line = escape(text.strip_suffix('\n').unwrap_or(&text));
        line.push('\n');
        let _ = self.0.write_all(line.as_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

/// `text` on one line, without characters that could mislead a terminal or a reader. Control characters, line and paragraph
/// separators and bidirectional formatting are escaped as in JSON (`\n`, `\u202e`).
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if is_hidden(c) => {
                // Writing to a string cannot fail; all hidden characters have at most four hexadecimal digits.
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

    /// Text with which a client could forge or hide a log line.
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

    fn logged(format: Format, filter: &str, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let write = {
            let sink = sink.clone();
            move || sink.clone()
        };
        let filter = EnvFilter::builder().parse(filter).unwrap();
        let subscriber = tracing_subscriber::registry().with(filter).with(no_frames()).with(layer(format, write));
        tracing::subscriber::with_default(subscriber, log);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn log_the_hostile() {
        tracing::info!(display = %HOSTILE, debug = ?HOSTILE, plain = HOSTILE, "message {HOSTILE}");
        tracing::info_span!("span", field = %HOSTILE).in_scope(|| tracing::info!("inside"));
    }

    #[test]
    fn one_event_is_one_line_without_anything_hidden() {
        for format in [Format::Text, Format::Json] {
            let log = logged(format, "info", log_the_hostile);
            assert_eq!(log.lines().count(), 2, "{log}");
            assert!(log.ends_with('\n'));
            let harmful: Vec<_> = log.chars().filter(|c| *c != '\n' && is_hidden(*c)).collect();
            assert!(harmful.is_empty(), "{harmful:?} in {log}");
            assert!(log.contains("\\u202eevil"), "{log}");
        }
    }

    #[test]
    fn a_json_line_is_json_and_says_what_was_logged() {
        let log = logged(Format::Json, "info", log_the_hostile);
        for line in log.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["level"], "INFO");
        }
        let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
        assert_eq!(first["plain"], HOSTILE);
    }

    #[test]
    fn no_filter_shows_tungstenites_frames() {
        let log = logged(Format::Text, "trace,tungstenite=trace,tungstenite::protocol=trace", || {
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
