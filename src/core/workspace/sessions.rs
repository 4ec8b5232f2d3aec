//! Sessions and KPI marks as data. Their effects are in `session_requests`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::context::Context;
use crate::effect::{AgentSlot, MarkView, SessionView};
use crate::entry::Field;
use crate::ids::{Name, NotificationId, Text, Timestamp};

/// When a session or mark was touched last, and the number of that touch in the workspace, which orders the touches of
/// one millisecond.
pub(crate) type Touch = (Timestamp, u64);

/// An open session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The agent who has the session; a reference.
    pub(crate) agent: AgentSlot,
    pub(crate) provider: Name,
    pub(crate) notification_id: NotificationId,
    pub(crate) correlation_id: Name,
    pub(crate) title: Text,
    pub(crate) started_at: Timestamp,
    pub(crate) unread: u32,
    touched: Touch,
    /// Icon, lines and link of the card that started the session.
    #[serde(default)]
    icon: Option<Name>,
    #[serde(default)]
    fields: Vec<Field>,
    #[serde(default)]
    link: Option<Text>,
    #[serde(default)]
    pub(crate) context: Option<Context>,
}

/// A session that ended within the retention time. To end it again is not an error.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EndedSession {
    pub(crate) provider: Name,
    pub(crate) agent: Name,
    at: Touch,
}

/// A KPI mark.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct KpiMark {
    details: Option<Text>,
    since: Timestamp,
    correlation_id: Option<Name>,
    touched: Touch,
}

/// The provider to which the name of a session belongs while something open has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Owner {
    provider: Name,
    /// Open notifications and sessions with this name.
    holders: u32,
}

/// All sessions and marks of a workspace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sessions {
    open: BTreeMap<Name, Session>,
    /// The open sessions, longest idle first.
    idle: BTreeMap<Touch, Name>,
    ended: BTreeMap<Name, EndedSession>,
    /// The ended sessions, oldest first.
    ended_order: BTreeMap<Touch, Name>,
    marks: BTreeMap<Name, KpiMark>,
    idle_marks: BTreeMap<Touch, Name>,
    owners: BTreeMap<Name, Owner>,
    touches: u64,
    /// In the rules for tests only: how many unread counts were capped.
    #[cfg(feature = "next-rules")]
    #[serde(default)]
    capped: u64,
}

impl Sessions {
    pub(crate) fn get(&self, id: &str) -> Option<&Session> {
        self.open.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.open.get_mut(id)
    }

    #[cfg(feature = "next-rules")]
    pub(crate) fn count_capped(&mut self, capped: bool) {
        self.capped += u64::from(capped);
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.marks.is_empty() && self.ended.is_empty() && self.owners.is_empty()
    }

    /// The provider to which the name belongs, while something open has it.
    pub(crate) fn owner(&self, id: &str) -> Option<&Name> {
        self.owners.get(id).map(|owner| &owner.provider)
    }

    /// Counts an open notification or session with this name.
    pub(crate) fn retain_name(&mut self, id: &Name, provider: &Name) {
        let owner = self.owners.entry(id.clone()).or_insert_with(|| Owner { provider: provider.clone(), holders: 0 });
        owner.holders += 1;
    }

    /// Counts one less. A name without open notifications and sessions is free.
    pub(crate) fn release_name(&mut self, id: &Name) {
        let owner = self.owners.get_mut(id).unwrap_or_else(|| panic!("session name {id} is released and has no owner"));
        assert!(owner.holders > 0, "session name {id} is released more often than retained");
        owner.holders -= 1;
        if owner.holders == 0 {
            self.owners.remove(id);
        }
    }

    /// Opens a session, which is touched now.
    pub(crate) fn start(&mut self, id: &Name, mut session: Session) {
        session.touched = self.next_touch(session.started_at);
        if let Some(ended) = self.ended.remove(id) {
            self.ended_order.remove(&ended.at);
        }
        self.idle.insert(session.touched, id.clone());
        self.retain_name(id, &session.provider);
        self.open.insert(id.clone(), session);
    }

    /// Ends a session. It is remembered with the name of its agent.
    pub(crate) fn end(&mut self, id: &Name, agent: Name, now: Timestamp) -> Option<Session> {
        let session = self.open.remove(id)?;
        assert!(self.idle.remove(&session.touched).is_some(), "session {id} ends and was not in the order of idleness");
        self.release_name(id);
        let at = self.next_touch(now);
        self.ended.insert(id.clone(), EndedSession { provider: session.provider.clone(), agent, at });
        self.ended_order.insert(at, id.clone());
        Some(session)
    }

    pub(crate) fn ended(&self, id: &str) -> Option<&EndedSession> {
        self.ended.get(id)
    }

    /// When the oldest of the ended sessions ended.
    pub(crate) fn oldest_ended(&self) -> Option<Timestamp> {
        self.ended_order.first_key_value().map(|(touch, _)| touch.0)
    }

    pub(crate) fn ended_len(&self) -> usize {
        self.ended.len()
    }

    pub(crate) fn forget_ended(&mut self) {
        if let Some((_, id)) = self.ended_order.pop_first() {
            self.ended.remove(&id);
        }
    }

    /// A message was about the session or mark with this name.
    pub(crate) fn touch(&mut self, id: &Name, now: Timestamp) {
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

    /// The session that was idle longest, and when it was touched last.
    pub(crate) fn longest_idle(&self) -> Option<(Timestamp, &Name)> {
        self.idle.first_key_value().map(|(touch, id)| (touch.0, id))
    }

    /// Sets or renews a mark; a mark set again keeps its `since`.
    pub(crate) fn mark(&mut self, id: &Name, details: Option<Text>, correlation_id: Option<Name>, now: Timestamp) {
        let since = self.marks.get(id).map_or(now, |mark| mark.since);
        let touched = self.next_touch(now);
        if let Some(old) = self.marks.insert(id.clone(), KpiMark { details, since, correlation_id, touched }) {
            self.idle_marks.remove(&old.touched);
        }
        self.idle_marks.insert(touched, id.clone());
    }

    /// Clears a mark and returns it.
    pub(crate) fn unmark(&mut self, id: &Name) -> Option<MarkView> {
        let view = self.mark_view(id);
        if let Some(mark) = self.marks.remove(id) {
            self.idle_marks.remove(&mark.touched);
        }
        view
    }

    pub(crate) fn is_marked(&self, id: &str) -> bool {
        self.marks.contains_key(id)
    }

    pub(crate) fn marks_len(&self) -> usize {
        self.marks.len()
    }

    /// The mark that was idle longest, and when it was touched last.
    pub(crate) fn longest_idle_mark(&self) -> Option<(Timestamp, &Name)> {
        self.idle_marks.first_key_value().map(|(touch, id)| (touch.0, id))
    }

    pub(crate) fn mark_view(&self, id: &Name) -> Option<MarkView> {
        let mark = self.marks.get(id)?;
        Some(MarkView {
            session_id: id.clone(),
            details: mark.details.clone(),
            since: mark.since,
            correlation_id: mark.correlation_id.clone(),
        })
    }

    /// All marks, oldest first.
    pub(crate) fn marks(&self) -> Vec<MarkView> {
        let mut marks: Vec<_> = self.marks.keys().filter_map(|id| self.mark_view(id)).collect();
        marks.sort_by_key(|mark| mark.since);
        marks
    }

    pub(crate) fn view(&self, id: &Name) -> Option<SessionView> {
        let session = self.open.get(id)?;
        Some(SessionView {
            session_id: id.clone(),
            notification_id: session.notification_id,
            correlation_id: session.correlation_id.clone(),
            title: session.title.clone(),
            icon: session.icon.clone(),
            fields: session.fields.clone(),
            link: session.link.clone(),
            started_at: session.started_at,
            breached: self.is_marked(id),
            unread: session.unread,
            has_context: session.context.is_some(),
        })
    }
}

impl Session {
    /// A session that starts now, with the card that was accepted.
    pub(crate) fn new(agent: AgentSlot, content: &Content, now: Timestamp) -> Self {
        let card = &content.rendered;
        Self {
            agent,
            provider: content.provider_id.clone(),
            notification_id: content.notification_id,
            correlation_id: content.correlation_id.clone(),
            title: card.title.clone(),
            started_at: now,
            unread: 0,
            touched: (now, 0),
            icon: card.icon.clone(),
            fields: card.fields.clone(),
            link: card.link.clone(),
            context: None,
        }
    }
}

#[cfg(test)]
impl Sessions {
    /// Checks that every index agrees with the sessions, the marks and the `holders` (name and provider of every open
    /// notification).
    pub(crate) fn check<'a>(&'a self, holders: impl Iterator<Item = (&'a Name, &'a Name)>) {
        assert!(self.idle.iter().all(|(touch, id)| self.open[id].touched == *touch));
        assert_eq!(self.idle.len(), self.open.len());
        assert!(self.idle_marks.iter().all(|(touch, id)| self.marks[id].touched == *touch));
        assert_eq!(self.idle_marks.len(), self.marks.len());
        assert!(self.ended_order.iter().all(|(at, id)| self.ended[id].at == *at));
        assert_eq!(self.ended_order.len(), self.ended.len());
        assert!(self.ended.keys().all(|id| !self.open.contains_key(id)), "open and ended");
        let mut counted: BTreeMap<&Name, u32> = BTreeMap::new();
        let sessions = self.open.iter().map(|(id, session)| (id, &session.provider));
        for (id, provider) in holders.chain(sessions) {
            assert_eq!(self.owner(id), Some(provider), "owner of {id}");
            *counted.entry(id).or_default() += 1;
        }
        assert!(self.owners.iter().map(|(id, owner)| (id, owner.holders)).eq(counted), "holders");
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &Session)> {
        self.open.iter()
    }
}
