//! Folds what is kept of the log for one question.

use deskbell_core::{Core, Timestamp};

use super::question::Question;
use super::story::Explained;
use super::watcher::Watcher;
use crate::hub::{CodecError, decode_record, decode_snapshot};
use crate::log::{History, LogError, RecordNumber};

/// How often a log is begun again that is trimmed while it is read.
const TRIES: usize = 3;

/// Nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What is in it cannot be folded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Nobody waits for it any longer.
    #[error("given up, since nobody waits for it any longer")]
    GivenUp,
}

/// Tells what is known of what is asked about. Takes as long as a start of the hub over all that the log keeps, and as
/// much memory as a hub's state; `is_wanted` is asked after each record whether to go on.
///
/// # Errors
/// [`ExplainError`].
pub fn explain(
    history: &mut dyn History,
    question: &Question,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Explained, ExplainError> {
    let mut last = None;
    for _ in 0..TRIES {
        for start in history.replay_points()? {
            match fold(history, question, start, is_wanted) {
                // Trimmed meanwhile: then there is another start.
                Err(error @ ExplainError::Log(LogError::Trimmed(_))) => {
                    last = Some(error);
                    break;
                }
                // Records of another version can only be told by it; a later snapshot may be this one's.
                Err(error @ ExplainError::Codec(CodecError::OtherRules { .. } | CodecError::OtherForm { .. })) => {
                    last = Some(error);
                }
                done => return done,
            }
        }
    }
    Err(last.unwrap_or_else(|| LogError::Damaged("the log has no snapshot to begin with".to_owned()).into()))
}

/// The same of several logs, one after the other.
///
/// # Errors
/// [`ExplainError`], as soon as there is one.
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
        // One call per entry, in their order.
        let mut entries = record.entries.iter();
        core.apply(&record, |core, effects| {
            if let Some(entry) = entries.next() {
                watcher.step(core, record.incarnation, entry, &effects);
            }
        });
    }
    Ok(watcher.finish(since))
}
