//! Limits a process to a part of a processor, with Linux control groups.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The period of a quota: the default of Linux.
const PERIOD: Duration = Duration::from_millis(100);

/// A control group with a quota of processor time. It is removed on drop; its process must have ended by then.
#[derive(Debug)]
pub(crate) struct Quota {
    directory: PathBuf,
}

/// No control group is available.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoQuota {
    #[error("this system has no cpu controller: neither cgroup v1's nor, at the root, cgroup v2's is mounted")]
    NoController,
    #[error("{0}: {1}; control groups are root's, so run this as root, where they may be written")]
    NoRights(PathBuf, #[source] io::Error),
}

impl Quota {
    /// Creates a quota of `percent` of one processor's time, on any processors.
    /// Tested with version 1 of control groups only.
    pub(crate) fn new(percent: u32) -> Result<Self, NoQuota> {
        let (root, version) = controller().ok_or(NoQuota::NoController)?;
        let directory = root.join(format!("deskbell-bench-{}", std::process::id()));
        let no_rights = |error| NoQuota::NoRights(directory.clone(), error);
        fs::create_dir(&directory).map_err(no_rights)?;
        let quota = Self { directory: directory.clone() };
        let period_us = PERIOD.as_micros();
        let quota_us = period_us * u128::from(percent) / 100;
        let settings = match version {
            Version::One => {
                vec![("cpu.cfs_period_us", period_us.to_string()), ("cpu.cfs_quota_us", quota_us.to_string())]
            }
            Version::Two => vec![("cpu.max", format!("{quota_us} {period_us}"))],
        };
        for (name, value) in settings {
            fs::write(directory.join(name), value).map_err(no_rights)?;
        }
        Ok(quota)
    }

    /// Applies the quota to a process with all its threads.
    pub(crate) fn hold(&self, pid: u32) -> Result<(), NoQuota> {
        let held = fs::write(self.directory.join("cgroup.procs"), pid.to_string());
        held.map_err(|error| NoQuota::NoRights(self.directory.clone(), error))
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.directory);
    }
}

#[derive(Debug, Clone, Copy)]
enum Version {
    One,
    Two,
}

/// The directory in which groups with a quota can be created.
fn controller() -> Option<(PathBuf, Version)> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mut two = None;
    for mount in mounts.lines() {
        let mut fields = mount.split(' ').skip(1);
        let (path, kind, options) = (Path::new(fields.next()?), fields.next()?, fields.next()?);
        if kind == "cgroup" && options.split(',').any(|option| option == "cpu") {
            return Some((path.to_owned(), Version::One));
        }
        let controllers = fs::read_to_string(path.join("cgroup.subtree_control")).unwrap_or_default();
        if kind == "cgroup2" && controllers.split_whitespace().any(|name| name == "cpu") {
            two = Some((path.to_owned(), Version::Two));
        }
    }
    two
}
