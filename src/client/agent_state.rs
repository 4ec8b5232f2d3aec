//! The state of an agent's desk, and the events that change it.

use std::borrow::Cow;

use deskbell_protocol::outbound::{Activity, Closed, Kpi, Notification, Session, SessionEnded, WelcomeState};
use deskbell_protocol::{HubMessage, Presence};
use tokio::sync::broadcast;

/// The state of an agent's desk. After a reconnect it is the hub's whole state again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentState {
    /// The agent's name, given by this client or minted by the hub.
    pub agent_id: String,
    /// The agent's groups.
    pub groups: Vec<String>,
    /// The agent's presence; `None` before the first welcome.
    pub presence: Option<Presence>,
    /// The displayed notifications, the oldest first.
    pub notifications: Vec<Notification<'static>>,
    /// The agent's open sessions.
    pub sessions: Vec<Session<'static>>,
    /// The KPI marks in the workspace.
    pub kpi: Vec<Kpi<'static>>,
    /// Whether the connection is open. If not, the other fields may be out of date.
    pub connected: bool,
}

impl AgentState {
    /// The state in a welcome; `None` if the welcome is not an agent's.
    pub(super) fn of(welcome: WelcomeState<'static>) -> Option<Self> {
        let WelcomeState::Agent { agent_id, groups, presence, notifications, sessions, kpi } = welcome else {
            return None;
        };
        Some(Self {
            agent_id: agent_id.into_owned(),
            groups: groups.into_iter().map(Cow::into_owned).collect(),
            presence: Some(presence),
            notifications,
            sessions,
            kpi,
            connected: true,
        })
    }

    /// Applies an event.
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

    fn session<'a>(&'a mut self, id: &'a str) -> impl Iterator<Item = &'a mut Session<'static>> {
        self.sessions.iter_mut().filter(move |session| session.session_id == id)
    }
}

/// An event at an agent's desk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentEvent {
    /// The connection is open. The whole state is new: see [`Agent::state`](super::Agent::state).
    Connected,
    /// The connection is lost. The client reconnects.
    Disconnected,
    /// A notification is displayed.
    Notification(Notification<'static>),
    /// A notification is not displayed any more.
    Closed(Closed<'static>),
    /// A session is at the desk.
    Session(Session<'static>),
    /// A session ended or moved to another desk.
    SessionEnded(SessionEnded<'static>),
    /// A KPI mark was set or cleared.
    Kpi(Kpi<'static>),
    /// The unread count of a session.
    Activity(Activity<'static>),
    /// The agent's presence. Any connection of the agent may have set it.
    Presence(Presence),
    /// This many events were lost because they were not read in time: see [`Agent::state`](super::Agent::state).
    Missed(u64),
}

impl AgentEvent {
    /// The event of a message, if it has one.
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

/// The events at an agent's desk, in order. The queue is bounded: a slow reader receives [`AgentEvent::Missed`].
#[derive(Debug)]
pub struct Events {
    pub(super) events: broadcast::Receiver<AgentEvent>,
}

impl Events {
    /// The next event; `None` after the agent has ended.
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
    use deskbell_protocol::outbound::Buttons;
    use deskbell_protocol::{NotificationId, Timestamp};

    fn notification(id: u128) -> AgentEvent {
        AgentEvent::Notification(Notification {
            notification_id: NotificationId(id),
            correlation_id: "".into(),
            template_name: "".into(),
            title: "".into(),
            icon: None,
            fields: Vec::new().into(),
            buttons: Buttons { accept: "".into(), reject: "".into() },
            provider_id: "".into(),
            session_id: "".into(),
            notified_at: Timestamp(0),
            timeout_ms: 0,
            remaining_ms: 0,
            show_timeout: true,
            priority: 0,
            link: None,
            sound: None,
        })
    }

    fn session(id: &'static str) -> AgentEvent {
        AgentEvent::Session(Session {
            session_id: id.into(),
            notification_id: NotificationId(0),
            correlation_id: "".into(),
            title: "".into(),
            started_at: Timestamp(0),
            breached: false,
            unread: 0,
            icon: None,
            fields: [].as_slice().into(),
            link: None,
            context: None,
            has_context: false,
        })
    }

    fn kpi(id: &'static str, breached: bool) -> AgentEvent {
        AgentEvent::Kpi(Kpi { session_id: id.into(), breached, details: None, correlation_id: None, since: None })
    }

    fn closed(id: u128) -> AgentEvent {
        let notification_id = NotificationId(id);
        AgentEvent::Closed(Closed { notification_id, correlation_id: "".into(), value: None, agent_id: None })
    }

    #[test]
    fn the_state_follows_the_events() {
        let mut state = AgentState::default();
        for event in [notification(1), notification(2), notification(1), closed(2), closed(9)] {
            state.apply(&event);
        }
        assert_eq!(state.notifications.len(), 1);
        for event in [session("s"), session("t"), session("s"), kpi("s", true), kpi("s", true), kpi("x", true)] {
            state.apply(&event);
        }
        state.apply(&AgentEvent::Activity(Activity { session_id: "s".into(), count: 3, correlation_id: None }));
        assert_eq!((state.sessions.len(), state.kpi.len()), (2, 2));
        let s = state.sessions.iter().find(|session| session.session_id == "s").unwrap();
        assert!(s.breached && s.unread == 3);
        state.apply(&kpi("s", false));
        state.apply(&AgentEvent::SessionEnded(SessionEnded { session_id: "t".into(), correlation_id: None }));
        assert!(state.sessions.len() == 1 && !state.sessions[0].breached && state.kpi.len() == 1);
        state.apply(&AgentEvent::Presence(Presence::Away));
        assert_eq!(state.presence, Some(Presence::Away));
    }
}
