//! Desks: which notifications an agent sees, which wait behind them.

use super::audience::Arrival;
use super::ids::Timestamp;
use super::state::Workspace;
use super::step::Step;

/// How an arriving notification fared with its audience.
#[derive(Debug, Default)]
pub(super) struct Offered {
    /// Agents who were eligible.
    pub(super) eligible: u32,
    /// Of these, those on whose desk it is now.
    pub(super) taken: u32,
}

impl Workspace {
    /// Calls `meet` for each connected and available agent of an audience, each once.
    ///
    /// This is the one place that says to whom a notification goes; another policy than "all" goes here.
    pub(super) fn for_each_eligible(&mut self, audience: u32, mut meet: impl FnMut(&mut Self, u32)) {
        let agents: Vec<u32> = {
            let walk = self.agents.next_walk();
            let audience = self.audiences.get(audience);
            if audience.to.is_all() {
                self.agents.connected().iter().copied().collect()
            } else {
                let members = audience.groups.iter().flat_map(|&group| &self.groups.get(group).members);
                let mut agents = Vec::new();
                for &agent in audience.agents.iter().chain(members) {
                    let met = &mut self.agents.get_mut(agent).walk;
                    if *met != walk {
                        *met = walk;
                        agents.push(agent);
                    }
                }
                agents
            }
        };
        for agent in agents {
            if self.agents.get(agent).is_available() {
                meet(self, agent);
            }
        }
    }

    /// Rule 1: an arriving notification goes to every eligible agent.
    pub(super) fn offer(&mut self, step: &mut Step<'_>, slot: u32) -> Offered {
        let audience = self.open[slot].audience;
        let mut offered = Offered::default();
        self.for_each_eligible(audience, |workspace, agent| {
            offered.eligible += 1;
            if workspace.agents.get(agent).dirty {
                // What fell free in this step is taken in order of arrival: older ones may come first.
                workspace.refill(step, agent);
            } else {
                workspace.place(step, agent, slot);
            }
            offered.taken += u32::from(workspace.open[slot].on_desk.has(agent));
        });
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
        let mut after = self.agents.get(agent).cursor;
        let mut skipped = false;
        loop {
            let desk = self.agents.get(agent);
            let may_display = desk.displayed.len() < step.limits.display_limit as usize;
            let may_wait = desk.waiting.len() < step.limits.queue_limit as usize;
            if !may_display && !may_wait {
                self.agents.get_mut(agent).behind = true;
                return;
            }
            let Some((arrival, slot)) = self.next_for(agent, after) else {
                self.agents.get_mut(agent).behind = skipped;
                return;
            };
            after = arrival;
            let notification = &mut self.open[slot];
            let auto = notification.content.rendered.auto_accept;
            if notification.is_new_to(agent) {
                if may_display && !auto {
                    notification.on_desk.set(agent);
                    self.display(step, agent, slot);
                } else if may_wait {
                    notification.on_desk.set(agent);
                    self.agents.get_mut(agent).waiting.push_back(slot);
                } else {
                    // An automatic one finds the queue full while a place to display is free: others may pass it.
                    skipped = true;
                }
            }
            if !skipped {
                self.agents.get_mut(agent).cursor = arrival;
            }
        }
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
        let due = step.now.plus_ms(notification.content.rendered.timeout_ms);
        let old = std::mem::replace(&mut notification.due, due);
        let arrival = notification.arrival;
        let audience = notification.audience;
        step.deadlines.remove(&(old, arrival, self.slot, slot));
        step.deadlines.insert((due, arrival, self.slot, slot));
        self.audiences.get_mut(audience).never_displayed -= 1;
        self.never_displayed -= 1;
        let content = &self.open[slot].content;
        self.observe(step, |step| {
            let mut event = step.event(super::effect::EventKind::Displayed);
            event.notification_id = Some(content.notification_id);
            event.correlation_id = Some(content.correlation_id.clone());
            event.provider_id = Some(content.provider_id.clone());
            event.session_id = Some(content.session_id.clone());
            event
        });
    }

    /// The first open notification for an agent that arrived after `after`: the least over the agent's few streams.
    fn next_for(&self, agent: u32, after: Arrival) -> Option<(Arrival, u32)> {
        let desk = self.agents.get(agent);
        let of_groups = desk.groups.iter().filter_map(|&group| self.groups.get(group).stream.next(after));
        let others = [self.everybody.next(after), desk.named.next(after)];
        others.into_iter().flatten().chain(of_groups).min()
    }

    /// The first automatic one, likewise.
    pub(super) fn next_auto_for(&self, agent: u32, after: Arrival) -> Option<(Arrival, u32)> {
        let desk = self.agents.get(agent);
        let of_groups = desk.groups.iter().filter_map(|&group| self.groups.get(group).stream.next_auto(after));
        let others = [self.everybody.next_auto(after), desk.named.next_auto(after)];
        others.into_iter().flatten().chain(of_groups).min()
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
        desk.behind = false;
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
        let order = |agent: u32| -> (R, (Option<Timestamp>, &super::ids::Name)) {
            (rank(agent), self.agents.get(agent).idle_order())
        };
        candidates.min_by(|&a, &b| order(a).cmp(&order(b)))
    }
}
