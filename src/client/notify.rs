//! The builder of a notify.

use deskbell_protocol::inbound::{AddressedTo, Body, ClientMessage, NotifyMessage};
use deskbell_protocol::{Envelope, RawJson, encode_inbound};

use super::handle::random_id;

/// A notification to raise. Only the template is required. The hub checks all values.
///
/// ```
/// use deskbell_client::Notify;
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
    message: NotifyMessage<'static>,
}

impl Notify {
    /// A notification with this template, for all agents, with a new random id.
    #[must_use]
    pub fn template(name: impl Into<String>) -> Self {
        Self {
            id: random_id(),
            correlation_id: None,
            message: NotifyMessage {
                template_name: name.into().into(),
                template_parameters: Vec::new(),
                session_id: None,
                cancellation_token: None,
                to: AddressedTo::default(),
                priority: None,
                context: None,
            },
        }
    }

    /// The id by which the hub recognises a repeated notify: raised twice with one id, it rings once. Use an id that a
    /// restart of your process repeats for the same call only, such as the id of the conversation.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// A GUID that relates this call to others.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// A value for a placeholder of the template; a second one for the same name replaces the first.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.message.template_parameters.retain(|(known, _)| *known != name);
        self.message.template_parameters.push((name.into(), value.into()));
        self
    }

    /// The session that an accept starts, or moves.
    #[must_use]
    pub fn session(mut self, id: impl Into<String>) -> Self {
        self.message.session_id = Some(id.into().into());
        self
    }

    /// The token for [`Provider::cancel`](super::Provider::cancel).
    #[must_use]
    pub fn cancellation_token(mut self, token: impl Into<String>) -> Self {
        self.message.cancellation_token = Some(token.into().into());
        self
    }

    /// The priority, 0 to 9: what waits is ordered by it, the highest first. It replaces that of the template.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.message.priority = Some(priority);
        self
    }

    /// What the agent who gets the session should know: a JSON object of at most 8 192 bytes. Nobody else receives it.
    #[must_use]
    pub fn context(mut self, context: RawJson<'static>) -> Self {
        self.message.context = Some(context);
        self
    }

    /// Adds an agent to the recipients. Without any recipient the notification goes to all agents.
    #[must_use]
    pub fn to_agent(mut self, id: impl Into<String>) -> Self {
        self.message.to.agents.push(id.into().into());
        self
    }

    /// Adds a group to the recipients. Without any recipient the notification goes to all agents.
    #[must_use]
    pub fn to_group(mut self, name: impl Into<String>) -> Self {
        self.message.to.groups.push(name.into().into());
        self
    }

    /// The id and the JSON of the message.
    pub(super) fn into_text(self) -> (String, String) {
        let envelope =
            Envelope { id: Some(self.id.as_str().into()), correlation_id: self.correlation_id.map(Into::into) };
        let text = encode_inbound(&ClientMessage { body: Body::Notify(self.message), envelope });
        (self.id, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notify_is_written_in_the_form_of_the_wire() {
        let notify = Notify::template("t")
            .id("1")
            .correlation_id("c")
            .parameter("customerName", "Ada")
            .parameter("customerName", "Grace")
            .session("s")
            .cancellation_token("k")
            .context(RawJson::parse(r#"{"b": 1,  "a":2.50}"#).unwrap())
            .to_agent("ada")
            .to_group("billing");
        let expected = concat!(
            r#"{"type":"notify","templateName":"t","templateParameters":{"customerName":"Grace"},"sessionId":"s","#,
            r#""cancellationToken":"k","to":{"agents":["ada"],"groups":["billing"]},"context":{"b": 1,  "a":2.50},"id":"1","correlationId":"c"}"#
        );
        assert_eq!(notify.into_text(), ("1".to_owned(), expected.to_owned()));
    }

    #[test]
    fn each_notify_has_its_own_id() {
        assert_ne!(Notify::template("t").into_text().0, Notify::template("t").into_text().0);
    }
}
