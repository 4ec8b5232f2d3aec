//! Sessions and KPI marks, as data. What they cause is in `session_calls`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::effect::{MarkView, SessionView};
use super::ids::{Name, NotificationId, Timestamp};

/// An open session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    /// Slot of the agent who has it; held.
    pub(super) agent: u32,
    pub(super) provider: Name,
    pub(super) notification_id: NotificationId,
    pub(super) correlation_id: Name,
    pub(super) title: Name,
    pub(super) started_at: Timestamp,
    pub(super) unread: u32,
    touched: Timestamp,
}

/// A session that ended within the retention time: to end it again is no error.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) provider: Name,
    pub(super) agent: Name,
    at: Timestamp,
}

/// A mark that stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mark {
    details: Option<Name>,
    since: Timestamp,
    correlation_id: Option<Name>,
    touched: Timestamp,
}

/// To whom a session's name belongs while anything bears it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Owner {
    provider: Name,
    /// Open notifications and sessions that bear it.
    bearers: u32,
}

/// All sessions and marks of a workspace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Sessions {
    open: BTreeMap<Name, Session>,
    /// By when they were touched last, for those untouched longest.
    idle: BTreeSet<(Timestamp, Name)>,
    ended: BTreeMap<Name, Ended>,
    ended_order: BTreeSet<(Timestamp, Name)>,
    marks: BTreeMap<Name, Mark>,
    idle_marks: BTreeSet<(Timestamp, Name)>,
    owners: BTreeMap<Name, Owner>,
}

impl Sessions {
    pub(super) fn get(&self, id: &str) -> Option<&Session> {
        self.open.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.open.get_mut(id)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.marks.is_empty() && self.ended.is_empty() && self.owners.is_empty()
    }

    /// The provider to whom the name belongs, while anything bears it.
    pub(super) fn owner(&self, id: &str) -> Option<&Name> {
        self.owners.get(id).map(|owner| &owner.provider)
    }

    /// An open notification or session bears the name from here on.
    pub(super) fn bear(&mut self, id: &Name, provider: &Name) {
        let owner = self.owners.entry(id.clone()).or_insert_with(|| Owner { provider: provider.clone(), bearers: 0 });
        owner.bearers += 1;
    }

    /// One bearer less.
    pub(super) fn unbear(&mut self, id: &Name) {
        if let Some(owner) = self.owners.get_mut(id) {
            owner.bearers -= 1;
            if owner.bearers == 0 {
                self.owners.remove(id);
            }
        }
    }

    /// Opens a session; it bears its name.
    pub(super) fn start(&mut self, id: &Name, session: Session) {
        if let Some(ended) = self.ended.remove(id) {
            self.ended_order.remove(&(ended.at, id.clone()));
        }
        self.idle.insert((session.touched, id.clone()));
        self.bear(id, &session.provider);
        self.open.insert(id.clone(), session);
    }

    /// Ends a session; it is remembered as ended by `agent`'s name, at most `ended_max` such.
    pub(super) fn end(&mut self, id: &Name, agent: Name, now: Timestamp, ended_max: usize) -> Option<Session> {
        let session = self.open.remove(id)?;
        self.idle.remove(&(session.touched, id.clone()));
        self.unbear(id);
        self.ended.insert(id.clone(), Ended { provider: session.provider.clone(), agent, at: now });
        self.ended_order.insert((now, id.clone()));
        if self.ended.len() > ended_max {
            self.forget_ended();
        }
        Some(session)
    }

    pub(super) fn ended(&self, id: &str) -> Option<&Ended> {
        self.ended.get(id)
    }

    /// When the oldest of those that ended did.
    pub(super) fn oldest_ended(&self) -> Option<Timestamp> {
        self.ended_order.first().map(|(at, _)| *at)
    }

    pub(super) fn forget_ended(&mut self) {
        if let Some((_, id)) = self.ended_order.pop_first() {
            self.ended.remove(&id);
        }
    }

    /// Something concerned the session or mark of that name.
    pub(super) fn touch(&mut self, id: &Name, now: Timestamp) {
        if let Some(session) = self.open.get_mut(id) {
            self.idle.remove(&(session.touched, id.clone()));
            session.touched = now;
            self.idle.insert((now, id.clone()));
        }
        if let Some(mark) = self.marks.get_mut(id) {
            self.idle_marks.remove(&(mark.touched, id.clone()));
            mark.touched = now;
            self.idle_marks.insert((now, id.clone()));
        }
    }

    /// The session untouched longest, and when it was touched.
    pub(super) fn idlest(&self) -> Option<&(Timestamp, Name)> {
        self.idle.first()
    }

    /// Sets or renews a mark; a mark set again keeps its `since`.
    pub(super) fn mark(&mut self, id: &Name, details: Option<Name>, correlation_id: Option<Name>, now: Timestamp) {
        let since = self.marks.get(id).map_or(now, |mark| mark.since);
        if let Some(old) = self.marks.insert(id.clone(), Mark { details, since, correlation_id, touched: now }) {
            self.idle_marks.remove(&(old.touched, id.clone()));
        }
        self.idle_marks.insert((now, id.clone()));
    }

    /// Clears a mark; how it stood.
    pub(super) fn unmark(&mut self, id: &Name) -> Option<MarkView> {
        let view = self.mark_view(id);
        if let Some(mark) = self.marks.remove(id) {
            self.idle_marks.remove(&(mark.touched, id.clone()));
        }
        view
    }

    pub(super) fn is_marked(&self, id: &str) -> bool {
        self.marks.contains_key(id)
    }

    pub(super) fn marks_len(&self) -> usize {
        self.marks.len()
    }

    /// The mark untouched longest, and when it was touched.
    pub(super) fn idlest_mark(&self) -> Option<&(Timestamp, Name)> {
        self.idle_marks.first()
    }

    pub(super) fn mark_view(&self, id: &Name) -> Option<MarkView> {
        let mark = self.marks.get(id)?;
        Some(MarkView {
            session_id: id.clone(),
            details: mark.details.clone(),
            since: mark.since,
            correlation_id: mark.correlation_id.clone(),
        })
    }

    /// All marks, by since when they stand.
    pub(super) fn marks(&self) -> Vec<MarkView> {
        let mut marks: Vec<_> = self.marks.keys().filter_map(|id| self.mark_view(id)).collect();
        marks.sort_by_key(|mark| mark.since);
        marks
    }

    pub(super) fn view(&self, id: &Name) -> Option<SessionView> {
        let session = self.open.get(id)?;
        Some(SessionView {
            session_id: id.clone(),
            notification_id: session.notification_id,
            correlation_id: session.correlation_id.clone(),
            title: session.title.clone(),
            started_at: session.started_at,
            breached: self.is_marked(id),
            unread: session.unread,
        })
    }
}

impl Session {
    /// A session that begins now.
    pub(super) fn new(
        agent: u32,
        provider: Name,
        notification_id: NotificationId,
        correlation_id: Name,
        title: Name,
        now: Timestamp,
    ) -> Self {
        Self { agent, provider, notification_id, correlation_id, title, started_at: now, unread: 0, touched: now }
    }
}
