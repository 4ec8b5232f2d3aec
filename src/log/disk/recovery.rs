//! Recovery at the start: read everything, decide, and only then change files.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::directory::{FORMAT, Listing, segment_path, snapshot_path};
use super::error::{DiskError, damaged, device, header_fault, missing, or_give_up_history};
use super::files::{Files, is_full};
use super::header::{FileKind, Header, HeaderFault};
use super::record::{Broken, RECORD_HEADER_BYTES, encode_seal};
use super::segment::{self, CreateError, Scan, ScanEnd, Segment, scan, write_whole};
use super::snapshot;
use crate::log::{LogError, RecordNumber};

/// The result of recovery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The newest complete snapshot.
    pub snapshot: Option<RecordNumber>,
    /// The last record; 0 in a fresh log.
    pub last: RecordNumber,
    /// The incomplete last record that was dropped. It was never acknowledged.
    pub dropped: Option<Dropped>,
    /// Other faults that were repaired without loss, as text for people.
    pub repaired: Vec<String>,
}

/// An incomplete last record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The number that it would have had.
    pub number: RecordNumber,
    /// The file that held it.
    pub file: PathBuf,
    /// Where in the file it began.
    pub byte: u64,
    /// The number of bytes found.
    pub bytes: u64,
    /// The reason why it counts as incomplete.
    pub what: &'static str,
}

/// A complete snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SnapshotFile {
    pub(super) number: RecordNumber,
    pub(super) bytes: u64,
    /// The time of the state, or a little later, in milliseconds since 1970.
    pub(super) state_ms: u64,
}

/// The log after recovery.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) id: u64,
    /// Never empty; the next record goes into the last one.
    pub(super) segments: VecDeque<Segment>,
    pub(super) snapshots: Vec<SnapshotFile>,
    /// Snapshots that cannot be used; the next one that is kept replaces them.
    pub(super) useless: Vec<PathBuf>,
    pub(super) report: RecoveryReport,
}

/// Reads the whole directory, creates a log with the id `new_id` if there is none, and repairs everything that can be repaired
/// without loss.
pub(super) fn recover(files: &Files, directory: &Path, new_id: u64) -> Result<Recovered, LogError> {
    let listing = Listing::read(directory)?;
    if listing.segments.is_empty() && !listing.format && listing.snapshots.is_empty() {
        refuse_unknown_files(directory, &listing)?;
        found(files, directory, new_id)?;
        return recover(files, directory, new_id);
    }
    let mut repair = Repair::default();
    let id = read_format(directory, &listing, &mut repair)?;
    let snapshots = Snapshots::check(directory, &listing)?;
    let mut data = Vec::new();
    let scans = scan_all(directory, &listing, &snapshots, &mut data)?;
    let id = same_id(directory, id, &scans, &snapshots)?;
    join(directory, &scans, &snapshots, &mut repair)?;
    finish(directory, &scans, &snapshots, &mut repair)?;
    repair.note(directory, &listing, &scans, &snapshots);
    repair.apply(files, directory, id, &scans, &data)?;
    for path in &listing.unfinished {
        files.remove(path).map_err(|error| device(path, "cannot be removed", error))?;
    }
    files.sync_directory(directory).map_err(|error| device(directory, "cannot be synced", error))?;
    Ok(repair.recovered(directory, id, scans, snapshots))
}

/// A home directory must not become a data directory because of a typing error.
fn refuse_unknown_files(directory: &Path, listing: &Listing) -> Result<(), LogError> {
    let stranger = listing.unknown.iter().find(|name| !name.starts_with('.') && *name != "lost+found");
    stranger.map_or(Ok(()), |name| {
        let (directory, name) = (directory.to_owned(), name.clone());
        Err(LogError::device(DiskError::NotEmpty { directory, name }))
    })
}

fn found(files: &Files, directory: &Path, id: u64) -> Result<(), LogError> {
    // Before the first file, and not when the directory is created: this process may be the second that tries.
    files.sync_parents(directory).map_err(|error| device(directory, "cannot be synced", error))?;
    create_segment(files, directory, id, 1)?;
    // FORMAT is written last, so that its existence means that there is a log.
    write_format(files, directory, id)
}

fn create_segment(files: &Files, directory: &Path, id: u64, first: RecordNumber) -> Result<(), LogError> {
    let created = segment::create(files, directory, id, first).map(drop);
    created.map_err(|error| {
        let (CreateError::Nothing(error) | CreateError::Unclear(error)) = error;
        device(&segment_path(directory, first), "cannot be made", error)
    })
}

fn write_format(files: &Files, directory: &Path, id: u64) -> Result<(), LogError> {
    let path = directory.join(FORMAT);
    let header = Header { kind: FileKind::Format, id, number: 0, length: 0, oldest: 0 };
    let written = write_whole(files, &path, &[&header.encode()]).and_then(|_| files.sync_directory(directory));
    written.map_err(|error| device(&path, "cannot be written", error))
}

/// The log's id from FORMAT; `None` if FORMAT must be rewritten.
fn read_format(directory: &Path, listing: &Listing, repair: &mut Repair) -> Result<Option<u64>, LogError> {
    repair.format = true;
    repair.copy = !listing.format;
    if !listing.format {
        return Ok(None);
    }
    let path = directory.join(FORMAT);
    let bytes = std::fs::read(&path).map_err(|error| device(&path, "cannot be read", error))?;
    match Header::decode(FileKind::Format, &bytes) {
        Ok(header) if bytes.len() == super::header::HEADER_BYTES => {
            repair.format = false;
            Ok(Some(header.id))
        }
        Err(fault @ HeaderFault::Newer(_)) => Err(header_fault(&path, &fault)),
        Ok(_) | Err(HeaderFault::Damaged(..)) => {
            repair.repaired.push(format!("{} was damaged and has been rewritten", path.display()));
            Ok(None)
        }
    }
}

/// The snapshots, each read and checked.
#[derive(Debug, Default)]
struct Snapshots {
    whole: Vec<(Header, SnapshotFile)>,
    damaged: Vec<(RecordNumber, LogError)>,
}

impl Snapshots {
    fn check(directory: &Path, listing: &Listing) -> Result<Self, LogError> {
        let mut snapshots = Self::default();
        for &number in &listing.snapshots {
            match snapshot::check(directory, number) {
                Ok((header, bytes)) => snapshots.whole.push((header, SnapshotFile { number, bytes, state_ms: 0 })),
                Err(error @ LogError::Damaged(_)) => snapshots.damaged.push((number, error)),
                Err(other) => return Err(other),
            }
        }
        Ok(snapshots)
    }

    /// The record of the newest complete snapshot; 0 if there is none.
    fn newest(&self) -> RecordNumber {
        self.whole.last().map_or(0, |(_, kept)| kept.number)
    }

    /// The last record that any snapshot, complete or damaged, covers.
    fn witnessed(&self) -> RecordNumber {
        self.newest().max(self.damaged.last().map_or(0, |(number, _)| *number))
    }
}

/// Reads all segments; the bytes of the last one stay in `data`.
fn scan_all(
    directory: &Path,
    listing: &Listing,
    snapshots: &Snapshots,
    data: &mut Vec<u8>,
) -> Result<Vec<Scan>, LogError> {
    if listing.segments.is_empty() {
        let path = segment_path(directory, snapshots.witnessed() + 1);
        return Err(missing(&path, "there was a log, and none of its segments is there"));
    }
    let mut scans = Vec::with_capacity(listing.segments.len());
    for (index, &first) in listing.segments.iter().enumerate() {
        if first == 0 {
            return Err(damaged(&segment_path(directory, 0), 0, "record 0 does not exist: records are counted from 1"));
        }
        let next = listing.segments.get(index + 1).copied();
        let scanned = scan(directory, first, data);
        scans.push(scanned.map_err(|error| or_give_up_history(error, next, snapshots.newest()))?);
    }
    Ok(scans)
}

/// Checks that all files belong to one log.
fn same_id(directory: &Path, format: Option<u64>, scans: &[Scan], snapshots: &Snapshots) -> Result<u64, LogError> {
    let segments = scans.iter().map(|scan| (segment_path(directory, scan.segment.first), scan.id));
    let snapshots = snapshots.whole.iter().map(|(header, kept)| (snapshot_path(directory, kept.number), header.id));
    let id = format.unwrap_or_else(|| scans.first().map_or(0, |scan| scan.id));
    match segments.chain(snapshots).find(|(_, other)| *other != id) {
        Some((path, _)) => Err(damaged(&path, 24, "it belongs to another log than the other files here")),
        None => Ok(id),
    }
}

/// Checks that every segment ends where the next one begins.
fn join(directory: &Path, scans: &[Scan], snapshots: &Snapshots, repair: &mut Repair) -> Result<(), LogError> {
    for (index, pair) in scans.windows(2).enumerate() {
        let [scan, follower] = pair else { continue };
        let (segment, next) = (scan.segment, follower.segment.first);
        let path = segment_path(directory, segment.first);
        let history = |error| or_give_up_history(error, Some(next), snapshots.newest());
        let end = segment.last + 1;
        if end > next {
            let path = segment_path(directory, next);
            return Err(damaged(&path, 32, format_args!("record {next} is in {} too", segment_path_name(&segment))));
        }
        match &scan.stop {
            ScanEnd::Seal(sealed) if end < next => {
                let path = segment_path(directory, *sealed);
                return Err(history(missing(&path, format_args!("records {end} to {} were in it", next - 1))));
            }
            ScanEnd::Broken(broken) if end < next => return Err(history(damaged(&path, segment.end, broken.what))),
            ScanEnd::End if end < next => {
                let what = format_args!("the file ends here, and records {end} to {} are missing", next - 1);
                return Err(history(damaged(&path, segment.end, what)));
            }
            ScanEnd::Seal(_) => {}
            ScanEnd::End | ScanEnd::Broken(_) => {
                repair.seals.push(index);
                // A crash between creating the next segment and sealing this one is not damage.
                let cut = matches!(&scan.stop, ScanEnd::End | ScanEnd::Broken(Broken { unfinished: true, .. }));
                let crashed = cut && index + 2 == scans.len() && follower.segment.is_empty();
                if !crashed {
                    let (path, end) = (path.display(), segment.end);
                    repair
                        .repaired
                        .push(format!("{path} was damaged behind its last record, at byte {end}; cut and sealed"));
                }
            }
        }
    }
    Ok(())
}

fn segment_path_name(segment: &Segment) -> String {
    segment_path(Path::new(""), segment.first).display().to_string()
}

const GONE_ON: &str = "the one before it says that it was there. If this is a copy that was taken while a hub went on with \
                       the log, remove FORMAT to say so";

/// Checks that the log begins at the snapshot's record or before, and that its end is valid.
fn finish(directory: &Path, scans: &[Scan], snapshots: &Snapshots, repair: &mut Repair) -> Result<(), LogError> {
    let (Some(first), Some(last)) = (scans.first(), scans.last()) else { return Ok(()) };
    let path = segment_path(directory, last.segment.first);
    let begin = first.segment.first;
    if begin > snapshots.newest() + 1 {
        return Err(no_beginning(directory, begin, snapshots));
    }
    match &last.stop {
        ScanEnd::End => {}
        ScanEnd::Seal(next) if repair.copy => {
            repair.next_segment = Some(*next);
            let end = last.segment.last;
            repair.repaired.push(format!("this is a copy of a log (no FORMAT) that went on after record {end}"));
        }
        ScanEnd::Seal(next) => {
            return Err(missing(&segment_path(directory, *next), GONE_ON));
        }
        ScanEnd::Broken(broken) if !broken.unfinished => return Err(damaged(&path, last.segment.end, broken.what)),
        ScanEnd::Broken(broken) => {
            repair.dropped = Some(Dropped {
                number: last.segment.last + 1,
                file: path.clone(),
                byte: last.segment.end,
                bytes: last.segment.bytes - last.segment.end,
                what: broken.what,
            });
        }
    }
    let witnessed = snapshots.witnessed();
    if last.segment.last < witnessed {
        let what =
            format_args!("records {} to {witnessed} are missing, a snapshot contains them", last.segment.last + 1);
        return Err(damaged(&path, last.segment.end, what));
    }
    Ok(())
}

fn no_beginning(directory: &Path, begin: RecordNumber, snapshots: &Snapshots) -> LogError {
    let newest = snapshots.newest();
    if let Some((_, LogError::Damaged(cause))) = snapshots.damaged.iter().rfind(|(number, _)| *number > newest) {
        return LogError::Damaged(cause.clone());
    }
    let why = format_args!("records {} to {} are in no file and no snapshot", newest + 1, begin - 1);
    missing(&segment_path(directory, newest + 1), why)
}

/// The changes to make after everything has been read.
#[derive(Debug, Default)]
struct Repair {
    /// FORMAT must be written.
    format: bool,
    /// FORMAT is missing: somebody copied the log here, perhaps while a hub was writing it.
    copy: bool,
    /// The copy ends with a finished segment; this segment must be created after it.
    next_segment: Option<RecordNumber>,
    /// The segments that need a new seal.
    seals: Vec<usize>,
    dropped: Option<Dropped>,
    repaired: Vec<String>,
}

impl Repair {
    /// Findings to report that need no change.
    fn note(&mut self, directory: &Path, listing: &Listing, scans: &[Scan], snapshots: &Snapshots) {
        for path in &listing.opened_to_others {
            self.repaired.push(format!("{} could be read by other users; no longer", path.display()));
        }
        for name in &listing.unknown {
            tracing::debug!(name, directory = %directory.display(), "a file that is none of the log's is ignored");
        }
        for (number, error) in &snapshots.damaged {
            let instead =
                if *number < snapshots.newest() { "a newer one" } else { "what came before it, and all records" };
            self.repaired.push(format!("{error}. It is not needed: the log continues with {instead}"));
        }
        let begin = scans.first().map_or(1, |scan| scan.segment.first);
        if let (Some((header, _)), true) = (snapshots.whole.last(), snapshots.damaged.is_empty())
            && header.oldest < begin
        {
            self.repaired.push(format!(
                "records {} to {} are gone, which only explanations of what is settled would need",
                header.oldest,
                begin - 1
            ));
        }
    }

    fn apply(&self, files: &Files, directory: &Path, id: u64, scans: &[Scan], data: &[u8]) -> Result<(), LogError> {
        for &index in &self.seals {
            seal(files, directory, id, &scans[index].segment)?;
        }
        match (self.next_segment, scans.last()) {
            (Some(first), _) => create_segment(files, directory, id, first)?,
            (None, Some(last)) => secure_end(files, directory, last, data)?,
            (None, None) => {}
        }
        // FORMAT is written last: until then the directory still counts as a copy.
        if self.format { write_format(files, directory, id) } else { Ok(()) }
    }

    fn recovered(self, directory: &Path, id: u64, scans: Vec<Scan>, snapshots: Snapshots) -> Recovered {
        let mut segments: VecDeque<Segment> = scans.into_iter().map(|scan| scan.segment).collect();
        segments.extend(self.next_segment.map(Segment::empty));
        let last = segments.len().saturating_sub(1);
        for (index, segment) in segments.iter_mut().enumerate() {
            segment.bytes = segment.end + if index < last { RECORD_HEADER_BYTES as u64 } else { 0 };
        }
        let whole: Vec<SnapshotFile> = snapshots.whole.into_iter().map(|(_, kept)| kept).collect();
        let report = RecoveryReport {
            snapshot: whole.last().map(|kept| kept.number),
            last: segments.back().map_or(0, |segment| segment.last),
            dropped: self.dropped,
            repaired: self.repaired,
        };
        let useless = snapshots.damaged.iter().map(|(number, _)| snapshot_path(directory, *number)).collect();
        Recovered { id, segments, snapshots: whole, useless, report }
    }
}

/// Cuts off everything behind the last record and writes the seal there. On a full disk it continues without the seal: nothing is lost
/// without the seal, and the next start tries again.
fn seal(files: &Files, directory: &Path, id: u64, segment: &Segment) -> Result<(), LogError> {
    let path = segment_path(directory, segment.first);
    let sealed = segment::open(&path).and_then(|file| {
        files.truncate(&file, &path, segment.end)?;
        files.write(&file, &path, &encode_seal(id, segment.last + 1), segment.end)?;
        files.sync(&file, &path)
    });
    match sealed {
        Err(error) if !is_full(&error) => Err(device(&path, "cannot be sealed", error)),
        _ => Ok(()),
    }
}

/// Syncs the end of the log to the device, before the hub relies on it.
fn secure_end(files: &Files, directory: &Path, last: &Scan, data: &[u8]) -> Result<(), LogError> {
    let path = segment_path(directory, last.segment.first);
    let end = last.segment.end;
    let secured = segment::open(&path).and_then(|file| {
        if last.segment.bytes > end {
            files.truncate(&file, &path, end)?;
        }
        if let Some(at) = last.last_record_at {
            // After a failed fsync the kernel may treat pages as clean that never reached the device. Reading them
            // back proves nothing. Only the last record can be affected, so it is written again.
            files.write(&file, &path, &data[at as usize..end as usize], at)?;
        }
        files.sync(&file, &path)
    });
    secured.map_err(|error| device(&path, "cannot be written", error))
}
