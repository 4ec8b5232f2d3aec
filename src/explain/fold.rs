//! Replays the kept log for one question.

use deskbell_core::{Core, Timestamp};

use super::question::Question;
use super::story::Explained;
use super::watcher::Watcher;
use crate::hub::{CodecError, decode_record, decode_snapshot};
use crate::log::{History, LogError, RecordNumber};

/// Attempts to replay a log that is trimmed while it is read.
const TRIES: usize = 3;

/// The log could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// Reading the log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record or snapshot cannot be decoded, or belongs to other rules.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The caller stopped waiting for the explanation.
    #[error("stopped, because the caller no longer waits for the explanation")]
    GivenUp,
}

/// Explains the notifications that `question` selects. This takes as long as a start of the hub that applies the whole kept log, and as
/// much memory as a hub's state. `is_wanted` is called before each record; when it returns false, the replay ends with
/// [`ExplainError::GivenUp`].
///
/// # Errors
/// See [`ExplainError`].
pub fn explain(
    history: &mut dyn History,
    question: &Question,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Explained, ExplainError> {
    let mut last = None;
    for _ in 0..TRIES {
        for start in history.replay_points()? {
            match fold(history, question, start, is_wanted) {
                // The log was trimmed meanwhile, so it has another point to start from.
                Err(error @ ExplainError::Log(LogError::Trimmed(_))) => {
                    last = Some(error);
                    break;
                }
                // Only another version can apply these records; a later snapshot may be of this version.
                Err(error @ ExplainError::Codec(CodecError::OtherRules { .. } | CodecError::OtherForm { .. })) => {
                    last = Some(error);
                }
                done => return done,
            }
        }
    }
    Err(last.unwrap_or_else(|| LogError::Damaged("the log has no snapshot to start from".to_owned()).into()))
}

/// Explains the same question from several partitions' logs, one after the other.
///
/// # Errors
/// Returns the first [`ExplainError`].
pub fn explain_all(
    histories: &mut [Box<dyn History>],
    question: &Question,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Explained, ExplainError> {
    let mut told = Explained { asked: question.asked.clone(), ..Explained::default() };
    for history in histories {
        told.add(explain(&mut **history, question, is_wanted)?);
    }
    Ok(told)
}

fn fold(
    history: &mut dyn History,
    question: &Question,
    start: RecordNumber,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Explained, ExplainError> {
    let mut core = match start {
        0 => Core::default(),
        number => decode_snapshot(number, &history.snapshot_at(number)?)?,
    };
    let since = (start > 0).then(|| core.now());
    let mut watcher = Watcher::new(question, &core);
    let mut number = start;
    while let Some(stored) = history.after(number)? {
        if !is_wanted() {
            return Err(ExplainError::GivenUp);
        }
        number = stored.number;
        let mut record = decode_record(number, &stored.bytes)?;
        if let Some(ms) = stored.time_ms {
            record.time = Timestamp(ms);
        }
        // The core calls back once per entry, in order.
        let mut entries = record.entries.iter();
        core.apply(&record, |core, effects| {
            if let Some(entry) = entries.next() {
                watcher.step(core, record.incarnation, entry, &effects);
            }
        });
    }
    Ok(watcher.finish(since))
}
