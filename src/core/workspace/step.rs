//! What one step needs beside the workspace: the time, the limits, the deadlines, the effects, the scratch data.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::collections::slot_set::SlotSet;
use crate::effect::{AgentSlot, Effect, Effects};
use crate::ids::{Name, Position, Timestamp};
use crate::limits::Limits;
use crate::rules::Rules;
use crate::workspace::agents::Agent;
use crate::workspace::audiences::Arrival;
use crate::workspace::{OpenSlot, WorkspaceSlot};

/// When the time of an open notification ends, ordered by time, then arrival; its workspace and its slot there.
pub(crate) type Deadline = (Timestamp, Arrival, WorkspaceSlot, OpenSlot);

/// Counters of one log, over all its workspaces. They only grow.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// See [`Position`].
    pub(crate) epoch: u64,
    /// The number of notifications that arrived, which is the newest arrival.
    pub(crate) arrivals: Arrival,
    /// The number of notifications that were settled.
    pub(crate) settled: u64,
}

/// Data of one workspace that lives as long as a step.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The agents whose desks changed, in the order of their first change.
    pub(crate) changed: Vec<AgentSlot>,
    /// Those of them whose desks may have a free place.
    pub(crate) stale: SlotSet<Agent>,
    /// The agents to whom each notification is displayed, by arrival.
    pub(crate) displays: BTreeMap<Arrival, Vec<AgentSlot>>,
    /// Whether a session ended or moved away, so that its agent may get an automatic accept.
    pub(crate) session_freed: bool,
}

impl Scratch {
    /// Marks an agent's desk for the end of the step.
    pub(crate) fn mark_dirty(&mut self, agent: AgentSlot) {
        if self.stale.insert(agent) {
            self.changed.push(agent);
        }
    }
}

/// One step in one workspace: everything that is due, then one input, then the places that these free.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) now: Timestamp,
    pub(crate) rules: Rules,
    pub(crate) limits: &'a Limits,
    pub(crate) counters: &'a mut Counters,
    pub(crate) deadlines: &'a mut BTreeSet<Deadline>,
    pub(crate) out: &'a mut Effects,
    pub(crate) scratch: &'a mut Scratch,
}

impl Step<'_> {
    pub(crate) fn emit(&mut self, workspace: &Name, effect: Effect) {
        self.out.list.push((workspace.clone(), effect));
    }

    pub(crate) fn next_arrival(&mut self) -> Arrival {
        self.counters.arrivals += 1;
        self.counters.arrivals
    }

    pub(crate) fn next_settled(&mut self) -> u64 {
        self.counters.settled += 1;
        self.counters.settled
    }

    pub(crate) fn position(&self, settled: u64) -> Position {
        Position { epoch: self.counters.epoch, settled }
    }
}
