//! Tests: what a log keeps of the past, for how long, and what a reader in another process sees of it.

use std::cell::Cell;
use std::fs;
use std::thread;

use super::faults::{names, options, payload, scratch, snapshot_of};
use crate::log::disk::directory::{segment_path, snapshot_path};
use crate::log::disk::{Disk, Options, ReadOnlyLog};
use crate::log::{History, Log, LogError, OwnLog, RecordNumber, Retention, Stored};

const HOUR: u64 = 3_600_000;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

fn append(log: &mut Disk, from: RecordNumber, to: RecordNumber) {
    for number in from..=to {
        log.append(&payload(number)).unwrap();
    }
}

#[test]
fn explanations_reach_back_as_far_as_history_says_and_what_is_older_goes() {
    let scratch = scratch();
    let options = Options { now_ms: || NOW.get(), ..options(scratch.path()) };
    let retention = Retention { history_ms: 24 * HOUR, history_bytes: u64::MAX };
    let (mut log, _) = Disk::open(&options).unwrap();
    let mut history = log.snapshots().unwrap();
    // Five records an hour, and a snapshot; record n is written in hour (n - 1) / 5.
    let hour_of = |record: RecordNumber| record.saturating_sub(1) / 5;
    for hour in 0..100 {
        NOW.set(1_000 * HOUR + hour * HOUR);
        append(&mut log, 5 * hour + 1, 5 * hour + 5);
        history.save_snapshot(5 * hour + 5, &snapshot_of(5 * hour + 5), &retention).unwrap();
        let starts = history.replay_points().unwrap();
        let back = hour - hour_of(starts[0]);
        assert!(back >= hour.min(24), "hour {hour}: explained from {back} hours back on");
        assert!(hour - hour_of(history.oldest()) <= 24 + 9, "hour {hour}: kept from record {} on", history.oldest());
        assert!(starts.len() <= 13, "{starts:?}");
        for start in starts.iter().filter(|start| **start > 0) {
            assert_eq!(history.snapshot_at(*start).unwrap(), snapshot_of(*start));
        }
        assert!(history.after(starts[0]).unwrap().is_some());
    }
    let starts = history.replay_points().unwrap();
    drop((log, history));
    let (log, recovery) = Disk::open(&options).unwrap();
    assert_eq!(recovery.repaired, Vec::<String>::new());
    let mut history = log.snapshots().unwrap();
    assert_eq!(history.replay_points().unwrap(), starts);
    // Somebody who only looks sees the same.
    let mut read_only = ReadOnlyLog::open(scratch.path()).unwrap();
    assert_eq!(read_only.replay_points().unwrap(), starts);
    assert_eq!(read_only.oldest(), history.oldest());
    for number in starts[0]..500 {
        assert_eq!(read_only.after(number).unwrap(), history.after(number).unwrap(), "{number}");
    }
    assert_eq!(read_only.after(500).unwrap(), None);
    assert!(matches!(read_only.after(0), Err(LogError::Trimmed(1))));
}

#[test]
fn records_older_than_history_go_after_every_quiet_time_and_not_only_after_the_first() {
    let scratch = scratch();
    let options = Options { now_ms: || NOW.get(), ..options(scratch.path()) };
    let retention = Retention { history_ms: 24 * HOUR, history_bytes: u64::MAX };
    NOW.set(1_000 * HOUR);
    let (mut log, _) = Disk::open(&options).unwrap();
    let mut history = log.snapshots().unwrap();
    let mut last = 0;
    for stretch in 0..4 {
        let written = last + 1..=last + 2;
        append(&mut log, *written.start(), *written.end());
        last += 2;
        // A quiet hub makes a snapshot of what is new, later asks for a trim, and writes one record where that needs one.
        for hour in 0..40 {
            NOW.set(NOW.get() + HOUR);
            let age = history.age().unwrap();
            if age.newest > age.snapshot {
                history.save_snapshot(last, &snapshot_of(last), &retention).unwrap();
            } else {
                history.trim(&retention);
            }
            if hour == 23 {
                assert!(history.oldest() <= *written.end(), "stretch {stretch}: kept for as long as history says");
            }
            if age.next_to_go_ms + 27 * HOUR <= NOW.get() && age.next_to_go > age.older_snapshot {
                last += 1;
                append(&mut log, last, last);
            }
        }
        assert!(history.oldest() > *written.end(), "stretch {stretch}: from record {} on", history.oldest());
    }
}

#[test]
fn a_reader_beside_a_writing_hub_misses_no_record() {
    // A reader that lags behind holds a part of a segment that the hub has continued meanwhile.
    for (pace, lag) in (1..=9).flat_map(|pace| (0..4).map(move |lag| (pace, lag))) {
        let scratch = scratch();
        let (mut log, _) = Disk::open(&options(scratch.path())).unwrap();
        append(&mut log, 1, 4);
        let mut read_only = ReadOnlyLog::open(scratch.path()).unwrap();
        let (mut written, mut read) = (4, 0);
        while written < 60 {
            while read < written - lag {
                // What it holds may end before the log does; then the next call looks into the file again.
                let next = read_only.after(read).unwrap().or_else(|| read_only.after(read).unwrap());
                let next = next.map(Stored::record);
                assert_eq!(next, Some((read + 1, payload(read + 1))), "at pace {pace}, lag {lag}");
                read += 1;
            }
            if lag == 0 {
                assert_eq!(read_only.after(read).unwrap(), None, "at pace {pace}");
            }
            append(&mut log, written + 1, written + pace);
            written += pace;
        }
    }
}

#[test]
fn a_reader_beside_a_hub_that_writes_and_trims_meets_no_damage() {
    const RECORDS: RecordNumber = 1_500;
    let scratch = scratch();
    let (mut log, _) = Disk::open(&options(scratch.path())).unwrap();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let mut read_only = ReadOnlyLog::open(scratch.path()).unwrap();
            thread::spawn(move || {
                let mut read = 0;
                while read < RECORDS {
                    match read_only.after(read) {
                        Ok(None) => thread::yield_now(),
                        Ok(Some(record)) => {
                            assert_eq!(record.record(), (read + 1, payload(read + 1)));
                            read += 1;
                        }
                        Err(LogError::Trimmed(_)) => read = read_only.oldest().max(read + 1) - 1,
                        Err(error) => panic!("after record {read}: {error}"),
                    }
                }
            })
        })
        .collect();
    for number in 1..=RECORDS {
        append(&mut log, number, number);
        if number.is_multiple_of(20) {
            let retention = Retention { history_ms: 0, history_bytes: 0 };
            log.snapshots().unwrap().save_snapshot(number, &snapshot_of(number), &retention).unwrap();
        }
    }
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn an_old_segment_is_followed_by_one_new_segment_and_not_by_one_for_each_record() {
    let scratch = scratch();
    let options = Options { now_ms: || NOW.get(), ..Options::new(scratch.path(), || 0) };
    let (mut log, _) = Disk::open(&options).unwrap();
    append(&mut log, 1, 1);
    let retention = Retention { history_ms: 24 * HOUR, history_bytes: u64::MAX };
    let mut history = log.snapshots().unwrap();
    NOW.set(4 * HOUR);
    history.save_snapshot(1, &snapshot_of(1), &retention).unwrap();
    append(&mut log, 2, 5);
    let segments = names(scratch.path()).iter().filter(|name| name.to_str().unwrap().starts_with("log-")).count();
    assert_eq!(segments, 2);
}

#[test]
fn a_reader_goes_to_any_record_and_names_a_segment_that_is_gone_or_is_not_a_file() {
    let scratch = scratch();
    let (mut log, _) = Disk::open(&options(scratch.path())).unwrap();
    append(&mut log, 1, 40);
    let mut segments: Vec<_> =
        names(scratch.path()).into_iter().filter(|name| name.to_str().unwrap().starts_with("log-")).collect();
    let mut read_only = ReadOnlyLog::open(scratch.path()).unwrap();
    for number in [10, 3, 39, 0, 0, 20] {
        assert_eq!(read_only.after(number).unwrap().map(Stored::record), Some((number + 1, payload(number + 1))));
    }
    let middle = scratch.path().join(segments.swap_remove(1));
    fs::remove_file(&middle).unwrap();
    let error = (0..40).find_map(|number| read_only.after(number).err()).expect("a record is missing");
    assert!(
        matches!(&error, LogError::Damaged(cause) if cause.to_string().contains(middle.to_str().unwrap())),
        "{error}"
    );
    // Reading a pipe would block forever; a socket is none of the log's files either.
    for path in [segment_path(scratch.path(), 90), snapshot_path(scratch.path(), 90)] {
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = ReadOnlyLog::open(scratch.path()).err();
        assert!(
            matches!(&error, Some(LogError::Device(cause)) if cause.to_string().contains("is not a file")),
            "{error:?}"
        );
        drop(socket);
        fs::remove_file(&path).unwrap();
    }
}
