//! The wire over plain HTTP: a message as the body of a request, the hub's reply as the body of its answer.

use super::error::ErrorCode;
use super::inbound::{ClientMessage, DecodeError, Envelope, Fields, Key, Text, check_name, decode_fields, no_object};
use super::name::CallName;
use super::outbound::{ErrorReply, ReplyIds, encode};

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

/// All of them, with their paths below `/api/`; a path is the message's `type`.
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

/// Reads the body of a request as the message that a client would send over a WebSocket. The body may omit `type`, since
/// the path says it, and `id` may come as the header `Idempotency-Key` (`key`) instead. A byte order mark is ignored.
///
/// # Errors
/// [`DecodeError`], if the body is not UTF-8 or not a JSON object, if its `type` is not the path's, if a field is missing
/// or wrong, or if the body and the header have different ids.
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
    let text =
        std::str::from_utf8(body).map_err(|_| error(ErrorCode::BadMessage, "the body is not UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let fields = Fields::parse(text).map_err(|fault| no_object("the body", &fault))?;
    let kind = fields.string(Key::Type, "type").map_err(|detail| error(ErrorCode::BadMessage, detail))?;
    if kind.is_some_and(|kind| kind != call.type_name()) {
        let detail = format!("`type` may be missing here, or {:?}", call.type_name());
        return Err(error(ErrorCode::BadMessage, detail));
    }
    let Some(key) = key else { return decode_fields(&fields, call.type_name()) };
    check_name(key).map_err(|what| error(ErrorCode::BadParameter, format!("`Idempotency-Key` {what}")))?;
    match fields.string(Key::Id, "id") {
        Ok(Some(id)) if id != key => {
            let detail = "`id` and the header Idempotency-Key are not the same".to_owned();
            Err(error(ErrorCode::BadParameter, detail))
        }
        Ok(None) => match decode_fields(&fields, call.type_name()) {
            Ok(message) => Ok(ClientMessage { envelope: with_id(message.envelope, key), ..message }),
            Err(fault) => Err(DecodeError { envelope: with_id(fault.envelope, key), ..fault }),
        },
        // An `id` that is not a string is refused as it is over a WebSocket.
        Ok(Some(_)) | Err(_) => decode_fields(&fields, call.type_name()),
    }
}

fn with_id<'a>(envelope: Envelope<'a>, id: &'a str) -> Envelope<'a> {
    Envelope { id: Some(id.into()), ..envelope }
}

/// The JSON of an `error` about a request that came to no call.
#[must_use]
pub fn refusal(call: Option<CallName>, code: ErrorCode, detail: &str, retry_after_ms: Option<u64>) -> Vec<u8> {
    // What is no message is no call either.
    let call = call.filter(|_| code != ErrorCode::BadMessage);
    encode(&ErrorReply { ids: ReplyIds::default(), call, code, detail, retry_after_ms })
}

/// Reads `90s`, `1.5s` is none: a whole number and `ms`, `s` or `m`; in milliseconds.
#[must_use]
pub fn duration_ms(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms)
}

/// A name of a request's address, held to the rules for names.
///
/// # Errors
/// What is wrong with it.
pub fn name<'a>(called: &str, text: &'a str) -> Result<Text<'a>, String> {
    check_name(text).map(|()| text.into()).map_err(|what| format!("`{called}` {what}"))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::protocol::inbound::Body;

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
    fn the_error_about_a_field_carries_the_id_of_the_header() {
        let error = decode_call(HttpCall::Kpi, br#"{"sessionId":7}"#, Some("k")).unwrap_err();
        assert_eq!((error.envelope.id.as_deref(), error.code), (Some("k"), ErrorCode::BadParameter));
    }

    #[test]
    fn what_cannot_be_the_message_is_refused_here() {
        for (body, key, word) in [
            ("", None, "the body is no JSON"),
            ("[]", None, "the body is no JSON object"),
            (r#"{"type":"kpi"}"#, None, "`type`"),
            (r#"{"type":7}"#, None, "`type`"),
            (r#"{"id":"one"}"#, Some("two"), "not the same"),
            (r#"{"id":7,"sessionId":"s"}"#, Some("k"), "`id`"),
            ("{}", Some(""), "`Idempotency-Key` is empty"),
        ] {
            let detail = read(body, key).expect_err(body);
            assert!(detail.contains(word), "{body}: {detail}");
        }
        assert!(decode_call(HttpCall::Kpi, b"\xff", None).is_err());
    }

    #[test]
    fn a_duration_is_a_whole_number_with_its_unit() {
        let read = ["30s", "0s", "250ms", "1m"].map(duration_ms);
        assert_eq!(read, [Some(30_000), Some(0), Some(250), Some(60_000)]);
        for wrong in ["", "30", "s", "-1s", "1.5s", "1h ", "99999999999999999999s", "18446744073709551615m"] {
            assert_eq!(duration_ms(wrong), None, "{wrong}");
        }
    }
}
