//! Applies records, and turns a check that fails in the core into an error that names the record.
//!
//! The core panics if its own indexes disagree, or if a number overflows. Its state is wrong then. The hub must not
//! deliver anything of that record, and must not write a snapshot. The log is not affected: the record stays in it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use deskbell_core::Core;
use deskbell_core::effect::Effects;
use deskbell_core::entry::Record;

use crate::log::RecordNumber;

/// A check of the core's state failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "record {number} cannot be applied, because a check of the state failed: {check}. Nothing of this record was \
     delivered, and the log is intact. Each start of this version stops at the same record: install a version that \
     corrects it, and report the error together with a copy of the log"
)]
pub struct FailedCheck {
    /// The record.
    pub number: RecordNumber,
    /// The text of the check.
    pub check: String,
}

/// Applies `record`, which has the number `number` in the log, and calls `each` with the effects after each entry. Effects
/// that `each` receives must not leave the hub before this returns `Ok`.
///
/// # Errors
/// [`FailedCheck`]. `core` is wrong then and must not be used any more.
pub fn apply_record(
    core: &mut Core,
    number: RecordNumber,
    record: &Record,
    each: impl FnMut(&Core, Effects),
) -> Result<(), FailedCheck> {
    // Safe to unwind: the caller drops the core after an error, and nothing else changes before the end.
    catch_unwind(AssertUnwindSafe(|| core.apply(record, each)))
        .map_err(|panic| FailedCheck { number, check: panic_text(&*panic) })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a text").to_owned()
}
