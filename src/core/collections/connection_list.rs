//! The connections of one agent: almost always one.

use serde::{Deserialize, Serialize};

use crate::ids::ConnectionId;

/// An agent's connections, in the order in which they joined. A single connection is stored in place: a message to ten
/// thousand agents finds each connection beside its agent, and most agents need no allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ConnectionList {
    #[default]
    None,
    One(ConnectionId),
    /// At least two.
    #[expect(clippy::box_collection, reason = "every agent is 8 bytes smaller; few have a second tab")]
    Many(Box<Vec<ConnectionId>>),
}

impl ConnectionList {
    pub(crate) fn as_slice(&self) -> &[ConnectionId] {
        match self {
            Self::None => &[],
            Self::One(connection) => std::slice::from_ref(connection),
            Self::Many(connections) => connections,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::None
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn push(&mut self, connection: ConnectionId) {
        match self {
            Self::None => *self = Self::One(connection),
            Self::One(first) => *self = Self::Many(Box::new(vec![*first, connection])),
            Self::Many(connections) => connections.push(connection),
        }
    }

    /// Removes a connection and returns whether it was in the list.
    pub(crate) fn remove(&mut self, connection: ConnectionId) -> bool {
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
    use super::*;
    use crate::ids::Incarnation;

    #[test]
    fn a_list_keeps_connections_in_the_order_in_which_they_joined() {
        let [a, b, c] = [1, 2, 3].map(|serial| ConnectionId { incarnation: Incarnation(7), serial });
        let mut list = ConnectionList::default();
        assert!(list.is_empty() && !list.remove(a));
        for connection in [a, b, c] {
            list.push(connection);
        }
        assert_eq!(list.as_slice(), [a, b, c]);
        assert!(list.remove(b) && !list.remove(b));
        assert_eq!(list.as_slice(), [a, c]);
        assert!(list.remove(a));
        assert_eq!((&list, list.len()), (&ConnectionList::One(c), 1), "a single connection is stored in place again");
        assert!(list.remove(c) && list.is_empty());
    }
}
