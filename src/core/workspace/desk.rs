//! Desks: which notifications an agent has displayed, and which are queued behind them.

use std::sync::Arc;

use super::audiences::{OpenIndex, Rank};
use super::step::Step;
use super::{AudienceSlot, OpenSlot, Workspace};
use crate::effect::{AgentSlot, Event};
use crate::ids::Name;

/// What happened when a notification was offered to its audience.
#[derive(Debug, Default)]
pub(crate) struct OfferResult {
    /// Whether any agent was eligible.
    pub(crate) found_eligible: bool,
    /// Whether the notification is on a desk now.
    pub(crate) found_place: bool,
}

impl Workspace {
    /// The connected and available agents of an audience. An agent who is in it for several reasons (by name, by one
    /// group, by another) is listed several times.
    ///
    /// This is the only place that decides which agents a notification goes to.
    pub(crate) fn eligible(&self, audience: AudienceSlot) -> impl Iterator<Item = AgentSlot> + '_ {
        let audience = self.audiences.get(audience);
        let all = audience.to.is_everyone().then(|| self.agents.connected().iter());
        let members = audience.groups.iter().flat_map(|&group| &self.groups.get(group).members);
        let agents = all.into_iter().flatten().chain(audience.agents.iter().chain(members).copied());
        agents.filter(|&agent| self.agents.get(agent).is_available())
    }

    /// Rule 1: offers an arriving notification to every eligible agent.
    pub(crate) fn offer(&mut self, step: &mut Step<'_>, slot: OpenSlot) -> OfferResult {
        let agents: Vec<AgentSlot> = self.eligible(self.open[slot].audience).collect();
        for &agent in &agents {
            if step.scratch.stale.contains(agent) {
                // Places that became free in this step go by rank, so this notification is one of those that wait.
                let before = self.open[slot].rank().before();
                let desk = self.agents.get_mut(agent);
                desk.has_backlog = true;
                desk.cursor = desk.cursor.min(before);
                self.refill(step, agent);
            }
            if !self.open[slot].on_desk.contains(agent) {
                self.place(step, agent, slot);
            }
        }
        OfferResult { found_eligible: !agents.is_empty(), found_place: self.open[slot].on_desk.len() > 0 }
    }

    /// Puts a new arrival on a desk that has no free place for older ones: displayed, queued, or passed over.
    fn place(&mut self, step: &mut Step<'_>, agent: AgentSlot, slot: OpenSlot) {
        let notification = &mut self.open[slot];
        let rank = notification.rank();
        let desk = self.agents.get_mut(agent);
        let displays =
            !notification.content.rendered.auto_accept && desk.displayed.len() < step.limits.display_limit as usize;
        if !displays && desk.waiting.len() >= step.limits.queue_limit as usize {
            desk.has_backlog = true;
            // The search for it begins at the cursor.
            desk.cursor = desk.cursor.min(rank.before());
            return;
        }
        if !desk.has_backlog {
            desk.cursor = desk.cursor.max(rank);
        }
        notification.on_desk.insert(agent);
        if displays {
            self.display(step, agent, slot);
        } else {
            self.enqueue(agent, slot);
        }
    }

    /// Puts a notification into the queue behind a desk, at its place by rank.
    fn enqueue(&mut self, agent: AgentSlot, slot: OpenSlot) {
        let rank = self.open[slot].rank();
        let waiting = &mut self.agents.get_mut(agent).waiting;
        let at = match waiting.back() {
            Some(&last) if self.open[last].rank() > rank => {
                waiting.partition_point(|&other| self.open[other].rank() < rank)
            }
            _ => waiting.len(),
        };
        waiting.insert(at, slot);
    }

    /// Refills all desks that may have a free place.
    pub(crate) fn refill_changed(&mut self, step: &mut Step<'_>) {
        for agent in std::mem::take(&mut step.scratch.changed) {
            // The agent may have been refilled or removed since.
            if step.scratch.stale.contains(agent) && self.agents.try_get(agent).is_some() {
                self.refill(step, agent);
            }
        }
    }

    /// Rule 4: fills the free places of a desk by rank.
    fn refill(&mut self, step: &mut Step<'_>, agent: AgentSlot) {
        step.scratch.stale.remove(agent);
        if !self.agents.get(agent).is_available() {
            return;
        }
        self.display_waiting(step, agent);
        if !self.agents.get(agent).has_backlog {
            return;
        }
        let mut after = self.agents.get(agent).cursor;
        let mut passed_over = false;
        loop {
            let desk = self.agents.get(agent);
            let may_display = desk.displayed.len() < step.limits.display_limit as usize;
            let may_queue = desk.waiting.len() < step.limits.queue_limit as usize;
            // A full queue behind a free place holds automatic accepts only: others may pass them.
            passed_over |= !may_queue;
            let next = match (may_display, may_queue) {
                (_, true) => self.next_of(agent, |index| index.next(after)),
                (true, false) => self.next_of(agent, |index| index.next_displayable(after)),
                (false, false) => None,
            };
            let Some((rank, slot)) = next else { break };
            after = rank;
            let notification = &mut self.open[slot];
            if notification.is_new_to(agent) {
                notification.on_desk.insert(agent);
                if may_display && !notification.content.rendered.auto_accept {
                    self.display(step, agent, slot);
                } else {
                    self.enqueue(agent, slot);
                }
            }
            if !passed_over {
                self.agents.get_mut(agent).cursor = rank;
            }
        }
        self.agents.get_mut(agent).has_backlog = passed_over;
    }

    /// Displays queued notifications while there is room, and those with a higher rank that found the queue full.
    /// Automatic accepts stay queued: nobody has them displayed.
    fn display_waiting(&mut self, step: &mut Step<'_>, agent: AgentSlot) {
        loop {
            let desk = self.agents.get(agent);
            if desk.displayed.len() >= step.limits.display_limit as usize {
                return;
            }
            let first = desk.waiting.iter().position(|&slot| !self.open[slot].content.rendered.auto_accept);
            let Some(at) = first else { return };
            let queued = desk.waiting[at];
            let slot = match self.passed_over_before(agent, self.open[queued].rank()) {
                Some(slot) => {
                    self.open[slot].on_desk.insert(agent);
                    slot
                }
                None => {
                    self.agents.get_mut(agent).waiting.remove(at);
                    queued
                }
            };
            self.display(step, agent, slot);
        }
    }

    /// The first notification that was passed over at this desk and comes before `rank`. Only a priority puts one there.
    fn passed_over_before(&self, agent: AgentSlot, rank: Rank) -> Option<OpenSlot> {
        let desk = self.agents.get(agent);
        let mut after = desk.cursor;
        while desk.has_backlog && after < rank {
            let (next, slot) = self.next_of(agent, |index| index.next_displayable(after))?;
            if next < rank && self.open[slot].is_new_to(agent) {
                return Some(slot);
            }
            after = next;
        }
        None
    }

    /// Displays a notification to an agent. With the first display its display time begins.
    fn display(&mut self, step: &mut Step<'_>, agent: AgentSlot, slot: OpenSlot) {
        self.agents.get_mut(agent).displayed.push(slot);
        let notification = &mut self.open[slot];
        notification.displayed_to.insert(agent);
        step.scratch.displays.entry(notification.rank()).or_default().push(agent);
        if !notification.was_displayed {
            self.begin_display_time(step, slot);
        }
    }

    fn begin_display_time(&mut self, step: &mut Step<'_>, slot: OpenSlot) {
        let notification = &mut self.open[slot];
        notification.was_displayed = true;
        let due = step.now.plus(notification.content.rendered.timeout);
        let old = std::mem::replace(&mut notification.due, due);
        let arrival = notification.arrival;
        let was_due = step.deadlines.remove(&(old, arrival, self.slot, slot));
        assert!(was_due, "the queue time of arrival {arrival} is not among the deadlines");
        step.deadlines.insert((due, arrival, self.slot, slot));
        let audience = self.audiences.get_mut(notification.audience);
        let both_count = audience.never_displayed > 0 && self.never_displayed > 0;
        assert!(both_count, "arrival {arrival} is displayed for the first time and did not count as waiting");
        audience.never_displayed -= 1;
        self.never_displayed -= 1;
        self.observe(step, || Event::Displayed { content: Arc::clone(&self.open[slot].content) });
    }

    /// The next open notification for an agent: the first that `next` finds in the indexes of everybody, of the agent
    /// and of the agent's groups.
    pub(crate) fn next_of(
        &self,
        agent: AgentSlot,
        next: impl Fn(&OpenIndex) -> Option<(Rank, OpenSlot)>,
    ) -> Option<(Rank, OpenSlot)> {
        let desk = self.agents.get(agent);
        let groups = desk.groups.iter().map(|&group| &self.groups.get(group).open);
        [&self.everybody, &desk.addressed].into_iter().chain(groups).filter_map(next).min()
    }

    /// Takes a notification off a desk, if it is there, and returns whether it was displayed.
    pub(crate) fn clear_from_desk(&mut self, step: &mut Step<'_>, agent: AgentSlot, slot: OpenSlot) -> bool {
        if !self.open[slot].on_desk.remove(agent) {
            return false;
        }
        step.scratch.mark_dirty(agent);
        let desk = self.agents.get_mut(agent);
        if let Some(at) = desk.displayed.iter().position(|&displayed| displayed == slot) {
            desk.displayed.remove(at);
            return true;
        }
        let at = desk.waiting.iter().position(|&waiting| waiting == slot);
        let removed = at.and_then(|at| desk.waiting.remove(at));
        assert!(removed.is_some(), "a notification is on the desk of {}, neither displayed nor queued", desk.name);
        false
    }

    /// Empties the queue of an agent. It is rebuilt at the end of the step if the agent is eligible then.
    pub(crate) fn requeue(&mut self, step: &mut Step<'_>, agent: AgentSlot) {
        let desk = self.agents.get_mut(agent);
        desk.cursor = Rank::BEGIN;
        desk.has_backlog = true;
        for slot in std::mem::take(&mut desk.waiting) {
            assert!(self.open[slot].on_desk.remove(agent), "a queued notification was not on the desk");
        }
        step.scratch.mark_dirty(agent);
    }

    /// Empties the desk of an agent whose last connection closed.
    pub(crate) fn clear_desk(&mut self, step: &mut Step<'_>, agent: AgentSlot) {
        self.requeue(step, agent);
        for slot in std::mem::take(&mut self.agents.get_mut(agent).displayed) {
            assert!(self.open[slot].on_desk.remove(agent), "a displayed notification was not on the desk");
        }
    }

    /// The candidate with the lowest `rank`, and among those the one who has been idle longest.
    pub(crate) fn longest_idle<R: Ord>(
        &self,
        candidates: impl Iterator<Item = AgentSlot>,
        rank: impl Fn(AgentSlot) -> R,
    ) -> Option<AgentSlot> {
        let order =
            |agent: AgentSlot| -> (R, (Option<u64>, &Name)) { (rank(agent), self.agents.get(agent).idle_order()) };
        candidates.min_by(|&a, &b| order(a).cmp(&order(b)))
    }
}
