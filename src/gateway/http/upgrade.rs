//! The upgrade of an HTTP connection to a WebSocket.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::upgrade::Upgraded;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use crate::gateway::connection::stream::Stream;
use crate::gateway::http::request_checks::{HttpRefusal, bearer, check_origin, is_by_proxy};
use crate::gateway::http::response::HttpResponse;
use crate::gateway::http::services::HttpServices;
use crate::gateway::http::timeouts::WatchedStream;
use crate::gateway::limits::client_address::{self, Peer};
use crate::gateway::session::lifecycle::{self, Handshake};
use crate::gateway::shared::gateway_metrics::TurnedAway;
use crate::gateway::shared::state::GatewayState;
use crate::protocol::SUBPROTOCOL;

/// The refusal of a connection over `connectionsPerAddress`.
pub(crate) const ADDRESS_FULL: &str = "this address has as many connections as [limits] connectionsPerAddress allows; if it \
    is the address of a proxy, add it to [server] trustedProxies";

/// Answers a request to become a WebSocket and starts the session.
///
/// # Errors
/// The refusal: the hub stops or is full, the origin or the token is refused, or the handshake is not valid.
pub(crate) fn upgrade(
    services: &HttpServices,
    peer: Peer,
    mut request: Request<Incoming>,
) -> Result<HttpResponse, HttpRefusal> {
    let state = &services.state;
    if state.is_stopping() {
        return Err(HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, "the hub is stopping"));
    }
    check_origin(&state.origins, request.headers(), is_by_proxy(state, peer))?;
    join_list_headers(request.headers_mut());
    let mut response = create_response_with_body(&request, Full::default).map_err(|error| {
        let text = format!(
            "not a WebSocket handshake: {error}; a proxy must pass the headers Upgrade and Connection on, with HTTP/1.1"
        );
        HttpRefusal::new(StatusCode::BAD_REQUEST, text)
    })?;
    if let Some(chosen) = subprotocol(request.headers())? {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(chosen));
    }
    let handshake = admit(state, peer, request.headers())?;
    let upgraded = hyper::upgrade::on(&mut request);
    let shard = Arc::clone(&services.shard);
    // The session has a task of its own, so that the task of the HTTP connection ends and frees its memory.
    tokio::spawn(async move {
        let Some((stream, early)) = upgraded.await.ok().and_then(into_stream) else { return };
        lifecycle::run(shard, stream, early, handshake).await;
    });
    Ok(response)
}

/// Joins the lines of headers that are lists (RFC 9110, section 5.3): the WebSocket library reads the first line only.
fn join_list_headers(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::UPGRADE] {
        join_lines(headers, name);
    }
}

fn join_lines(headers: &mut HeaderMap, name: HeaderName) {
    if headers.get_all(&name).iter().nth(1).is_none() {
        return;
    }
    let lines: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b", "[..])) {
        headers.insert(name, joined);
    }
}

/// Checks the token and takes the permits of a new connection.
fn admit(state: &GatewayState, peer: Peer, headers: &HeaderMap) -> Result<Handshake, HttpRefusal> {
    let settings = &state.settings;
    let full = |text: &'static str, reason| HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, text).counted_as(reason);
    let bearer = bearer(state, peer, headers)?.map(Box::new);
    let address = client_address::client(peer.address, headers, &settings.trusted_proxies);
    let network = client_address::network_of(address);
    let by_address = state
        .websockets_by_address
        .take(network, settings.connections_per_address)
        .ok_or_else(|| HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, ADDRESS_FULL).counted_as(TurnedAway::Address))?;
    let unjoined = state.handshakes.take(settings.pending_connections).ok_or_else(|| {
        full(
            "as many connections as [limits] pendingConnections allows have not completed their hello",
            TurnedAway::Pending,
        )
    })?;
    let websocket = state
        .websockets
        .take(settings.max_connections)
        .ok_or_else(|| full("the hub has as many connections as [limits] maxConnections allows", TurnedAway::Full))?;
    Ok(Handshake { address, bearer, websocket, by_address, unjoined })
}

/// The stream, and the bytes that the client sent together with the handshake. They are copied, so that the large read buffer
/// is freed; usually there are none.
fn into_stream(upgraded: Upgraded) -> Option<(Stream, Vec<u8>)> {
    let upgraded = match upgraded.downcast::<TokioIo<WatchedStream<TcpStream>>>() {
        Ok(parts) => return Some((parts.io.into_inner().into_inner().into(), parts.read_buf.to_vec())),
        Err(upgraded) => upgraded,
    };
    let parts = upgraded.downcast::<TokioIo<WatchedStream<TlsStream<TcpStream>>>>().ok()?;
    Some((parts.io.into_inner().into_inner().into(), parts.read_buf.to_vec()))
}

/// The subprotocol to select; `None` if the client offers none.
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
    Err(HttpRefusal::new(StatusCode::BAD_REQUEST, format!("the only subprotocol of this hub is {SUBPROTOCOL}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_static(line));
        }
        headers
    }

    #[test]
    fn the_subprotocol_is_selected_from_any_position_and_may_be_missing() {
        let offered = |lines: &[&'static str]| {
            subprotocol(&headers(&header::SEC_WEBSOCKET_PROTOCOL, lines)).map_err(|e| e.status)
        };
        assert_eq!(offered(&[]), Ok(None));
        for lines in [&["deskbell.v1"][..], &["other, deskbell.v1"], &["other", "more,deskbell.v1 "]] {
            assert_eq!(offered(lines), Ok(Some("deskbell.v1")), "{lines:?}");
        }
        for lines in [&["other"][..], &["deskbell.v2, DESKBELL.V1"], &[""]] {
            assert_eq!(offered(lines), Err(StatusCode::BAD_REQUEST), "{lines:?}");
        }
    }

    #[test]
    fn several_lines_of_a_list_header_are_one_list() {
        let mut of = headers(&header::CONNECTION, &["keep-alive", "Upgrade"]);
        of.extend(headers(&header::UPGRADE, &["websocket"]));
        join_list_headers(&mut of);
        let lines: Vec<_> = of.get_all(header::CONNECTION).iter().collect();
        assert_eq!(lines, ["keep-alive, Upgrade"]);
        assert_eq!(of.get(header::UPGRADE).unwrap(), "websocket");
    }
}
