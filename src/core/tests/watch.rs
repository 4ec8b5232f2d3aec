//! What each client knows, from what it was told alone: so the effects are held against the state.

use std::collections::{BTreeMap, BTreeSet};

use super::told::resolve;
use crate::effect::{Effect, Effects, MarkView, SessionView, Welcome};
use crate::entry::Presence;
use crate::ids::{ConnectionId, Name, NotificationId};
use crate::outcome::Outcome;
use crate::state_machine::Core;

/// An outcome, and whose.
pub(super) type Ended = (Outcome, Option<Name>);

/// All clients, and what was ever said about the end of notifications.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    clients: BTreeMap<ConnectionId, Client>,
    /// Of every workspace: what was acknowledged, and in which workspace.
    held: BTreeMap<NotificationId, Name>,
    /// What has an outcome: it never changes.
    ended: BTreeMap<NotificationId, Ended>,
}

#[derive(Debug, Clone)]
struct Client {
    workspace: Name,
    knows: Knows,
}

#[derive(Debug, Clone)]
enum Knows {
    Agent(Desk),
    Provider {
        /// Notifications whose result it still expects.
        open: BTreeSet<NotificationId>,
    },
    Observer,
}

/// An agent's page.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Desk {
    shown: Vec<NotificationId>,
    sessions: BTreeMap<Name, SessionView>,
    marks: BTreeMap<Name, MarkView>,
    presence: Presence,
}

impl Watch {
    /// What ended so far.
    pub(super) fn ended(&self) -> &BTreeMap<NotificationId, Ended> {
        &self.ended
    }

    /// Takes in what one entry caused, right after it was applied.
    pub(super) fn take(&mut self, core: &Core, effects: &Effects) {
        let connected: BTreeSet<ConnectionId> = core.members().map(|(connection, ..)| connection).collect();
        self.clients.retain(|connection, _| connected.contains(connection));
        for (workspace, effect) in &effects.list {
            self.note_outcome(workspace, effect);
            for connection in resolve(core, effects, workspace, effect) {
                if let Effect::Welcome(welcome) = effect {
                    let client = Client { workspace: workspace.clone(), knows: Knows::from(welcome) };
                    assert!(self.clients.insert(connection, client).is_none(), "a second welcome");
                } else if let Some(client) = self.clients.get_mut(&connection) {
                    assert_eq!(client.workspace, *workspace, "{effect:?} crossed");
                    client.knows.take(effect);
                } else {
                    assert!(!connected.contains(&connection), "before its welcome: {effect:?}");
                }
            }
        }
        assert_eq!(self.clients.len(), connected.len(), "who joined was welcomed");
    }

    /// That every page shows exactly what another tab's welcome would show now, and what is open is what was
    /// acknowledged and has not ended.
    pub(super) fn check(&self, core: &mut Core) {
        let members: Vec<_> = core.members().collect();
        for (connection, workspace, agent) in members {
            let (Some(agent), Knows::Agent(desk)) = (agent, &self.clients[&connection].knows) else { continue };
            let Knows::Agent(now) = Knows::from(&core.welcome_now(workspace, agent)) else { panic!("no agent") };
            assert_eq!(*desk, now, "a page is not what a reload would show");
        }
        let mut open: BTreeMap<&Name, BTreeSet<NotificationId>> = BTreeMap::new();
        for (id, workspace) in self.held.iter().filter(|(id, _)| !self.ended.contains_key(id)) {
            open.entry(workspace).or_default().insert(*id);
        }
        for (_, workspace) in core.all_workspaces() {
            let expected = open.remove(&workspace.name).unwrap_or_default();
            assert!(workspace.open_by_id.keys().eq(&expected), "open: {expected:?}");
        }
        assert!(open.is_empty(), "lost: {open:?}");
    }

    /// An outcome comes once, for what was acknowledged; all later words about it say the same.
    fn note_outcome(&mut self, workspace: &Name, effect: &Effect) {
        match effect {
            Effect::Ack { notification_id, duplicate: false, .. } => {
                assert!(self.held.insert(*notification_id, workspace.clone()).is_none(), "acknowledged twice");
            }
            Effect::Ack { notification_id, .. } => assert_eq!(self.held.get(notification_id), Some(workspace)),
            Effect::Settled { settled, .. } => {
                let id = settled.notification_id;
                assert_eq!(self.held.get(&id), Some(workspace), "an outcome of what was never acknowledged");
                let ended = (settled.outcome, settled.agent_id.clone());
                assert_eq!(self.ended.insert(id, ended), None, "{id:?} ended twice");
            }
            Effect::SettledAgain { settled, .. } => {
                let ended = (settled.outcome, settled.agent_id.clone());
                assert_eq!(self.ended.get(&settled.notification_id), Some(&ended));
            }
            Effect::CancelResult { notification_id, outcome, .. } => {
                assert_eq!(self.ended.get(notification_id).map(|ended| ended.0), Some(*outcome));
            }
            Effect::Answered { notification_id, outcome, agent_id, .. } => {
                let ended = outcome.map(|outcome| (outcome, agent_id.clone()));
                assert_eq!(self.ended.get(notification_id), ended.as_ref());
            }
            _ => {}
        }
    }
}

impl Knows {
    fn from(welcome: &Welcome) -> Self {
        match welcome {
            Welcome::Observer => Self::Observer,
            Welcome::Provider { open, .. } => {
                Self::Provider { open: open.iter().map(|view| view.notification_id).collect() }
            }
            Welcome::Agent { presence, notifications, sessions, kpi, .. } => Self::Agent(Desk {
                shown: notifications.iter().map(|card| card.content.notification_id).collect(),
                sessions: sessions.iter().map(|s| (s.session_id.clone(), s.clone())).collect(),
                marks: kpi.iter().map(|mark| (mark.session_id.clone(), mark.clone())).collect(),
                presence: *presence,
            }),
        }
    }

    fn take(&mut self, effect: &Effect) {
        match self {
            Self::Agent(desk) => desk.take(effect),
            Self::Provider { open } => match effect {
                Effect::Ack { notification_id, duplicate: false, .. } => {
                    open.insert(*notification_id);
                }
                Effect::Settled { settled, .. } => {
                    open.remove(&settled.notification_id);
                }
                Effect::SettledAgain { settled, .. } => {
                    assert!(!open.contains(&settled.notification_id), "told again before it was told");
                }
                Effect::Ack { .. } | Effect::CancelResult { .. } | Effect::Done { .. } | Effect::Refused { .. } => {}
                other => panic!("to a provider: {other:?}"),
            },
            Self::Observer => assert!(matches!(effect, Effect::Event { .. }), "to an observer: {effect:?}"),
        }
    }
}

impl Desk {
    fn take(&mut self, effect: &Effect) {
        match effect {
            Effect::Display { card, .. } => {
                let id = card.content.notification_id;
                assert!(!self.shown.contains(&id), "{id:?} shown twice");
                self.shown.push(id);
            }
            Effect::Close { notification_id, .. } => {
                let at = self.shown.iter().position(|id| id == notification_id);
                self.shown.remove(at.unwrap_or_else(|| panic!("{notification_id:?} closed, but not shown")));
            }
            Effect::SessionStarted { session, .. } => {
                self.sessions.insert(session.session_id.clone(), session.clone());
            }
            Effect::SessionEnded { session_id, .. } => {
                assert!(self.sessions.remove(session_id).is_some(), "{session_id} ended, but not here");
            }
            Effect::Kpi { mark, breached } => {
                let was = self.marks.remove(&mark.session_id).is_some();
                assert!(was || *breached, "{} cleared, but not marked", mark.session_id);
                if *breached {
                    self.marks.insert(mark.session_id.clone(), mark.clone());
                }
                if let Some(session) = self.sessions.get_mut(&mark.session_id) {
                    session.breached = *breached;
                }
            }
            Effect::Activity { session_id, count, .. } => {
                self.sessions.get_mut(session_id).expect("a session of this agent").unread = *count;
            }
            Effect::Presence { presence, .. } => self.presence = *presence,
            Effect::Answered { .. } | Effect::Context { .. } | Effect::Done { .. } | Effect::Refused { .. } => {}
            other => panic!("to an agent: {other:?}"),
        }
    }
}
