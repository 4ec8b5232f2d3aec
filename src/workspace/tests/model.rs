//! What the contract says, as simply as it can be said: plain lists, everything looked for anew each time.
//!
//! Written from the contract alone; the core must come to the same outcomes, desks, sessions and replies.

use crate::workspace::entry::{Action, Call, Client, Entry, Input, Notify, Presence, Rendered, Resume, Settle, To};
use crate::workspace::ids::{ConnectionId, Incarnation, Name, NotificationId};
use crate::workspace::limits::Limits;
use crate::workspace::outcome::Outcome;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    now: u64,
    limits: Limits,
    connections: Vec<(ConnectionId, usize, Who)>,
    pub(super) places: Vec<Place>,
    arrivals: u64,
    settled: u64,
    touches: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Who {
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
    ended: Vec<Ended>,
    /// Who was here before a hub went, and until when that counts.
    missing: Vec<(Name, u64)>,
}

#[derive(Debug, Clone)]
pub(super) struct Agent {
    pub(super) name: Name,
    tabs: u32,
    away: bool,
    groups: Vec<Name>,
    left_at: u64,
    left_order: u64,
    last_accept: Option<u64>,
    pub(super) displayed: Vec<usize>,
    pub(super) waiting: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) id: NotificationId,
    notify_id: Option<Name>,
    provider: Name,
    session: Name,
    token: Option<Name>,
    says: u128,
    to: To,
    rendered: Rendered,
    arrival: u64,
    notified_at: u64,
    first_displayed_at: Option<u64>,
    displayed_to: Vec<Name>,
    seen_by: Vec<Name>,
    rejected_by: Vec<Name>,
    pub(super) outcome: Option<(Outcome, Option<Name>)>,
    settled_at: u64,
    number: u64,
    forgotten: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) id: Name,
    pub(super) agent: Name,
    provider: Name,
    pub(super) unread: u32,
    touched: (u64, u64),
}

#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) id: Name,
    pub(super) since: u64,
    touched: (u64, u64),
}

#[derive(Debug, Clone)]
struct Ended {
    id: Name,
    agent: Name,
    provider: Name,
    at: u64,
}

impl Item {
    fn is_open(&self) -> bool {
        self.outcome.is_none()
    }

    fn is_retained(&self) -> bool {
        !self.is_open() && !self.forgotten
    }

    fn due(&self) -> u64 {
        match self.first_displayed_at {
            Some(at) => at + self.rendered.timeout_ms,
            None => self.notified_at + self.rendered.queue_timeout_ms,
        }
    }

    fn is_for(&self, agent: &Agent) -> bool {
        self.to.agents.is_empty() && self.to.groups.is_empty()
            || self.to.agents.contains(&agent.name)
            || agent.groups.iter().any(|group| self.to.groups.contains(group))
    }
}

impl Agent {
    fn is_available(&self) -> bool {
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
            while self.give_auto(place, u64::MAX) {}
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
        first.map(|(touched, place, id, is_session)| (touched.0 + self.limits.session_idle_ms, place, id, is_session))
    }

    fn forget(&mut self) {
        let (now, retention) = (self.now, self.limits.retention_ms);
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

    fn settle(&mut self, place: usize, n: usize, outcome: Outcome, agent: Option<Name>) {
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
            desk.last_accept = Some(now);
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

    fn touch(&mut self) -> (u64, u64) {
        self.touches += 1;
        (self.now, self.touches)
    }

    fn keep_counts(&mut self, place: usize) {
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

    fn end_session(&mut self, place: usize, id: &str) {
        let at = &mut self.places[place];
        let Some(index) = at.sessions.iter().position(|session| *session.id == *id) else { return };
        let Session { id, agent, provider, .. } = at.sessions.remove(index);
        at.marks.retain(|mark| mark.id != id);
        at.ended.push(Ended { id, agent, provider, at: self.now });
        self.keep_counts(place);
    }

    /// The oldest waiting automatic one (that arrived before `before`) for which there is somebody; whether there was.
    fn give_auto(&mut self, place: usize, before: u64) -> bool {
        let items = &self.places[place].notifications;
        let mut autos: Vec<usize> = (0..items.len())
            .filter(|&n| items[n].is_open() && items[n].rendered.auto_accept && items[n].arrival < before)
            .collect();
        autos.sort_by_key(|&n| items[n].arrival);
        for n in autos {
            if let Some(agent) = self.taker(place, n) {
                self.settle(place, n, Outcome::AutoAccepted, Some(agent));
                return true;
            }
        }
        false
    }

    /// The eligible agent with room who has been idle longest.
    fn taker(&self, place: usize, n: usize) -> Option<Name> {
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

    fn fill_desks(&mut self, place: usize) {
        let (display, queue) = (self.limits.display_limit as usize, self.limits.queue_limit as usize);
        let Place { agents, notifications, .. } = &mut self.places[place];
        for desk in agents.iter_mut().filter(|desk| desk.is_available()) {
            // First what waits, then all else that is open, in order of arrival.
            let mut candidates = std::mem::take(&mut desk.waiting);
            let mut rest: Vec<usize> = (0..notifications.len())
                .filter(|n| {
                    let item = &notifications[*n];
                    item.is_open() && item.is_for(desk) && !item.rejected_by.contains(&desk.name)
                })
                .filter(|n| !candidates.contains(n) && !desk.displayed.contains(n))
                .collect();
            rest.sort_by_key(|&n| notifications[n].arrival);
            candidates.extend(rest);
            for n in candidates {
                let item = &mut notifications[n];
                if desk.displayed.len() < display && !item.rendered.auto_accept {
                    desk.displayed.push(n);
                    item.first_displayed_at.get_or_insert(self.now);
                    if !item.displayed_to.contains(&desk.name) {
                        item.displayed_to.push(desk.name.clone());
                    }
                } else if desk.waiting.len() < queue {
                    desk.waiting.push(n);
                }
            }
        }
    }

    fn input(&mut self, incarnation: Incarnation, entry: &Entry) -> Option<String> {
        match &entry.input {
            Input::Started { .. } | Input::Tick => None,
            Input::Configured(limits) => {
                self.limits = limits.clone();
                for place in 0..self.places.len() {
                    self.keep_counts(place);
                    self.places[place].agents.iter_mut().for_each(|agent| agent.waiting.clear());
                }
                None
            }
            Input::Removed { incarnation } => {
                self.remove(*incarnation);
                None
            }
            Input::Join { connection, client } => {
                let connection = ConnectionId { incarnation, serial: *connection };
                self.join(connection, &entry.workspace, client);
                None
            }
            Input::Leave { connection } => {
                self.leave(ConnectionId { incarnation, serial: *connection });
                None
            }
            Input::Call { connection, call } => {
                let connection = ConnectionId { incarnation, serial: *connection };
                let found = self.connections.iter().find(|(other, ..)| *other == connection);
                let (_, place, who) = found.expect("only who is connected calls").clone();
                self.call(place, who, call)
            }
        }
    }

    fn join(&mut self, connection: ConnectionId, workspace: &Name, client: &Client) {
        let place = self.places.iter().position(|place| place.name == *workspace).unwrap_or_else(|| {
            self.places.push(Place { name: workspace.clone(), ..Place::default() });
            self.places.len() - 1
        });
        let who = match client {
            Client::Provider { id, resume: Resume::Nothing | Resume::All | Resume::After(_) } => {
                Who::Provider(id.clone())
            }
            Client::Observer => Who::Observer,
            Client::Agent { id, groups, presence } => {
                let at = &mut self.places[place];
                at.missing.retain(|(name, _)| name != id);
                if !at.agents.iter().any(|agent| agent.name == *id) {
                    at.agents.push(Agent::new(id.clone()));
                }
                let agent = at.agents.iter_mut().find(|agent| agent.name == *id).expect("just made");
                agent.tabs += 1;
                if let Some(groups) = groups {
                    let sorted = |groups: &[Name]| {
                        let mut groups = groups.to_vec();
                        groups.sort();
                        groups
                    };
                    if sorted(groups) != sorted(&agent.groups) {
                        agent.waiting.clear();
                    }
                    agent.groups = groups.clone();
                }
                if let Some(presence) = presence {
                    agent.set_presence(*presence);
                }
                Who::Agent(id.clone())
            }
        };
        self.connections.push((connection, place, who));
    }

    fn leave(&mut self, connection: ConnectionId) {
        let Some(at) = self.connections.iter().position(|(other, ..)| *other == connection) else { return };
        let (_, place, who) = self.connections.remove(at);
        let Who::Agent(name) = who else { return };
        self.touches += 1;
        let (now, order) = (self.now, self.touches);
        let agent = self.places[place].agents.iter_mut().find(|agent| agent.name == name).expect("it was connected");
        agent.tabs -= 1;
        if agent.tabs == 0 {
            (agent.left_at, agent.left_order) = (now, order);
            agent.displayed.clear();
            agent.waiting.clear();
        }
        self.keep_counts(place);
    }

    fn remove(&mut self, incarnation: Incarnation) {
        let gone: Vec<_> = self.connections.iter().filter(|c| c.0.incarnation == incarnation).cloned().collect();
        for (connection, ..) in &gone {
            self.leave(*connection);
        }
        for (_, place, who) in gone {
            let at = &mut self.places[place];
            let Who::Agent(name) = who else { continue };
            // Of those who are still remembered.
            if at.agents.iter().any(|agent| agent.name == name && agent.tabs == 0) {
                at.missing.push((name, self.now + self.limits.regroup_time_ms));
            }
        }
    }

    fn call(&mut self, place: usize, who: Who, call: &Call) -> Option<String> {
        match (who, &call.action) {
            (Who::Provider(provider), Action::Notify(notify)) => Some(self.notify(place, provider, call, notify)),
            (Who::Provider(provider), Action::Cancel { cancellation_token }) => {
                Some(self.cancel(place, &provider, cancellation_token))
            }
            (Who::Provider(_), Action::Kpi { session_id, should_reset, .. }) => {
                self.kpi(place, session_id, *should_reset);
                Some("done".to_owned())
            }
            (Who::Provider(_), Action::Activity { session_id, count }) => {
                let touched = self.touch();
                let at = &mut self.places[place];
                let Some(session) = at.sessions.iter_mut().find(|session| session.id == *session_id) else {
                    return Some("refused NoSuchSession".to_owned());
                };
                (session.unread, session.touched) = (*count, touched);
                at.marks.iter_mut().filter(|mark| mark.id == *session_id).for_each(|mark| mark.touched = touched);
                Some("done".to_owned())
            }
            (who, Action::EndSession { session_id }) => Some(self.end_session_call(place, &who, session_id)),
            (Who::Agent(agent), Action::Accept { notification_id }) => {
                Some(self.answer(place, &agent, *notification_id, true))
            }
            (Who::Agent(agent), Action::Reject { notification_id, .. }) => {
                Some(self.answer(place, &agent, *notification_id, false))
            }
            (Who::Agent(agent), Action::Seen { notification_id }) => {
                let items = &mut self.places[place].notifications;
                let item = items.iter_mut().find(|item| item.id == *notification_id && item.is_open());
                if let Some(item) = item.filter(|item| item.displayed_to.contains(&agent))
                    && !item.seen_by.contains(&agent)
                {
                    item.seen_by.push(agent);
                }
                None
            }
            (Who::Agent(name), Action::Presence(presence)) => {
                let agents = &mut self.places[place].agents;
                agents.iter_mut().find(|agent| agent.name == name).expect("connected").set_presence(*presence);
                None
            }
            _ => None,
        }
    }

    fn notify(&mut self, place: usize, provider: Name, call: &Call, notify: &Notify) -> String {
        let short = |id: NotificationId| format!("n{}", id.0);
        let same_id = |item: &&Item| {
            item.provider == provider && call.id.is_some() && item.notify_id == call.id && !item.forgotten
        };
        if let Some(first) = self.places[place].notifications.iter().find(same_id) {
            let same = first.says == notify.fingerprint;
            return if same { format!("ack {} again", short(first.id)) } else { "refused IdTaken".to_owned() };
        }
        let Ok(rendered) = &notify.rendered else {
            return "refused UnknownTemplate { detail: \"gone\" }".to_owned();
        };
        let at = &self.places[place];
        let open = || at.notifications.iter().filter(|item| item.is_open());
        let token = &notify.cancellation_token;
        if token.is_some() && open().any(|item| item.provider == provider && item.token == *token) {
            return "refused TokenTaken".to_owned();
        }
        if let Some(session) = &notify.session_id
            && at.owner(session).is_some_and(|owner| owner != provider)
        {
            return "refused SessionNotYours".to_owned();
        }
        let limit = self.limits.open_notifications;
        if open().count() >= limit as usize {
            return format!("refused OpenNotifications {{ limit: {limit} }}");
        }
        self.arrivals += 1;
        let item = Item {
            id: notify.notification_id,
            notify_id: call.id.clone(),
            provider,
            session: notify.session_id.clone().unwrap_or_else(|| notify.notification_id.to_string().into()),
            token: token.clone(),
            says: notify.fingerprint,
            to: notify.to.clone(),
            rendered: rendered.clone(),
            arrival: self.arrivals,
            notified_at: self.now,
            first_displayed_at: None,
            displayed_to: Vec::new(),
            seen_by: Vec::new(),
            rejected_by: Vec::new(),
            outcome: None,
            settled_at: 0,
            number: 0,
            forgotten: false,
        };
        self.places[place].notifications.push(item);
        self.arrive(place);
        format!("ack {}", short(notify.notification_id))
    }

    /// Rules 1 to 3 and 8 for the newest one. What fell free in this step is taken by older ones first.
    fn arrive(&mut self, place: usize) {
        let n = self.places[place].notifications.len() - 1;
        while self.give_auto(place, self.arrivals) {}
        if self.places[place].notifications[n].rendered.auto_accept
            && let Some(agent) = self.taker(place, n)
        {
            self.settle(place, n, Outcome::AutoAccepted, Some(agent));
            return;
        }
        self.fill_desks(place);
        let at = &self.places[place];
        let item = &at.notifications[n];
        let mut eligible = at.agents.iter().filter(|agent| agent.is_available() && item.is_for(agent)).peekable();
        let full = if eligible.peek().is_some() {
            eligible.all(|agent| !agent.displayed.contains(&n) && !agent.waiting.contains(&n))
        } else {
            let same = |other: &&Item| other.is_open() && other.to == item.to && other.first_displayed_at.is_none();
            at.notifications.iter().filter(same).count() > self.limits.queue_limit as usize
        };
        let regrouping = at.missing.iter().any(|(_, until)| self.now < *until);
        if full && !regrouping {
            self.settle(place, n, Outcome::QueueFull, None);
        }
    }

    fn cancel(&mut self, place: usize, provider: &Name, token: &Name) -> String {
        let items = &self.places[place].notifications;
        let bore = |&n: &usize| {
            items[n].provider == *provider && items[n].token.as_ref() == Some(token) && !items[n].forgotten
        };
        // The open one, else the one settled last.
        let found = (0..items.len()).filter(bore).max_by_key(|&n| (items[n].is_open(), items[n].number));
        let Some(n) = found else { return "refused NoSuchToken".to_owned() };
        if items[n].is_open() {
            self.settle(place, n, Outcome::Cancelled, None);
        }
        let item = &self.places[place].notifications[n];
        let outcome = item.outcome.as_ref().expect("it has one by now").0;
        format!("cancel {token} = n{} {outcome:?}", item.id.0)
    }

    fn kpi(&mut self, place: usize, id: &Name, reset: bool) {
        let touched = self.touch();
        let at = &mut self.places[place];
        at.sessions.iter_mut().filter(|session| session.id == *id).for_each(|session| session.touched = touched);
        if reset {
            at.marks.retain(|mark| mark.id != *id);
        } else if let Some(mark) = at.marks.iter_mut().find(|mark| mark.id == *id) {
            mark.touched = touched;
        } else {
            at.marks.push(Mark { id: id.clone(), since: self.now, touched });
        }
        self.keep_counts(place);
    }

    fn end_session_call(&mut self, place: usize, who: &Who, id: &Name) -> String {
        let at = &self.places[place];
        let theirs = |agent: &Name, provider: &Name| match who {
            Who::Agent(name) => name == agent,
            Who::Provider(name) => name == provider,
            Who::Observer => false,
        };
        if let Some(session) = at.sessions.iter().find(|session| session.id == *id) {
            if !theirs(&session.agent, &session.provider) {
                return "refused SessionNotYours".to_owned();
            }
        } else if let Who::Provider(name) = who
            && at.owner(id).is_some_and(|owner| owner != *name)
        {
            return "refused SessionNotYours".to_owned();
        } else if !at.ended.iter().any(|ended| ended.id == *id && theirs(&ended.agent, &ended.provider)) {
            return "refused NoSuchSession".to_owned();
        }
        self.end_session(place, id);
        "done".to_owned()
    }

    fn answer(&mut self, place: usize, agent: &Name, id: NotificationId, accept: bool) -> String {
        let refused = "refused NoSuchNotification".to_owned();
        let still_open = format!("answer n{} still open", id.0);
        let at = &mut self.places[place];
        let Some(n) = at.notifications.iter().position(|item| item.id == id && !item.forgotten) else { return refused };
        let mut by_this_answer = false;
        if at.notifications[n].is_open() {
            let item = &mut at.notifications[n];
            if !item.displayed_to.contains(agent) {
                return refused;
            }
            if item.rejected_by.contains(agent) {
                return still_open;
            }
            if !accept {
                item.rejected_by.push(agent.clone());
            }
            if !accept && item.rendered.settle == Settle::FirstAccept && at.anybody_left(n) {
                let desk = at.agents.iter_mut().find(|desk| desk.name == *agent).expect("who answers is connected");
                desk.displayed.retain(|&other| other != n);
                desk.waiting.retain(|&other| other != n);
                return still_open;
            }
            by_this_answer = true;
            let outcome = if accept { Outcome::Accepted } else { Outcome::Declined };
            self.settle(place, n, outcome, Some(agent.clone()));
        }
        let (outcome, by) = self.places[place].notifications[n].outcome.clone().expect("it has one by now");
        let settled_by_answer = matches!(outcome, Outcome::Accepted | Outcome::Declined);
        let won = if by_this_answer || (settled_by_answer && by.as_ref() == Some(agent)) { " won" } else { "" };
        let by = by.map_or_else(String::new, |by| format!(" by {by}"));
        format!("answer n{} {outcome:?}{by}{won}", id.0)
    }
}

impl Place {
    /// The provider whose open notification or session bears the name.
    fn owner(&self, session: &str) -> Option<Name> {
        let by_session = self.sessions.iter().find(|open| *open.id == *session).map(|open| open.provider.clone());
        let mut open = self.notifications.iter().filter(|item| item.is_open());
        by_session.or_else(|| open.find(|item| *item.session == *session).map(|item| item.provider.clone()))
    }

    /// A connected agent who is eligible or has it displayed, and has not rejected it.
    fn anybody_left(&self, n: usize) -> bool {
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
    fn new(name: Name) -> Self {
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

    fn set_presence(&mut self, presence: Presence) {
        let away = presence == Presence::Away;
        if away != self.away {
            self.waiting.clear();
        }
        self.away = away;
    }
}
