//! The end of the log: appends, and the step from one segment to the next.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::directory::segment_path;
use super::error::{append_error, broken, device};
use super::files::is_full;
use super::record::{encode, encode_seal};
use super::segment::{self, CreateError, Segment};
use super::shared::DiskShared;
use crate::log::{AppendError, Cause, LogError, RecordNumber, RecordTooLarge};

/// The only writer of records.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<DiskShared>,
    file: File,
    segment: Segment,
    /// A finished segment without its seal. No record is written into the next segment before the seal.
    unsealed: Option<(File, Segment)>,
    /// Set when the state of the device is unknown.
    broken: Option<Cause>,
    frame: Vec<u8>,
}

impl Writer {
    /// Continues at the end of the log, according to the shared state.
    pub(super) fn open(shared: Arc<DiskShared>) -> Result<Self, LogError> {
        let segment = shared.state().segments.back().copied().unwrap_or_else(|| Segment::empty(1));
        let path = segment_path(shared.directory(), segment.first);
        let file = segment::open(&path).map_err(|error| device(&path, "cannot be opened", error))?;
        Ok(Self { shared, file, segment, unsealed: None, broken: None, frame: Vec::new() })
    }

    /// Appends a record, durably, and returns its number.
    pub(super) fn append(&mut self, payload: &[u8]) -> Result<RecordNumber, AppendError> {
        RecordTooLarge::check(payload)?;
        self.guarded(|writer| {
            if writer.wants_new_segment(payload.len() as u64) {
                writer.begin_segment()?;
            }
            writer.seal()?;
            writer.write(payload)
        })
    }

    /// Finishes the segment, so that the log ends with an empty one.
    pub(super) fn finish_segment(&mut self) -> Result<(), AppendError> {
        self.guarded(|writer| {
            if !writer.segment.is_empty() {
                writer.begin_segment()?;
            }
            writer.seal()
        })
    }

    /// After the first `Broken` no further change is tried.
    fn guarded<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, AppendError>) -> Result<T, AppendError> {
        if let Some(why) = &self.broken {
            return Err(AppendError::Broken(why.clone()));
        }
        let result = act(self);
        if let Err(AppendError::Broken(why)) = &result {
            self.broken = Some(why.clone());
        }
        result
    }

    fn wants_new_segment(&self, payload: u64) -> bool {
        let asked = self.shared.begin_segment.load(Ordering::Relaxed);
        !self.segment.is_empty() && (asked || self.segment.end + payload > self.shared.segment_bytes)
    }

    fn begin_segment(&mut self) -> Result<(), AppendError> {
        let first = self.segment.last + 1;
        let path = segment_path(self.shared.directory(), first);
        let created = segment::create(&self.shared.files, self.shared.directory(), self.shared.id, first);
        let file = created.map_err(|error| match error {
            CreateError::Nothing(error) => append_error(&path, "cannot be made", error),
            CreateError::Unclear(error) => broken(&path, "cannot be made", error),
        })?;
        let finished = std::mem::replace(&mut self.segment, Segment::empty(first));
        self.unsealed = Some((std::mem::replace(&mut self.file, file), finished));
        self.shared.begin_segment.store(false, Ordering::Relaxed);
        self.shared.state().segments.push_back(self.segment);
        Ok(())
    }

    fn seal(&mut self) -> Result<(), AppendError> {
        let Some((file, segment)) = self.unsealed.take() else { return Ok(()) };
        let seal = encode_seal(self.shared.id, segment.last + 1);
        let result = self.write_durably(&file, &segment, &seal);
        if result.is_ok() {
            let mut state = self.shared.state();
            let sealed = state.segments.iter_mut().find(|other| other.first == segment.first);
            if let Some(sealed) = sealed {
                sealed.bytes = segment.end + seal.len() as u64;
            }
        } else {
            self.unsealed = Some((file, segment));
        }
        result
    }

    fn write(&mut self, payload: &[u8]) -> Result<RecordNumber, AppendError> {
        let number = self.segment.last + 1;
        let written_at_ms = (self.shared.now_ms)();
        let mut frame = std::mem::take(&mut self.frame);
        encode(&mut frame, self.shared.id, self.segment.end, number, written_at_ms, payload);
        let result = self.write_durably(&self.file, &self.segment, &frame);
        if result.is_ok() {
            self.segment.grow(frame.len() as u64, written_at_ms);
            if let Some(last) = self.shared.state().segments.back_mut() {
                *last = self.segment;
            }
        }
        self.frame = frame;
        result.map(|()| number)
    }

    /// Writes behind the segment's last record. If the disk is full, the segment is cut back to its previous end.
    fn write_durably(&self, file: &File, segment: &Segment, bytes: &[u8]) -> Result<(), AppendError> {
        let path = segment_path(self.shared.directory(), segment.first);
        let files = &self.shared.files;
        let written = files.write(file, &path, bytes, segment.end).and_then(|()| files.sync(file, &path));
        let Err(error) = written else { return Ok(()) };
        if is_full(&error) {
            // The failed sync is not repeated. The data that it should have covered is cut off, and the cut must be durable.
            files
                .truncate(file, &path, segment.end)
                .map_err(|error| broken(&path, "is full and cannot be cut back", error))?;
        }
        Err(append_error(&path, "cannot be written", error))
    }
}
