//! A small HTTP server for operators: few connections at once, and none for long.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::gateway::http::response::{HttpResponse, method_not_allowed, plain};
use crate::gateway::http::routes::Resource;
use crate::gateway::shared::bounds::{ADMIN_CONNECTIONS_MAX, ADMIN_LIFETIME, HEAD_BYTES_MAX};
use crate::gateway::shared::state::GatewayState;

/// How long accepting pauses after it failed, most often because no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers the requests of `listener` with `answer`, until its task is dropped. `head_timeout` is the time limit for the
/// head of a request.
pub(crate) async fn serve<A, F>(listener: TcpListener, head_timeout: Duration, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = HttpResponse> + Send,
{
    let permits = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(head_timeout)
                .max_buf_size(HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service);
            // Whatever ended the connection, the next request comes over another one.
            let _ = timeout(ADMIN_LIFETIME, connection).await;
            drop(permit);
        });
    }
}

/// Serves `/metrics`, `/healthz` and `/readyz`, and nothing else, to everybody who can reach the listener.
pub(crate) async fn serve_metrics(listener: TcpListener, state: Arc<GatewayState>) {
    let head_timeout = state.settings.handshake_timeout;
    let answer = move |request: Request<Incoming>| {
        let response = match Resource::for_operators_at(request.uri().path()) {
            None => plain(StatusCode::NOT_FOUND, "only /metrics, /healthz and /readyz are served here"),
            Some(_) if !matches!(*request.method(), Method::GET | Method::HEAD) => method_not_allowed("GET, HEAD"),
            Some(resource) => resource.response(&state),
        };
        std::future::ready(response)
    };
    serve(listener, head_timeout, answer).await;
}
