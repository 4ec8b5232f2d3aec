//! The messages over plain HTTP: a message is the body of a request, and the hub's reply is the body of the response.

use crate::envelope::Envelope;
use crate::error::ErrorCode;
use crate::inbound::{ClientMessage, DecodeError, FieldKey, Fields, Text, decode_fields, not_an_object};
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

/// Reads the body of a request as the message that a client would send over WebSocket. `type` may be absent, because the
/// path has it, and `id` may be in the header `Idempotency-Key` (`key`) instead. A byte order mark is ignored.
///
/// # Errors
/// The body is not valid UTF-8 or not a JSON object, its `type` is not that of the path, a field is missing or invalid, or
/// the body and the header have different ids.
pub fn decode_call<'a>(
    call: HttpCall,
    body: &'a [u8],
    key: Option<&'a str>,
) -> Result<ClientMessage<'a>, DecodeError<'a>> {
    let error = |code, detail: String| {
        // A body that is not a message is not a call either.
        let name = call.name().filter(|_| code != ErrorCode::BadMessage);
        DecodeError { envelope: Envelope::default(), call: name, code, detail }
    };
    let text = std::str::from_utf8(body)
        .map_err(|_| error(ErrorCode::BadMessage, "the body is not valid UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let fields = Fields::parse(text).map_err(|fault| not_an_object("body", &fault))?;
    let kind = fields.string(FieldKey::Type, "type").map_err(|detail| error(ErrorCode::BadMessage, detail))?;
    if kind.is_some_and(|kind| kind != call.type_name()) {
        let detail = format!("`type` must be {:?} here, or absent", call.type_name());
        return Err(error(ErrorCode::BadMessage, detail));
    }
    let Some(key) = key else { return decode_fields(&fields, call.type_name()) };
    check_name(key).map_err(|what| error(ErrorCode::BadParameter, format!("`Idempotency-Key` {what}")))?;
    match fields.string(FieldKey::Id, "id") {
        Ok(Some(id)) if id != key => {
            let detail = "`id` and the header `Idempotency-Key` differ".to_owned();
            Err(error(ErrorCode::BadParameter, detail))
        }
        Ok(None) => match decode_fields(&fields, call.type_name()) {
            Ok(message) => Ok(ClientMessage { envelope: with_id(message.envelope, key), ..message }),
            Err(fault) => Err(DecodeError { envelope: with_id(fault.envelope, key), ..fault }),
        },
        // Another value of `id` is refused as over WebSocket.
        Ok(Some(_)) | Err(_) => decode_fields(&fields, call.type_name()),
    }
}

fn with_id<'a>(envelope: Envelope<'a>, id: &'a str) -> Envelope<'a> {
    Envelope { id: Some(id.into()), ..envelope }
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
    use std::borrow::Cow;

    use super::*;
    use crate::inbound::Body;

    fn read(body: &str, key: Option<&str>) -> Result<(Option<String>, String), String> {
        match decode_call(HttpCall::EndSession, body.as_bytes(), key) {
            Ok(ClientMessage { envelope, body: Body::EndSession { session_id } }) => {
                Ok((envelope.id.map(Cow::into_owned), session_id.into_owned()))
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.detail),
        }
    }

    #[test]
    fn a_body_is_read_as_the_message_of_its_path() {
        for (body, key, id) in [
            (r#"{"sessionId":"s"}"#, None, None),
            (" { \"sessionId\" : \"s\" } \n", Some("k"), Some("k")),
            ("\u{feff}{\"sessionId\":\"s\"}", None, None),
            (r#"{"type":"endSession","sessionId":"s"}"#, Some("k"), Some("k")),
            (r#"{"type":null,"id":null,"sessionId":"s"}"#, Some("a\"b"), Some("a\"b")),
            (r#"{"id":"k","sessionId":"s"}"#, Some("k"), Some("k")),
            (r#"{"id":"k","sessionId":"s"}"#, None, Some("k")),
        ] {
            assert_eq!(read(body, key), Ok((id.map(str::to_owned), "s".to_owned())), "{body}");
        }
    }

    #[test]
    fn a_body_that_is_not_the_message_of_its_path_is_refused() {
        for (body, key, word) in [
            ("", None, "the body is not valid JSON"),
            ("[]", None, "the body is not a JSON object"),
            (r#"{"type":"kpi"}"#, None, "`type`"),
            (r#"{"type":7}"#, None, "`type`"),
            (r#"{"id":"one"}"#, Some("two"), "differ"),
            (r#"{"id":7,"sessionId":"s"}"#, Some("k"), "`id`"),
            ("{}", Some(""), "`Idempotency-Key` is empty"),
        ] {
            let detail = read(body, key).expect_err(body);
            assert!(detail.contains(word), "{body}: {detail}");
        }
        assert!(decode_call(HttpCall::Kpi, b"\xff", None).is_err());
    }

    #[test]
    fn an_error_about_a_field_carries_the_id_of_the_header() {
        let error = decode_call(HttpCall::Kpi, br#"{"sessionId":7}"#, Some("k")).unwrap_err();
        assert_eq!((error.envelope.id.as_deref(), error.code), (Some("k"), ErrorCode::BadParameter));
    }
}
