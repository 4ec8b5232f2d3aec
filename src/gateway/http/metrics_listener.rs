//! The listener for metrics and probes alone (`[server] metricsListen`).

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use tokio::net::TcpListener;

use crate::gateway::http::bounded_server;
use crate::gateway::http::response::{method_not_allowed, plain};
use crate::gateway::http::routes::Resource;
use crate::gateway::shared::state::GatewayState;

/// Serves `/metrics`, `/healthz` and `/readyz`, and nothing else. There is no authentication.
pub(crate) async fn serve(listener: TcpListener, state: Arc<GatewayState>) {
    let head_timeout = state.settings.handshake_timeout;
    let answer = move |request: Request<Incoming>| {
        let response = match Resource::for_operators_at(request.uri().path()) {
            None => plain(StatusCode::NOT_FOUND, "only /metrics, /healthz and /readyz are served here"),
            Some(_) if !matches!(*request.method(), Method::GET | Method::HEAD) => method_not_allowed("GET, HEAD"),
            Some(resource) => resource.response(&state),
        };
        std::future::ready(response)
    };
    bounded_server::serve(listener, head_timeout, answer).await;
}
