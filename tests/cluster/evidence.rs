//! The evidence kept when hubs reach different states: the servers' copies of the stream, the records that each hub read, the digests.
//! From these [`report`] names the first record at which any two differ, and with it the culprit: the servers (their copies
//! of the stream differ, or a hub was sent a record that no server has now) or the hubs (all read the same records).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::fixture::Cluster;
use crate::nats;

/// The filter with which a hub logs every record that it reads.
pub(crate) const LOG_EVERY_RECORD: &str = "info,async_nats=error,deskbell::log::jetstream::cursor=trace";

/// The folder of the stream `DESKBELL_0` in a server's home.
const STREAM: &str = "store/jetstream/$G/streams/DESKBELL_0/msgs";

/// What a record is recognized by: the server's stamp in nanoseconds, and a checksum over its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    stamp_ns: i128,
    checksum: u32,
}

/// Records by their number; a hub that was sent two under one number has both.
type Copy = BTreeMap<u64, Vec<Mark>>;

/// The findings when hubs reached different states.
pub(crate) struct Report {
    pub(crate) text: String,
    /// The servers have, or sent, two records under one number: no hub could come to the right state.
    pub(crate) servers_disagree: bool,
}

/// Ends the servers, keeps everything under `target/tmp`, and reports where the copies differ.
pub(crate) fn report(cluster: &mut Cluster, digests: &[Vec<u8>]) -> Report {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("states-differ-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let mut text = format!("the hubs' states differ; digests: {digests:02x?}; kept in {}\n", folder.display());
    let mut copies = Vec::new();
    for (n, server) in cluster.servers.iter_mut().enumerate() {
        server.kill();
        copies.push((format!("server {n}"), copy_of(server, &folder.join(format!("server-{n}")))));
    }
    for (n, hub) in cluster.hubs.iter().enumerate() {
        let said = hub.stderr.so_far();
        fs::write(folder.join(format!("hub-{n}.log")), &said).unwrap();
        copies.push((format!("hub {n}"), read_by(&said)));
    }
    let (difference, servers_disagree) = first_difference(&copies);
    text.push_str(&difference);
    fs::write(folder.join("report"), &text).unwrap();
    Report { text, servers_disagree }
}

/// The stream as a server has it in its files, which are kept in `folder`.
fn copy_of(server: &nats::Server, folder: &Path) -> Copy {
    fs::create_dir_all(folder).unwrap();
    let mut copy = Copy::new();
    let blocks: Vec<PathBuf> =
        fs::read_dir(server.home().join(STREAM)).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    for block in blocks {
        fs::copy(&block, folder.join(block.file_name().unwrap())).unwrap();
        if block.extension().is_some_and(|extension| extension == "blk") {
            read_block(&fs::read(&block).unwrap(), &mut copy);
        }
    }
    let _ = fs::copy(server.home().join("log"), folder.join("log"));
    copy
}

/// Reads a block of NATS' file store: for each message its length, number, stamp, subject, perhaps headers, its bytes, and a
/// checksum.
fn read_block(mut block: &[u8], copy: &mut Copy) {
    const FIXED: usize = 22;
    const HAS_HEADERS: u32 = 1 << 31;
    const ERASED: u64 = 1 << 63;
    const CHECKSUM: usize = 8;
    while block.len() > FIXED + CHECKSUM {
        let word = |at: usize| u32::from_le_bytes(block[at..at + 4].try_into().unwrap());
        let long = |at: usize| u64::from_le_bytes(block[at..at + 8].try_into().unwrap());
        let (length, number) = (word(0), long(4));
        let whole = (length & !HAS_HEADERS) as usize;
        if whole < FIXED + CHECKSUM || whole > block.len() {
            return;
        }
        let mut from = FIXED + usize::from(u16::from_le_bytes([block[20], block[21]]));
        if length & HAS_HEADERS != 0 {
            from += 4 + word(from) as usize;
        }
        if number & ERASED == 0 && from <= whole - CHECKSUM {
            let mark =
                Mark { stamp_ns: i128::from(long(12)), checksum: crc32c::crc32c(&block[from..whole - CHECKSUM]) };
            copy.entry(number).or_default().push(mark);
        }
        block = &block[whole..];
    }
}

/// The records that a hub logged as read, with [`LOG_EVERY_RECORD`].
fn read_by(said: &str) -> Copy {
    let mut copy = Copy::new();
    for line in said.lines().filter(|line| line.contains("record read")) {
        let field = |name: &str| {
            let (_, rest) = line.split_once(name)?;
            rest.split([' ', '}']).next()?.parse::<i128>().ok()
        };
        let (Some(number), Some(stamp_ns), Some(checksum)) =
            (field(" record="), field(" stamp_ns="), field(" checksum="))
        else {
            continue;
        };
        let mark = Mark { stamp_ns, checksum: u32::try_from(checksum).unwrap() };
        let marks = copy.entry(u64::try_from(number).unwrap()).or_default();
        if !marks.contains(&mark) {
            marks.push(mark);
        }
    }
    copy
}

/// In words: the first record of which there are two variants, and the holders of each; and whether there is one.
fn first_difference(copies: &[(String, Copy)]) -> (String, bool) {
    let mut variants: BTreeMap<u64, BTreeMap<Mark, Vec<&str>>> = BTreeMap::new();
    for (name, copy) in copies {
        for (number, marks) in copy {
            for mark in marks {
                variants.entry(*number).or_default().entry(*mark).or_default().push(name);
            }
        }
    }
    let mut text = String::new();
    for (name, copy) in copies {
        let ends = copy.first_key_value().zip(copy.last_key_value()).map(|(first, last)| (*first.0, *last.0));
        writeln!(text, "{name}: {} records, {ends:?} the first and the last", copy.len()).unwrap();
    }
    let differ: Vec<_> = variants.iter().filter(|(_, variants)| variants.len() > 1).collect();
    match differ.first() {
        Some((number, variants)) => {
            writeln!(text, "{} records have two variants, the first is record {number}:", differ.len()).unwrap();
            for (mark, holders) in *variants {
                writeln!(text, "  {mark:?}: {}", holders.join(", ")).unwrap();
            }
            text.push_str("the NATS servers are the cause: they did not keep one stream");
        }
        None => text.push_str("every hub read the records that the servers have: the hubs' folds differ"),
    }
    (text, !differ.is_empty())
}

#[test]
fn the_report_names_the_first_record_that_differs_and_who_has_it() {
    let message = |number: u64, stamp: u64, payload: &[u8]| {
        let mut bytes = u32::try_from(22 + 3 + payload.len() + 8).unwrap().to_le_bytes().to_vec();
        bytes.extend(number.to_le_bytes());
        bytes.extend(stamp.to_le_bytes());
        bytes.extend(3_u16.to_le_bytes());
        bytes.extend(b"log");
        bytes.extend(payload);
        bytes.extend([0; 8]);
        bytes
    };
    let copy = |messages: &[Vec<u8>]| {
        let mut copy = Copy::new();
        read_block(&messages.concat(), &mut copy);
        copy
    };
    let one = copy(&[message(1, 10, b"a"), message(2, 20, b"b"), message(3, 30, b"c")]);
    let other = copy(&[message(1, 10, b"a"), message(2, 20, b"x"), message(3, 30, b"y")]);
    let checksum = crc32c::crc32c(b"b");
    let said = format!(" TRACE record read record=2 stamp_ns=20 checksum={checksum}\n");
    let copies =
        [("server 0".to_owned(), one.clone()), ("server 1".to_owned(), other), ("hub 0".into(), read_by(&said))];
    let (text, servers_disagree) = first_difference(&copies);
    assert!(servers_disagree && text.contains("2 records have two variants, the first is record 2:"), "{text}");
    assert!(text.contains(": server 0, hub 0\n"), "{text}");
    let copies = [("server 0".to_owned(), one.clone()), ("server 1".to_owned(), one)];
    let (text, servers_disagree) = first_difference(&copies);
    assert!(!servers_disagree && text.ends_with("the hubs' folds differ"), "{text}");
}
