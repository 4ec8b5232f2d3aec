//! What one step of time needs beside the workspace: the time, the limits, the deadlines, the effects.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::audience::Arrival;
use super::effect::{Effect, Effects};
use super::ids::{Name, Position, Timestamp};
use super::limits::Limits;

/// When an open notification's time runs out: by deadline, then by arrival; in which workspace, in which slot.
pub(super) type Deadline = (Timestamp, Arrival, u32, u32);

/// Counters that never run back, over all workspaces of a log.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Numbers {
    /// See [`Position`].
    pub(super) epoch: u64,
    /// The newest arrival.
    pub(super) arrivals: Arrival,
    /// How many were settled.
    pub(super) settled: u64,
}

/// One step: everything that is due, then one input, then what these free.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) now: Timestamp,
    pub(super) limits: &'a Limits,
    pub(super) numbers: &'a mut Numbers,
    pub(super) deadlines: &'a mut BTreeSet<Deadline>,
    pub(super) out: &'a mut Effects,
}

impl Step<'_> {
    pub(super) fn emit(&mut self, workspace: &Name, effect: Effect) {
        self.out.list.push((workspace.clone(), effect));
    }

    pub(super) fn next_arrival(&mut self) -> Arrival {
        self.numbers.arrivals += 1;
        self.numbers.arrivals
    }

    pub(super) fn next_settled(&mut self) -> u64 {
        self.numbers.settled += 1;
        self.numbers.settled
    }

    pub(super) fn position(&self, settled: u64) -> Position {
        Position { epoch: self.numbers.epoch, settled }
    }
}
