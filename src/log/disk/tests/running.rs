//! Tests: full disks, failing devices, other hubs, other users, backups of a running hub.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::faults::{Faults, check, copy, names, noon, options, payload, scratch, snapshot_of};
use crate::log::disk::directory::{segment_path, snapshot_path};
use crate::log::disk::files::{Files, Op};
use crate::log::disk::{Disk, DiskError, Options, READ_BACK_BYTES_MAX};
use crate::log::{AppendError, Log, LogError, OwnLog, RecordNumber, Retention, Stored};

const ALL: Retention = Retention { history_ms: u64::MAX, history_bytes: u64::MAX };

fn faulty(directory: &Path) -> (Options, Arc<Faults>) {
    let mut options = options(directory);
    let faults = Arc::new(Faults::default());
    options.files.faults = Some(Arc::clone(&faults));
    (options, faults)
}

fn append(log: &mut Disk, from: RecordNumber, to: RecordNumber) {
    for number in from..=to {
        log.append(&payload(number)).unwrap();
    }
}

#[test]
fn a_full_disk_refuses_without_a_trace_and_takes_records_again_when_there_is_room() {
    let scratch = scratch();
    let (options, faults) = faulty(scratch.path());
    let (mut log, _) = Disk::open(&options).unwrap();
    let mut last = 0;
    for room in 0..700 {
        faults.room(Some(room));
        let result = loop {
            match log.append(&payload(last + 1)) {
                Ok(()) => last += 1,
                other => break other,
            }
        };
        assert!(matches!(result, Err(AppendError::Full(_))), "with room for {room}: {result:?}");
        faults.room(None);
        append(&mut log, last + 1, last + 1);
        last += 1;
    }
    assert_eq!(check(&mut log), last);
    drop(log);
    let (mut log, recovery) = Disk::open(&options).unwrap();
    assert_eq!((check(&mut log), recovery.dropped, recovery.repaired), (last, None, Vec::new()));
}

#[test]
fn a_full_disk_that_shows_only_at_the_sync_is_full_too() {
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge] {
        let scratch = scratch();
        let (options, faults) = faulty(scratch.path());
        let (mut log, _) = Disk::open(&options).unwrap();
        append(&mut log, 1, 2);
        faults.fail_next(Op::Sync, kind);
        assert!(matches!(log.append(b"refused"), Err(AppendError::Full(_))), "{kind}");
        drop(log);
        let (mut log, recovery) = Disk::open(&options).unwrap();
        assert_eq!((check(&mut log), recovery.dropped), (2, None), "{kind}: a crash does not bring it back");
        faults.fail_next(Op::Sync, kind);
        assert!(matches!(log.append(b"refused"), Err(AppendError::Full(_))), "{kind}");
        append(&mut log, 3, 20);
        drop(log);
        assert_eq!(check(&mut Disk::open(&options).unwrap().0), 20);
    }
}

#[test]
fn a_failed_sync_stops_all_writing_until_the_log_is_read_anew() {
    for op in [Op::Sync, Op::Write, Op::SyncDirectory] {
        let scratch = scratch();
        let (options, faults) = faulty(scratch.path());
        let (mut log, _) = Disk::open(&options).unwrap();
        let mut history = log.snapshots().unwrap();
        faults.fail_next(op, ErrorKind::Other);
        let mut last = 0;
        let broken = loop {
            match log.append(&payload(last + 1)) {
                Ok(()) => last += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(broken, AppendError::Broken(_)), "{op:?}: {broken:?}");
        assert!(matches!(log.append(b"later"), Err(AppendError::Broken(_))), "{op:?}: nothing is written any more");
        while log.next().unwrap().is_some() {}
        assert_eq!(history.after(last).unwrap().map(Stored::record), None, "what is unclear is not read");
        faults.fail_next(Op::Sync, ErrorKind::Other);
        assert!(matches!(log.reopen(), Err(LogError::Device(_))), "{op:?}: the device still fails");
        assert!(matches!(log.append(b"later"), Err(AppendError::Broken(_))), "{op:?}: still broken");
        log.reopen().unwrap();
        if let Some((number, record)) = log.next().unwrap().map(Stored::record) {
            assert_eq!((number, record), (last + 1, payload(number)), "{op:?}: it was written, if not synced");
            last = number;
        }
        append(&mut log, last + 1, last + 10);
        assert_eq!(
            history.after(last + 9).unwrap().map(Stored::record),
            Some((last + 10, payload(last + 10))),
            "handles stay good"
        );
        drop((log, history));
        let (mut log, recovery) = Disk::open(&options).unwrap();
        assert_eq!((check(&mut log), recovery.repaired), (last + 10, Vec::new()), "{op:?}");
    }
}

#[test]
fn a_start_brings_the_last_record_to_the_device_before_it_believes_it() {
    for op in [Op::Write, Op::Sync] {
        let scratch = scratch();
        let (options, faults) = faulty(scratch.path());
        let (mut log, _) = Disk::open(&options).unwrap();
        append(&mut log, 1, 3);
        drop(log);
        faults.fail_next(op, ErrorKind::Other);
        let Err(LogError::Device(cause)) = Disk::open(&options) else { panic!("{op:?}: opened") };
        let Some(DiskError::Access { source, .. }) = cause.downcast_ref() else { panic!("{op:?}: {cause}") };
        assert_eq!(source.kind(), ErrorKind::Other, "the error keeps its source");
        assert_eq!(check(&mut Disk::open(&options).unwrap().0), 3);
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_leaves_the_log_as_it_was() {
    for (op, kind) in [
        (Op::Create, ErrorKind::StorageFull),
        (Op::Write, ErrorKind::StorageFull),
        (Op::Sync, ErrorKind::Other),
        (Op::Rename, ErrorKind::Other),
    ] {
        let scratch = scratch();
        let (options, faults) = faulty(scratch.path());
        let (mut log, _) = Disk::open(&options).unwrap();
        append(&mut log, 1, 20);
        let mut history = log.snapshots().unwrap();
        history.save_snapshot(10, &snapshot_of(10), &ALL).unwrap();
        let before = names(scratch.path());
        faults.fail_next(op, kind);
        let failed = history.save_snapshot(20, &snapshot_of(20), &ALL).unwrap_err();
        assert_eq!(matches!(failed, AppendError::Full(_)), kind == ErrorKind::StorageFull, "{op:?}: {failed:?}");
        assert_eq!(names(scratch.path()), before, "{op:?}");
        assert_eq!(history.snapshot().unwrap(), Some((10, snapshot_of(10))), "{op:?}");
        append(&mut log, 21, 22);
        history.save_snapshot(20, &snapshot_of(20), &ALL).unwrap();
        assert_eq!(history.snapshot().unwrap(), Some((20, snapshot_of(20))), "{op:?}");
    }
}

#[test]
fn what_could_not_be_deleted_is_deleted_with_the_next_snapshot() {
    let scratch = scratch();
    let (options, faults) = faulty(scratch.path());
    let (mut log, _) = Disk::open(&options).unwrap();
    append(&mut log, 1, 60);
    let mut history = log.snapshots().unwrap();
    let nothing = Retention { history_ms: 0, history_bytes: 0 };
    history.save_snapshot(20, &snapshot_of(20), &nothing).unwrap();
    // The first removal is of a name that a snapshot has until it is whole, the first sync is the snapshot's own.
    faults.fail_after(1, Op::Remove, ErrorKind::PermissionDenied);
    history.save_snapshot(40, &snapshot_of(40), &nothing).unwrap();
    assert_eq!(history.oldest(), 1);
    faults.fail_after(2, Op::SyncDirectory, ErrorKind::Other);
    history.save_snapshot(50, &snapshot_of(50), &nothing).unwrap();
    assert_eq!(history.after(60).unwrap().map(Stored::record), None);
    history.save_snapshot(60, &snapshot_of(60), &nothing).unwrap();
    assert!(history.oldest() > 40);
    assert!(!segment_path(scratch.path(), 1).exists());
    drop((log, history));
    let (mut log, recovery) = Disk::open(&options).unwrap();
    assert_eq!((check(&mut log), recovery.repaired), (60, Vec::new()));
}

#[test]
fn a_second_hub_is_refused_until_the_first_lets_go_of_everything() {
    let scratch = scratch();
    let directory = scratch.path().join("data");
    let (log, _) = Disk::open(&options(&directory)).unwrap();
    let Err(LogError::InUse(cause)) = Disk::open(&options(&directory)) else { panic!("opened twice") };
    let text = cause.to_string();
    assert!(text.contains(&std::process::id().to_string()) && text.contains("--wait-lock"), "{text}");
    let history = log.snapshots();
    drop(log);
    let impatient = options(&directory).wait_lock(Duration::from_millis(60));
    assert!(matches!(Disk::open(&impatient), Err(LogError::InUse(_))), "its history may still write a snapshot");
    let patient = options(&directory).wait_lock(Duration::from_secs(60));
    let waiting = thread::spawn(move || Disk::open(&patient).map(drop));
    drop(history);
    waiting.join().unwrap().unwrap();
}

#[test]
fn nobody_else_can_look_in() {
    let scratch = scratch();
    let directory = scratch.path().join("some/where/data");
    let (mut log, _) = Disk::open(&options(&directory)).unwrap();
    append(&mut log, 1, 20);
    log.snapshots().unwrap().save_snapshot(20, b"names", &ALL).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for name in names(&directory) {
        assert_eq!(mode(&directory.join(&name)), 0o600, "{name:?}");
    }
    drop(log);
    // A backup that was restored with other modes.
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    for name in names(&directory) {
        fs::set_permissions(directory.join(&name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let (_log, recovery) = Disk::open(&options(&directory)).unwrap();
    assert!(recovery.repaired.iter().all(|what| what.contains("other users")) && !recovery.repaired.is_empty());
    assert_eq!(mode(&directory), 0o700);
    for name in names(&directory) {
        assert_eq!(mode(&directory.join(&name)), 0o600, "{name:?}");
    }
}

#[test]
fn a_wrong_place_is_refused_with_advice() {
    let scratch = scratch();
    let file = scratch.path().join("file");
    fs::write(&file, "x").unwrap();
    for (place, word) in [(file.clone(), "not a directory"), (file.join("data"), "a part of the path is a file")] {
        let Err(LogError::Device(cause)) = Disk::open(&options(&place)) else { panic!("{place:?} was opened") };
        let text = cause.to_string();
        assert!(text.contains(word), "{text}");
    }
    let home = scratch.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("letter.txt"), "dear").unwrap();
    let Err(LogError::Device(cause)) = Disk::open(&options(&home)) else { panic!("a home became a data directory") };
    let text = cause.to_string();
    assert!(text.contains("letter.txt") && text.contains("--data-dir"), "{text}");
    // A file that only ends like one of the log's unfinished files is somebody else's, and stays.
    let other = scratch.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("letter.tmp"), "dear").unwrap();
    let Err(LogError::Device(cause)) = Disk::open(&options(&other)) else { panic!("a home became a data directory") };
    assert!(cause.to_string().contains("letter.tmp") && other.join("letter.tmp").is_file(), "{cause}");
    let link = scratch.path().join("link");
    symlink(scratch.path().join("new"), &link).unwrap();
    fs::create_dir(scratch.path().join("new")).unwrap();
    Disk::open(&options(&link)).unwrap();
}

#[test]
fn entries_that_a_fresh_file_system_has_do_not_prevent_a_new_log() {
    let scratch = scratch();
    fs::create_dir(scratch.path().join("lost+found")).unwrap();
    fs::write(scratch.path().join(".nfs0001"), "x").unwrap();
    let (mut log, recovery) = Disk::open(&options(scratch.path())).unwrap();
    append(&mut log, 1, 1);
    assert_eq!(recovery.repaired, Vec::<String>::new());
    assert!(scratch.path().join("lost+found").is_dir() && scratch.path().join(".nfs0001").is_file());
}

#[test]
fn a_file_that_cannot_be_deleted_is_an_error_and_a_missing_one_is_not() {
    let scratch = scratch();
    let files = Files::default();
    files.remove(&scratch.path().join("missing")).unwrap();
    fs::create_dir(scratch.path().join("directory")).unwrap();
    files.remove(&scratch.path().join("directory")).unwrap_err();
    files.create(&scratch.path().join("file")).unwrap();
    assert_eq!(files.create(&scratch.path().join("file")).unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[test]
fn a_copy_taken_while_the_hub_runs_restores() {
    for pace in 0..12 {
        let scratch = scratch();
        let (directory, backup) = (scratch.path().join("data"), scratch.path().join("backup"));
        let (mut log, _) = Disk::open(&options(&directory)).unwrap();
        let mut last = 0;
        let mut go_on = |records| {
            for _ in 0..records {
                last += 1;
                append(&mut log, last, last);
                if last.is_multiple_of(10) {
                    log.snapshots().unwrap().save_snapshot(last, &snapshot_of(last), &ALL).unwrap();
                }
            }
            last
        };
        let before = go_on(30);
        back_up(&directory, &backup, || _ = go_on(pace));
        let (mut log, recovery) = Disk::open(&options(&backup)).unwrap();
        assert!(recovery.repaired.iter().all(|what| what.contains("copy") || what.contains("seal")), "{recovery:?}");
        assert!(check(&mut log) >= before, "what was there when the copy began is in it, at pace {pace}");
    }
}

/// As docs/data-directory.md has it: snapshots first, then the segments in their order, no FORMAT; the hub goes on
/// between one file and the next.
fn back_up(from: &Path, to: &Path, mut meanwhile: impl FnMut()) {
    fs::create_dir(to).unwrap();
    for prefix in ["snapshot-", "log-"] {
        for name in names(from) {
            if name.to_str().unwrap().starts_with(prefix) {
                // A snapshot may have been replaced meanwhile.
                let _ = fs::copy(from.join(&name), to.join(&name));
                meanwhile();
            }
        }
    }
}

#[test]
fn history_never_sees_what_is_not_durable_and_misses_nothing() {
    let scratch = scratch();
    let (mut log, _) = Disk::open(&options(scratch.path())).unwrap();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let mut history = log.snapshots().unwrap();
            thread::spawn(move || {
                let mut last = 0;
                while last < 2000 {
                    if let Some((number, record)) = history.after(last).unwrap().map(Stored::record) {
                        assert_eq!((number, record), (last + 1, payload(last + 1)));
                        last = number;
                    }
                }
            })
        })
        .collect();
    append(&mut log, 1, 2000);
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn what_was_just_appended_waits_in_bounded_memory() {
    let scratch = scratch();
    let (mut log, _) = Disk::open(&Options::new(scratch.path(), noon)).unwrap();
    let record = vec![7; 512 * 1024];
    for _ in 0..20 {
        log.append(&record).unwrap();
        assert!(log.read_back.bytes <= READ_BACK_BYTES_MAX);
    }
    for number in 1..=20 {
        assert_eq!(log.next().unwrap().map(Stored::record), Some((number, record.clone())));
    }
    log.append(&record).unwrap();
    assert!(!log.read_back.records.is_empty(), "it is remembered again once reading has caught up");
    assert_eq!(log.next().unwrap().map(Stored::record), Some((21, record)));
    assert_eq!((log.read_back.bytes, log.next().unwrap().map(Stored::record)), (0, None));
}

#[test]
fn its_bytes_are_those_of_its_files() {
    let scratch = scratch();
    let (mut log, _) = Disk::open(&options(scratch.path())).unwrap();
    let on_disk = || {
        let ours = |name: &&std::path::PathBuf| name.to_str().unwrap().contains('-');
        let length = |name: &std::path::PathBuf| fs::metadata(scratch.path().join(name)).unwrap().len();
        names(scratch.path()).iter().filter(ours).map(length).sum::<u64>()
    };
    for number in 1..=40 {
        append(&mut log, number, number);
        assert_eq!(log.bytes(), on_disk());
        if number.is_multiple_of(9) {
            let retention = Retention { history_ms: 0, history_bytes: 0 };
            log.snapshots().unwrap().save_snapshot(number, &snapshot_of(number), &retention).unwrap();
            assert_eq!(log.bytes(), on_disk());
        }
    }
    drop(log);
    assert_eq!(Disk::open(&options(scratch.path())).unwrap().0.bytes(), on_disk());
}

#[test]
fn a_copied_directory_is_the_same_log() {
    let scratch = scratch();
    let (one, other) = (scratch.path().join("one"), scratch.path().join("other"));
    let (mut log, _) = Disk::open(&options(&one)).unwrap();
    append(&mut log, 1, 5);
    copy(&one, &other);
    let (mut same, _) = Disk::open(&options(&other).new_id(5)).unwrap();
    assert_eq!((same.id(), check(&mut same)), (log.id(), 5));
    assert!(!snapshot_path(&other, 5).exists());
}
