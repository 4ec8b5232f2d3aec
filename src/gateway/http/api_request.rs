//! Reads a request of the provider API: its query, its `Idempotency-Key` and its body.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use tokio::time::timeout;

use crate::gateway::http::api_error::ApiError;
use crate::gateway::http::endpoint::Endpoint;
use crate::gateway::http::{query, request_checks};
use crate::gateway::shared::bounds::WAIT_MAX;
use crate::gateway::shared::settings::Settings;
use crate::gateway::shared::state::whole_ms;
use crate::protocol::{ErrorCode, http, parse_duration};

/// The parameters in the query of a request. Unknown ones are ignored, as unknown fields are.
#[derive(Debug, Default)]
pub(crate) struct ApiQuery {
    /// For how long the request waits for the outcome.
    pub(crate) wait: Duration,
    pub(crate) provider_id: Option<String>,
}

impl ApiQuery {
    pub(crate) fn parse(endpoint: Endpoint, text: Option<&str>) -> Result<Self, ApiError> {
        let wrong = |detail: &str| ApiError::by_code(endpoint, ErrorCode::BadParameter, detail);
        let mut parsed = Self::default();
        for (key, value) in query::pairs(text) {
            match key {
                "wait" => {
                    let wait = value.and_then(|value| parse_duration(&value));
                    parsed.wait = wait.filter(|wait| *wait <= WAIT_MAX).ok_or_else(|| {
                        let most = WAIT_MAX.as_secs();
                        wrong(&format!("`wait` must be a duration such as \"30s\", at most \"{most}s\""))
                    })?;
                }
                "providerId" => {
                    let value = value.ok_or_else(|| wrong("`providerId` is not valid UTF-8"))?;
                    http::name("providerId", &value).map_err(|what| wrong(&what))?;
                    parsed.provider_id = Some(value);
                }
                _ => {}
            }
        }
        Ok(parsed)
    }
}

/// The `Idempotency-Key` and the body of a call.
///
/// # Errors
/// The refusal: the body is not JSON, too large or too slow, or the header is not valid.
pub(crate) async fn read_body(
    settings: &Settings,
    endpoint: Endpoint,
    request: Request<Incoming>,
) -> Result<(Option<String>, Bytes), ApiError> {
    let refused = |status, code, detail: &str| ApiError::new(Some(endpoint), status, code, detail);
    if !request_checks::is_json(request.headers()) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(refused(status, ErrorCode::BadMessage, "the Content-Type must be application/json"));
    }
    let key = idempotency_key(request.headers()).map_err(|what| {
        ApiError::by_code(endpoint, ErrorCode::BadParameter, &format!("the header Idempotency-Key {what}"))
    })?;
    let (limit, bytes_max) = (settings.handshake_timeout, settings.max_message_bytes);
    let body = timeout(limit, Limited::new(request.into_body(), bytes_max).collect()).await.map_err(|_| {
        let detail = format!("the body did not arrive within {} ms", whole_ms(limit));
        refused(StatusCode::REQUEST_TIMEOUT, ErrorCode::BadMessage, &detail)
    })?;
    let body = body.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            let detail = format!("the body has more than {bytes_max} bytes");
            return refused(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BadParameter, &detail);
        }
        refused(StatusCode::BAD_REQUEST, ErrorCode::BadMessage, "the body ended too early")
    })?;
    Ok((key, body.to_bytes()))
}

/// The value of the header `Idempotency-Key`, with or without quotes.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    let mut lines = headers.get_all("idempotency-key").iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err("is there twice");
    }
    let text = std::str::from_utf8(line.as_bytes()).map_err(|_| "is not valid UTF-8")?.trim();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    Ok(Some(bare.to_owned()))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn an_idempotency_key_may_be_quoted_and_is_there_once() {
        let of = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("idempotency-key", HeaderValue::from_static(line));
            }
            idempotency_key(&headers)
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["a-1"]), Ok(Some("a-1".to_owned())));
        assert_eq!(of(&[" \"a-1\" "]), Ok(Some("a-1".to_owned())));
        assert!(of(&["a", "a"]).is_err());
    }
}
