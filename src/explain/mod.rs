//! Explains the history of a notification: replays the log and watches the effects that concern it.
//!
//! The core keeps no history; the log does. Everything that the log still contains can be explained in full. Records that the log has
//! erased (`[log] history`, `historyBytes`) cannot be explained at all.
//!
//! Files here may use those above them: `question`, `story`, `watcher`, `fold`, `text`.

mod fold;
mod question;
mod story;
#[cfg(test)]
mod tests;
mod text;
mod watcher;

pub use fold::{ExplainError, explain, explain_all};
pub use question::{NotAnId, Question};
pub use story::{End, Event, Explained, Happened, Refused, Story};
