//! The cost of a durable append: the bare system calls on the same bytes, the log on disk, and redb with its durable
//! commits; in turns within one run, because a machine's speed drifts. Then the cost of a start. It prints and asserts nothing.
//!
//! `cargo bench --bench log`; the files lie under the target directory, so it measures the device that holds that.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "it prints what it measured, and stops if it cannot")]

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deskbell::log::{Disk, Log, disk};
use redb::{Database, Durability, TableDefinition};

/// The number of appends of each candidate, which take turns.
const APPENDS: usize = 1000;

/// One durable append.
type Append = Box<dyn FnMut(&[u8])>;

fn main() {
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-log");
    for bytes in [300, 4 * 1024, 64 * 1024] {
        let _ = fs::remove_dir_all(&scratch);
        fs::create_dir_all(&scratch).unwrap();
        compare(&scratch, bytes);
    }
    start(&scratch);
    let _ = fs::remove_dir_all(&scratch);
}

fn compare(scratch: &Path, bytes: usize) {
    let mut contenders: Vec<(&str, Append)> = vec![
        ("bare write + fdatasync", Box::new(bare(&scratch.join("bare"), 0))),
        ("bare, into zeros written before", Box::new(bare(&scratch.join("zeros"), bytes * APPENDS))),
        ("log on disk", Box::new(log(&scratch.join("log")))),
        ("redb, Durability::Immediate", Box::new(redb(&scratch.join("redb")))),
    ];
    let record = vec![b'x'; bytes];
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..APPENDS {
        for ((_, append), times) in contenders.iter_mut().zip(&mut times) {
            let began = Instant::now();
            append(&record);
            times.push(began.elapsed());
        }
    }
    println!("{bytes} bytes, {APPENDS} appends each");
    times.iter_mut().for_each(|times| times.sort_unstable());
    let percentile = |times: &[Duration], percent: usize| times[times.len() * percent / 100];
    println!("  {:32} {:>10} {:>10} {:>10}   p10, p50 x bare", "", "p10", "p50", "p99");
    for ((name, _), own) in contenders.iter().zip(&times) {
        let [p10, p50, p99] = [10, 50, 99].map(|percent| percentile(own, percent));
        let ratio = |percent| percentile(own, percent).as_secs_f64() / percentile(&times[0], percent).as_secs_f64();
        println!("  {name:32} {p10:>10.1?} {p50:>10.1?} {p99:>10.1?}   {:.2}, {:.2}", ratio(10), ratio(50));
    }
}

fn bare(path: &Path, zeros: usize) -> impl FnMut(&[u8]) + use<> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path).unwrap();
    file.write_all_at(&vec![0; zeros], 0).unwrap();
    file.sync_all().unwrap();
    let mut at = 0;
    move |record| {
        file.write_all_at(record, at).unwrap();
        file.sync_data().unwrap();
        at += record.len() as u64;
    }
}

fn log(path: &Path) -> impl FnMut(&[u8]) + use<> {
    let (mut log, _) = Disk::open(&disk::Options::new(path, || 1)).unwrap();
    move |record| {
        log.append(record).unwrap();
        assert!(log.next().unwrap().is_some());
    }
}

fn redb(path: &Path) -> impl FnMut(&[u8]) + use<> {
    const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
    let database = Database::create(path).unwrap();
    let mut number = 0;
    move |record| {
        number += 1;
        let mut transaction = database.begin_write().unwrap();
        transaction.set_durability(Durability::Immediate).unwrap();
        transaction.open_table(RECORDS).unwrap().insert(number, record).unwrap();
        transaction.commit().unwrap();
    }
}

/// The time to open 100 MiB (every byte is checked) and to read them back, from the page cache.
fn start(scratch: &Path) {
    let path = scratch.join("start");
    let _ = fs::remove_dir_all(&path);
    let options = disk::Options::new(&path, || 1);
    let record = vec![b'x'; 16 * 1024];
    let (mut log, _) = Disk::open(&options).unwrap();
    for _ in 0..6400 {
        log.append(&record).unwrap();
        log.next().unwrap();
    }
    drop(log);
    let began = Instant::now();
    let (mut log, recovery) = Disk::open(&options).unwrap();
    let opened = began.elapsed();
    while log.next().unwrap().is_some() {}
    let read = began.elapsed() - opened;
    println!("100 MiB, {} records: opened and checked in {opened:.1?}, read back in {read:.1?}", recovery.last);
    let began = Instant::now();
    for segment in fs::read_dir(&path).unwrap() {
        std::io::copy(&mut File::open(segment.unwrap().path()).unwrap(), &mut std::io::sink()).unwrap();
    }
    println!("  (merely reading the files: {:.1?})", began.elapsed());
}
