//! Explains the history of a notification: replays the log and records the events of the notification as a timeline.
//!
//! The core keeps no history, but the log does. A notification cannot be explained after the log has erased its records
//! (`[log] history`, `historyBytes`).
//!
//! Files here may use those above them: `query`, `timeline`, `timeline_builder`, `replay`, `text`.

mod query;
mod replay;
#[cfg(test)]
mod tests;
mod text;
mod timeline;
mod timeline_builder;

pub use query::{ExplainQuery, ParseQueryError};
pub use replay::{ExplainError, explain, explain_all};
pub use timeline::{Explanation, RefusedCall, Timeline, TimelineEnd, TimelineEvent, TimelineEventKind};
