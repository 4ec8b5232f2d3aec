//! From a client's message to its JSON: the other direction of [`decode`](super::decode()), for clients.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::message::{Body, ClientMessage, Hello, HelloRole, NotifyMessage, Recipients, ResumeFrom, Text};

/// The message's JSON. Nothing is checked: what the wire does not allow is for the hub to refuse.
#[must_use]
pub fn encode(message: &ClientMessage<'_>) -> String {
    let json = serde_json::to_string(message);
    // JSON fails on a writer that fails and on keys that are no strings; there are none of these.
    debug_assert!(json.is_ok(), "{json:?}");
    json.unwrap_or_default()
}

impl Serialize for ClientMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("type", self.body.type_name())?;
        optional(&mut object, "id", self.envelope.id.as_ref())?;
        optional(&mut object, "correlationId", self.envelope.correlation_id.as_ref())?;
        body(&mut object, &self.body)?;
        object.end()
    }
}

fn optional<M: SerializeMap, T: Serialize>(object: &mut M, key: &str, value: Option<&T>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| object.serialize_entry(key, value))
}

fn body<M: SerializeMap>(object: &mut M, body: &Body<'_>) -> Result<(), M::Error> {
    match body {
        Body::Hello(hello) => introduce(object, hello),
        Body::Refresh { token } => object.serialize_entry("token", token),
        Body::Ping => Ok(()),
        Body::Notify(notify) => raise(object, notify),
        Body::Cancel { cancellation_token } => object.serialize_entry("cancellationToken", cancellation_token),
        Body::Kpi { session_id, should_reset, details } => {
            object.serialize_entry("sessionId", session_id)?;
            object.serialize_entry("shouldReset", should_reset)?;
            optional(object, "details", details.as_ref())
        }
        Body::Activity { session_id, count } => {
            object.serialize_entry("sessionId", session_id)?;
            object.serialize_entry("count", count)
        }
        Body::EndSession { session_id } => object.serialize_entry("sessionId", session_id),
        Body::Accept { notification_id } | Body::Seen { notification_id } => {
            object.serialize_entry("notificationId", notification_id)
        }
        Body::Reject { notification_id, reason } => {
            object.serialize_entry("notificationId", notification_id)?;
            optional(object, "reason", reason.as_ref())
        }
        Body::Presence(presence) => object.serialize_entry("presence", presence),
    }
}

fn introduce<M: SerializeMap>(object: &mut M, hello: &Hello<'_>) -> Result<(), M::Error> {
    object.serialize_entry("role", &hello.role.role())?;
    match &hello.role {
        HelloRole::Provider { provider_id, resume } => {
            optional(object, "providerId", provider_id.as_ref())?;
            match resume {
                ResumeFrom::Nothing => Ok(()),
                ResumeFrom::All => object.serialize_entry("resume", &true),
                ResumeFrom::After(position) => object.serialize_entry("resume", position),
            }?;
        }
        HelloRole::Agent { agent_id, groups, presence } => {
            optional(object, "agentId", agent_id.as_ref())?;
            optional(object, "groups", groups.as_ref())?;
            optional(object, "presence", presence.as_ref())?;
        }
        HelloRole::Observer => {}
    }
    optional(object, "token", hello.token.as_ref())
}

fn raise<M: SerializeMap>(object: &mut M, notify: &NotifyMessage<'_>) -> Result<(), M::Error> {
    object.serialize_entry("templateName", &notify.template_name)?;
    if !notify.template_parameters.is_empty() {
        object.serialize_entry("templateParameters", &Parameters(&notify.template_parameters))?;
    }
    optional(object, "cancellationToken", notify.cancellation_token.as_ref())?;
    optional(object, "sessionId", notify.session_id.as_ref())?;
    if notify.to != Recipients::default() {
        object.serialize_entry("to", &notify.to)?;
    }
    Ok(())
}

struct Parameters<'a>(&'a [(Text<'a>, Text<'a>)]);

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Serialize for Recipients<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (key, names) in [("agents", &self.agents), ("groups", &self.groups)] {
            if !names.is_empty() {
                object.serialize_entry(key, names)?;
            }
        }
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::{Presence, decode};
    use super::super::message::Envelope;
    use super::*;

    fn name() -> impl Strategy<Value = Text<'static>> {
        "[a-z\"\\\\é ]{1,20}".prop_map(Text::Owned)
    }

    fn names() -> impl Strategy<Value = Vec<Text<'static>>> {
        prop::collection::btree_set("[a-z\"é]{1,9}", 0..4).prop_map(|set| set.into_iter().map(Text::Owned).collect())
    }

    fn presence() -> impl Strategy<Value = Presence> {
        prop_oneof![Just(Presence::Available), Just(Presence::Away)]
    }

    fn who() -> impl Strategy<Value = HelloRole<'static>> {
        let resume = prop_oneof![Just(ResumeFrom::Nothing), Just(ResumeFrom::All), name().prop_map(ResumeFrom::After)];
        prop_oneof![
            (prop::option::of(name()), resume)
                .prop_map(|(provider_id, resume)| HelloRole::Provider { provider_id, resume }),
            (prop::option::of(name()), prop::option::of(names()), prop::option::of(presence()))
                .prop_map(|(agent_id, groups, presence)| HelloRole::Agent { agent_id, groups, presence }),
            Just(HelloRole::Observer),
        ]
    }

    fn notify() -> impl Strategy<Value = Body<'static>> {
        let parameters = prop::collection::btree_map("[a-z]{1,5}", ".{0,20}", 0..4).prop_map(|map| {
            map.into_iter().map(|(key, value)| (Text::Owned(key), Text::Owned(value))).collect::<Vec<_>>()
        });
        (name(), parameters, prop::option::of(name()), prop::option::of(name()), names(), names()).prop_map(
            |(template_name, template_parameters, session_id, cancellation_token, agents, groups)| {
                Body::Notify(NotifyMessage {
                    template_name,
                    template_parameters,
                    session_id,
                    cancellation_token,
                    to: Recipients { agents, groups },
                })
            },
        )
    }

    fn any_body() -> impl Strategy<Value = Body<'static>> {
        prop_oneof![
            (who(), prop::option::of(name())).prop_map(|(role, token)| Body::Hello(Hello { role, token })),
            name().prop_map(|token| Body::Refresh { token }),
            Just(Body::Ping),
            notify(),
            name().prop_map(|cancellation_token| Body::Cancel { cancellation_token }),
            (name(), any::<bool>(), prop::option::of(name()))
                .prop_map(|(session_id, should_reset, details)| Body::Kpi { session_id, should_reset, details }),
            (name(), any::<u32>()).prop_map(|(session_id, count)| Body::Activity { session_id, count }),
            name().prop_map(|session_id| Body::EndSession { session_id }),
            name().prop_map(|notification_id| Body::Accept { notification_id }),
            (name(), prop::option::of(name()))
                .prop_map(|(notification_id, reason)| Body::Reject { notification_id, reason }),
            name().prop_map(|notification_id| Body::Seen { notification_id }),
            presence().prop_map(Body::Presence),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(body in any_body(), id in prop::option::of(name()), guid: bool) {
            let correlation_id = guid.then_some(Text::Borrowed("7f9c2c3a-0000-4000-8000-0123456789AB"));
            let message = ClientMessage { envelope: Envelope { id, correlation_id }, body };
            let text = encode(&message);
            prop_assert_eq!(decode(&text), Ok(message));
        }
    }
}
