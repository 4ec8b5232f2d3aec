//! The HTTP side: a handful of routes, and the upgrade.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use crate::gateway::fanout::shard::Shard;
use crate::gateway::fanout::stream::{Stream, TLS_BYTES_MAX};
use crate::gateway::http::api;
use crate::gateway::http::assets::{self, Asset};
use crate::gateway::http::response::{
    self, HttpRefusal, HttpResponse, JSON, bearer, check_origin, metrics, not_allowed, plain, reply,
};
use crate::gateway::limits::client_address::{self, Peer};
use crate::gateway::session::lifecycle::{self, Handshake};
use crate::gateway::session::render;
use crate::gateway::shared::counters::{ConnectionPermit, HandshakePermit, HttpCaller, TurnedAway};
use crate::gateway::shared::settings::{
    ADMIN_CONNECTIONS_MAX, ADMIN_LIFETIME, HEAD_BYTES_MAX, HTTP_LIFETIME, WAIT_MAX,
};
use crate::gateway::shared::state::GatewayState;
use deskbell_protocol::{self as protocol, ErrorCode, Role, SUBPROTOCOL};

/// Pages run only what this hub serves and speak only to it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Serves one TCP connection of `peer` until it has become a WebSocket, or ends.
pub(crate) async fn serve(shard: Arc<Shard<Stream>>, stream: TcpStream, peer: Peer) {
    let Some(tls) = &shard.state.settings.tls else { return speak(&shard, stream, peer).await };
    let (counters, limit) = (&shard.state.counters, shard.state.settings.handshake_timeout);
    match timeout(limit, TlsAcceptor::from(Arc::clone(tls)).accept(stream)).await {
        Ok(Ok(mut stream)) => {
            // A client that reads an answer slowly may make the hub buffer no more than a slow reader of messages.
            stream.get_mut().1.set_buffer_limit(Some(TLS_BYTES_MAX));
            speak(&shard, stream, peer).await;
        }
        Ok(Err(_)) => counters.count_turned_away(TurnedAway::Tls),
        Err(_) => counters.count_turned_away(TurnedAway::Slow),
    }
}

/// Speaks HTTP.
async fn speak<S>(shard: &Arc<Shard<Stream>>, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limit = shard.state.settings.handshake_timeout;
    let state = &shard.state;
    let caller = OnceLock::new();
    let service = service_fn(|request: Request<Incoming>| {
        let caller = &caller;
        async move {
            let request = match below_public_path(state, request) {
                Ok(request) => request,
                Err(redirect) => return Ok(*redirect),
            };
            response::wait_for_keys(state, request.headers()).await;
            if !api::is_at(request.uri().path()) {
                return Ok::<_, Infallible>(route(shard, peer, request));
            }
            caller.get_or_init(|| HttpCaller::enter(&state.counters));
            Ok(api::answer(shard, peer, request).await)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limit)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = tokio::time::sleep(HTTP_LIFETIME) => None,
        () = state.stopping() => None,
    };
    match ended {
        Some(Err(error)) if error.is_timeout() => state.counters.count_turned_away(TurnedAway::Slow),
        // An error here is a client that broke off or sent no HTTP: hyper has answered it as far as one can.
        Some(_) => {}
        None => {
            connection.as_mut().graceful_shutdown();
            // A request may have begun to wait just now.
            let rest = if caller.get().is_some() { WAIT_MAX + limit } else { limit };
            let _ = timeout(rest, connection).await;
        }
    }
}

/// Cuts the path of `publicUrl` off the path of a request, so that everything is served below it too. The bare path is
/// redirected to the one with a slash, because the links of the pages are relative.
fn below_public_path(
    state: &GatewayState,
    mut request: Request<Incoming>,
) -> Result<Request<Incoming>, Box<HttpResponse>> {
    let prefix = state.public_path();
    let uri = request.uri();
    let Some(rest) = uri.path_and_query().and_then(|path| path.as_str().strip_prefix(prefix)) else {
        return Ok(request);
    };
    if prefix.is_empty() || !rest.is_empty() && !rest.starts_with(['/', '?']) {
        return Ok(request);
    }
    if !rest.starts_with('/') {
        let mut redirect = plain(StatusCode::PERMANENT_REDIRECT, "this page is at the path with a slash");
        if let Ok(location) = HeaderValue::from_str(&format!("{prefix}/{rest}")) {
            redirect.headers_mut().insert(header::LOCATION, location);
        }
        return Err(Box::new(redirect));
    }
    if let Ok(path) = rest.parse() {
        *request.uri_mut() = path;
    }
    Ok(request)
}

fn route(shard: &Arc<Shard<Stream>>, peer: Peer, request: Request<Incoming>) -> HttpResponse {
    let path = request.uri().path();
    let address = client_address::client(peer.address, request.headers(), &shard.state.settings.trusted_proxies);
    if path == "/ws" {
        return match *request.method() {
            Method::GET => {
                let mut reply =
                    upgrade(shard, peer, request).unwrap_or_else(|refusal| turn_away(&shard.state, refusal, address));
                if reply.status() == StatusCode::BAD_REQUEST {
                    // RFC 6455, 4.4: whoever came with another version is told which one there is.
                    reply.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                }
                reply
            }
            _ => not_allowed("GET"),
        };
    }
    if path == "/templates" {
        return match *request.method() {
            Method::GET | Method::HEAD => templates(&shard.state, peer, &request)
                .unwrap_or_else(|refusal| turn_away(&shard.state, refusal, address)),
            _ => not_allowed("GET, HEAD"),
        };
    }
    let Some(answer) = find(path).filter(|answer| !answer.is_for_operators() || shard.state.backend.verifier.is_none())
    else {
        return plain(StatusCode::NOT_FOUND, "nothing is here; the WebSocket is at /ws, the demo at /");
    };
    match *request.method() {
        Method::GET | Method::HEAD => match response::check_name(&shard.state, peer, &request) {
            Err(refusal) if answer.is_for_operators() => turn_away(&shard.state, refusal, address),
            _ => answer.reply(&shard.state),
        },
        _ => not_allowed("GET, HEAD"),
    }
}

/// Serves `/metrics`, `/healthz` and `/readyz` alone, to everybody who can reach the listener.
pub(crate) async fn serve_metrics(state: Arc<GatewayState>, listener: TcpListener) {
    let permits = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let answer = match find(request.uri().path()) {
                    None | Some(Answer::Page(_)) => {
                        plain(StatusCode::NOT_FOUND, "only /metrics, /healthz and /readyz are served here")
                    }
                    Some(_) if !matches!(*request.method(), Method::GET | Method::HEAD) => not_allowed("GET, HEAD"),
                    Some(answer) => answer.reply(&state),
                };
                std::future::ready(Ok::<_, Infallible>(answer))
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(state.settings.handshake_timeout)
                .max_buf_size(HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service);
            // However it ended, the next request uses another connection.
            let _ = timeout(ADMIN_LIFETIME, connection).await;
            drop(permit);
        });
    }
}

/// What a path gives to read.
enum Answer {
    Alive,
    Ready,
    Metrics,
    Page(&'static Asset),
}

fn find(path: &str) -> Option<Answer> {
    match path {
        "/healthz" => Some(Answer::Alive),
        "/readyz" => Some(Answer::Ready),
        "/metrics" => Some(Answer::Metrics),
        _ => assets::find(path).map(Answer::Page),
    }
}

impl Answer {
    /// With authentication on, only the admin listener tells it.
    fn is_for_operators(&self) -> bool {
        matches!(self, Self::Metrics)
    }

    fn reply(self, state: &GatewayState) -> HttpResponse {
        match self {
            Self::Alive => plain(StatusCode::OK, "alive"),
            Self::Ready if state.is_ready() => plain(StatusCode::OK, "ready"),
            Self::Ready => plain(StatusCode::SERVICE_UNAVAILABLE, unready(state)),
            Self::Metrics => metrics(state),
            Self::Page(asset) => page(asset),
        }
    }
}

/// What `/readyz` says of a hub that is not: of several partitions, which.
fn unready(state: &GatewayState) -> String {
    let which: Vec<String> = state.unready().map(|partition| partition.to_string()).collect();
    match state.backend.hubs.len() {
        partitions @ 2.. if !which.is_empty() => {
            let last = partitions - 1;
            format!("not ready to take notifications: of the partitions 0 to {last} not {}", which.join(", "))
        }
        _ => match state.issuers_without_keys().next() {
            Some(_) => "not ready: the keys of an issuer of tokens could not be fetched yet".to_owned(),
            None => "not ready to take notifications".to_owned(),
        },
    }
}

/// The templates in force; with authentication on, for who may use or watch them: a provider or an observer.
fn templates(state: &GatewayState, peer: Peer, request: &Request<Incoming>) -> Result<HttpResponse, HttpRefusal> {
    response::check_name(state, peer, request)?;
    if state.backend.verifier.is_some() {
        let claims = bearer(state, peer, request.headers())?.ok_or_else(|| {
            let text = "a token is needed: Authorization: Bearer, of a provider or an observer";
            HttpRefusal::new(StatusCode::UNAUTHORIZED, text)
        })?;
        if claims.roles.iter().all(|role| *role == Role::Agent) {
            let text = "this needs the token of a provider or an observer";
            return Err(HttpRefusal::new(StatusCode::FORBIDDEN, text));
        }
    }
    let mut listing = reply(StatusCode::OK, JSON, render::listing(state));
    listing.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(listing)
}

fn turn_away(state: &GatewayState, refusal: HttpRefusal, from: IpAddr) -> HttpResponse {
    if let Some(turned) = refusal.turned {
        state.counters.count_turned_away(turned);
        // The reason of an origin contains the origin, so each origin is logged.
        let client = if turned == TurnedAway::Origin { String::new() } else { from.to_string() };
        if state.refusal_log.is_due(&refusal.text, &client, state.now()) {
            tracing::warn!(%from, "a client was refused: {}", refusal.text);
        }
    }
    if refusal.status == StatusCode::UNAUTHORIZED {
        let json = protocol::http::refusal(None, ErrorCode::BadToken, &refusal.text, None);
        let mut reply = reply(refusal.status, JSON, json.into());
        response::ask_for_token(reply.headers_mut());
        return reply;
    }
    plain(refusal.status, refusal.text.into_owned())
}

/// Answers a request to become a WebSocket.
fn upgrade(
    shard: &Arc<Shard<Stream>>,
    peer: Peer,
    mut request: Request<Incoming>,
) -> Result<HttpResponse, HttpRefusal> {
    let state = &shard.state;
    if state.is_stopping() {
        return Err(HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, "the hub is stopping"));
    }
    check_origin(&state.origins, request.headers(), response::is_by_proxy(state, peer))?;
    let mut response = create_response_with_body(&request, Full::default)
        .map_err(|error| HttpRefusal::new(StatusCode::BAD_REQUEST, format!("not a WebSocket handshake: {error}; a proxy must pass the headers Upgrade and Connection on, with HTTP/1.1")))?;
    if let Some(chosen) = subprotocol(request.headers())? {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(chosen));
    }
    let visitor = visit(state, peer, request.headers())?;
    let upgraded = hyper::upgrade::on(&mut request);
    let shard = Arc::clone(shard);
    // A task of its own: the one that speaks HTTP ends here and gives its memory back.
    tokio::spawn(async move {
        let Some((stream, early)) = upgraded.await.ok().and_then(taken_apart) else { return };
        lifecycle::run(shard, stream, early, visitor).await;
    });
    Ok(response)
}

/// Checks who comes, and gives it its places.
fn visit(state: &GatewayState, peer: Peer, headers: &HeaderMap) -> Result<Handshake, HttpRefusal> {
    let settings = &state.settings;
    let full =
        |text: &'static str, as_what| HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, text).counted_as(as_what);
    let bearer = bearer(state, peer, headers)?.map(Box::new);
    let address = client_address::client(peer.address, headers, &settings.trusted_proxies);
    let spot = state
        .websockets_by_address
        .join(client_address::place(address), settings.connections_per_address)
        .ok_or_else(|| {
            let text = "there are as many connections from this address as there may be";
            HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, text).counted_as(TurnedAway::Address)
        })?;
    let pending = HandshakePermit::take(&state.counters, settings.pending_connections)
        .ok_or_else(|| full("as many connections as may wait for their hello wait for it", TurnedAway::Pending))?;
    let seat = ConnectionPermit::take(&state.counters, settings.max_connections)
        .ok_or_else(|| full("the hub has as many connections as it may", TurnedAway::Full))?;
    Ok(Handshake { address, bearer, seat, spot, pending })
}

/// The stream, and what the client sent together with the handshake: as a rule nothing, so the copy gives the large
/// buffer back.
fn taken_apart(upgraded: Upgraded) -> Option<(Stream, Vec<u8>)> {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return Some((parts.io.into_inner().into(), parts.read_buf.to_vec())),
        Err(upgraded) => upgraded,
    };
    let parts = upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>().ok()?;
    Some((parts.io.into_inner().into(), parts.read_buf.to_vec()))
}

/// The subprotocol to select; none was offered: none.
fn subprotocol(headers: &HeaderMap) -> Result<Option<&'static str>, HttpRefusal> {
    let mut offered = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .peekable();
    if offered.peek().is_none() {
        return Ok(None);
    }
    if offered.any(|name| name == SUBPROTOCOL.as_bytes()) {
        return Ok(Some(SUBPROTOCOL));
    }
    Err(HttpRefusal::new(StatusCode::BAD_REQUEST, format!("of the subprotocols only {SUBPROTOCOL} is spoken here")))
}

fn page(asset: &Asset) -> HttpResponse {
    let mut page = reply(StatusCode::OK, asset.content_type, Bytes::from_static(asset.text.as_bytes()));
    let headers = page.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if asset.content_type == assets::HTML {
        // A page that has opened this one holds nothing of it: it cannot lead it to a likeness that asks for tokens.
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    }
    if asset.is_public() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    // The files change with the binary only, but their names do not.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(lines: &[&'static str]) -> Result<Option<&'static str>, StatusCode> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(line));
        }
        subprotocol(&headers).map_err(|refusal| refusal.status)
    }

    #[test]
    fn our_subprotocol_is_selected_wherever_it_stands_and_none_need_be_offered() {
        assert_eq!(offered(&[]), Ok(None));
        for lines in [&["deskbell.v1"][..], &["other, deskbell.v1"], &["other", "more,deskbell.v1 "]] {
            assert_eq!(offered(lines), Ok(Some("deskbell.v1")), "{lines:?}");
        }
        for lines in [&["other"][..], &["deskbell.v2, DESKBELL.V1"], &[""]] {
            assert_eq!(offered(lines), Err(StatusCode::BAD_REQUEST), "{lines:?}");
        }
    }
}
