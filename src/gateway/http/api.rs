//! The plain HTTP side of the protocol, for those who cannot hold a socket: `/api/`.
//!
//! Each request is one message of a provider; its body is the message, the answer's body the hub's reply. What it asks
//! is done by that provider's envoy.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::gateway::fanout::connection::Identity;
use crate::gateway::fanout::shard::Shard;
use crate::gateway::fanout::stream::Stream;
use crate::gateway::http::pending_calls::{AGAIN_MS, CallKind, CallSender, PendingCall, ProviderKey};
use crate::gateway::http::providers::{self, NoProvider};
use crate::gateway::http::response::{self, HttpRefusal, HttpResponse, JSON};
use crate::gateway::limits::client_address::{self, Peer};
use crate::gateway::session::admission::{self, AdmissionError};
use crate::gateway::shared::settings::{REQUESTS_PER_PROVIDER_MAX, WAIT_MAX, WAITING_PER_PROVIDER_MAX};
use crate::gateway::shared::state::{GatewayState, whole_ms};
use crate::protocol::http::{self, HTTP_CALLS, HttpCall, Told};
use crate::protocol::inbound::{Hello, HelloRole, ResumeFrom};
use crate::protocol::{CallName, Close, ErrorCode, parse_duration};
use deskbell_core::{Name, NotificationId};

/// Where it all is.
const PREFIX: &str = "/api/";
const NOTIFICATIONS: &str = "/api/notifications/";
/// As whom a request comes that does not say, where there are no tokens.
const NOBODY: &str = "http";
/// For how long a browser may remember what it may send here.
const PREFLIGHT_SECONDS: &str = "600";

/// Whether a path is of this side.
pub(crate) fn is_at(path: &str) -> bool {
    path.starts_with(PREFIX) || path == PREFIX.trim_end_matches('/')
}

/// What is at a path.
#[derive(Debug, Clone, Copy)]
enum Endpoint {
    Call(HttpCall),
    Notification,
}

impl Endpoint {
    fn of(path: &str) -> Option<Self> {
        if path.starts_with(NOTIFICATIONS) {
            return Some(Self::Notification);
        }
        let name = path.strip_prefix(PREFIX)?;
        HTTP_CALLS.iter().find(|(have, _)| *have == name).map(|(_, call)| Self::Call(*call))
    }

    fn methods(self) -> &'static str {
        match self {
            Self::Call(_) => "POST",
            Self::Notification => "GET, HEAD",
        }
    }

    /// The `msdyn_name` of what is refused here.
    fn name(self) -> Option<CallName> {
        match self {
            Self::Call(call) => call.name(),
            Self::Notification => Some(CallName::NotifyEvent),
        }
    }
}

/// A refusal with its status and the JSON of its `error`.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    json: Vec<u8>,
    retry_after_ms: Option<u64>,
}

impl Refused {
    /// One that a request comes to before its message is looked at.
    fn new(place: Option<Endpoint>, status: StatusCode, code: ErrorCode, detail: &str) -> Self {
        let retry_after_ms = matches!(code, ErrorCode::Unavailable | ErrorCode::RateLimited).then_some(AGAIN_MS);
        let json = http::refusal(place.and_then(Endpoint::name), code, detail, retry_after_ms);
        Self { status, json, retry_after_ms }
    }

    /// One with the status that goes with its code.
    fn by_code(place: Endpoint, code: ErrorCode, detail: &str) -> Self {
        Self::new(Some(place), status_of(code), code, detail)
    }

    fn reply(self) -> HttpResponse {
        let status = self.status;
        let mut reply = response::reply(status, JSON, self.json.into());
        if status == StatusCode::UNAUTHORIZED {
            response::ask_for_token(reply.headers_mut());
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let seconds = self.retry_after_ms.unwrap_or(AGAIN_MS).div_ceil(1_000).max(1);
            reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply
    }
}

fn status_of(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Answers a request below `/api/`.
pub(crate) async fn answer(shard: &Arc<Shard<Stream>>, peer: Peer, request: Request<Incoming>) -> HttpResponse {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let shared = origin.filter(|origin| origin.to_str().is_ok_and(|origin| shard.state.origins.may_read(origin)));
    let mut reply = find(shard, peer, request, shared.is_some()).await.unwrap_or_else(Refused::reply);
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(origin) = shared {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        let exposed = HeaderValue::from_static("Location, Retry-After");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    reply
}

/// Finds what is asked for; `shared`: by a page of an origin that may read the answer.
async fn find(
    shard: &Arc<Shard<Stream>>,
    peer: Peer,
    request: Request<Incoming>,
    shared: bool,
) -> Result<HttpResponse, Refused> {
    let state = &shard.state;
    let Some(place) = Endpoint::of(request.uri().path()) else {
        let names: Vec<_> = HTTP_CALLS.iter().map(|(name, _)| *name).collect();
        let detail = format!("here are {} and notifications/<notificationId>", names.join(", "));
        return Err(Refused::new(None, StatusCode::NOT_FOUND, ErrorCode::NotFound, &detail));
    };
    let (origin, name) =
        (response::check_origin(&state.origins, request.headers()), response::check_name(state, peer, &request));
    if let Err(HttpRefusal { status, text, turned }) = origin.and(name) {
        if let Some(turned) = turned {
            state.counters.count_turned_away(turned);
        }
        return Err(Refused::new(Some(place), status, ErrorCode::NotAllowed, &text));
    }
    let fits = match place {
        Endpoint::Call(_) => request.method() == Method::POST,
        Endpoint::Notification => matches!(*request.method(), Method::GET | Method::HEAD),
    };
    if !fits {
        if request.method() == Method::OPTIONS && shared {
            return Ok(preflight(place));
        }
        let detail = format!("only {} is served here", place.methods());
        let refused = Refused::new(Some(place), StatusCode::METHOD_NOT_ALLOWED, ErrorCode::NotAllowed, &detail);
        let mut reply = refused.reply();
        reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(place.methods()));
        return Ok(reply);
    }
    let unavailable = |detail| Refused::by_code(place, ErrorCode::Unavailable, detail);
    if state.is_stopping() {
        return Err(unavailable("the hub is stopping; nothing was done"));
    }
    let _one = state
        .requests
        .try_acquire()
        .map_err(|_| unavailable("as many requests as may be under way are; nothing was done"))?;
    carry_out(shard, peer, place, request).await
}

/// What a page of another origin may send here.
fn preflight(place: Endpoint) -> HttpResponse {
    let mut reply = response::reply(StatusCode::NO_CONTENT, JSON, Bytes::new());
    let headers = reply.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(place.methods()));
    let allowed = HeaderValue::from_static("Authorization, Content-Type, Idempotency-Key");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
    reply
}

/// What a request's address says besides its path.
#[derive(Debug, Default)]
struct Query {
    wait: Duration,
    provider_id: Option<String>,
}

impl Query {
    /// What is unknown is passed over, as unknown fields are.
    fn of(place: Endpoint, query: Option<&str>) -> Result<Self, Refused> {
        let wrong = |detail: &str| Refused::by_code(place, ErrorCode::BadParameter, detail);
        let mut wanted = Self::default();
        for (key, value) in response::query(query) {
            match key {
                "wait" => {
                    let wait = value.and_then(|value| parse_duration(&value));
                    wanted.wait = wait.filter(|wait| *wait <= WAIT_MAX).ok_or_else(|| {
                        let most = WAIT_MAX.as_secs();
                        wrong(&format!("`wait` must be a duration such as \"30s\", at most \"{most}s\""))
                    })?;
                }
                "providerId" => {
                    let value = value.ok_or_else(|| wrong("`providerId` is no text"))?;
                    http::name("providerId", &value).map_err(|what| wrong(&what))?;
                    wanted.provider_id = Some(value);
                }
                _ => {}
            }
        }
        Ok(wanted)
    }
}

async fn carry_out(
    shard: &Arc<Shard<Stream>>,
    peer: Peer,
    place: Endpoint,
    request: Request<Incoming>,
) -> Result<HttpResponse, Refused> {
    let state = &shard.state;
    let query = Query::of(place, request.uri().query())?;
    let client = client_address::client(peer.address, request.headers(), &state.settings.trusted_proxies);
    let admitted = admit(state, peer, place, query.provider_id.as_deref(), request.headers(), client)?;
    let ends_ms = admitted.ends_ms;
    let provider = admitted.name.clone().unwrap_or_default();
    let principal = ProviderKey { workspace: Name::clone(&admitted.workspace), provider };
    let _one = state.requests_of.join(principal.clone(), REQUESTS_PER_PROVIDER_MAX).ok_or_else(|| {
        let detail = format!("{REQUESTS_PER_PROVIDER_MAX} requests of this provider are under way; nothing was done");
        Refused::by_code(place, ErrorCode::RateLimited, &detail)
    })?;
    let asks = match place {
        Endpoint::Call(call) => {
            CallKind::Say(posted(state.settings.max_message_bytes, call, place, shard, request).await?)
        }
        Endpoint::Notification => {
            let id = request.uri().path().strip_prefix(NOTIFICATIONS).unwrap_or_default();
            let id: Result<NotificationId, _> = id.parse();
            let unknown = |_| Refused::by_code(place, ErrorCode::NotFound, "that is no notificationId");
            CallKind::Recall(id.map_err(unknown)?)
        }
    };
    let way = providers::find_or_join(shard, admitted, client).map_err(|none| no_envoy(place, &none))?;
    let (reply, replied) = oneshot::channel();
    let (outcome, settled) = oneshot::channel();
    let errand = PendingCall { asks, call: place.name(), ends_ms, asked: CallSender { reply, outcome } };
    let ended = || lost(place, way.ending.code());
    if let Err(mpsc::error::SendError(errand)) = way.errands.send(errand).await
        && !way.ending.is_final()
    {
        errand.turn_down();
    }
    let (told, json) = replied.await.map_err(|_| ended())?;
    match told {
        Told::Refused { code, retry_after_ms } => {
            Err(Refused { status: status_of(code), json: json.to_vec(), retry_after_ms })
        }
        Told::Ack(id) => {
            let left_ms = ends_ms.map_or(u64::MAX, |ends_ms| ends_ms.saturating_sub(state.wall_ms()));
            let wait = query.wait.min(Duration::from_millis(left_ms));
            let (status, json) = match outcome_within(shard, principal, settled, wait).await {
                Ok(Some(outcome)) => (StatusCode::OK, outcome),
                Err(Gone) if way.ending.is_final() => return Err(ended()),
                // The hub holds it, and answers whoever asks again.
                Ok(None) | Err(Gone) => (StatusCode::ACCEPTED, json),
            };
            Ok(held(status, &id, query.provider_id.as_deref(), json))
        }
        _ => Ok(response::reply(StatusCode::OK, JSON, json)),
    }
}

/// As whom the request comes: by its token, or where there are none by the `provider_id` it gives.
fn admit(
    state: &GatewayState,
    peer: Peer,
    place: Endpoint,
    provider_id: Option<&str>,
    headers: &HeaderMap,
    client: IpAddr,
) -> Result<Identity, Refused> {
    let unauthorized =
        |detail: &str| Refused::new(Some(place), StatusCode::UNAUTHORIZED, ErrorCode::NotAllowed, detail);
    let bearer = response::bearer(state, peer, headers).map_err(|refusal| unauthorized(&refusal.text))?;
    let anybody = state.backend.gate.is_none().then_some(NOBODY);
    let provider_id = provider_id.or(anybody).map(Into::into);
    let hello = Hello { role: HelloRole::Provider { provider_id, resume: ResumeFrom::Nothing }, token: None };
    admission::admit(state, &hello, bearer, client).map_err(|why| match why {
        AdmissionError::Token => unauthorized("a token is wanted: Authorization: Bearer"),
        AdmissionError::Other(how) => Refused::by_code(place, ErrorCode::NotAllowed, &how),
    })
}

/// What to say where no envoy can be sent.
fn no_envoy(place: Endpoint, none: &NoProvider) -> Refused {
    let (code, detail) = match none {
        NoProvider::Here => (ErrorCode::Unavailable, "the hub has as many connections as it may; nothing was done"),
        NoProvider::There => {
            (ErrorCode::RateLimited, "this address has as many connections as it may have; nothing was done")
        }
    };
    Refused::by_code(place, code, detail)
}

/// The envoy ended before the outcome came.
struct Gone;

/// The outcome, if it comes in time.
async fn outcome_within(
    shard: &Arc<Shard<Stream>>,
    principal: ProviderKey,
    mut settled: oneshot::Receiver<Bytes>,
    wait: Duration,
) -> Result<Option<Bytes>, Gone> {
    // One that came together with the ack is there already.
    if let Ok(json) = settled.try_recv() {
        return Ok(Some(json));
    }
    if wait.is_zero() {
        return Ok(None);
    }
    let state = &shard.state;
    let Some(_of_it) = state.waiting_of.join(principal, WAITING_PER_PROVIDER_MAX) else { return Ok(None) };
    let Ok(_place) = state.waiting.try_acquire() else { return Ok(None) };
    match timeout(wait, settled).await {
        Ok(Ok(json)) => Ok(Some(json)),
        Ok(Err(_)) => Err(Gone),
        Err(_) => Ok(None),
    }
}

/// The hub holds that notification, and this is where to ask again. An outcome says so too: whoever does not wait
/// cannot know which of the two it will be.
fn held(status: StatusCode, id: &str, provider_id: Option<&str>, json: Bytes) -> HttpResponse {
    let mut reply = response::reply(status, JSON, json);
    let asked = provider_id.map_or_else(String::new, |name| format!("?providerId={}", response::percent_encoded(name)));
    if let Ok(location) = HeaderValue::from_str(&format!("{NOTIFICATIONS}{id}{asked}")) {
        reply.headers_mut().insert(header::LOCATION, location);
    }
    reply
}

/// What to say to somebody whose envoy ended with that close code before the reply.
fn lost(place: Endpoint, code: u16) -> Refused {
    if code == Close::BadToken.code() {
        let detail = "the token has ended or was revoked; whether the call was carried out is not known";
        return Refused::new(Some(place), StatusCode::UNAUTHORIZED, ErrorCode::NotAllowed, detail);
    }
    let (code, detail) = if code == Close::NotAllowed.code() {
        let detail = "the operator has sent this provider away; whether the call was carried out is not known";
        (ErrorCode::NotAllowed, detail)
    } else {
        (ErrorCode::Unavailable, "whether the call was carried out is not known; repeat it with the same `id`")
    };
    Refused::by_code(place, code, detail)
}

/// The message that was posted.
async fn posted(
    bytes_max: usize,
    call: HttpCall,
    place: Endpoint,
    shard: &Arc<Shard<Stream>>,
    request: Request<Incoming>,
) -> Result<String, Refused> {
    let refused = |status, code, detail: &str| Refused::new(Some(place), status, code, detail);
    if !response::is_json(request.headers()) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(refused(status, ErrorCode::BadMessage, "only the Content-Type application/json is taken"));
    }
    let key = idempotency_key(request.headers()).map_err(|what| {
        Refused::by_code(place, ErrorCode::BadParameter, &format!("the header Idempotency-Key {what}"))
    })?;
    let limit = shard.state.settings.handshake_timeout;
    let body = timeout(limit, Limited::new(request.into_body(), bytes_max).collect()).await.map_err(|_| {
        let ms = whole_ms(limit);
        refused(StatusCode::REQUEST_TIMEOUT, ErrorCode::BadMessage, &format!("the body did not come within {ms} ms"))
    })?;
    let body = body.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            let detail = format!("the body has more than {bytes_max} bytes");
            return refused(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BadParameter, &detail);
        }
        refused(StatusCode::BAD_REQUEST, ErrorCode::BadMessage, "the body broke off")
    })?;
    http::message(call, &body.to_bytes(), key.as_deref()).map_err(|(code, json)| Refused {
        status: status_of(code),
        json,
        retry_after_ms: None,
    })
}

/// The header's value, in quotes or not.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    let mut lines = headers.get_all("idempotency-key").iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err("stands there twice");
    }
    let text = std::str::from_utf8(line.as_bytes()).map_err(|_| "is no text")?.trim();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    Ok(Some(bare.to_owned()))
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

    #[test]
    fn a_place_is_found_by_its_whole_path() {
        for path in ["/api/notify", "/api/cancel", "/api/kpi", "/api/activity", "/api/endSession"] {
            assert!(matches!(Endpoint::of(path), Some(Endpoint::Call(_))), "{path}");
        }
        assert!(matches!(Endpoint::of("/api/notifications/x"), Some(Endpoint::Notification)));
        for path in ["/api", "/api/", "/api/notify/", "/api/hello", "/api/notifications", "/ap/notify"] {
            assert!(Endpoint::of(path).is_none(), "{path}");
        }
        assert!(is_at("/api") && is_at("/api/x") && !is_at("/apis"));
    }

    #[test]
    fn a_key_may_stand_in_quotes() {
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
