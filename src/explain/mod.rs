//! Explains what became of a notification: folds the log once more and watches what happens to it.
//!
//! The core keeps no stories; the log does. So whatever the log still has can be told in full, and what it has erased
//! (`[log] history`, `historyBytes`) cannot be told at all.
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
