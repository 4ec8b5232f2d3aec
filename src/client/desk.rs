//! What is on an agent's desk, and what happens there.

use tokio::sync::broadcast;

use crate::protocol::outbound::received::{Activity, Closed, Kpi, Notification, Session, SessionEnded, Welcome};
use crate::protocol::{HubMessage, Presence};

/// What is on the desk now. After a reconnect it is the hub's whole state again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desk {
    /// The agent's name: as it was given, or as the hub minted it.
    pub agent_id: String,
    /// The agent's groups.
    pub groups: Vec<String>,
    /// The agent's presence; `None` before the first welcome.
    pub presence: Option<Presence>,
    /// What is displayed, the oldest first.
    pub notifications: Vec<Notification>,
    /// The agent's sessions.
    pub sessions: Vec<Session>,
    /// The marks that stand.
    pub kpi: Vec<Kpi>,
    /// Whether the connection stands: if not, all of this may be stale.
    pub connected: bool,
}

impl Desk {
    /// The whole state that a welcome tells.
    pub(super) fn of(welcome: Welcome) -> Self {
        Self {
            agent_id: welcome.agent_id.unwrap_or_default(),
            groups: welcome.groups,
            presence: welcome.presence,
            notifications: welcome.notifications,
            sessions: welcome.sessions,
            kpi: welcome.kpi,
            connected: true,
        }
    }

    /// Does what an event says.
    pub(super) fn apply(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::Notification(one) => {
                self.notifications.retain(|other| other.notification_id != one.notification_id);
                self.notifications.push(one.clone());
            }
            AgentEvent::Closed(closed) => {
                self.notifications.retain(|one| one.notification_id != closed.notification_id);
            }
            AgentEvent::Session(session) => {
                self.sessions.retain(|other| other.session_id != session.session_id);
                self.sessions.push(session.clone());
            }
            AgentEvent::SessionEnded(ended) => self.sessions.retain(|session| session.session_id != ended.session_id),
            AgentEvent::Kpi(kpi) => {
                self.kpi.retain(|other| other.session_id != kpi.session_id);
                if kpi.breached {
                    self.kpi.push(kpi.clone());
                }
                for session in self.session(&kpi.session_id) {
                    session.breached = kpi.breached;
                }
            }
            AgentEvent::Activity(activity) => {
                for session in self.session(&activity.session_id) {
                    session.unread = activity.count;
                }
            }
            AgentEvent::Presence(presence) => self.presence = Some(*presence),
            AgentEvent::Disconnected => self.connected = false,
            AgentEvent::Connected | AgentEvent::Missed(_) => {}
        }
    }

    fn session<'a>(&'a mut self, id: &'a str) -> impl Iterator<Item = &'a mut Session> {
        self.sessions.iter_mut().filter(move |session| session.session_id == id)
    }
}

/// What happens at a desk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentEvent {
    /// The hub has welcomed this agent, again maybe: look at [`Agent::desk`](super::Agent::desk), which is all new.
    Connected,
    /// The connection is lost, and being renewed.
    Disconnected,
    /// A notification came onto the desk.
    Notification(Notification),
    /// One is off the desk.
    Closed(Closed),
    /// A session is at the desk.
    Session(Session),
    /// One is over, or at another desk.
    SessionEnded(SessionEnded),
    /// A mark is set or cleared.
    Kpi(Kpi),
    /// A session's unread count.
    Activity(Activity),
    /// The agent's presence, whichever connection of the agent set it.
    Presence(Presence),
    /// So many events are lost, as they were not read in time: look at [`Agent::desk`](super::Agent::desk).
    Missed(u64),
}

impl AgentEvent {
    /// What the hub's message means for a desk.
    pub(super) fn of(message: &HubMessage) -> Option<Self> {
        Some(match message {
            HubMessage::Notification(one) => Self::Notification((**one).clone()),
            HubMessage::Closed(closed) => Self::Closed(closed.clone()),
            HubMessage::Session(session) => Self::Session(session.clone()),
            HubMessage::SessionEnded(ended) => Self::SessionEnded(ended.clone()),
            HubMessage::Kpi(kpi) => Self::Kpi(kpi.clone()),
            HubMessage::Activity(activity) => Self::Activity(activity.clone()),
            HubMessage::Presence(now) => Self::Presence(now.presence),
            _ => return None,
        })
    }
}

/// What happens at a desk, in order. Bounded: who does not read in time gets [`AgentEvent::Missed`].
#[derive(Debug)]
pub struct Events {
    pub(super) events: broadcast::Receiver<AgentEvent>,
}

impl Events {
    /// The next event; `None` when the agent is over.
    pub async fn next(&mut self) -> Option<AgentEvent> {
        match self.events.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(AgentEvent::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::outbound::received::Buttons;

    fn notification(id: &str) -> AgentEvent {
        AgentEvent::Notification(Notification {
            notification_id: id.to_owned(),
            correlation_id: String::new(),
            template_name: String::new(),
            title: String::new(),
            icon: None,
            fields: Vec::new(),
            buttons: Buttons { accept: String::new(), reject: String::new() },
            provider_id: String::new(),
            session_id: String::new(),
            notified_at: String::new(),
            timeout_ms: 0,
            remaining_ms: 0,
            show_timeout: true,
        })
    }

    fn session(id: &str) -> AgentEvent {
        AgentEvent::Session(Session {
            session_id: id.to_owned(),
            notification_id: String::new(),
            correlation_id: String::new(),
            title: String::new(),
            started_at: String::new(),
            breached: false,
            unread: 0,
        })
    }

    fn kpi(id: &str, breached: bool) -> AgentEvent {
        AgentEvent::Kpi(Kpi { session_id: id.to_owned(), breached, details: None, correlation_id: None, since: None })
    }

    fn closed(id: &str) -> AgentEvent {
        AgentEvent::Closed(Closed {
            notification_id: id.to_owned(),
            correlation_id: String::new(),
            value: None,
            agent_id: None,
        })
    }

    #[test]
    fn the_desk_is_what_the_events_make_of_it() {
        let mut desk = Desk::default();
        for event in [notification("1"), notification("2"), notification("1"), closed("2"), closed("9")] {
            desk.apply(&event);
        }
        assert_eq!(desk.notifications.len(), 1);
        for event in [session("s"), session("t"), session("s"), kpi("s", true), kpi("s", true), kpi("x", true)] {
            desk.apply(&event);
        }
        desk.apply(&AgentEvent::Activity(Activity { session_id: "s".to_owned(), count: 3, correlation_id: None }));
        assert_eq!((desk.sessions.len(), desk.kpi.len()), (2, 2));
        let s = desk.sessions.iter().find(|session| session.session_id == "s").unwrap();
        assert!(s.breached && s.unread == 3);
        desk.apply(&kpi("s", false));
        desk.apply(&AgentEvent::SessionEnded(SessionEnded { session_id: "t".to_owned(), correlation_id: None }));
        assert!(desk.sessions.len() == 1 && !desk.sessions[0].breached && desk.kpi.len() == 1);
        desk.apply(&AgentEvent::Presence(Presence::Away));
        assert_eq!(desk.presence, Some(Presence::Away));
    }
}
