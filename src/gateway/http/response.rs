//! HTTP responses.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};

use crate::gateway::http::metrics;
use crate::gateway::shared::state::GatewayState;

pub(crate) type HttpResponse = Response<Full<Bytes>>;

pub(crate) const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
/// The media type of Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A response. Text and JSON end with a line end, so that the prompt of a terminal appears on the next line.
pub(crate) fn response(status: StatusCode, content_type: &'static str, mut body: Bytes) -> HttpResponse {
    if [JSON, TEXT].contains(&content_type) && !body.is_empty() && !body.ends_with(b"\n") {
        body = Bytes::from([&body[..], b"\n"].concat());
    }
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> HttpResponse {
    response(status, TEXT, text.into())
}

pub(crate) fn method_not_allowed(allowed: &'static str) -> HttpResponse {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, format!("only {allowed} is allowed here"));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// The metrics, as Prometheus reads them.
pub(crate) fn metrics(state: &GatewayState) -> HttpResponse {
    response(StatusCode::OK, METRICS, Bytes::from(metrics::text(state)))
}

/// Adds the header that asks for a token.
pub(crate) fn ask_for_token(headers: &mut HeaderMap) {
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
}
