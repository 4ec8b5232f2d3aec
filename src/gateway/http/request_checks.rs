//! Checks of a request before it is served: origin, host, token and content type.

use std::borrow::Cow;
use std::net::IpAddr;

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode};

use crate::auth::Claims;
use crate::gateway::http::response::JSON;
use crate::gateway::limits::client_address::{self, Peer};
use crate::gateway::limits::origin::{self, Origins};
use crate::gateway::session::admission;
use crate::gateway::shared::gateway_metrics::TurnedAway;
use crate::gateway::shared::state::GatewayState;
use crate::network;
use crate::telemetry::escape;

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct HttpRefusal {
    pub(crate) status: StatusCode,
    /// The description, without a line end.
    pub(crate) text: Cow<'static, str>,
    /// The reason under which the refusal is counted and logged, if it is.
    pub(crate) reason: Option<TurnedAway>,
}

impl HttpRefusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into(), reason: None }
    }

    pub(crate) fn counted_as(self, reason: TurnedAway) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

/// Counts and logs a refusal that has a reason.
pub(crate) fn note_refused(state: &GatewayState, from: IpAddr, refusal: &HttpRefusal) {
    if let Some(reason) = refusal.reason {
        state.note_refused(reason, from, &refusal.text);
    }
}

/// Whether the connection comes from a trusted proxy.
pub(crate) fn is_by_proxy(state: &GatewayState, peer: Peer) -> bool {
    state.settings.trusted_proxies.iter().any(|network| network::includes(network, peer.address))
}

/// The tokens of the `Authorization` headers.
fn bearer_tokens(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::AUTHORIZATION).iter().filter_map(|line| {
        let (scheme, token) = line.as_bytes().split_at_checked("bearer".len())?;
        let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && matches!(token, [] | [b' ', ..]);
        is_bearer.then(|| token.trim_ascii())
    })
}

/// Waits for the keys that the token of a request needs, if they must be fetched first.
pub(crate) async fn wait_for_keys(state: &GatewayState, headers: &HeaderMap) {
    let Some(verifier) = &state.backend.verifier else { return };
    if let Some(token) = bearer_tokens(headers).next().and_then(|token| std::str::from_utf8(token).ok()) {
        verifier.wait_for_key_of(token).await;
    }
}

/// The claims of the token in the `Authorization` header; `None` without authentication or without a token.
///
/// # Errors
/// The token is refused, or there are two.
pub(crate) fn bearer(state: &GatewayState, peer: Peer, headers: &HeaderMap) -> Result<Option<Claims>, HttpRefusal> {
    let Some(verifier) = &state.backend.verifier else { return Ok(None) };
    let mut tokens = bearer_tokens(headers);
    let Some(token) = tokens.next() else { return Ok(None) };
    let refusal = |why: &str| HttpRefusal::new(StatusCode::UNAUTHORIZED, format!("the token is refused: {why}"));
    if tokens.next().is_some() {
        return Err(refusal("there are two `Authorization` headers"));
    }
    let token = std::str::from_utf8(token).map_err(|_| refusal("it is not a signed JWT"))?;
    let from = client_address::client(peer.address, headers, &state.settings.trusted_proxies);
    admission::check(state, verifier, token, from).map(Some).map_err(|why| refusal(&why.to_string()))
}

/// Refuses pages of other origins than `origins`. A request without `Origin` does not come from a page of another site.
/// `by_proxy`: a trusted proxy sent the request.
///
/// # Errors
/// A refusal with status 403.
pub(crate) fn check_origin(origins: &Origins, headers: &HeaderMap, by_proxy: bool) -> Result<(), HttpRefusal> {
    let hosts = origin::hosts(headers, by_proxy);
    let allowed = |origin: &&HeaderValue| origin.to_str().is_ok_and(|origin| origins.allow(origin, &hosts));
    let Some(refused) = headers.get_all(header::ORIGIN).iter().find(|origin| !allowed(origin)) else { return Ok(()) };
    let shown: String = String::from_utf8_lossy(refused.as_bytes()).chars().take(200).collect();
    let shown = escape(&shown);
    let text = format!(
        "pages from {shown} may not connect; if that is where people reach this hub, set [server] publicUrl \
         (--public-url), and for pages of another site set allowedOrigins (--allowed-origin {shown})"
    );
    Err(HttpRefusal::new(StatusCode::FORBIDDEN, text).counted_as(TurnedAway::Origin))
}

/// Refuses requests under the name of a site that resolves to this machine (DNS rebinding). To the browser, such a page
/// is the hub's own: it may read the answers, and its read requests have no `Origin`.
///
/// This is checked only without authentication, and only on loopback: a hub that listens on other addresses without
/// authentication is open to every client anyway.
///
/// # Errors
/// A refusal with status 403.
pub(crate) fn check_host<B>(state: &GatewayState, peer: Peer, request: &Request<B>) -> Result<(), HttpRefusal> {
    let headers = request.headers();
    let is_allowed_page =
        headers.contains_key(header::ORIGIN) && check_origin(&state.origins, headers, is_by_proxy(state, peer)).is_ok();
    if !peer.by_loopback || state.backend.verifier.is_some() || is_allowed_page {
        return Ok(());
    }
    // A header that is not text counts as a name that is not allowed.
    let lines = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("."));
    let mut names = lines.chain(request.uri().host());
    if names.all(|host| state.origins.may_be_called(host)) {
        return Ok(());
    }
    let text = "without authentication, this is served under an address or localhost only, so that no page of another \
                site can read it under a name of its own; if people reach the hub under this name, set [server] \
                publicUrl (--public-url http://THE-NAME:PORT), or --allowed-origin";
    Err(HttpRefusal::new(StatusCode::FORBIDDEN, text).counted_as(TurnedAway::Origin))
}

/// Whether every `Content-Type` is JSON. A form on a page of another site cannot send this type.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let is_json = |value: &HeaderValue| {
        let media_type = value.to_str().ok().and_then(|value| value.split(';').next()).unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case(JSON)
    };
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter().peekable();
    lines.peek().is_some() && lines.all(is_json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_origin_header_is_checked_and_the_host_is_not() {
        let origins = Origins::new(([127, 0, 0, 1], 8080).into(), false, false, None, &[]);
        let mut headers = HeaderMap::new();
        assert!(check_origin(&origins, &headers, false).is_ok());
        headers.append(header::HOST, HeaderValue::from_static("evil.example"));
        headers.append(header::ORIGIN, HeaderValue::from_static("http://localhost:8080"));
        assert!(check_origin(&origins, &headers, false).is_ok());
        headers.append(header::ORIGIN, HeaderValue::from_static("http://evil.example"));
        let HttpRefusal { status, .. } = check_origin(&origins, &headers, false).unwrap_err();
        assert_eq!(status, StatusCode::FORBIDDEN);
    }

    #[test]
    fn every_content_type_must_be_json() {
        let of = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            lines.iter().for_each(|line| {
                headers.append(header::CONTENT_TYPE, HeaderValue::from_static(line));
            });
            is_json(&headers)
        };
        assert!(of(&["application/json"]) && of(&["Application/JSON; charset=utf-8"]));
        assert!(!of(&[]) && !of(&["text/plain"]) && !of(&["application/json", "text/plain"]));
    }
}
