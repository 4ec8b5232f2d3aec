//! One HTTP connection: TLS, requests one after the other, and its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::gateway::connection::stream::TLS_BYTES_MAX;
use crate::gateway::http::endpoint::is_api_path;
use crate::gateway::http::request_checks;
use crate::gateway::http::response::{HttpResponse, plain};
use crate::gateway::http::routes;
use crate::gateway::http::services::HttpServices;
use crate::gateway::http::timeouts::{Activity, Expired, HttpTimeouts, WatchedStream};
use crate::gateway::limits::client_address::Peer;
use crate::gateway::limits::permit::PoolPermit;
use crate::gateway::shared::bounds::{HEAD_BYTES_MAX, HTTP_LIFETIME, HTTP_WRITE_MAX, WAIT_MAX};
use crate::gateway::shared::gateway_metrics::TurnedAway;
use crate::gateway::shared::state::GatewayState;

const TLS_FAILED: &str = "its TLS handshake failed; it may not trust the certificate, or does not speak TLS";
const TOO_SLOW: &str = "it took longer than [server] handshakeTimeout for a TLS handshake or for the head of a request";
/// The longest time between two checks of the limits of a connection.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Serves one TCP connection of `peer` until it has become a WebSocket, or ends.
pub(crate) async fn serve(services: &HttpServices, stream: TcpStream, peer: Peer) {
    let Some(tls) = &services.state.settings.tls else { return serve_http(services, stream, peer).await };
    let limit = services.state.settings.handshake_timeout;
    match timeout(limit, TlsAcceptor::from(Arc::clone(tls)).accept(stream)).await {
        Ok(Ok(mut stream)) => {
            // The hub buffers no more for a client that reads a response slowly than for one that reads messages slowly.
            stream.get_mut().1.set_buffer_limit(Some(TLS_BYTES_MAX));
            serve_http(services, stream, peer).await;
        }
        Ok(Err(_)) => services.state.note_refused(TurnedAway::Tls, peer.address, TLS_FAILED),
        Err(_) => services.state.note_refused(TurnedAway::Slow, peer.address, TOO_SLOW),
    }
}

async fn serve_http<S>(services: &HttpServices, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let settings = &services.state.settings;
    let started = Instant::now();
    let timeouts =
        HttpTimeouts { head: settings.handshake_timeout, idle: settings.http_idle_timeout, write: HTTP_WRITE_MAX };
    let activity = Arc::new(Activity::new(started));
    let caller = OnceLock::new();
    let service = service_fn(|request: Request<Incoming>| {
        let (activity, caller) = (&activity, &caller);
        async move {
            activity.begin_request();
            let mut response = match below_public_path(&services.state, request) {
                Ok(request) => answer(services, peer, request, caller).await,
                Err(redirect) => *redirect,
            };
            if started.elapsed() >= HTTP_LIFETIME {
                // The client must send its next request over a new connection.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            activity.end_request(Instant::now());
            Ok::<_, Infallible>(response)
        }
    });
    let stream = WatchedStream::new(stream, Arc::clone(&activity));
    let connection = hyper::server::conn::http1::Builder::new()
        // `activity` has the timers instead.
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let expired = loop {
        let next = match activity.check(Instant::now(), timeouts) {
            Ok(next) => next.map_or(CHECK_EVERY, |next| next.min(CHECK_EVERY)),
            Err(expired) => break Some(expired),
        };
        tokio::select! {
            // An error means that the client broke off or did not send valid HTTP. The library has answered it if possible.
            _ = connection.as_mut() => return,
            () = services.state.stop.wait() => break None,
            () = sleep(next) => {}
        }
    };
    match expired {
        Some(Expired::Head) => return services.state.note_refused(TurnedAway::Slow, peer.address, TOO_SLOW),
        Some(Expired::Write) => return,
        Some(Expired::Idle) | None => connection.as_mut().graceful_shutdown(),
    }
    // A request that is being served gets its response.
    let rest = if activity.is_serving() { WAIT_MAX + timeouts.head } else { timeouts.head };
    let _ = timeout(rest, connection).await;
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
        let mut redirect = plain(StatusCode::PERMANENT_REDIRECT, "this page is at the path with a slash at its end");
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

async fn answer(
    services: &HttpServices,
    peer: Peer,
    request: Request<Incoming>,
    caller: &OnceLock<PoolPermit>,
) -> HttpResponse {
    request_checks::wait_for_keys(&services.state, request.headers()).await;
    if !is_api_path(request.uri().path()) {
        return routes::answer(services, peer, request);
    }
    // A stop waits for the response.
    caller.get_or_init(|| services.state.http_callers.count_one());
    services.api.answer(peer, request).await
}
