//! The messages over plain HTTP: a message is the body of a request, and the hub's reply is the body of the response.

use crate::envelope::Envelope;
use crate::error::ErrorCode;
use crate::inbound::{FieldKey, Fields, Text, decode};
use crate::names::check_name;
use crate::outbound::{ErrorReply, encode};
use crate::vocabulary::CallName;

/// A call that can be made by HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpCall {
    /// `notify`.
    Notify,
    /// `cancel`.
    Cancel,
    /// `kpi`.
    Kpi,
    /// `activity`.
    Activity,
    /// `endSession`.
    EndSession,
}

/// The calls with their paths below `/api/`. A path is the message's `type`.
pub const HTTP_CALLS: [(&str, HttpCall); 5] = [
    ("notify", HttpCall::Notify),
    ("cancel", HttpCall::Cancel),
    ("kpi", HttpCall::Kpi),
    ("activity", HttpCall::Activity),
    ("endSession", HttpCall::EndSession),
];

impl HttpCall {
    /// The message's `type`.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        HTTP_CALLS.iter().find(|(_, call)| *call == self).map_or("", |(name, _)| name)
    }

    /// The `msdyn_name` of its replies, if it has one.
    #[must_use]
    pub fn name(self) -> Option<CallName> {
        CallName::of_type(self.type_name())
    }
}

/// Turns a body into the message that a client would send over WebSocket. `type` may be absent, because the path has it,
/// and `id` may be in the header `Idempotency-Key` (`key`) instead.
///
/// # Errors
/// The JSON of the `error` reply, with its code.
pub fn message(call: HttpCall, body: &[u8], key: Option<&str>) -> Result<String, (ErrorCode, Vec<u8>)> {
    let refused = |code, detail: String| (code, refusal(call.name(), code, &detail, None));
    let text = std::str::from_utf8(body)
        .map_err(|_| refused(ErrorCode::BadMessage, "the body is not valid UTF-8".to_owned()))?;
    let Ok(fields) = Fields::parse(text) else {
        let fault = decode(text).err();
        let detail = fault.map_or_else(String::new, |fault| fault.detail.replacen("the text", "the body", 1));
        return Err(refused(ErrorCode::BadMessage, detail));
    };
    let kind = fields.string(FieldKey::Type, "type").map_err(|detail| refused(ErrorCode::BadMessage, detail))?;
    if let Some(kind) = &kind
        && kind != call.type_name()
    {
        let detail = format!("`type` must be {:?} here, or absent", call.type_name());
        return Err(refused(ErrorCode::BadMessage, detail));
    }
    let mut added = String::new();
    if kind.is_none() {
        added = format!(r#""type":"{}""#, call.type_name());
    }
    if let Some(key) = key {
        check_name(key).map_err(|what| refused(ErrorCode::BadParameter, format!("`Idempotency-Key` {what}")))?;
        match fields.string(FieldKey::Id, "id") {
            Ok(Some(id)) if id != key => {
                let detail = "`id` and the header `Idempotency-Key` differ".to_owned();
                return Err(refused(ErrorCode::BadParameter, detail));
            }
            Ok(None) => {
                let comma = if added.is_empty() { "" } else { "," };
                // Every string can be written as JSON.
                added += &format!(r#"{comma}"id":{}"#, serde_json::Value::from(key));
            }
            // Another value of `id` is refused later, as over WebSocket.
            Ok(Some(_)) | Err(_) => {}
        }
    }
    Ok(with_fields(text, &added))
}

/// Appends fields to an object's text. Of two fields with the same name the later one counts.
fn with_fields(object: &str, added: &str) -> String {
    let own = object.trim_ascii_end();
    let own = own.strip_suffix('}').unwrap_or(own).trim_ascii_end();
    if added.is_empty() {
        return object.to_owned();
    }
    let comma = if own.ends_with('{') { "" } else { "," };
    format!("{own}{comma}{added}}}")
}

/// What the hub's word to a provider is, as far as HTTP has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A notification is held; the id as the wire writes it.
    Ack(String),
    /// A notification is settled.
    Outcome(String),
    /// Another call is carried out.
    Done,
    /// Nothing was done.
    Refused {
        /// Why.
        code: ErrorCode,
        /// When the same may do better, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// News.
    Other,
}

/// Reads what the hub says to a provider.
#[must_use]
pub fn told(json: &[u8]) -> Told {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        #[serde(rename = "msdyn_name")]
        call: Option<&'a str>,
        notification_id: Option<String>,
        code: Option<ErrorCode>,
        retry_after_ms: Option<u64>,
    }
    let Ok(wire) = serde_json::from_slice::<Wire<'_>>(json) else { return Told::Other };
    match (wire.kind, wire.call, wire.notification_id, wire.code) {
        ("ack", _, Some(id), _) => Told::Ack(id),
        ("result", Some("NotifyEvent"), Some(id), _) => Told::Outcome(id),
        ("result", ..) => Told::Done,
        ("error", _, _, Some(code)) => Told::Refused { code, retry_after_ms: wire.retry_after_ms },
        _ => Told::Other,
    }
}

/// The JSON of an `error` about a request that did not reach a call.
#[must_use]
pub fn refusal(call: Option<CallName>, code: ErrorCode, detail: &str, retry_after_ms: Option<u64>) -> Vec<u8> {
    // A request that is not a message is not a call either.
    let call = call.filter(|_| code != ErrorCode::BadMessage);
    encode(&ErrorReply::new(Envelope::default(), call, code, detail).retry_after_ms(retry_after_ms))
}

/// Checks a name in the address of a request.
///
/// # Errors
/// A text for people that begins with the parameter's name.
pub fn name<'a>(called: &str, text: &'a str) -> Result<Text<'a>, String> {
    check_name(text).map(|()| text.into()).map_err(|what| format!("`{called}` {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: &str, key: Option<&str>) -> Result<Value, String> {
        match message(HttpCall::Notify, body.as_bytes(), key) {
            Ok(text) => Ok(serde_json::from_str(&text).unwrap()),
            Err((_, json)) => {
                Err(serde_json::from_slice::<Value>(&json).unwrap()["detail"].as_str().unwrap().to_owned())
            }
        }
    }

    #[test]
    fn a_body_becomes_the_message_that_it_is() {
        for (body, key, message) in [
            ("{}", None, json!({"type": "notify"})),
            (" { } \n", Some("k"), json!({"type": "notify", "id": "k"})),
            (r#"{"templateName":"t"}"#, None, json!({"type": "notify", "templateName": "t"})),
            (r#"{"type":"notify"}"#, Some("k"), json!({"type": "notify", "id": "k"})),
            (r#"{"type":null,"id":null}"#, Some("a\"b"), json!({"type": "notify", "id": "a\"b"})),
            (r#"{"id":"k"}"#, Some("k"), json!({"type": "notify", "id": "k"})),
            (r#"{"id":7}"#, Some("k"), json!({"type": "notify", "id": 7})),
        ] {
            assert_eq!(read(body, key), Ok(message), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_the_message_is_refused_here() {
        for (body, key, word) in [
            ("", None, "the body is not valid JSON"),
            ("[]", None, "the body is not a JSON object"),
            (r#"{"type":"kpi"}"#, None, "`type`"),
            (r#"{"type":7}"#, None, "`type`"),
            (r#"{"id":"one"}"#, Some("two"), "differ"),
            ("{}", Some(""), "`Idempotency-Key` is empty"),
        ] {
            let detail = read(body, key).expect_err(body);
            assert!(detail.contains(word), "{body}: {detail}");
        }
        assert!(message(HttpCall::Kpi, b"\xff", None).is_err());
    }

    #[test]
    fn the_hubs_words_are_told_apart() {
        let of = |value: Value| told(value.to_string().as_bytes());
        assert_eq!(of(json!({"type": "ack", "notificationId": "n"})), Told::Ack("n".to_owned()));
        let result = json!({"type": "result", "msdyn_name": "NotifyEvent", "notificationId": "n"});
        assert_eq!(of(result), Told::Outcome("n".to_owned()));
        let cancelled = json!({"type": "result", "msdyn_name": "CancelEvent", "notificationId": "n"});
        assert_eq!(of(cancelled), Told::Done);
        assert_eq!(of(json!({"type": "result", "value": null})), Told::Done);
        let refused = Told::Refused { code: ErrorCode::Unavailable, retry_after_ms: Some(5) };
        assert_eq!(of(json!({"type": "error", "code": "unavailable", "retryAfterMs": 5})), refused);
        assert_eq!(of(json!({"type": "welcome"})), Told::Other);
    }
}
