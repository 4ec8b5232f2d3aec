//! Replays the log for one query.

use deskbell_core::Core;
use deskbell_core::rules::RULES;

use super::query::ExplainQuery;
use super::timeline::Explanation;
use super::timeline_builder::TimelineBuilder;
use crate::hub::{CodecError, FailedCheck, apply_record, check_rules, decode_record, decode_snapshot};
use crate::log::{History, LogError, RecordNumber};

/// How often a replay starts again if the log is trimmed meanwhile.
const ATTEMPTS_MAX: usize = 3;

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record or snapshot of the log cannot be decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A record leads to a wrong state.
    #[error(transparent)]
    FailedCheck(#[from] FailedCheck),
    /// The log keeps no state from which a replay can start.
    #[error("the log has no snapshot to start from")]
    NoStart,
    /// The caller does not wait any longer.
    #[error("given up: the caller does not wait any longer")]
    GivenUp,
}

/// Explains the notifications that match `query`. This takes as long as a start of the hub over the whole log, and as much
/// memory as a hub's state. After each record, `is_wanted` decides whether to go on.
///
/// # Errors
/// [`ExplainError`].
pub fn explain(
    history: &mut dyn History,
    query: &ExplainQuery,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Explanation, ExplainError> {
    let mut last = None;
    for _ in 0..ATTEMPTS_MAX {
        for start in history.replay_points()? {
            match replay(history, query, start, is_wanted) {
                // The log was trimmed meanwhile: there are other replay points now.
                Err(error @ ExplainError::Log(LogError::Trimmed(_))) => {
                    last = Some(error);
                    break;
                }
                // Only the version that wrote these records can replay them. A later snapshot may be this version's.
                Err(error @ ExplainError::Codec(CodecError::OlderRules { .. } | CodecError::OtherFormat { .. })) => {
                    last = Some(error)
                }
                done => return done,
            }
        }
    }
    Err(last.unwrap_or(ExplainError::NoStart))
}

/// Explains the notifications in several logs, one after the other.
///
/// # Errors
/// The first [`ExplainError`].
pub fn explain_all(
    histories: &mut [Box<dyn History>],
    query: &ExplainQuery,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Explanation, ExplainError> {
    let mut explanation = Explanation { asked: query.asked.clone(), ..Explanation::default() };
    for history in histories {
        explanation.add(explain(&mut **history, query, is_wanted)?);
    }
    Ok(explanation)
}

fn replay(
    history: &mut dyn History,
    query: &ExplainQuery,
    start: RecordNumber,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Explanation, ExplainError> {
    let mut core = match start {
        0 => Core::default(),
        number => decode_snapshot(number, &history.snapshot_at(number)?, RULES)?,
    };
    let since = (start > 0).then(|| core.now());
    let mut builder = TimelineBuilder::new(query, &core);
    let mut number = start;
    while let Some(stored) = history.after(number)? {
        if !is_wanted() {
            return Err(ExplainError::GivenUp);
        }
        number = stored.number;
        let record = decode_record(&stored, RULES)?;
        // The core calls back once per entry, in order.
        let mut entries = record.entries.iter();
        apply_record(&mut core, number, &record, |core, effects| {
            if let Some(entry) = entries.next() {
                builder.step(core, record.incarnation, entry, &effects);
            }
        })?;
        check_rules(number, &core, RULES)?;
    }
    Ok(builder.finish(since))
}
