//! What the contract says, as simply as it can be said: plain lists, everything looked for anew each time.
//!
//! Written from the contract alone; the core must come to the same outcomes, desks, sessions and replies.

use crate::entry::{Entry, Input, Presence, Recipients, Rendered};
use crate::ids::{ConnectionId, Incarnation, Name, NotificationId};
use crate::limits::Limits;
use crate::outcome::Outcome;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) now: u64,
    pub(super) limits: Limits,
    pub(super) connections: Vec<(ConnectionId, usize, Who)>,
    pub(super) places: Vec<Place>,
    pub(super) arrivals: u64,
    pub(super) settled: u64,
    pub(super) touches: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Who {
    Agent(Name),
    Provider(Name),
    Observer,
}

/// A workspace.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) name: Name,
    pub(super) agents: Vec<Agent>,
    /// All that ever were.
    pub(super) notifications: Vec<Item>,
    pub(super) sessions: Vec<Session>,
    pub(super) marks: Vec<Mark>,
    pub(super) ended: Vec<Ended>,
    /// Who was here before a hub went, and until when that counts.
    pub(super) missing: Vec<(Name, u64)>,
}

#[derive(Debug, Clone)]
pub(super) struct Agent {
    pub(super) name: Name,
    pub(super) tabs: u32,
    pub(super) away: bool,
    pub(super) groups: Vec<Name>,
    pub(super) left_at: u64,
    pub(super) left_order: u64,
    pub(super) last_accept: Option<u64>,
    pub(super) displayed: Vec<usize>,
    pub(super) waiting: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) id: NotificationId,
    pub(super) notify_id: Option<Name>,
    pub(super) provider: Name,
    pub(super) session: Name,
    pub(super) token: Option<Name>,
    pub(super) says: u128,
    pub(super) to: Recipients,
    pub(super) rendered: Rendered,
    pub(super) arrival: u64,
    pub(super) notified_at: u64,
    pub(super) first_displayed_at: Option<u64>,
    pub(super) displayed_to: Vec<Name>,
    pub(super) seen_by: Vec<Name>,
    pub(super) rejected_by: Vec<Name>,
    pub(super) outcome: Option<(Outcome, Option<Name>)>,
    pub(super) settled_at: u64,
    pub(super) number: u64,
    pub(super) forgotten: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) id: Name,
    pub(super) agent: Name,
    pub(super) provider: Name,
    pub(super) unread: u32,
    pub(super) touched: (u64, u64),
}

#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) id: Name,
    pub(super) since: u64,
    pub(super) touched: (u64, u64),
}

#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) id: Name,
    pub(super) agent: Name,
    pub(super) provider: Name,
    pub(super) at: u64,
}

impl Item {
    pub(super) fn is_open(&self) -> bool {
        self.outcome.is_none()
    }

    /// The place in the order of everything that waits.
    pub(super) fn rank(&self) -> (u8, u64) {
        (u8::MAX - self.rendered.priority, self.arrival)
    }

    pub(super) fn is_retained(&self) -> bool {
        !self.is_open() && !self.forgotten
    }

    fn due(&self) -> u64 {
        match self.first_displayed_at {
            Some(at) => at + self.rendered.timeout.0,
            None => self.notified_at + self.rendered.queue_timeout.0,
        }
    }

    pub(super) fn is_for(&self, agent: &Agent) -> bool {
        self.to.agents.is_empty() && self.to.groups.is_empty()
            || self.to.agents.contains(&agent.name)
            || agent.groups.iter().any(|group| self.to.groups.contains(group))
    }
}

impl Agent {
    pub(super) fn is_available(&self) -> bool {
        self.tabs > 0 && !self.away
    }
}

impl Model {
    /// One entry; what the direct reply says, in the words of the tests, if there is one.
    pub(super) fn step(&mut self, time: u64, incarnation: Incarnation, entry: &Entry) -> Option<String> {
        self.now = self.now.max(time);
        let late = matches!(entry.input, Input::Started { .. } | Input::Removed { .. });
        if !late {
            self.due();
        }
        let reply = self.input(incarnation, entry);
        if matches!(entry.input, Input::Removed { .. } | Input::Configured(_)) {
            self.due();
        }
        for place in 0..self.places.len() {
            while self.give_auto(place, (u8::MAX, u64::MAX)) {}
            self.fill_desks(place);
        }
        reply
    }

    fn due(&mut self) {
        loop {
            let now = self.now;
            let mut due: Vec<(u64, u64, usize, usize)> = Vec::new();
            for (place, at) in self.places.iter().zip(0..) {
                let open = place.notifications.iter().enumerate().filter(|(_, item)| item.is_open());
                due.extend(open.map(|(n, item)| (item.due(), item.arrival, at, n)));
            }
            let next = due.into_iter().min().filter(|next| next.0 <= now);
            let idle = self.next_idle().filter(|idle| idle.0 <= now);
            match (next, idle) {
                (Some((at, _, place, n)), idle) if idle.as_ref().is_none_or(|idle| at <= idle.0) => {
                    self.expire(place, n)
                }
                (_, Some((_, place, id, true))) => self.end_session(place, &id),
                (_, Some((_, place, id, false))) => self.places[place].marks.retain(|mark| mark.id != id),
                _ => break,
            }
        }
        self.forget();
    }

    /// When, where, which session (or else mark) ends next because nothing touched it.
    fn next_idle(&self) -> Option<(u64, usize, Name, bool)> {
        let mut all: Vec<((u64, u64), usize, Name, bool)> = Vec::new();
        for (place, at) in self.places.iter().zip(0..) {
            all.extend(place.sessions.iter().map(|s| (s.touched, at, s.id.clone(), true)));
            all.extend(place.marks.iter().map(|m| (m.touched, at, m.id.clone(), false)));
        }
        let first = all.into_iter().min_by_key(|(touched, ..)| *touched);
        first.map(|(touched, place, id, is_session)| (touched.0 + self.limits.session_idle.0, place, id, is_session))
    }

    fn forget(&mut self) {
        let (now, retention) = (self.now, self.limits.retention.0);
        for place in &mut self.places {
            for item in place.notifications.iter_mut().filter(|item| !item.is_open()) {
                item.forgotten |= item.settled_at + retention <= now;
            }
            place.ended.retain(|ended| ended.at + retention > now);
            let gone = |agent: &Agent| agent.tabs == 0 && agent.left_at + DAY_MS <= now;
            place.missing.retain(|(name, _)| !place.agents.iter().any(|agent| agent.name == *name && gone(agent)));
            place.agents.retain(|agent| !gone(agent));
        }
    }

    fn expire(&mut self, place: usize, n: usize) {
        let item = &self.places[place].notifications[n];
        if item.first_displayed_at.is_none() {
            self.settle(place, n, Outcome::QueueTimeout, None);
            return;
        }
        let limit = self.limits.session_limit as usize;
        let has_it = |agent: &&Agent| {
            agent.tabs > 0 && agent.displayed.contains(&n) && self.sessions_of(place, &agent.name) < limit
        };
        let candidates = self.places[place].agents.iter().filter(has_it);
        let taker = candidates.min_by_key(|agent| (agent.away, agent.last_accept, agent.name.clone()));
        match taker.map(|agent| agent.name.clone()).filter(|_| item.rendered.auto_accept_on_timeout) {
            Some(agent) => self.settle(place, n, Outcome::AutoAcceptedOnTimeout, Some(agent)),
            None => self.settle(place, n, Outcome::DisplayTimeout, None),
        }
    }

    fn sessions_of(&self, place: usize, agent: &str) -> usize {
        self.places[place].sessions.iter().filter(|session| *session.agent == *agent).count()
    }

    pub(super) fn settle(&mut self, place: usize, n: usize, outcome: Outcome, agent: Option<Name>) {
        self.settled += 1;
        let (now, number) = (self.now, self.settled);
        let at = &mut self.places[place];
        for desk in &mut at.agents {
            desk.displayed.retain(|&other| other != n);
            desk.waiting.retain(|&other| other != n);
        }
        let item = &mut at.notifications[n];
        assert!(item.is_open());
        (item.outcome, item.settled_at, item.number) = (Some((outcome, agent.clone())), now, number);
        if outcome.is_accept() {
            let agent = agent.expect("somebody accepts");
            let desk = at.agents.iter_mut().find(|desk| desk.name == agent).expect("who accepts is connected");
            desk.last_accept = Some(number);
            self.start_session(place, n, agent);
        }
        self.keep_counts(place);
    }

    fn start_session(&mut self, place: usize, n: usize, agent: Name) {
        let touched = self.touch();
        let at = &mut self.places[place];
        let (id, provider) = (at.notifications[n].session.clone(), at.notifications[n].provider.clone());
        at.ended.retain(|ended| ended.id != id);
        if let Some(mark) = at.marks.iter_mut().find(|mark| mark.id == id) {
            mark.touched = touched;
        }
        match at.sessions.iter_mut().find(|session| session.id == id) {
            Some(session) => {
                if session.agent != agent {
                    (session.agent, session.unread) = (agent, 0);
                }
                session.touched = touched;
            }
            None => at.sessions.push(Session { id, agent, provider, unread: 0, touched }),
        }
        self.keep_counts(place);
    }

    pub(super) fn touch(&mut self) -> (u64, u64) {
        self.touches += 1;
        (self.now, self.touches)
    }

    pub(super) fn keep_counts(&mut self, place: usize) {
        let limits = self.limits.clone();
        while self.places[place].sessions.len() > limits.sessions as usize {
            let idlest = self.places[place].sessions.iter().min_by_key(|session| session.touched);
            let id = idlest.expect("there are sessions").id.clone();
            self.end_session(place, &id);
        }
        let at = &mut self.places[place];
        while at.marks.len() > limits.kpi_marks as usize {
            let idlest = at.marks.iter().min_by_key(|mark| mark.touched).expect("there are marks").id.clone();
            at.marks.retain(|mark| mark.id != idlest);
        }
        while at.ended.len() > limits.retained_outcomes as usize {
            at.ended.remove(0);
        }
        while at.notifications.iter().filter(|item| item.is_retained()).count() > limits.retained_outcomes as usize {
            let retained = at.notifications.iter_mut().filter(|item| item.is_retained());
            retained.min_by_key(|item| item.number).expect("some are retained").forgotten = true;
        }
        while at.agents.iter().filter(|agent| agent.tabs == 0).count() > limits.remembered_agents as usize {
            let gone = at.agents.iter().filter(|agent| agent.tabs == 0);
            let oldest = gone.min_by_key(|agent| agent.left_order).expect("some are gone").name.clone();
            at.agents.retain(|agent| agent.name != oldest);
            at.missing.retain(|(name, _)| *name != oldest);
        }
    }

    pub(super) fn end_session(&mut self, place: usize, id: &str) {
        let at = &mut self.places[place];
        let Some(index) = at.sessions.iter().position(|session| *session.id == *id) else { return };
        let Session { id, agent, provider, .. } = at.sessions.remove(index);
        at.marks.retain(|mark| mark.id != id);
        at.ended.push(Ended { id, agent, provider, at: self.now });
        self.keep_counts(place);
    }

    /// The first waiting automatic one (that comes before `before`) for which there is somebody; whether there was.
    pub(super) fn give_auto(&mut self, place: usize, before: (u8, u64)) -> bool {
        let items = &self.places[place].notifications;
        let mut autos: Vec<usize> = (0..items.len())
            .filter(|&n| items[n].is_open() && items[n].rendered.auto_accept && items[n].rank() < before)
            .collect();
        autos.sort_by_key(|&n| items[n].rank());
        for n in autos {
            if let Some(agent) = self.taker(place, n) {
                self.settle(place, n, Outcome::AutoAccepted, Some(agent));
                return true;
            }
        }
        false
    }

    /// The eligible agent with room who has been idle longest.
    pub(super) fn taker(&self, place: usize, n: usize) -> Option<Name> {
        let at = &self.places[place];
        let takes = |agent: &&Agent| {
            agent.is_available()
                && at.notifications[n].is_for(agent)
                && agent.displayed.len() < self.limits.display_limit as usize
                && self.sessions_of(place, &agent.name) < self.limits.session_limit as usize
        };
        let taker = at.agents.iter().filter(takes).min_by_key(|agent| (agent.last_accept, agent.name.clone()));
        taker.map(|agent| agent.name.clone())
    }

    pub(super) fn fill_desks(&mut self, place: usize) {
        self.fill_desks_of(place, None);
    }

    /// Fills the desks of the audience of that notification, or all.
    pub(super) fn fill_desks_of(&mut self, place: usize, audience: Option<usize>) {
        let (display, queue) = (self.limits.display_limit as usize, self.limits.queue_limit as usize);
        let Place { agents, notifications, .. } = &mut self.places[place];
        let concerned =
            |desk: &&mut Agent| desk.is_available() && audience.is_none_or(|n| notifications[n].is_for(desk));
        let desks: Vec<&mut Agent> = agents.iter_mut().filter(concerned).collect();
        for desk in desks {
            let mut candidates: Vec<usize> = (0..notifications.len())
                .filter(|n| {
                    let item = &notifications[*n];
                    item.is_open() && item.is_for(desk) && !item.rejected_by.contains(&desk.name)
                })
                .filter(|n| !desk.displayed.contains(n))
                .collect();
            candidates.sort_by_key(|&n| notifications[n].rank());
            for &n in &candidates {
                let item = &mut notifications[n];
                if desk.displayed.len() < display && !item.rendered.auto_accept {
                    desk.displayed.push(n);
                    desk.waiting.retain(|&other| other != n);
                    item.first_displayed_at.get_or_insert(self.now);
                    if !item.displayed_to.contains(&desk.name) {
                        item.displayed_to.push(desk.name.clone());
                    }
                }
            }
            for n in candidates {
                if desk.waiting.len() < queue && !desk.displayed.contains(&n) && !desk.waiting.contains(&n) {
                    desk.waiting.push(n);
                }
            }
            desk.waiting.sort_by_key(|&n| notifications[n].rank());
        }
    }
}

impl Place {
    /// The provider whose open notification or session bears the name.
    pub(super) fn owner(&self, session: &str) -> Option<Name> {
        let by_session = self.sessions.iter().find(|open| *open.id == *session).map(|open| open.provider.clone());
        let mut open = self.notifications.iter().filter(|item| item.is_open());
        by_session.or_else(|| open.find(|item| *item.session == *session).map(|item| item.provider.clone()))
    }

    /// A connected agent who is eligible or has it displayed, and has not rejected it.
    pub(super) fn anybody_left(&self, n: usize) -> bool {
        let item = &self.notifications[n];
        self.agents.iter().any(|agent| {
            let eligible = agent.is_available() && item.is_for(agent);
            (eligible || agent.displayed.contains(&n)) && !item.rejected_by.contains(&agent.name)
        })
    }

    /// How far a notification came: displayed, seen, rejected.
    pub(super) fn reach(item: &Item) -> (usize, usize, usize) {
        (item.displayed_to.len(), item.seen_by.len(), item.rejected_by.len())
    }
}

impl Agent {
    pub(super) fn new(name: Name) -> Self {
        Self {
            name,
            tabs: 0,
            away: false,
            groups: Vec::new(),
            left_at: 0,
            left_order: 0,
            last_accept: None,
            displayed: Vec::new(),
            waiting: Vec::new(),
        }
    }

    pub(super) fn set_presence(&mut self, presence: Presence) {
        let away = presence == Presence::Away;
        if away != self.away {
            self.waiting.clear();
        }
        self.away = away;
    }
}
