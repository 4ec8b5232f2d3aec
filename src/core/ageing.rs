//! When workspaces have something that ends by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ids::Timestamp;

/// One time per workspace at most, by time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Ageing {
    by_time: BTreeSet<(Timestamp, u32)>,
    of: BTreeMap<u32, Timestamp>,
}

impl Ageing {
    /// The time of a workspace from here on.
    pub(super) fn set(&mut self, workspace: u32, at: Option<Timestamp>) {
        let old = match at {
            Some(at) => self.of.insert(workspace, at),
            None => self.of.remove(&workspace),
        };
        if old != at {
            if let Some(old) = old {
                self.by_time.remove(&(old, workspace));
            }
            if let Some(at) = at {
                self.by_time.insert((at, workspace));
            }
        }
    }

    /// The first, and whose it is.
    pub(super) fn first(&self) -> Option<(Timestamp, u32)> {
        self.by_time.first().copied()
    }
}

#[cfg(test)]
impl Ageing {
    pub(super) fn get(&self, workspace: u32) -> Option<Timestamp> {
        self.of.get(&workspace).copied()
    }

    /// That both maps say the same.
    pub(super) fn check(&self) {
        assert!(self.by_time.iter().all(|(at, workspace)| self.of.get(workspace) == Some(at)));
        assert_eq!(self.by_time.len(), self.of.len());
    }
}
