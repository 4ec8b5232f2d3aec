//! The two ids that any message may carry.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The ids that a client's message may have. Every direct reply repeats them; a reply about a notification has
/// the correlationId of its notify instead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<'a> {
    /// The client's id for the message; a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Cow<'a, str>>,
    /// A GUID in the form in which the client sent it, or one that the hub generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Cow<'a, str>>,
}

impl<'a> Envelope<'a> {
    /// An envelope with these ids.
    #[must_use]
    pub fn of(id: Option<&'a str>, correlation_id: Option<&'a str>) -> Self {
        Self { id: id.map(Cow::Borrowed), correlation_id: correlation_id.map(Cow::Borrowed) }
    }

    /// The same ids, borrowed: the envelope of the direct reply.
    #[must_use]
    pub fn reply(&self) -> Envelope<'_> {
        Envelope::of(self.id.as_deref(), self.correlation_id.as_deref())
    }
}
