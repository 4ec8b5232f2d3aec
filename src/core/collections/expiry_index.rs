//! The workspaces in which something expires, ordered by time.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::Timestamp;
use crate::workspace::WorkspaceSlot;

/// At most one time for each workspace, ordered by time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ExpiryIndex {
    by_time: BTreeSet<(Timestamp, WorkspaceSlot)>,
    by_workspace: BTreeMap<WorkspaceSlot, Timestamp>,
}

impl ExpiryIndex {
    /// Sets or clears the time of a workspace.
    pub(crate) fn set(&mut self, workspace: WorkspaceSlot, at: Option<Timestamp>) {
        let old = match at {
            Some(at) => self.by_workspace.insert(workspace, at),
            None => self.by_workspace.remove(&workspace),
        };
        if old != at {
            if let Some(old) = old {
                assert!(
                    self.by_time.remove(&(old, workspace)),
                    "the expiry of workspace {workspace:?} is not in order"
                );
            }
            if let Some(at) = at {
                self.by_time.insert((at, workspace));
            }
        }
    }

    /// The earliest time and its workspace.
    pub(crate) fn first(&self) -> Option<(Timestamp, WorkspaceSlot)> {
        self.by_time.first().copied()
    }
}

#[cfg(test)]
impl ExpiryIndex {
    pub(crate) fn get(&self, workspace: WorkspaceSlot) -> Option<Timestamp> {
        self.by_workspace.get(&workspace).copied()
    }

    /// A damaged index: it has a time for the workspace that is missing in the order.
    pub(crate) fn without_order(workspace: WorkspaceSlot) -> Self {
        Self { by_time: BTreeSet::new(), by_workspace: BTreeMap::from([(workspace, Timestamp(1))]) }
    }

    /// Checks that both maps agree.
    pub(crate) fn check(&self) {
        assert!(self.by_time.iter().all(|(at, workspace)| self.by_workspace.get(workspace) == Some(at)));
        assert_eq!(self.by_time.len(), self.by_workspace.len());
    }
}
