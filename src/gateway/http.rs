//! The HTTP side: a handful of routes, and the upgrade.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use super::address::{self, Peer};
use super::api;
use super::assets::{self, Asset};
use super::connection::{self, Visitor};
use super::counters::{Caller, Pending, Seat, Turned};
use super::house::House;
use super::reply::{self, JSON, Refusal, Reply, bearer, check_origin, metrics, not_allowed, plain, reply};
use super::settings::{HEAD_BYTES_MAX, HTTP_LIFETIME, WAIT_MAX};
use super::shard::Shard;
use super::stream::{Stream, TLS_BYTES_MAX};
use super::templates;
use crate::protocol::{Role, SUBPROTOCOL};

/// Pages run only what this hub serves and speak only to it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Serves one TCP connection of `peer` until it has become a WebSocket, or ends.
pub(super) async fn serve(shard: Arc<Shard<Stream>>, stream: TcpStream, peer: Peer) {
    let Some(tls) = &shard.house.settings.tls else { return speak(&shard, stream, peer).await };
    let (counters, limit) = (&shard.house.counters, shard.house.settings.handshake_timeout);
    match timeout(limit, TlsAcceptor::from(Arc::clone(tls)).accept(stream)).await {
        Ok(Ok(mut stream)) => {
            // Who reads an answer slowly holds as little of it as who reads messages slowly.
            stream.get_mut().1.set_buffer_limit(Some(TLS_BYTES_MAX));
            speak(&shard, stream, peer).await;
        }
        Ok(Err(_)) => counters.turned_away(Turned::Tls),
        Err(_) => counters.turned_away(Turned::Slow),
    }
}

/// Speaks HTTP.
async fn speak<S>(shard: &Arc<Shard<Stream>>, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limit = shard.house.settings.handshake_timeout;
    let house = &shard.house;
    let caller = OnceLock::new();
    let service = service_fn(|request: Request<Incoming>| {
        let caller = &caller;
        async move {
            if !api::is_at(request.uri().path()) {
                return Ok::<_, Infallible>(route(shard, peer, request));
            }
            caller.get_or_init(|| Caller::enter(&house.counters));
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
        () = house.stopping() => None,
    };
    match ended {
        Some(Err(error)) if error.is_timeout() => house.counters.turned_away(Turned::Slow),
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

fn route(shard: &Arc<Shard<Stream>>, peer: Peer, request: Request<Incoming>) -> Reply {
    let path = request.uri().path();
    if path == "/ws" {
        return match *request.method() {
            Method::GET => {
                let mut reply =
                    upgrade(shard, peer, request).unwrap_or_else(|refusal| turn_away(&shard.house, refusal));
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
            Method::GET | Method::HEAD => {
                templates(&shard.house, peer, &request).unwrap_or_else(|refusal| turn_away(&shard.house, refusal))
            }
            _ => not_allowed("GET, HEAD"),
        };
    }
    let Some(answer) = find(path).filter(|answer| !answer.is_for_operators() || shard.house.behind.gate.is_none())
    else {
        return plain(StatusCode::NOT_FOUND, "nothing is here; the WebSocket is at /ws, the demo at /");
    };
    match *request.method() {
        Method::GET | Method::HEAD => match reply::check_name(&shard.house, peer, &request) {
            Err(refusal) if answer.is_for_operators() => turn_away(&shard.house, refusal),
            _ => answer.reply(&shard.house),
        },
        _ => not_allowed("GET, HEAD"),
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

    fn reply(self, house: &House) -> Reply {
        match self {
            Self::Alive => plain(StatusCode::OK, "alive"),
            Self::Ready if house.is_ready() => plain(StatusCode::OK, "ready"),
            Self::Ready => plain(StatusCode::SERVICE_UNAVAILABLE, unready(house)),
            Self::Metrics => metrics(house),
            Self::Page(asset) => page(asset),
        }
    }
}

/// What `/readyz` says of a hub that is not: of several partitions, which.
fn unready(house: &House) -> String {
    let which: Vec<String> = house.unready().map(|partition| partition.to_string()).collect();
    match house.behind.hubs.len() {
        partitions @ 2.. if !which.is_empty() => {
            let last = partitions - 1;
            format!("not ready to take notifications: of the partitions 0 to {last} not {}", which.join(", "))
        }
        _ => "not ready to take notifications".to_owned(),
    }
}

/// The templates in force; with authentication on, for who may use or watch them: a provider or an observer.
fn templates(house: &House, peer: Peer, request: &Request<Incoming>) -> Result<Reply, Refusal> {
    reply::check_name(house, peer, request)?;
    if house.behind.gate.is_some() {
        let claims = bearer(house, peer, request.headers())?.ok_or_else(|| {
            let text = "a token is needed: Authorization: Bearer, of a provider or an observer";
            Refusal::new(StatusCode::UNAUTHORIZED, text)
        })?;
        if claims.role == Role::Agent {
            let text = "the token's role is agent; this is for a provider or an observer";
            return Err(Refusal::new(StatusCode::FORBIDDEN, text));
        }
    }
    let mut listing = reply(StatusCode::OK, JSON, templates::listing(house));
    listing.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(listing)
}

fn turn_away(house: &House, refusal: Refusal) -> Reply {
    if let Some(turned) = refusal.turned {
        house.counters.turned_away(turned);
    }
    let mut reply = plain(refusal.status, refusal.text.into_owned());
    if refusal.status == StatusCode::UNAUTHORIZED {
        reply::ask_for_token(reply.headers_mut());
    }
    reply
}

/// Answers a request to become a WebSocket.
fn upgrade(shard: &Arc<Shard<Stream>>, peer: Peer, mut request: Request<Incoming>) -> Result<Reply, Refusal> {
    let house = &shard.house;
    if house.is_stopping() {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the hub is stopping"));
    }
    check_origin(&house.origins, request.headers())?;
    let mut response = create_response_with_body(&request, Full::default)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("no WebSocket handshake: {error}")))?;
    if let Some(chosen) = subprotocol(request.headers())? {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(chosen));
    }
    let visitor = visit(house, peer, request.headers())?;
    let upgraded = hyper::upgrade::on(&mut request);
    let shard = Arc::clone(shard);
    // A task of its own: the one that speaks HTTP ends here and gives its memory back.
    tokio::spawn(async move {
        let Some((stream, early)) = upgraded.await.ok().and_then(taken_apart) else { return };
        connection::run(shard, stream, early, visitor).await;
    });
    Ok(response)
}

/// Checks who comes, and gives it its places.
fn visit(house: &House, peer: Peer, headers: &HeaderMap) -> Result<Visitor, Refusal> {
    let settings = &house.settings;
    let full = |text: &'static str, as_what| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text).counted_as(as_what);
    let bearer = bearer(house, peer, headers)?.map(Box::new);
    let address = address::client(peer.address, headers, &settings.trusted_proxies);
    let spot = house.seated.join(address::place(address), settings.connections_per_address).ok_or_else(|| {
        let text = "there are as many connections from this address as there may be";
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, text).counted_as(Turned::Address)
    })?;
    let pending = Pending::take(&house.counters, settings.pending_connections)
        .ok_or_else(|| full("as many connections as may wait for their hello wait for it", Turned::Pending))?;
    let seat = Seat::take(&house.counters, settings.max_connections)
        .ok_or_else(|| full("the hub has as many connections as it may", Turned::Full))?;
    Ok(Visitor { address, bearer, seat, spot, pending })
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
fn subprotocol(headers: &HeaderMap) -> Result<Option<&'static str>, Refusal> {
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
    Err(Refusal::new(StatusCode::BAD_REQUEST, format!("of the subprotocols only {SUBPROTOCOL} is spoken here")))
}

fn page(asset: &Asset) -> Reply {
    let mut page = reply(StatusCode::OK, asset.content_type, Bytes::from_static(asset.text.as_bytes()));
    let headers = page.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if asset.content_type == assets::HTML {
        // A page that has opened this one holds nothing of it: it cannot lead it to a likeness that asks for tokens.
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
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
