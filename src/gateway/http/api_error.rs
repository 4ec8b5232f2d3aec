//! Refusals of the provider API: a status and the JSON of the protocol's `error`.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};

use crate::gateway::http::endpoint::Endpoint;
use crate::gateway::http::response::{self, HttpResponse, JSON};
use crate::gateway::shared::bounds::RETRY_AFTER_MS;
use crate::protocol::outbound::{ErrorReply, encode};
use crate::protocol::{ErrorCode, http};

/// A refused request.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    json: Bytes,
    retry_after_ms: Option<u64>,
}

impl ApiError {
    /// A refusal with a status of its own.
    pub(crate) fn new(endpoint: Option<Endpoint>, status: StatusCode, code: ErrorCode, detail: &str) -> Self {
        let retry_after_ms = matches!(code, ErrorCode::Unavailable | ErrorCode::RateLimited).then_some(RETRY_AFTER_MS);
        let json = http::refusal(endpoint.and_then(Endpoint::call_name), code, detail, retry_after_ms);
        Self { status, json: json.into(), retry_after_ms }
    }

    /// A refusal with the status of its code.
    pub(crate) fn by_code(endpoint: Endpoint, code: ErrorCode, detail: &str) -> Self {
        Self::new(Some(endpoint), status_of(code), code, detail)
    }

    /// A refusal with the JSON that the hub made.
    pub(crate) fn from_hub(code: ErrorCode, retry_after_ms: Option<u64>, json: Bytes) -> Self {
        Self { status: status_of(code), json, retry_after_ms }
    }

    /// A refusal of a message that does not reach the hub.
    pub(crate) fn from_reply(reply: &ErrorReply<'_>) -> Self {
        let ErrorReply { code, retry_after_ms, .. } = *reply;
        Self { status: status_of(code), json: encode(reply).into(), retry_after_ms }
    }

    pub(crate) fn response(self) -> HttpResponse {
        let status = self.status;
        let mut response = response::response(status, JSON, self.json);
        if status == StatusCode::UNAUTHORIZED {
            response::ask_for_token(response.headers_mut());
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let seconds = self.retry_after_ms.unwrap_or(RETRY_AFTER_MS).div_ceil(1_000).max(1);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn status_of(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error::ERRORS;

    #[test]
    fn every_error_has_a_status_of_its_kind() {
        for row in ERRORS {
            let status = status_of(row.code);
            assert!(status.is_client_error() || row.code == ErrorCode::Unavailable, "{row:?}");
            let later = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(later, row.temporary || row.code == ErrorCode::Limit, "{row:?}");
        }
    }
}
