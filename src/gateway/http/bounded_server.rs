//! A small HTTP server for the admin listener and the metrics listener: few connections at once, and none for long.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::gateway::http::response::HttpResponse;
use crate::gateway::shared::bounds::{ADMIN_CONNECTIONS_MAX, ADMIN_LIFETIME, HEAD_BYTES_MAX};

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
