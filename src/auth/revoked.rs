//! Subjects whose tokens, as far as they were issued until then, are refused.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The most revocations. None is ever forgotten, since nobody knows how long a token lasts that was issued before;
/// when the keys are changed they can all go.
pub const REVOKED_MAX: usize = 10_000;

/// A revocation that was not made, or made and not written down.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// There are [`REVOKED_MAX`].
    #[error("{REVOKED_MAX} subjects are revoked already; change the keys, then remove the file of revocations")]
    Full,
    /// In force, but it would not outlast a restart.
    #[error("it is in force, but a restart would forget it: {}: {source}", .path.display())]
    NotKept {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Who: a subject of one workspace, or of all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Who {
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workspace: Option<String>,
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Revocation {
    #[serde(flatten)]
    who: Who,
    /// In milliseconds since 1970.
    at: u64,
}

/// The revocations in force, and the file that keeps them over a restart.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    file: Option<PathBuf>,
    at_ms: BTreeMap<Who, u64>,
}

impl Revoked {
    /// Reads the file; none there is none revoked. `None`: they last as long as the process.
    pub(super) fn open(file: Option<PathBuf>) -> io::Result<Self> {
        let Some(path) = &file else { return Ok(Self::default()) };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut at_ms = BTreeMap::new();
        for line in text.lines() {
            let Revocation { who, at } = serde_json::from_str(line)?;
            at_ms.insert(who, at);
        }
        Ok(Self { file, at_ms })
    }

    /// Whether a token of that subject, issued then, is refused. One that does not say when counts as issued before.
    pub(super) fn includes(&self, workspace: &str, subject: &str, issued_ms: Option<u64>) -> bool {
        if self.at_ms.is_empty() {
            return false;
        }
        let at = |workspace: Option<String>| self.at_ms.get(&Who { subject: subject.to_owned(), workspace });
        let latest = at(None).max(at(Some(workspace.to_owned())));
        latest.is_some_and(|at| issued_ms.is_none_or(|issued| issued <= *at))
    }

    /// Refuses what was issued until now.
    pub(super) fn add(&mut self, workspace: Option<&str>, subject: &str, now_ms: u64) -> Result<(), RevokeError> {
        let who = Who { subject: subject.to_owned(), workspace: workspace.map(str::to_owned) };
        if self.at_ms.len() >= REVOKED_MAX && !self.at_ms.contains_key(&who) {
            return Err(RevokeError::Full);
        }
        self.at_ms.insert(who, now_ms);
        let Some(path) = &self.file else { return Ok(()) };
        self.write(path).map_err(|source| RevokeError::NotKept { path: path.clone(), source })
    }

    /// Writes a new file and puts it in the old one's place, so that there is a whole one at any time.
    fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let mut text = Vec::new();
        for (who, at) in &self.at_ms {
            serde_json::to_writer(&mut text, &Revocation { who: who.clone(), at: *at })?;
            text.push(b'\n');
        }
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        // The rename too must outlast a power cut.
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }
}
