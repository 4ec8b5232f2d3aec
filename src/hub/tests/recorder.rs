//! A delivery that writes down what each connection was told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use deskbell_core::effect::{Effect, Effects, ReplyTo, Welcome};
use deskbell_core::{AgentSlot, ConnectionId, Core, Incarnation, Name, NotificationId, Outcome, Position, Timestamp};

use crate::hub::delivery::{CallRejected, Delivery};

/// What a connection was told, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Welcome { missed: bool, shown: Vec<NotificationId> },
    Ack { id: Name, duplicate: bool },
    Result { id: Name, outcome: Outcome, position: Position },
    Refused,
    Unavailable { id: Option<Name> },
    Shown(NotificationId),
    Closed(NotificationId),
    Answered { won: bool, notification: NotificationId, outcome: Option<Outcome> },
    Disconnected,
}

/// Stands for all connections of a hub.
pub(super) const EVERYBODY: u64 = u64::MAX;

pub(super) type Inbox = Arc<Mutex<Vec<(u64, Told)>>>;

#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) incarnation: Incarnation,
    pub(super) inbox: Inbox,
}

impl Recorder {
    fn tell(&self, connections: impl IntoIterator<Item = ConnectionId>, joiner: Option<ConnectionId>, told: &Told) {
        let own = connections.into_iter().filter(|c| c.incarnation == self.incarnation && Some(*c) != joiner);
        self.inbox.lock().unwrap().extend(own.map(|c| (c.serial, told.clone())));
    }
}

impl Delivery for Recorder {
    fn deliver(&mut self, core: &Core, _: Timestamp, effects: Effects) {
        let joiner = effects.joiner;
        for (workspace, effect) in effects.list {
            let agents =
                |agents: &[AgentSlot]| -> Vec<ConnectionId> { core.agent_connections(&workspace, agents).collect() };
            match effect {
                Effect::Welcome(welcome) => {
                    let told = match *welcome {
                        Welcome::Provider { missed, .. } => Told::Welcome { missed, shown: Vec::new() },
                        Welcome::Agent { notifications, .. } => Told::Welcome {
                            missed: false,
                            shown: notifications.iter().map(|card| card.content.notification_id).collect(),
                        },
                        Welcome::Observer => continue,
                    };
                    self.tell(joiner, None, &told);
                }
                Effect::Ack { to, duplicate, .. } => {
                    let id = to.id.unwrap();
                    self.tell([to.connection], joiner, &Told::Ack { id, duplicate });
                }
                Effect::Settled { settled, position } => {
                    let told = Told::Result { id: settled.id.clone().unwrap(), outcome: settled.outcome, position };
                    let connections = core.provider_connections(&workspace, &settled.provider_id);
                    self.tell(connections.iter().copied(), joiner, &told);
                }
                Effect::SettledAgain { to, settled, position } => {
                    let told = Told::Result { id: settled.id.clone().unwrap(), outcome: settled.outcome, position };
                    self.tell([to], None, &told);
                }
                Effect::Display { agents: to, card } => {
                    self.tell(agents(&to), joiner, &Told::Shown(card.content.notification_id));
                }
                Effect::Close { agents: to, notification_id, .. } => {
                    self.tell(agents(&to), joiner, &Told::Closed(notification_id));
                }
                Effect::Answered { to, won, notification_id, outcome, .. } => {
                    self.tell([to.connection], joiner, &Told::Answered { won, notification: notification_id, outcome });
                }
                Effect::Refused { to, .. } => self.tell([to.connection], joiner, &Told::Refused),
                _ => {}
            }
        }
    }

    fn tick(&mut self, _: &Core) -> Option<Duration> {
        None
    }

    fn flush(&mut self) {}

    fn refuse(&mut self, to: &ReplyTo, _: CallRejected) {
        self.tell([to.connection], None, &Told::Unavailable { id: to.id.clone() });
    }

    fn disconnect(&mut self, serials: &[u64]) {
        self.inbox.lock().unwrap().extend(serials.iter().map(|&serial| (serial, Told::Disconnected)));
    }

    fn disconnect_all(&mut self) {
        self.inbox.lock().unwrap().push((EVERYBODY, Told::Disconnected));
    }

    fn rejoin(&mut self, incarnation: Incarnation) {
        self.incarnation = incarnation;
    }
}
