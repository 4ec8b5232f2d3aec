//! Answers of HTTP, and the refusals that all its doors share.

use std::borrow::Cow;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};

use crate::auth::Claims;
use crate::gateway::http::metrics;
use crate::gateway::limits::client_address::{self, Peer};
use crate::gateway::limits::origin::Origins;
use crate::gateway::session::admission;
use crate::gateway::shared::counters::TurnedAway;
use crate::gateway::shared::state::GatewayState;

pub(crate) type HttpResponse = Response<Full<Bytes>>;

const TEXT: &str = "text/plain; charset=utf-8";
/// What Prometheus calls its text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Why a request is not carried out.
#[derive(Debug)]
pub(crate) struct HttpRefusal {
    pub(crate) status: StatusCode,
    /// For people, without a line end.
    pub(crate) text: Cow<'static, str>,
    /// What it counts as, if it was to become a WebSocket.
    pub(crate) turned: Option<TurnedAway>,
}

impl HttpRefusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into(), turned: None }
    }

    pub(crate) fn counted_as(self, turned: TurnedAway) -> Self {
        Self { turned: Some(turned), ..self }
    }
}

/// The text for Prometheus.
pub(crate) fn metrics(state: &GatewayState) -> HttpResponse {
    reply(StatusCode::OK, METRICS, Bytes::from(metrics::text(state)))
}

/// What the token of the `Authorization` header says, where there are tokens and it has one.
pub(crate) fn bearer(state: &GatewayState, peer: Peer, headers: &HeaderMap) -> Result<Option<Claims>, HttpRefusal> {
    let Some(gate) = &state.backend.gate else { return Ok(None) };
    let mut tokens = headers.get_all(header::AUTHORIZATION).iter().filter_map(|line| {
        let (scheme, token) = line.as_bytes().split_at_checked("bearer".len())?;
        let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && matches!(token, [] | [b' ', ..]);
        is_bearer.then(|| token.trim_ascii())
    });
    let Some(token) = tokens.next() else { return Ok(None) };
    let refusal = |why: &str| HttpRefusal::new(StatusCode::UNAUTHORIZED, format!("the token is not taken: {why}"));
    if tokens.next().is_some() {
        return Err(refusal("there are two"));
    }
    let token = std::str::from_utf8(token).map_err(|_| refusal("it is no text"))?;
    let from = client_address::client(peer.address, headers, &state.settings.trusted_proxies);
    admission::check(state, gate, token, from).map(Some).map_err(|why| refusal(&why.to_string()))
}

/// Tells who has no good token what is wanted.
pub(crate) fn ask_for_token(headers: &mut HeaderMap) {
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
}

/// Refuses pages of other origins than those.
pub(crate) fn check_origin(origins: &Origins, headers: &HeaderMap) -> Result<(), HttpRefusal> {
    let allowed = |origin: &HeaderValue| origin.to_str().is_ok_and(|origin| origins.allow(origin));
    if headers.get_all(header::ORIGIN).iter().all(allowed) {
        return Ok(());
    }
    let text = "pages from this origin may not connect; see --allowed-origin";
    Err(HttpRefusal::new(StatusCode::FORBIDDEN, text).counted_as(TurnedAway::Origin))
}

/// Refuses what a page may ask that has come under a name of its own which was made to lead here (DNS rebinding): to
/// the browser it is the hub's own page, so it may read the answers, and where it only reads it says no origin. Asked
/// where there are no tokens, and of connections to loopback, whom nobody else can reach: another machine's hub that
/// asks nobody for anything has been opened to them all, under whatever name.
pub(crate) fn check_name<B>(state: &GatewayState, peer: Peer, request: &Request<B>) -> Result<(), HttpRefusal> {
    let headers = request.headers();
    let of_a_page_let_in = headers.contains_key(header::ORIGIN) && check_origin(&state.origins, headers).is_ok();
    if !peer.by_loopback || state.backend.gate.is_some() || of_a_page_let_in {
        return Ok(());
    }
    let lines = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("."));
    let mut names = lines.chain(request.uri().host());
    if names.all(|host| state.origins.may_be_called(host)) {
        return Ok(());
    }
    let text = "without authentication this is told under an address or localhost only, so that no page of another \
                site can come by a name of its own; if this name is the hub's, give --allowed-origin \
                http://THE-NAME:PORT";
    Err(HttpRefusal::new(StatusCode::FORBIDDEN, text).counted_as(TurnedAway::Origin))
}

/// Whether the body is said to be JSON, and nothing else. No form of a foreign page can say so.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let is_json = |value: &HeaderValue| {
        let media_type = value.to_str().ok().and_then(|value| value.split(';').next()).unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case(JSON)
    };
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter().peekable();
    lines.peek().is_some() && lines.all(is_json)
}

pub(crate) const JSON: &str = "application/json";

pub(crate) fn not_allowed(allowed: &'static str) -> HttpResponse {
    let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, format!("only {allowed} is served here"));
    refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    refusal
}

pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> HttpResponse {
    reply(status, TEXT, text.into())
}

/// Text and JSON end with a line end, so that a terminal shows its prompt below them.
pub(crate) fn reply(status: StatusCode, content_type: &'static str, mut body: Bytes) -> HttpResponse {
    if [JSON, TEXT].contains(&content_type) && !body.is_empty() && !body.ends_with(b"\n") {
        body = Bytes::from([&body[..], b"\n"].concat());
    }
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// The pairs of a query, as they are meant; `None`: the value is no text.
pub(crate) fn query(query: Option<&str>) -> impl Iterator<Item = (&str, Option<String>)> {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key, percent_decoded(value)))
}

/// A name as it may stand in a query.
pub(crate) fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

/// `%41+%42` as `A B`; `None`: that is no UTF-8. Not mended: two names that are not the same must not become one.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        // `from_str_radix` would take a sign, too.
        let hex = |digits: &&[u8; 2]| digits.iter().all(u8::is_ascii_hexdigit);
        let digits = after.first_chunk::<2>().filter(hex).and_then(|digits| std::str::from_utf8(digits).ok());
        match (first, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            (other, _) => {
                bytes.push(*other);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_checked_only_where_there_is_one() {
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
}
