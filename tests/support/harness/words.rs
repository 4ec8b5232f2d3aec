//! The contract's values, and questions about messages.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

pub(crate) fn accepted() -> Value {
    json!({"actionName": "Accept", "responseReason": "Accept"})
}

pub(crate) fn auto_accepted() -> Value {
    json!({"actionName": "Accept", "responseReason": "AutoAccept"})
}

pub(crate) fn declined() -> Value {
    json!({"actionName": "Reject", "responseReason": "DeclinedByAgent"})
}

pub(crate) fn queue_full() -> Value {
    json!({"actionName": "Reject", "responseReason": "NotificationQueueLimitExceeded"})
}

pub(crate) fn queue_timeout() -> Value {
    json!({"actionName": "Reject", "responseReason": "NotificationQueueTimeLimitExceeded"})
}

pub(crate) fn display_timeout() -> Value {
    json!({"actionName": "Timeout", "responseReason": "DisplayTimeout"})
}

pub(crate) fn cancelled() -> Value {
    json!({"actionName": "Cancel", "responseReason": "Cancelled"})
}

/// An id that no other call of these tests has.
pub(super) fn unused_id() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    format!("call-{}", CALLS.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}")).to_owned()
}

/// `base` with the fields of `more`.
pub(crate) fn with(mut base: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("an object, not {more}") };
    base.as_object_mut().unwrap().extend(more);
    base
}

/// `message` has all these fields with these values; a `null` here means an absent field.
#[track_caller]
pub(crate) fn has(message: &Value, fields: Value) {
    for (name, value) in fields.as_object().unwrap() {
        if value.is_null() {
            assert!(message.get(name).is_none(), "{name} should be absent: {message}");
        } else {
            assert_eq!(&message[name], value, "{name} in {message}");
        }
    }
}

/// It is an `error` with this code and the contract's `message` for it.
#[track_caller]
pub(crate) fn is_error(message: &Value, code: &str, msdyn_name: Option<&str>) {
    let seed = match code {
        "unknownTemplate" => "NotificationTemplateNotFoundError",
        "unresolvedParameter" => "NotificationTemplateResolverNotFoundError",
        _ => "RejectAfterClientError",
    };
    has(message, json!({"type": "error", "code": code, "message": seed, "msdyn_name": msdyn_name}));
    assert!(message["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "no detail in {message}");
    let retry = message["retryAfterMs"].is_u64();
    assert_eq!(retry, matches!(code, "rateLimited" | "unavailable"), "retryAfterMs in {message}");
}

/// It is a time as the contract writes them: RFC 3339, UTC.
#[track_caller]
pub(crate) fn is_time(value: &Value) {
    let time = value.as_str().unwrap_or_else(|| panic!("a time, not {value}"));
    let form = "0000-00-00T00:00:00";
    let (date, rest) = time.split_at_checked(form.len()).unwrap_or_else(|| panic!("no RFC 3339 time: {time}"));
    let fits = date.bytes().zip(form.bytes()).all(|(c, f)| if f == b'0' { c.is_ascii_digit() } else { c == f });
    let fraction = rest.strip_suffix('Z').unwrap_or_else(|| panic!("not UTC: {time}"));
    let digits = fraction.strip_prefix('.').unwrap_or("0");
    assert!(fits && !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()), "no RFC 3339 time: {time}");
}

/// The notificationIds of a welcome's desk, in its order.
pub(crate) fn desk(welcome: &Value) -> Vec<String> {
    welcome["notifications"].as_array().unwrap().iter().map(|n| text(&n["notificationId"])).collect()
}
