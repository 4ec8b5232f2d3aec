//! No text makes the decoder panic, or accept anything beyond its size limits.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{GUID, messages};
use super::*;
use crate::size::NAME_BYTES_MAX;

/// Any JSON, with the wire's own keys and types thrown in often enough to reach every reader.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,140}".prop_map(Value::from),
        Just(json!(GUID)),
        proptest::sample::select(vec!["provider", "agent", "observer", "available", "x"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::vec((any_key(), inner), 0..8).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    let known: Vec<&str> = "id correlationId role providerId agentId groups agents presence resume token templateName \
        templateParameters cancellationToken sessionId to shouldReset details count notificationId reason"
        .split_whitespace()
        .collect();
    prop_oneof![4 => proptest::sample::select(known).prop_map(str::to_owned), 1 => ".{0,10}"]
}

fn any_message() -> impl Strategy<Value = Value> {
    let kinds = messages().into_iter().map(|(message, _)| message).collect::<Vec<_>>();
    (proptest::sample::select(kinds), proptest::collection::vec((any_key(), any_json()), 0..6)).prop_map(
        |(mut message, extra)| {
            for (key, value) in extra {
                message[key] = value;
            }
            message
        },
    )
}

/// Whatever came, the answer is well-formed and the message within its sizes.
fn check(text: &str) {
    match decode(text) {
        Err(fault) => {
            assert!(matches!(fault.code, ErrorCode::BadMessage | ErrorCode::BadParameter));
            assert!(fault.detail.len() < 400, "{}", fault.detail);
            let reply: Value = serde_json::from_slice(&crate::encode(&fault.reply())).unwrap();
            assert_eq!(reply["type"], "error");
        }
        Ok(message) => {
            assert!(message.envelope.id.is_none_or(|id| (1..=NAME_BYTES_MAX).contains(&id.len())));
            if let Body::Notify(notify) = &message.body {
                assert!(notify.template_parameters.is_sorted());
                assert!(notify.to.agents.len() + notify.to.groups.len() <= TO_NAMES_MAX);
                let _ = notify.fingerprint();
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(text in ".{0,400}") {
        check(&text);
    }

    #[test]
    fn any_almost_json_is_answered(text in r#"[\[\]{}:,"\\a-z0-9.eE+\-u ]{0,200}"#) {
        check(&text);
    }

    #[test]
    fn any_json_is_answered(value in any_json()) {
        check(&value.to_string());
    }

    #[test]
    fn any_message_is_answered(value in any_message(), cut in any::<proptest::sample::Index>()) {
        let text = value.to_string();
        check(&text);
        let at = text.floor_char_boundary(cut.index(text.len()));
        check(&text[..at]);
    }
}
