//! What a provider asks the hub to ring.

use uuid::Uuid;

use crate::protocol::encode_inbound;
use crate::protocol::inbound::{self as wire, Body, ClientMessage, Envelope, Recipients};

/// A notification to be raised. Only the template is required; the hub checks the rest.
///
/// ```
/// use deskbell::client::Notify;
///
/// let notify = Notify::template("msdyn_call_incoming")
///     .parameter("phoneNumber", "+49 30 1234")
///     .session("call-17")
///     .to_group("billing");
/// # let _ = notify;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    id: String,
    correlation_id: Option<String>,
    wire: wire::NotifyMessage<'static>,
}

impl Notify {
    /// One of that template, to all agents, under an id of its own.
    #[must_use]
    pub fn template(name: impl Into<String>) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            correlation_id: None,
            wire: wire::NotifyMessage {
                template_name: name.into().into(),
                template_parameters: Vec::new(),
                session_id: None,
                cancellation_token: None,
                to: Recipients::default(),
            },
        }
    }

    /// The id by which the hub knows it again: raised twice under one id it rings once. It must be one that no restart
    /// repeats: the conversation's own id, say. A UUID unless it is given.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// A GUID that groups this call with others.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// A value for a placeholder of the template; a second one for the same name replaces the first.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.wire.template_parameters.retain(|(known, _)| *known != name);
        self.wire.template_parameters.push((name.into(), value.into()));
        self
    }

    /// The session that an accept starts, or moves.
    #[must_use]
    pub fn session(mut self, id: impl Into<String>) -> Self {
        self.wire.session_id = Some(id.into().into());
        self
    }

    /// By what [`Provider::cancel`](super::Provider::cancel) names it.
    #[must_use]
    pub fn cancellation_token(mut self, token: impl Into<String>) -> Self {
        self.wire.cancellation_token = Some(token.into().into());
        self
    }

    /// Offers it to that agent, besides others named; if nobody is named, to all.
    #[must_use]
    pub fn to_agent(mut self, id: impl Into<String>) -> Self {
        self.wire.to.agents.push(id.into().into());
        self
    }

    /// Offers it to that group, besides others named; if nobody is named, to all.
    #[must_use]
    pub fn to_group(mut self, name: impl Into<String>) -> Self {
        self.wire.to.groups.push(name.into().into());
        self
    }

    /// Its id and its text.
    pub(super) fn into_text(self) -> (String, String) {
        let envelope =
            Envelope { id: Some(self.id.as_str().into()), correlation_id: self.correlation_id.map(Into::into) };
        let text = encode_inbound(&ClientMessage { envelope, body: Body::Notify(self.wire) });
        (self.id, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_the_wire_wants_it() {
        let notify = Notify::template("t")
            .id("1")
            .correlation_id("c")
            .parameter("customerName", "Ada")
            .parameter("customerName", "Grace")
            .session("s")
            .cancellation_token("k")
            .to_agent("ada")
            .to_group("billing");
        let expected = concat!(
            r#"{"type":"notify","id":"1","correlationId":"c","templateName":"t","templateParameters":{"customerName":"Grace"},"#,
            r#""cancellationToken":"k","sessionId":"s","to":{"agents":["ada"],"groups":["billing"]}}"#
        );
        assert_eq!(notify.into_text(), ("1".to_owned(), expected.to_owned()));
    }

    #[test]
    fn each_has_an_id_of_its_own() {
        assert_ne!(Notify::template("t").into_text().0, Notify::template("t").into_text().0);
    }
}
