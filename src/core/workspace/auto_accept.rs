//! Rule 8: automatic accepts. Each goes to the eligible agent with room on the desk who has been idle longest.

use std::collections::BTreeSet;

use super::audiences::Rank;
use super::settle::Settlement;
use super::step::Step;
use super::{OpenSlot, Workspace};
use crate::effect::AgentSlot;
use crate::outcome::Outcome;

impl Workspace {
    /// Gives the waiting automatic accepts, by rank, to agents whose desk changed in this step. No other agent can
    /// take one: otherwise it would not be waiting. With `before`, only those that come before it are given.
    pub(crate) fn auto_accept_waiting(&mut self, step: &mut Step<'_>, before: Option<Rank>) {
        // If there are too many sessions, an accept ends another agent's session, and that agent may take an earlier one.
        while self.auto_accepts > 0 && self.auto_accept_until_session_freed(step, before) {}
    }

    /// Returns whether it stopped because a session ended, so that it has to start again.
    fn auto_accept_until_session_freed(&mut self, step: &mut Step<'_>, before: Option<Rank>) -> bool {
        step.scratch.session_freed = false;
        let mut next: BTreeSet<(Rank, AgentSlot)> = BTreeSet::new();
        for &agent in &step.scratch.changed {
            self.push_next_auto_accept(step, &mut next, agent, Rank::BEGIN);
        }
        while let Some(&(rank, _)) = next.first()
            && before.is_none_or(|before| rank < before)
        {
            let mut candidates = Vec::new();
            while let Some(&(same, agent)) = next.first()
                && same == rank
            {
                next.pop_first();
                candidates.push(agent);
            }
            if let Some(&slot) = self.arrivals.get(&rank.arrival()) {
                let able = candidates.iter().copied().filter(|&agent| self.can_auto_accept(step, agent));
                if let Some(agent) = self.longest_idle(able, |_| ()) {
                    self.settle(step, slot, Settlement::accepted(Outcome::AutoAccepted, agent));
                    if step.scratch.session_freed {
                        return true;
                    }
                }
            }
            for agent in candidates {
                self.push_next_auto_accept(step, &mut next, agent, rank);
            }
        }
        false
    }

    fn push_next_auto_accept(
        &self,
        step: &Step<'_>,
        next: &mut BTreeSet<(Rank, AgentSlot)>,
        agent: AgentSlot,
        after: Rank,
    ) {
        if self.can_auto_accept(step, agent)
            && let Some((rank, _)) = self.next_of(agent, |index| index.next_auto_accept(after))
        {
            next.insert((rank, agent));
        }
    }

    /// Gives an arriving automatic accept to the agent of its audience with room who has been idle longest. Returns
    /// whether there was one.
    pub(crate) fn auto_accept_arriving(&mut self, step: &mut Step<'_>, slot: OpenSlot) -> bool {
        let able = self.eligible(self.open[slot].audience).filter(|&agent| self.can_auto_accept(step, agent));
        let Some(agent) = self.longest_idle(able, |_| ()) else { return false };
        self.settle(step, slot, Settlement::accepted(Outcome::AutoAccepted, agent));
        true
    }

    /// Whether an agent of the audience would get an automatic accept now.
    fn can_auto_accept(&self, step: &Step<'_>, agent: AgentSlot) -> bool {
        self.agents.try_get(agent).is_some_and(|desk| {
            desk.is_available()
                && desk.displayed.len() < step.limits.display_limit as usize
                && desk.sessions.len() < step.limits.session_limit as usize
        })
    }
}
