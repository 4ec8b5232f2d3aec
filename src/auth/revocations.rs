//! Revocations: subjects with tokens that are refused if they were issued before the revocation.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The most revocations. None is ever forgotten, because the hub cannot know how long an old token is valid. After a
/// change of the keys, the file can be removed.
pub const REVOKED_MAX: usize = 10_000;

/// A revocation failed, or is in force but was not stored.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// There are [`REVOKED_MAX`] already.
    #[error("{REVOKED_MAX} subjects are revoked already; change the keys, then remove the file of revocations")]
    Full,
    /// The revocation is in force, but a restart would lose it.
    #[error("it works now, but a restart will lose it: {}: {source}", .path.display())]
    NotKept {
        /// The path of the file of revocations.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
}

/// A subject of one workspace, or of all workspaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct RevokedSubject {
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workspace: Option<String>,
}

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Revocation {
    #[serde(flatten)]
    revoked: RevokedSubject,
    /// In milliseconds since 1970.
    at: u64,
}

/// The current revocations, and the file that keeps them across restarts.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    file: Option<PathBuf>,
    at_ms: BTreeMap<RevokedSubject, u64>,
}

impl Revocations {
    /// Loads the file. A missing file means that there are no revocations. `None`: revocations last as long as the process.
    pub(super) fn open(file: Option<PathBuf>) -> io::Result<Self> {
        let Some(path) = &file else { return Ok(Self::default()) };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut at_ms = BTreeMap::new();
        for line in text.lines() {
            let Revocation { revoked, at } = serde_json::from_str(line)?;
            at_ms.insert(revoked, at);
        }
        Ok(Self { file, at_ms })
    }

    /// Whether a token of this subject with this `iat` is refused. A token without `iat` counts as issued before.
    pub(super) fn includes(&self, workspace: &str, subject: &str, issued_ms: Option<u64>) -> bool {
        if self.at_ms.is_empty() {
            return false;
        }
        let at = |workspace: Option<String>| self.at_ms.get(&RevokedSubject { subject: subject.to_owned(), workspace });
        let latest = at(None).max(at(Some(workspace.to_owned())));
        latest.is_some_and(|at| issued_ms.is_none_or(|issued| issued <= *at))
    }

    /// Revokes all tokens that were issued until now.
    pub(super) fn add(&mut self, workspace: Option<&str>, subject: &str, now_ms: u64) -> Result<(), RevokeError> {
        let revoked = RevokedSubject { subject: subject.to_owned(), workspace: workspace.map(str::to_owned) };
        if self.at_ms.len() >= REVOKED_MAX && !self.at_ms.contains_key(&revoked) {
            return Err(RevokeError::Full);
        }
        self.at_ms.insert(revoked, now_ms);
        let Some(path) = &self.file else { return Ok(()) };
        self.write(path).map_err(|source| RevokeError::NotKept { path: path.clone(), source })
    }

    /// Writes a new file and renames it over the old one, so that there is a complete file at any time.
    fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let mut text = Vec::new();
        for (revoked, at) in &self.at_ms {
            serde_json::to_writer(&mut text, &Revocation { revoked: revoked.clone(), at: *at })?;
            text.push(b'\n');
        }
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        // The rename must survive a power cut too.
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }
}
