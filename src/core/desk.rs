//! Desks: which notifications an agent sees, which wait behind them.

use std::sync::Arc;

use super::audience::{Arrival, Stream};
use super::effect::Event;
use super::state::Workspace;
use super::step::Step;

/// How an arriving notification fared with its audience.
#[derive(Debug, Default)]
pub(super) struct Offered {
    /// Some agent was eligible.
    pub(super) somebody: bool,
    /// It is on some desk now.
    pub(super) taken: bool,
}

impl Workspace {
    /// The connected and available agents of an audience. Who is in it more than once (by name, by a group, by another)
    /// comes more than once: whoever minds has to look.
    ///
    /// This is the one place that says to whom a notification goes; another policy than "all" goes here.
    pub(super) fn eligible(&self, audience: u32) -> impl Iterator<Item = u32> + '_ {
        let audience = self.audiences.get(audience);
        let all = audience.to.is_everyone().then(|| self.agents.connected().iter());
        let members = audience.groups.iter().flat_map(|&group| &self.groups.get(group).members);
        let agents = all.into_iter().flatten().chain(audience.agents.iter().chain(members).copied());
        agents.filter(|&agent| self.agents.get(agent).is_available())
    }

    /// Rule 1: an arriving notification goes to every eligible agent.
    pub(super) fn offer(&mut self, step: &mut Step<'_>, slot: u32) -> Offered {
        let mut agents = std::mem::take(&mut self.scratch.audience);
        agents.extend(self.eligible(self.open[slot].audience));
        for &agent in &agents {
            if self.agents.get(agent).dirty {
                // What fell free in this step is taken in order of arrival: older ones may come first.
                self.refill(step, agent);
            }
            if !self.open[slot].on_desk.has(agent) {
                self.place(step, agent, slot);
            }
        }
        let offered = Offered { somebody: !agents.is_empty(), taken: self.open[slot].on_desk.count() > 0 };
        agents.clear();
        self.scratch.audience = agents;
        offered
    }

    /// Puts a new arrival on a desk whose older ones have had their turn: displayed, waiting, or passed over.
    fn place(&mut self, step: &mut Step<'_>, agent: u32, slot: u32) {
        let notification = &mut self.open[slot];
        let arrival = notification.arrival;
        let desk = self.agents.get_mut(agent);
        let displays =
            !notification.content.rendered.auto_accept && desk.displayed.len() < step.limits.display_limit as usize;
        if !displays && desk.waiting.len() >= step.limits.queue_limit as usize {
            desk.behind = true;
            return;
        }
        if !desk.behind {
            desk.cursor = arrival;
        }
        notification.on_desk.set(agent);
        if displays {
            self.display(step, agent, slot);
        } else {
            desk.waiting.push_back(slot);
        }
    }

    /// Refills all desks that may have a free place.
    pub(super) fn refill_dirty(&mut self, step: &mut Step<'_>) {
        for agent in std::mem::take(&mut self.scratch.dirty) {
            // A desk that was refilled or forgotten since is no longer dirty.
            if self.agents.try_get(agent).is_some_and(|desk| desk.dirty) {
                self.refill(step, agent);
            }
        }
    }

    /// Rule 4: free places are taken, first come, first displayed.
    fn refill(&mut self, step: &mut Step<'_>, agent: u32) {
        let desk = self.agents.get_mut(agent);
        desk.dirty = false;
        if !desk.is_available() {
            return;
        }
        self.display_waiting(step, agent);
        if !self.agents.get(agent).behind {
            return;
        }
        let mut after = self.agents.get(agent).cursor;
        let mut passed_over = false;
        loop {
            let desk = self.agents.get(agent);
            let may_display = desk.displayed.len() < step.limits.display_limit as usize;
            let may_wait = desk.waiting.len() < step.limits.queue_limit as usize;
            // A full queue behind a free place holds automatic ones only: others may pass them.
            passed_over |= !may_wait;
            let next = match (may_display, may_wait) {
                (_, true) => self.next_of(agent, |stream| stream.next(after)),
                (true, false) => self.next_of(agent, |stream| stream.next_plain(after)),
                (false, false) => None,
            };
            let Some((arrival, slot)) = next else { break };
            after = arrival;
            let notification = &mut self.open[slot];
            if notification.is_new_to(agent) {
                notification.on_desk.set(agent);
                if may_display && !notification.content.rendered.auto_accept {
                    self.display(step, agent, slot);
                } else {
                    self.agents.get_mut(agent).waiting.push_back(slot);
                }
            }
            if !passed_over {
                self.agents.get_mut(agent).cursor = arrival;
            }
        }
        self.agents.get_mut(agent).behind = passed_over;
    }

    /// Displays what waits while there is room; automatic ones keep waiting, they are displayed to nobody.
    fn display_waiting(&mut self, step: &mut Step<'_>, agent: u32) {
        loop {
            let desk = self.agents.get(agent);
            if desk.displayed.len() >= step.limits.display_limit as usize {
                return;
            }
            let first = desk.waiting.iter().position(|&slot| !self.open[slot].content.rendered.auto_accept);
            let Some(slot) = first.and_then(|at| self.agents.get_mut(agent).waiting.remove(at)) else { return };
            self.display(step, agent, slot);
        }
    }

    /// Puts a notification before an agent; the first time, its display time begins.
    fn display(&mut self, step: &mut Step<'_>, agent: u32, slot: u32) {
        self.agents.get_mut(agent).displayed.push(slot);
        let notification = &mut self.open[slot];
        notification.displayed_to.set(agent);
        let arrival = notification.arrival;
        self.scratch.shows.entry(arrival).or_default().push(agent);
        if !notification.was_displayed {
            self.first_display(step, slot);
        }
    }

    fn first_display(&mut self, step: &mut Step<'_>, slot: u32) {
        let notification = &mut self.open[slot];
        notification.was_displayed = true;
        let due = step.now.plus(notification.content.rendered.timeout);
        let old = std::mem::replace(&mut notification.due, due);
        let arrival = notification.arrival;
        let audience = notification.audience;
        step.deadlines.remove(&(old, arrival, self.slot, slot));
        step.deadlines.insert((due, arrival, self.slot, slot));
        self.audiences.get_mut(audience).never_displayed -= 1;
        self.never_displayed -= 1;
        self.observe(step, || Event::Displayed { content: Arc::clone(&self.open[slot].content) });
    }

    /// The next open notification for an agent: the least of what `next` finds in each of the agent's few streams.
    pub(super) fn next_of(
        &self,
        agent: u32,
        next: impl Fn(&Stream) -> Option<(Arrival, u32)>,
    ) -> Option<(Arrival, u32)> {
        let desk = self.agents.get(agent);
        let groups = desk.groups.iter().map(|&group| &self.groups.get(group).stream);
        [&self.everybody, &desk.named].into_iter().chain(groups).filter_map(next).min()
    }

    /// Takes a notification off a desk, if it is there; whether it was displayed.
    pub(super) fn clear_from_desk(&mut self, agent: u32, slot: u32) -> bool {
        if !self.open[slot].on_desk.clear(agent) {
            return false;
        }
        self.soil(agent);
        let desk = self.agents.get_mut(agent);
        if let Some(at) = desk.displayed.iter().position(|&shown| shown == slot) {
            desk.displayed.remove(at);
            return true;
        }
        desk.waiting.retain(|&waiting| waiting != slot);
        false
    }

    /// What waits is chosen anew from the whole stream, at the end of the step and if the agent is eligible then.
    pub(super) fn requeue(&mut self, agent: u32) {
        let desk = self.agents.get_mut(agent);
        desk.cursor = 0;
        desk.behind = true;
        for slot in std::mem::take(&mut desk.waiting) {
            self.open[slot].on_desk.clear(agent);
        }
        self.soil(agent);
    }

    /// The desk of an agent whose last connection went.
    pub(super) fn dissolve_desk(&mut self, agent: u32) {
        self.requeue(agent);
        for slot in std::mem::take(&mut self.agents.get_mut(agent).displayed) {
            self.open[slot].on_desk.clear(agent);
        }
    }

    /// The agent among `candidates` who has been idle longest; `rank` comes before idleness.
    pub(super) fn idlest<R: Ord>(&self, candidates: impl Iterator<Item = u32>, rank: impl Fn(u32) -> R) -> Option<u32> {
        let order = |agent: u32| -> (R, (Option<u64>, &super::ids::Name)) {
            (rank(agent), self.agents.get(agent).idle_order())
        };
        candidates.min_by(|&a, &b| order(a).cmp(&order(b)))
    }
}
