//! The file in which earlier versions kept revocations. Its lines are moved into the log once.

use std::fs;
use std::io;
use std::path::Path;

use deskbell_core::Timestamp;
use deskbell_core::revocations::{Revocation, RevokedSubject};
use serde::Deserialize;

use crate::hub::{HubHandle, partition_of};

/// Its name in the data directory. The log ignores names that start with a dot.
const FILE: &str = ".revoked-subjects";
/// Its name after its lines were moved into the log.
const MOVED: &str = ".revoked-subjects.moved";

/// One line of the file.
#[derive(Debug, Deserialize)]
struct Line {
    subject: String,
    workspace: Option<String>,
    /// In milliseconds since 1970.
    at: u64,
}

/// Moves the revocations of the file into the log, if there is a file.
///
/// # Errors
/// The file cannot be read or renamed, or the log does not take its lines. The next start tries again.
pub(super) async fn move_into_log(data_dir: &Path, hubs: &[HubHandle]) -> io::Result<()> {
    let path = data_dir.join(FILE);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text?,
    };
    let lines: Vec<Line> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    for Line { subject, workspace, at } in &lines {
        let revocation = Revocation { at: Timestamp(*at), until: None };
        let revoked = RevokedSubject {
            subject: subject.as_str().into(),
            workspace: workspace.as_deref().map(Into::into),
            issuer: None,
        };
        let of = workspace.as_deref().map(|workspace| partition_of(workspace, hubs.len()));
        for (_, hub) in hubs.iter().enumerate().filter(|(partition, _)| of.is_none_or(|of| of == *partition)) {
            hub.revocations.revoke(revoked.clone(), revocation).await.map_err(io::Error::other)?;
        }
    }
    fs::rename(&path, data_dir.join(MOVED))?;
    tracing::info!(revocations = lines.len(), "the revocations of {FILE} are in the log now");
    Ok(())
}
