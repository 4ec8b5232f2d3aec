//! Writes a client's message as JSON: the reverse of [`decode`](super::decode()), for clients.

use super::message::ClientMessage;

/// The message's JSON. Nothing is checked: the hub refuses invalid values.
#[must_use]
pub fn encode(message: &ClientMessage<'_>) -> String {
    let json = serde_json::to_string(message);
    // JSON fails on a writer that fails and on keys that are not strings; neither is possible here.
    debug_assert!(json.is_ok(), "{json:?}");
    json.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decode;
    use super::super::message::{AddressedTo, Body, Hello, HelloRole, NotifyMessage, ResumeFrom, Text};
    use super::*;
    use crate::{Envelope, Presence, RawJson};

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
        let names = (names(), names(), prop::option::of(0..10_u8), prop::option::of(context()));
        (name(), parameters, prop::option::of(name()), prop::option::of(name()), names).prop_map(
            |(
                template_name,
                template_parameters,
                session_id,
                cancellation_token,
                (agents, groups, priority, context),
            )| {
                Body::Notify(NotifyMessage {
                    template_name,
                    template_parameters,
                    session_id,
                    cancellation_token,
                    to: AddressedTo { agents, groups },
                    priority,
                    context,
                })
            },
        )
    }

    fn context() -> impl Strategy<Value = RawJson<'static>> {
        "\\{ {0,3}(\"[a-z]{1,5}\" {0,2}: {0,2}(1\\.50|null|\\[\\]|\"ä\\\\u0041\") {0,2})?\\}"
            .prop_map(|text| RawJson::parse(text).unwrap())
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
            name().prop_map(|session_id| Body::GetContext { session_id }),
            name().prop_map(|notification_id| Body::Accept { notification_id }),
            (name(), prop::option::of(name()))
                .prop_map(|(notification_id, reason)| Body::Reject { notification_id, reason }),
            name().prop_map(|notification_id| Body::Seen { notification_id }),
            presence().prop_map(|presence| Body::Presence { presence }),
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
