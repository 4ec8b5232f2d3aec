//! Sessions and KPI marks, as data. What they cause is in `session_calls`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::effect::{MarkView, SessionView};
use super::ids::{Name, NotificationId, Timestamp};

/// When something was touched last, and the how manieth touch of the workspace it was: what was touched in the
/// same millisecond is still in order.
pub(super) type Touch = (Timestamp, u64);

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
    touched: Touch,
}

/// A session that ended within the retention time: to end it again is no error.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) provider: Name,
    pub(super) agent: Name,
    at: Touch,
}

/// A mark that stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mark {
    details: Option<Name>,
    since: Timestamp,
    correlation_id: Option<Name>,
    touched: Touch,
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
    idle: BTreeMap<Touch, Name>,
    ended: BTreeMap<Name, Ended>,
    /// By when they ended.
    ended_order: BTreeMap<Touch, Name>,
    marks: BTreeMap<Name, Mark>,
    idle_marks: BTreeMap<Touch, Name>,
    owners: BTreeMap<Name, Owner>,
    touches: u64,
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

    /// Opens a session, touched now; it bears its name.
    pub(super) fn start(&mut self, id: &Name, mut session: Session) {
        session.touched = self.next_touch(session.started_at);
        if let Some(ended) = self.ended.remove(id) {
            self.ended_order.remove(&ended.at);
        }
        self.idle.insert(session.touched, id.clone());
        self.bear(id, &session.provider);
        self.open.insert(id.clone(), session);
    }

    /// Ends a session; it is remembered as ended by `agent`'s name.
    pub(super) fn end(&mut self, id: &Name, agent: Name, now: Timestamp) -> Option<Session> {
        let session = self.open.remove(id)?;
        self.idle.remove(&session.touched);
        self.unbear(id);
        let at = self.next_touch(now);
        self.ended.insert(id.clone(), Ended { provider: session.provider.clone(), agent, at });
        self.ended_order.insert(at, id.clone());
        Some(session)
    }

    pub(super) fn ended(&self, id: &str) -> Option<&Ended> {
        self.ended.get(id)
    }

    /// When the oldest of those that ended did.
    pub(super) fn oldest_ended(&self) -> Option<Timestamp> {
        self.ended_order.first_key_value().map(|(touch, _)| touch.0)
    }

    pub(super) fn ended_len(&self) -> usize {
        self.ended.len()
    }

    pub(super) fn forget_ended(&mut self) {
        if let Some((_, id)) = self.ended_order.pop_first() {
            self.ended.remove(&id);
        }
    }

    /// Something concerned the session or mark of that name.
    pub(super) fn touch(&mut self, id: &Name, now: Timestamp) {
        let touch = self.next_touch(now);
        if let Some(session) = self.open.get_mut(id) {
            self.idle.remove(&session.touched);
            session.touched = touch;
            self.idle.insert(touch, id.clone());
        }
        if let Some(mark) = self.marks.get_mut(id) {
            self.idle_marks.remove(&mark.touched);
            mark.touched = touch;
            self.idle_marks.insert(touch, id.clone());
        }
    }

    fn next_touch(&mut self, now: Timestamp) -> Touch {
        self.touches += 1;
        (now, self.touches)
    }

    /// The session untouched longest, and when it was touched.
    pub(super) fn idlest(&self) -> Option<(Timestamp, &Name)> {
        self.idle.first_key_value().map(|(touch, id)| (touch.0, id))
    }

    /// Sets or renews a mark; a mark set again keeps its `since`.
    pub(super) fn mark(&mut self, id: &Name, details: Option<Name>, correlation_id: Option<Name>, now: Timestamp) {
        let since = self.marks.get(id).map_or(now, |mark| mark.since);
        let touched = self.next_touch(now);
        if let Some(old) = self.marks.insert(id.clone(), Mark { details, since, correlation_id, touched }) {
            self.idle_marks.remove(&old.touched);
        }
        self.idle_marks.insert(touched, id.clone());
    }

    /// Clears a mark; how it stood.
    pub(super) fn unmark(&mut self, id: &Name) -> Option<MarkView> {
        let view = self.mark_view(id);
        if let Some(mark) = self.marks.remove(id) {
            self.idle_marks.remove(&mark.touched);
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
    pub(super) fn idlest_mark(&self) -> Option<(Timestamp, &Name)> {
        self.idle_marks.first_key_value().map(|(touch, id)| (touch.0, id))
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
        Self { agent, provider, notification_id, correlation_id, title, started_at: now, unread: 0, touched: (now, 0) }
    }
}

#[cfg(test)]
impl Sessions {
    /// That every index says what the sessions, the marks and the `bearers` (session and provider of what is open) say.
    pub(super) fn check<'a>(&'a self, bearers: impl Iterator<Item = (&'a Name, &'a Name)>) {
        assert!(self.idle.iter().all(|(touch, id)| self.open[id].touched == *touch));
        assert_eq!(self.idle.len(), self.open.len());
        assert!(self.idle_marks.iter().all(|(touch, id)| self.marks[id].touched == *touch));
        assert_eq!(self.idle_marks.len(), self.marks.len());
        assert!(self.ended_order.iter().all(|(at, id)| self.ended[id].at == *at));
        assert_eq!(self.ended_order.len(), self.ended.len());
        assert!(self.ended.keys().all(|id| !self.open.contains_key(id)), "open and ended");
        let mut borne: BTreeMap<&Name, u32> = BTreeMap::new();
        let sessions = self.open.iter().map(|(id, session)| (id, &session.provider));
        for (id, provider) in bearers.chain(sessions) {
            assert_eq!(self.owner(id), Some(provider), "owner of {id}");
            *borne.entry(id).or_default() += 1;
        }
        assert!(self.owners.iter().map(|(id, owner)| (id, owner.bearers)).eq(borne), "bearers");
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, &Session)> {
        self.open.iter()
    }
}
