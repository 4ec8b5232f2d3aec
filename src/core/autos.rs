//! Rule 8: notifications that are accepted automatically, each for the eligible agent with room who has been idle longest.

use std::collections::BTreeSet;

use super::audience::Arrival;
use super::outcome::Outcome;
use super::settling::Ending;
use super::state::Workspace;
use super::step::Step;

impl Workspace {
    /// Gives waiting automatic ones, by arrival, to agents whose desk changed in this step. Others cannot take any:
    /// had they been able to, nothing would be waiting. With `before`, only what arrived before that.
    pub(super) fn give_autos(&mut self, step: &mut Step<'_>, before: Option<Arrival>) {
        // An accept may end another's session (the count of sessions is full), and so make room for an earlier one.
        while self.autos > 0 && self.give_autos_until_released(step, before) {}
    }

    /// Whether it stopped because somebody's session ended, so that it has to begin anew.
    fn give_autos_until_released(&mut self, step: &mut Step<'_>, before: Option<Arrival>) -> bool {
        self.scratch.released = false;
        let mut next: BTreeSet<(Arrival, u32)> = BTreeSet::new();
        for &agent in &self.scratch.dirty {
            self.push_next_auto(step, &mut next, agent, 0);
        }
        while let Some(&(arrival, _)) = next.first()
            && before.is_none_or(|before| arrival < before)
        {
            let mut candidates = Vec::new();
            while let Some(&(same, agent)) = next.first()
                && same == arrival
            {
                next.pop_first();
                candidates.push(agent);
            }
            if let Some(&slot) = self.arrivals.get(&arrival) {
                let takers = candidates.iter().copied().filter(|&agent| self.takes_autos(step, agent));
                if let Some(agent) = self.idlest(takers, |_| ()) {
                    self.settle(step, slot, Ending::accepted(Outcome::AutoAccepted, agent));
                    if self.scratch.released {
                        return true;
                    }
                }
            }
            for agent in candidates {
                self.push_next_auto(step, &mut next, agent, arrival);
            }
        }
        false
    }

    fn push_next_auto(&self, step: &Step<'_>, next: &mut BTreeSet<(Arrival, u32)>, agent: u32, after: Arrival) {
        if self.takes_autos(step, agent)
            && let Some((arrival, _)) = self.next_of(agent, |stream| stream.next_auto(after))
        {
            next.insert((arrival, agent));
        }
    }

    /// Gives an arriving automatic one to the idlest of its whole audience who has room.
    pub(super) fn give_arriving_auto(&mut self, step: &mut Step<'_>, slot: u32) -> bool {
        let takers = self.eligible(self.open[slot].audience).filter(|&agent| self.takes_autos(step, agent));
        let Some(agent) = self.idlest(takers, |_| ()) else { return false };
        self.settle(step, slot, Ending::accepted(Outcome::AutoAccepted, agent));
        true
    }

    /// Whether an agent, if in the audience, would get an automatic accept now.
    fn takes_autos(&self, step: &Step<'_>, agent: u32) -> bool {
        self.agents.try_get(agent).is_some_and(|desk| {
            desk.is_available()
                && desk.displayed.len() < step.limits.display_limit as usize
                && desk.sessions.len() < step.limits.session_limit as usize
        })
    }
}
