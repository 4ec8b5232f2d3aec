//! A data directory that the last released version left after an orderly stop.
//!
//! `released-data/` holds one open session with a KPI mark and an unread count, and four open notifications, of which three
//! are displayed. Do not change these files. A version that changes a type in records or snapshots without listing the
//! new field in `ADDED_FIELDS` fails here.

use std::path::Path;

use deskbell_core::rules::RULES;

use crate::hub::{decode_snapshot, encode_snapshot};
use crate::log::History as _;
use crate::log::disk::ReadOnlyLog;

#[test]
fn the_data_of_the_released_version_is_readable() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/hub/tests/released-data");
    let (number, bytes) = ReadOnlyLog::open(&directory).unwrap().snapshot().unwrap().expect("a snapshot");
    let core = decode_snapshot(number, &bytes, RULES).unwrap();
    let totals = core.totals();
    assert_eq!((totals.open, totals.waiting, totals.sessions, totals.workspaces), (4, 1, 1, 1));
    // Written in the present shape, it is the same state.
    let again = decode_snapshot(number, &encode_snapshot(&core), RULES).unwrap();
    assert_eq!(encode_snapshot(&again), encode_snapshot(&core));
    assert_eq!(again.totals(), totals);
}
