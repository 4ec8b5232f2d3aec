//! The connections of one agent: almost always one.

use serde::{Deserialize, Serialize};

use super::ids::ConnectionId;

/// An agent's connections, in the order in which they came. One is kept in place: whoever tells ten thousand agents
/// something finds each connection beside its agent, and most agents cost no allocation for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Tabs {
    #[default]
    None,
    One(ConnectionId),
    /// At least two.
    #[expect(clippy::box_collection, reason = "every agent is 8 bytes smaller; few have a second tab")]
    Many(Box<Vec<ConnectionId>>),
}

impl Tabs {
    pub(super) fn as_slice(&self) -> &[ConnectionId] {
        match self {
            Self::None => &[],
            Self::One(connection) => std::slice::from_ref(connection),
            Self::Many(connections) => connections,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::None
    }

    pub(super) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(super) fn push(&mut self, connection: ConnectionId) {
        match self {
            Self::None => *self = Self::One(connection),
            Self::One(first) => *self = Self::Many(Box::new(vec![*first, connection])),
            Self::Many(connections) => connections.push(connection),
        }
    }

    /// Takes a connection out; whether it was there.
    pub(super) fn remove(&mut self, connection: ConnectionId) -> bool {
        let Some(at) = self.as_slice().iter().position(|&other| other == connection) else { return false };
        match self {
            Self::Many(connections) => {
                connections.remove(at);
                if let [last] = connections[..] {
                    *self = Self::One(last);
                }
            }
            Self::None | Self::One(_) => *self = Self::None,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::Incarnation;
    use super::*;

    #[test]
    fn connections_come_and_go_in_order() {
        let [a, b, c] = [1, 2, 3].map(|serial| ConnectionId { incarnation: Incarnation(7), serial });
        let mut tabs = Tabs::default();
        assert!(tabs.is_empty() && !tabs.remove(a));
        for connection in [a, b, c] {
            tabs.push(connection);
        }
        assert_eq!(tabs.as_slice(), [a, b, c]);
        assert!(tabs.remove(b) && !tabs.remove(b));
        assert_eq!(tabs.as_slice(), [a, c]);
        assert!(tabs.remove(a));
        assert_eq!((&tabs, tabs.len()), (&Tabs::One(c), 1), "one is kept in place again");
        assert!(tabs.remove(c) && tabs.is_empty());
    }
}
