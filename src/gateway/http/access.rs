//! Checks of a request before it is served: origin, host, token and content type.

use std::borrow::Cow;

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode};

use crate::auth::Claims;
use crate::gateway::http::response::JSON;
use crate::gateway::limits::client_address;
use crate::gateway::limits::origin::Origins;
use crate::gateway::session::admission;
use crate::gateway::shared::counters::TurnedAway;
use crate::gateway::shared::state::GatewayState;

pub(crate) use crate::gateway::limits::client_address::Peer;

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct HttpRefusal {
    pub(crate) status: StatusCode,
    /// A description for people, without a line end.
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
pub(crate) fn note_refused(state: &GatewayState, peer: Peer, headers: &HeaderMap, refusal: &HttpRefusal) {
    let Some(reason) = refusal.reason else { return };
    let client = client_address::client(peer.address, headers, &state.settings.trusted_proxies);
    let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    state.note_turned_away(reason, client, header(header::ORIGIN), header(header::HOST));
}

/// The claims of the token in the `Authorization` header; `None` without authentication or without a token.
///
/// # Errors
/// The token is not valid, or there are two.
pub(crate) fn bearer(state: &GatewayState, peer: Peer, headers: &HeaderMap) -> Result<Option<Claims>, HttpRefusal> {
    let Some(gate) = &state.backend.gate else { return Ok(None) };
    let mut tokens = headers.get_all(header::AUTHORIZATION).iter().filter_map(|line| {
        let (scheme, token) = line.as_bytes().split_at_checked("bearer".len())?;
        let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && matches!(token, [] | [b' ', ..]);
        is_bearer.then(|| token.trim_ascii())
    });
    let Some(token) = tokens.next() else { return Ok(None) };
    let refusal = |why: &str| HttpRefusal::new(StatusCode::UNAUTHORIZED, format!("the token is not accepted: {why}"));
    if tokens.next().is_some() {
        return Err(refusal("there are two"));
    }
    let token = std::str::from_utf8(token).map_err(|_| refusal("it is not valid UTF-8"))?;
    let from = client_address::client(peer.address, headers, &state.settings.trusted_proxies);
    admission::check(state, gate, token, from).map(Some).map_err(|why| refusal(&why.to_string()))
}

/// Refuses pages of other origins than `origins`. A request without `Origin` does not come from a page of another site.
///
/// # Errors
/// 403.
pub(crate) fn check_origin(origins: &Origins, headers: &HeaderMap) -> Result<(), HttpRefusal> {
    let allowed = |origin: &HeaderValue| origin.to_str().is_ok_and(|origin| origins.allow(origin));
    if headers.get_all(header::ORIGIN).iter().all(allowed) {
        return Ok(());
    }
    let text = "pages from this origin may not connect; see --allowed-origin";
    Err(HttpRefusal::new(StatusCode::FORBIDDEN, text).counted_as(TurnedAway::Origin))
}

/// Refuses requests under the name of a site that resolves to this machine (DNS rebinding). To the browser, such a page
/// is the hub's own: it may read the answers, and its read requests have no `Origin`.
///
/// This is checked only without authentication, and only on loopback: a hub that listens on other addresses without
/// authentication is open to everybody anyway.
///
/// # Errors
/// 403.
pub(crate) fn check_host<B>(state: &GatewayState, peer: Peer, request: &Request<B>) -> Result<(), HttpRefusal> {
    let headers = request.headers();
    let is_allowed_page = headers.contains_key(header::ORIGIN) && check_origin(&state.origins, headers).is_ok();
    if !peer.by_loopback || state.backend.gate.is_some() || is_allowed_page {
        return Ok(());
    }
    // A header that is not text is a name that nobody may use.
    let lines = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("."));
    let mut names = lines.chain(request.uri().host());
    if names.all(|host| state.origins.may_be_called(host)) {
        return Ok(());
    }
    let text = "without authentication the hub answers under an address or localhost only, so that no page of another \
                site can reach it under a name of its own; if this name is the hub's, give --allowed-origin \
                http://THE-NAME:PORT";
    Err(HttpRefusal::new(StatusCode::FORBIDDEN, text).counted_as(TurnedAway::Origin))
}

/// Whether every `Content-Type` is JSON. A form of another site's page cannot have it.
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
        let origins = Origins::new(([127, 0, 0, 1], 8080).into(), false, &[]);
        let mut headers = HeaderMap::new();
        assert!(check_origin(&origins, &headers).is_ok());
        headers.append(header::HOST, HeaderValue::from_static("evil.example"));
        headers.append(header::ORIGIN, HeaderValue::from_static("http://localhost:8080"));
        assert!(check_origin(&origins, &headers).is_ok());
        headers.append(header::ORIGIN, HeaderValue::from_static("http://evil.example"));
        let HttpRefusal { status, .. } = check_origin(&origins, &headers).unwrap_err();
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
