//! Tests: whatever happens to the bytes of a log, it comes back whole, or the start says where it is damaged.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::faults::{check, copy, names, options, payload, scratch, snapshot_of};
use crate::log::disk::directory::{FORMAT, LOCK, segment_path, snapshot_path};
use crate::log::disk::header::{FileKind, HEADER_BYTES, Header};
use crate::log::disk::record::{ALIGN, RECORD_HEADER_BYTES, frame_bytes};
use crate::log::disk::segment::SEGMENT_BYTES_MAX;
use crate::log::disk::{Disk, RecoveryReport};
use crate::log::{Log, LogError, OwnLog, RecordNumber, Retention};

const ALL: Retention = Retention { history_ms: u64::MAX, history_bytes: u64::MAX };
const LAST: RecordNumber = 25;

/// A log of many segments, two snapshots and records after them.
fn sample(directory: &Path) {
    let (mut log, _) = Disk::open(&options(directory)).unwrap();
    for number in 1..=LAST {
        log.append(&payload(number)).unwrap();
        if [8, 17].contains(&number) {
            log.snapshots().unwrap().save_snapshot(number, &snapshot_of(number), &ALL).unwrap();
        }
    }
}

fn open(directory: &Path) -> Result<(Disk, RecoveryReport), LogError> {
    Disk::open(&options(directory))
}

/// Opens what was damaged: either everything is there, or the error names `file`, a byte and a way on.
fn whole_or_refused(directory: &Path, file: &str, what: &str) -> Option<RecoveryReport> {
    match open(directory) {
        Ok((mut log, recovery)) => {
            assert_eq!(check(&mut log), LAST, "{what}");
            assert_eq!(recovery.dropped, None, "{what}");
            Some(recovery)
        }
        Err(LogError::Damaged(cause)) => {
            let text = cause.to_string();
            assert!(text.contains(file), "{what}: {text}");
            assert!(text.contains("byte ") && text.contains("restore") && text.contains("move"), "{what}: {text}");
            None
        }
        Err(other) => panic!("{what}: {other:?}"),
    }
}

/// Cuts `file` of the log in `intact` to each length below its own, each time in a copy of that log.
fn whole_or_refused_however_cut(intact: &Path, damaged: &Path, file: &Path) {
    let name = file.to_str().unwrap();
    for bytes in 0..length(&intact.join(file)) {
        copy(intact, damaged);
        cut(&damaged.join(file), bytes);
        whole_or_refused(damaged, name, &format!("{name} cut to {bytes} bytes"));
        fs::remove_dir_all(damaged).unwrap();
    }
}

fn flip(path: &Path, byte: u64, mask: u8) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut buffer = [0];
    file.read_exact_at(&mut buffer, byte).unwrap();
    file.write_all_at(&[buffer[0] ^ mask], byte).unwrap();
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

fn cut(path: &Path, bytes: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

/// The files of the sample, without LOCK.
fn files(directory: &Path) -> Vec<PathBuf> {
    names(directory).into_iter().filter(|name| name != Path::new(LOCK)).collect()
}

fn last_segment(directory: &Path) -> PathBuf {
    files(directory).into_iter().rfind(|name| name.to_str().unwrap().starts_with("log-")).unwrap()
}

#[test]
fn a_flipped_byte_anywhere_costs_nothing_or_is_refused() {
    let scratch = scratch();
    let (intact, damaged) = (scratch.path().join("intact"), scratch.path().join("damaged"));
    sample(&intact);
    copy(&intact, &damaged);
    let (mut repaired, mut refused) = (0, 0);
    for file in files(&intact) {
        for byte in 0..length(&intact.join(&file)) {
            let mask = 1 << (byte % 8);
            flip(&damaged.join(&file), byte, mask);
            let file = file.to_str().unwrap();
            if let Some(recovery) = whole_or_refused(&damaged, file, &format!("byte {byte} of {file}")) {
                assert_eq!(recovery.repaired.len(), 1, "byte {byte} of {file}: {recovery:?}");
                fs::remove_dir_all(&damaged).unwrap();
                copy(&intact, &damaged);
                repaired += 1;
            } else {
                flip(&damaged.join(file), byte, mask);
                refused += 1;
            }
        }
    }
    assert!(repaired > 300 && refused > 2000, "{repaired} repaired, {refused} refused");
    assert_eq!(contents(&damaged), contents(&intact), "a refusal changes nothing");
}

fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(directory).into_iter().map(|name| (name.clone(), fs::read(directory.join(name)).unwrap())).collect()
}

#[test]
fn a_missing_file_costs_nothing_or_is_refused() {
    let scratch = scratch();
    let (intact, damaged) = (scratch.path().join("intact"), scratch.path().join("damaged"));
    sample(&intact);
    for file in files(&intact) {
        copy(&intact, &damaged);
        fs::remove_file(damaged.join(&file)).unwrap();
        let file = file.to_str().unwrap();
        // Which one is missing is seen at the segment before it too.
        let recovery = whole_or_refused(&damaged, "log-", &format!("without {file}"));
        let needed = file.starts_with("log-") && file != "log-00000000000000000001";
        assert_eq!(recovery.is_none(), needed, "without {file}");
        if file == "log-00000000000000000001" {
            assert!(recovery.unwrap().repaired[0].contains("explanations"));
        }
        fs::remove_dir_all(&damaged).unwrap();
    }
}

#[test]
fn a_missing_segment_is_named() {
    let scratch = scratch();
    sample(scratch.path());
    let missing = last_segment(scratch.path());
    fs::remove_file(scratch.path().join(&missing)).unwrap();
    let Err(LogError::Damaged(cause)) = open(scratch.path()) else { panic!("opened") };
    let text = cause.to_string();
    assert!(text.contains(missing.to_str().unwrap()) && text.contains("missing"), "{text}");
}

#[test]
fn a_copy_without_format_may_end_with_a_finished_segment() {
    let scratch = scratch();
    sample(scratch.path());
    let missing = last_segment(scratch.path());
    let first: RecordNumber = missing.to_str().unwrap()[4..].parse().unwrap();
    fs::remove_file(scratch.path().join(&missing)).unwrap();
    fs::remove_file(scratch.path().join(FORMAT)).unwrap();
    let (mut log, recovery) = open(scratch.path()).unwrap();
    assert!(recovery.repaired[0].contains("a copy"), "{recovery:?}");
    assert_eq!(check(&mut log), first - 1);
    log.append(&payload(first)).unwrap();
    drop(log);
    let (mut log, recovery) = open(scratch.path()).unwrap();
    assert_eq!((check(&mut log), recovery.repaired), (first, Vec::new()));
}

#[test]
fn a_log_whose_segments_are_all_gone_does_not_begin_anew() {
    let scratch = scratch();
    sample(scratch.path());
    for file in files(scratch.path()) {
        if file != Path::new(FORMAT) {
            fs::remove_file(scratch.path().join(file)).unwrap();
        }
    }
    assert!(matches!(open(scratch.path()), Err(LogError::Damaged(_))));
}

#[test]
fn a_file_other_than_the_last_segment_cut_anywhere_costs_nothing_or_is_refused() {
    let scratch = scratch();
    let (intact, damaged) = (scratch.path().join("intact"), scratch.path().join("damaged"));
    sample(&intact);
    for file in files(&intact).into_iter().filter(|file| *file != last_segment(&intact)) {
        whole_or_refused_however_cut(&intact, &damaged, &file);
    }
}

#[test]
fn the_last_segment_cut_anywhere_loses_only_what_was_cut_and_says_so() {
    let scratch = scratch();
    let (intact, damaged) = (scratch.path().join("intact"), scratch.path().join("damaged"));
    sample(&intact);
    let file = last_segment(&intact);
    let first: RecordNumber = file.to_str().unwrap()[4..].parse().unwrap();
    let ends: Vec<u64> = (first..=LAST)
        .scan(HEADER_BYTES as u64, |end, number| {
            *end += frame_bytes(payload(number).len()) as u64;
            Some(*end)
        })
        .collect();
    assert!(ends.len() > 1 && *ends.last().unwrap() == length(&intact.join(&file)));
    for bytes in 0..length(&intact.join(&file)) {
        copy(&intact, &damaged);
        cut(&damaged.join(&file), bytes);
        if bytes < HEADER_BYTES as u64 {
            assert!(matches!(open(&damaged), Err(LogError::Damaged(_))), "cut to {bytes}");
        } else {
            let (mut log, recovery) = open(&damaged).unwrap();
            let whole = ends.iter().filter(|end| **end <= bytes).count();
            let last = first - 1 + whole as u64;
            assert_eq!(check(&mut log), last, "cut to {bytes}");
            let at = whole.checked_sub(1).map_or(HEADER_BYTES as u64, |index| ends[index]);
            let dropped = recovery.dropped.map(|dropped| (dropped.number, dropped.byte, dropped.bytes));
            assert_eq!(dropped, (at < bytes).then_some((last + 1, at, bytes - at)), "cut to {bytes}");
            assert_eq!(length(&damaged.join(&file)), at, "the rest of it is cut off");
            log.append(&payload(last + 1)).unwrap();
            drop(log);
            let (mut log, recovery) = open(&damaged).unwrap();
            assert_eq!((check(&mut log), recovery.dropped), (last + 1, None));
        }
        fs::remove_dir_all(&damaged).unwrap();
    }
}

#[test]
fn after_an_orderly_end_nothing_passes_for_a_torn_write() {
    let scratch = scratch();
    let (intact, damaged) = (scratch.path().join("intact"), scratch.path().join("damaged"));
    sample(&intact);
    let (mut log, _) = open(&intact).unwrap();
    log.snapshots().unwrap().save_snapshot(LAST, &snapshot_of(LAST), &ALL).unwrap();
    while log.next().unwrap().is_some() {}
    Box::new(log).close().unwrap();
    for file in files(&intact) {
        whole_or_refused_however_cut(&intact, &damaged, &file);
    }
}

#[test]
fn a_log_that_ends_before_its_snapshot_is_damaged_not_torn() {
    let scratch = scratch();
    let directory = scratch.path().join("data");
    let (mut log, _) = open(&directory).unwrap();
    for number in 1..=3 {
        log.append(&payload(number)).unwrap();
    }
    log.snapshots().unwrap().save_snapshot(3, &snapshot_of(3), &ALL).unwrap();
    drop(log);
    let segment = segment_path(&directory, 1);
    cut(&segment, length(&segment) - 1);
    let Err(LogError::Damaged(cause)) = open(&directory) else { panic!("opened") };
    let text = cause.to_string();
    assert!(text.contains("records 3 to 3 are missing"), "{text}");
}

#[test]
fn damage_in_mere_history_says_what_may_be_given_up_and_that_works() {
    let scratch = scratch();
    sample(scratch.path());
    let path = segment_path(scratch.path(), 1);
    flip(&path, HEADER_BYTES as u64 + 40, 0x10);
    let Err(LogError::Damaged(cause)) = open(scratch.path()) else { panic!("opened") };
    let text = cause.to_string();
    let (_, below) = text.split_once("numbers below ").unwrap();
    let below: RecordNumber = below.split(' ').next().unwrap().parse().unwrap();
    for file in files(scratch.path()) {
        let number = file.to_str().unwrap().strip_prefix("log-").and_then(|digits| digits.parse::<u64>().ok());
        if number.is_some_and(|number| number < below) {
            fs::remove_file(scratch.path().join(file)).unwrap();
        }
    }
    let (mut log, recovery) = open(scratch.path()).unwrap();
    assert_eq!(check(&mut log), LAST);
    assert!(recovery.repaired[0].contains("are gone, which only explanations"), "{recovery:?}");
}

#[test]
fn a_damaged_newest_snapshot_is_replaced_by_the_older_one_unless_records_are_gone() {
    let scratch = scratch();
    sample(scratch.path());
    flip(&snapshot_path(scratch.path(), 17), 70, 1);
    let (mut log, recovery) = open(scratch.path()).unwrap();
    assert_eq!((recovery.snapshot, check(&mut log)), (Some(8), LAST));
    assert!(recovery.repaired[0].contains(&snapshot_path(scratch.path(), 17).display().to_string()));
    // The next snapshot takes its place.
    log.snapshots().unwrap().save_snapshot(21, &snapshot_of(21), &ALL).unwrap();
    assert!(!snapshot_path(scratch.path(), 17).exists());
    drop(log);
    let (log, recovery) = open(scratch.path()).unwrap();
    assert_eq!((recovery.snapshot, &recovery.repaired), (Some(21), &Vec::new()));
    drop(log);
    flip(&snapshot_path(scratch.path(), 21), 0, 1);
    flip(&snapshot_path(scratch.path(), 8), 0, 1);
    assert_eq!(open(scratch.path()).unwrap().1.snapshot, None, "all records are there");
    fs::remove_file(segment_path(scratch.path(), 1)).unwrap();
    assert!(matches!(open(scratch.path()), Err(LogError::Damaged(_))));
}

/// A log of one small record and a last one that lies across many sectors; where that begins and what the file holds.
fn long_last_record(directory: &Path, record: &[u8]) -> (PathBuf, usize, Vec<u8>) {
    let mut options = options(directory);
    options.segment_bytes = u64::MAX;
    let (mut log, _) = Disk::open(&options).unwrap();
    log.append(&payload(1)).unwrap();
    log.append(record).unwrap();
    let path = segment_path(directory, 1);
    let bytes = fs::read(&path).unwrap();
    (path, HEADER_BYTES + frame_bytes(payload(1).len()), bytes)
}

#[test]
fn sectors_of_the_last_record_that_never_arrived_are_a_torn_write() {
    let scratch = scratch();
    let (path, at, bytes) = long_last_record(scratch.path(), &b"x".repeat(2000));
    let ends: Vec<usize> = (at + 1..bytes.len()).filter(|end| end % 512 == 0).chain([bytes.len()]).collect();
    assert!(ends.len() >= 4, "it lies across {} sectors", ends.len());
    for missing in 1..1 << ends.len() {
        let mut torn = bytes.clone();
        let mut from = at;
        for (sector, end) in ends.iter().enumerate() {
            if missing & 1 << sector != 0 {
                torn[from..*end].fill(0);
            }
            from = *end;
        }
        fs::write(&path, &torn).unwrap();
        let (mut log, recovery) = open(scratch.path()).unwrap();
        assert_eq!((check(&mut log), recovery.dropped.unwrap().number), (1, 2), "sectors {missing:b} are missing");
    }
}

#[test]
fn a_changed_byte_of_a_whole_last_record_is_never_taken_for_a_torn_write() {
    let mut nearly_empty = vec![0; 2000];
    nearly_empty[1000] = 1;
    for record in [b"x".repeat(2000), vec![0; 2000], nearly_empty, vec![0xa5; 1], Vec::new()] {
        let scratch = scratch();
        let (path, at, bytes) = long_last_record(scratch.path(), &record);
        for byte in at..bytes.len() {
            // Among them the value that makes the byte zero.
            for value in [bytes[byte] ^ 1, bytes[byte] ^ 0x80, 0] {
                let mut changed = bytes.clone();
                changed[byte] = value;
                if changed != bytes {
                    fs::write(&path, &changed).unwrap();
                    let result = open(scratch.path()).map(|(_, recovery)| recovery);
                    assert!(matches!(result, Err(LogError::Damaged(_))), "byte {} := {value}: {result:?}", byte - at);
                }
            }
        }
    }
}

#[test]
fn a_middle_record_that_reads_as_zeros_is_damage_since_others_follow() {
    let scratch = scratch();
    let (path, at, mut bytes) = long_last_record(scratch.path(), &payload(2));
    bytes[HEADER_BYTES..at].fill(0);
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(open(scratch.path()), Err(LogError::Damaged(_))));
}

#[test]
fn what_is_behind_the_last_record_is_dropped_only_if_a_write_can_have_left_it() {
    let scratch = scratch();
    let (path, _, bytes) = long_last_record(scratch.path(), b"two");
    for (tail, torn) in [
        (vec![0; 1], true),
        (vec![0; 5000], true),
        (b"short".to_vec(), true),
        (b"no record, and longer than the header of one".to_vec(), false),
        (vec![0; 3 * 1024 * 1024], false),
    ] {
        fs::write(&path, [&bytes[..], &tail].concat()).unwrap();
        let result = open(scratch.path()).map(|(_, recovery)| recovery);
        let dropped = result.as_ref().ok().and_then(|recovery| recovery.dropped.as_ref());
        assert_eq!(dropped.map(|dropped| dropped.bytes), torn.then_some(tail.len() as u64), "{result:?}");
    }
}

#[test]
fn files_of_another_log_are_refused() {
    let scratch = scratch();
    let (one, other) = (scratch.path().join("one"), scratch.path().join("other"));
    sample(&one);
    let mut founding = options(&other);
    founding.new_id = Some(99);
    let (mut log, _) = Disk::open(&founding).unwrap();
    for number in 1..=LAST {
        log.append(&payload(number)).unwrap();
    }
    drop(log);
    for path in [last_segment(&one), PathBuf::from(FORMAT)] {
        let mixed = scratch.path().join("mixed");
        copy(&one, &mixed);
        fs::copy(other.join(&path), mixed.join(&path)).unwrap();
        assert!(matches!(open(&mixed), Err(LogError::Damaged(_))), "{path:?}");
        fs::remove_dir_all(&mixed).unwrap();
    }
}

#[test]
fn a_file_under_the_number_of_another_is_damaged() {
    let scratch = scratch();
    let (intact, mixed) = (scratch.path().join("intact"), scratch.path().join("mixed"));
    sample(&intact);
    // A snapshot under a later name would hide the records in between.
    copy(&intact, &mixed);
    fs::rename(snapshot_path(&mixed, 17), snapshot_path(&mixed, 21)).unwrap();
    let (mut log, recovery) = open(&mixed).unwrap();
    assert_eq!((recovery.snapshot, check(&mut log)), (Some(8), LAST));
    assert!(recovery.repaired[0].contains("contradicts its name"), "{recovery:?}");
    drop(log);
    fs::remove_dir_all(&mixed).unwrap();
    copy(&intact, &mixed);
    fs::copy(segment_path(&mixed, 1), mixed.join(last_segment(&mixed))).unwrap();
    let Err(LogError::Damaged(cause)) = open(&mixed) else { panic!("opened") };
    let text = cause.to_string();
    assert!(text.contains("contradicts its name"), "{text}");
}

#[test]
fn what_is_behind_a_finished_segment_is_cut_off_once() {
    let scratch = scratch();
    let (intact, damaged) = (scratch.path().join("intact"), scratch.path().join("damaged"));
    sample(&intact);
    let first = segment_path(Path::new(""), 1);
    let end = length(&intact.join(&first)) - RECORD_HEADER_BYTES as u64;
    for tail in [0, 1, 31, 32, 33, 200, 2_000] {
        copy(&intact, &damaged);
        let segment = damaged.join(&first);
        cut(&segment, end);
        OpenOptions::new().append(true).open(&segment).unwrap().write_all(&vec![b'x'; tail]).unwrap();
        let recovery = whole_or_refused(&damaged, "", &format!("{tail} bytes")).unwrap();
        assert_eq!(recovery.repaired.len(), 1, "{tail} bytes: {recovery:?}");
        let recovery = whole_or_refused(&damaged, "", &format!("{tail} bytes")).unwrap();
        assert_eq!(recovery.repaired, Vec::<String>::new(), "{tail} bytes: the seal is there again");
        fs::remove_dir_all(&damaged).unwrap();
    }
}

#[test]
fn a_segment_longer_than_any_that_was_written_is_refused_unread() {
    let scratch = scratch();
    sample(scratch.path());
    cut(&scratch.path().join(last_segment(scratch.path())), SEGMENT_BYTES_MAX + 1);
    let Err(LogError::Damaged(cause)) = open(scratch.path()) else { panic!("opened") };
    let text = cause.to_string();
    assert!(text.contains("longer than any"), "{text}");
}

#[test]
fn a_newer_format_in_any_file_is_recognised() {
    let scratch = scratch();
    let (intact, newer) = (scratch.path().join("intact"), scratch.path().join("newer"));
    sample(&intact);
    for file in files(&intact) {
        copy(&intact, &newer);
        let mut bytes = fs::read(newer.join(&file)).unwrap();
        bytes[8..12].copy_from_slice(&7u32.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..12]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        fs::write(newer.join(&file), bytes).unwrap();
        let Err(LogError::Newer(cause)) = open(&newer) else { panic!("{file:?} was opened") };
        let text = cause.to_string();
        assert!(text.contains("format 7") && text.contains(file.to_str().unwrap()), "{text}");
        fs::remove_dir_all(&newer).unwrap();
    }
}

#[test]
fn layout_constants_fit_together() {
    assert_eq!((HEADER_BYTES % ALIGN, RECORD_HEADER_BYTES % ALIGN, 512 % ALIGN), (0, 0, 0));
    let header = Header { kind: FileKind::Segment, id: 1, number: 1, length: 0, oldest: 0 };
    assert_eq!(header.encode().len(), HEADER_BYTES);
}
