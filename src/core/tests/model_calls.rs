//! The simple model, second part: who comes and goes, and what clients ask.

use super::model::{Agent, Item, Mark, Model, Place, Who};
use crate::entry::{Action, AgentAction, Call, Entry, Input, Joiner, NewNotification, ProviderAction, Resume, Settle};
use crate::ids::{ConnectionId, Incarnation, Name, NotificationId};
use crate::outcome::Outcome;

impl Model {
    pub(super) fn input(&mut self, incarnation: Incarnation, entry: &Entry) -> Option<String> {
        match &entry.input {
            Input::Started { .. } | Input::Tick | Input::Silent { .. } => None,
            Input::Revoke { .. } | Input::LiftRevocation { .. } => None,
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

    fn join(&mut self, connection: ConnectionId, workspace: &Name, client: &Joiner) {
        let place = self.places.iter().position(|place| place.name == *workspace).unwrap_or_else(|| {
            self.places.push(Place { name: workspace.clone(), ..Place::default() });
            self.places.len() - 1
        });
        let who = match client {
            Joiner::Provider { id, resume: Resume::Nothing | Resume::All | Resume::After(_) } => {
                Who::Provider(id.clone())
            }
            Joiner::Observer => Who::Observer,
            Joiner::Agent { id, groups, presence } => {
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
                at.missing.push((name, self.now + self.limits.regroup_time.0));
            }
        }
    }

    fn call(&mut self, place: usize, who: Who, call: &Call) -> Option<String> {
        match (who, &call.action) {
            (Who::Provider(provider), Action::Provider(ProviderAction::Notify(notify))) => {
                Some(self.notify(place, provider, call, notify))
            }
            (Who::Provider(provider), Action::Provider(ProviderAction::Cancel { cancellation_token })) => {
                Some(self.cancel(place, &provider, cancellation_token))
            }
            (Who::Provider(provider), Action::Provider(ProviderAction::Lookup { notification_id: id })) => {
                let mut items = self.places[place].notifications.iter();
                let own = items.any(|item| item.id == *id && item.provider == provider && !item.forgotten);
                Some(if own {
                    format!("ack n{} again", id.0)
                } else {
                    "refused NotificationUnknownToProvider".to_owned()
                })
            }
            (Who::Provider(_), Action::Provider(ProviderAction::Kpi { session_id, should_reset, .. })) => {
                self.kpi(place, session_id, *should_reset);
                Some("done".to_owned())
            }
            (Who::Provider(_), Action::Provider(ProviderAction::Activity { session_id, count })) => {
                let touched = self.touch();
                let at = &mut self.places[place];
                let Some(session) = at.sessions.iter_mut().find(|session| session.id == *session_id) else {
                    return Some("refused SessionNotFound".to_owned());
                };
                (session.unread, session.touched) = (*count, touched);
                at.marks.iter_mut().filter(|mark| mark.id == *session_id).for_each(|mark| mark.touched = touched);
                Some("done".to_owned())
            }
            (who @ Who::Provider(_), Action::Provider(ProviderAction::EndSession { session_id }))
            | (who @ Who::Agent(_), Action::Agent(AgentAction::EndSession { session_id })) => {
                Some(self.end_session_call(place, &who, session_id))
            }
            (Who::Agent(agent), Action::Agent(AgentAction::Accept { notification_id })) => {
                Some(self.answer(place, &agent, *notification_id, true))
            }
            (Who::Agent(agent), Action::Agent(AgentAction::Reject { notification_id, .. })) => {
                Some(self.answer(place, &agent, *notification_id, false))
            }
            (Who::Agent(agent), Action::Agent(AgentAction::Seen { notification_id })) => {
                let items = &mut self.places[place].notifications;
                let item = items.iter_mut().find(|item| item.id == *notification_id && item.is_open());
                if let Some(item) = item.filter(|item| item.displayed_to.contains(&agent))
                    && !item.seen_by.contains(&agent)
                {
                    item.seen_by.push(agent);
                }
                None
            }
            (Who::Agent(name), Action::Agent(AgentAction::Presence(presence))) => {
                let agents = &mut self.places[place].agents;
                agents.iter_mut().find(|agent| agent.name == name).expect("connected").set_presence(*presence);
                None
            }
            _ => None,
        }
    }

    fn notify(&mut self, place: usize, provider: Name, call: &Call, notify: &NewNotification) -> String {
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
            return "refused SessionOwnedByAnother".to_owned();
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
        let rank = self.places[place].notifications[n].rank();
        while self.give_auto(place, rank) {}
        if self.places[place].notifications[n].rendered.auto_accept
            && let Some(agent) = self.taker(place, n)
        {
            self.settle(place, n, Outcome::AutoAccepted, Some(agent));
            return;
        }
        // Other desks are filled at the end of the step, after the automatic accepts that wait.
        self.fill_desks_of(place, Some(n));
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
        let Some(n) = found else { return "refused TokenNotFound".to_owned() };
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
                return "refused SessionOwnedByAnother".to_owned();
            }
        } else if let Who::Provider(name) = who
            && at.owner(id).is_some_and(|owner| owner != *name)
        {
            return "refused SessionOwnedByAnother".to_owned();
        } else if !at.ended.iter().any(|ended| ended.id == *id && theirs(&ended.agent, &ended.provider)) {
            return "refused SessionNotFound".to_owned();
        }
        self.end_session(place, id);
        "done".to_owned()
    }

    fn answer(&mut self, place: usize, agent: &Name, id: NotificationId, accept: bool) -> String {
        let refused = "refused NotificationUnknownToAgent".to_owned();
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
