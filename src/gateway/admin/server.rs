//! The admin listener: lists and disconnects clients, revokes tokens, and serves metrics and explanations.
//!
//! It has no authentication: every client that can reach it acts as an operator. It therefore listens on loopback unless the
//! configuration allows more, and it is closed to web pages, which can reach loopback too. A page's `Origin` must be
//! allowed. A name in `Host` must be `localhost`, since a page could use a name of its own that resolves to this machine.
//! A request that changes something must have the type `application/json`, which no form can send.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use deskbell_core::ConnectionId;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};
use hyper::{Method, Request, StatusCode};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::gateway::admin::all_clients::AllClients;
use crate::gateway::admin::{explain, revocations};
use crate::gateway::connection::connection_serial::ConnectionSerial;
use crate::gateway::connection::joined_client::JoinedClient;
use crate::gateway::fanout::disconnect::Disconnector;
use crate::gateway::http::bounded_server;
use crate::gateway::http::query;
use crate::gateway::http::request_checks::{self, HttpRefusal};
use crate::gateway::http::response::{self, HttpResponse, JSON};
use crate::gateway::limits::origin::{Origins, without_port};
use crate::gateway::shared::bounds::{ADMIN_BODY_BYTES_MAX, LISTED_MAX};
use crate::gateway::shared::state::GatewayState;
use crate::hub::HubHandle;
use crate::protocol::admin::{self, ClientInfo, Clients, Disconnect};
use crate::protocol::{Close, Timestamp};

/// The server of the admin listener.
#[derive(Debug)]
pub(crate) struct AdminServer {
    state: Arc<GatewayState>,
    address: SocketAddr,
    origins: Origins,
    clients: AllClients,
    disconnector: Disconnector,
}

impl AdminServer {
    pub(crate) fn new(
        state: Arc<GatewayState>,
        address: SocketAddr,
        clients: AllClients,
        disconnector: Disconnector,
    ) -> Self {
        let origins = Origins::new(address, false, false, None, &without_wildcards(&state.settings.allowed_origins));
        Self { state, address, origins, clients, disconnector }
    }

    /// Serves until its task is dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let head_timeout = self.state.settings.handshake_timeout;
        let answer = move |request| {
            let admin = Arc::clone(&self);
            async move {
                let refused = |refusal: HttpRefusal| response::plain(refusal.status, refusal.text.into_owned());
                admin.answer(request).await.unwrap_or_else(refused)
            }
        };
        bounded_server::serve(listener, head_timeout, answer).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<HttpResponse, HttpRefusal> {
        check_host(self.address, request.headers())?;
        request_checks::check_origin(&self.origins, request.headers(), false)?;
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        let post = request.method() == Method::POST;
        match request.uri().path() {
            "/clients" if get => Ok(self.list(&AdminQuery::parse(request.uri().query()))),
            "/metrics" if get => Ok(response::metrics(&self.state)),
            "/explain" if get => self.explain(&AdminQuery::parse(request.uri().query())).await,
            "/disconnect" if post => self.disconnect(self.body(request).await?).await,
            "/revoke" if post => {
                let request = self.body(request).await?;
                revocations::revoke(&self.state, &self.clients, &self.disconnector, &request).await
            }
            "/revoke" if request.method() == Method::DELETE => {
                revocations::lift(&self.state, &self.body(request).await?).await
            }
            "/revoked" if get => Ok(revocations::list(&self.state)),
            "/clients" | "/metrics" | "/explain" | "/revoked" => Ok(response::method_not_allowed("GET, HEAD")),
            "/disconnect" => Ok(response::method_not_allowed("POST")),
            "/revoke" => Ok(response::method_not_allowed("POST, DELETE")),
            _ => Err(HttpRefusal::new(
                StatusCode::NOT_FOUND,
                "the admin listener has /clients, /metrics, /explain, /disconnect, /revoke and /revoked",
            )),
        }
    }

    /// The connected clients in the order of their connections, at most [`LISTED_MAX`].
    fn list(&self, query: &AdminQuery) -> HttpResponse {
        let mut clients = Clients::default();
        let mut is_cut = false;
        let after = query.after.as_deref().and_then(|id| self.serial(id)).map(ConnectionSerial::unpack);
        self.clients.visit(after, &mut |client, silent_ms| {
            let Some(entry) = self.entry(client, silent_ms).filter(|entry| query.matches(entry)) else { return true };
            is_cut = clients.count() == query.limit;
            if !is_cut {
                clients.add(&entry);
            }
            !is_cut
        });
        response::response(StatusCode::OK, JSON, Bytes::from(clients.finish(is_cut)))
    }

    async fn explain(&self, query: &AdminQuery) -> Result<HttpResponse, HttpRefusal> {
        let id = query.id.as_deref().unwrap_or_default();
        let as_text = query.format.as_deref() == Some("text");
        explain::explain(self.state.backend.histories.as_ref(), id, as_text).await
    }

    /// A client as the list shows it.
    fn entry<'c>(&self, client: &'c JoinedClient, silent_ms: u64) -> Option<ClientInfo<'c>> {
        let incarnation = self.state.backend.hubs.get(client.partition)?.incarnation();
        Some(ClientInfo {
            connection_id: ConnectionId { incarnation, serial: client.serial }.to_string(),
            workspace: &client.workspace,
            role: client.role,
            id: client.name.as_deref(),
            address: client.address,
            silent_ms,
            token_ends: client.expires_ms().map(Timestamp),
        })
    }

    async fn disconnect(&self, request: Disconnect) -> Result<HttpResponse, HttpRefusal> {
        let mut found = None;
        if let Some(serial) = self.serial(&request.connection_id) {
            self.clients.with_client(serial, |client| {
                // The serial is the same in every partition; the whole id is not.
                let entry = self.entry(client, 0).filter(|entry| entry.connection_id == request.connection_id)?;
                found = Some(serial);
                let (workspace, name) = (entry.workspace, entry.id.unwrap_or_default());
                let (connection, from) = (&request.connection_id, client.address);
                tracing::info!(workspace, client = name, connection, %from, "disconnected by the operator");
                Some(())
            });
        }
        let serial = found.ok_or_else(|| HttpRefusal::new(StatusCode::NOT_FOUND, "there is no such connection"))?;
        let why = if request.come_back { Close::GoingAway } else { Close::NotAllowed };
        self.disconnector.close(&[serial], why).await;
        Ok(response::response(StatusCode::OK, JSON, admin::disconnected(1).into()))
    }

    /// The body of a request, which must be JSON and have that content type.
    async fn body<T: serde::de::DeserializeOwned>(&self, request: Request<Incoming>) -> Result<T, HttpRefusal> {
        if !request_checks::is_json(request.headers()) {
            let text = "the Content-Type must be application/json";
            return Err(HttpRefusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        let body = Limited::new(request.into_body(), ADMIN_BODY_BYTES_MAX).collect();
        let body = timeout(self.state.settings.handshake_timeout, body).await;
        let body =
            body.map_err(|_| HttpRefusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))?;
        let body = body.map_err(|_| {
            let text = format!("the body has more than {ADMIN_BODY_BYTES_MAX} bytes, or it ended too early");
            HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, text)
        })?;
        admin::read(&body.to_bytes()).map_err(|why| HttpRefusal::new(StatusCode::BAD_REQUEST, why))
    }

    /// The serial in a connectionId of this hub.
    fn serial(&self, connection_id: &str) -> Option<u64> {
        let (_, serial) = connection_id.rsplit_once('-')?;
        let serial = u64::from_str_radix(serial, 16).ok()?;
        let is_of =
            |hub: &HubHandle| ConnectionId { incarnation: hub.incarnation(), serial }.to_string() == connection_id;
        self.state.backend.hubs.iter().any(is_of).then_some(serial)
    }
}

/// The origins without wildcards. The admin listener has no authentication, so it accepts only origins that are listed in full.
fn without_wildcards(origins: &[String]) -> Vec<String> {
    origins.iter().filter(|origin| !origin.contains('*')).cloned().collect()
}

/// Refuses, on loopback, names that a page of another site can have.
fn check_host(address: SocketAddr, headers: &HeaderMap) -> Result<(), HttpRefusal> {
    let own = |host: &str| {
        let name = without_port(host);
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
    };
    let mut hosts = headers.get_all(header::HOST).iter();
    if !address.ip().is_loopback() || hosts.all(|host| host.to_str().is_ok_and(own)) {
        return Ok(());
    }
    Err(HttpRefusal::new(
        StatusCode::MISDIRECTED_REQUEST,
        "the admin listener does not answer under this name; use its address or localhost",
    ))
}

/// The parameters in the query of a request. Unknown ones are ignored.
#[derive(Debug, PartialEq, Eq)]
struct AdminQuery {
    workspace: Option<String>,
    role: Option<String>,
    id: Option<String>,
    after: Option<String>,
    format: Option<String>,
    limit: usize,
}

impl AdminQuery {
    fn parse(query: Option<&str>) -> Self {
        let mut parsed = Self { workspace: None, role: None, id: None, after: None, format: None, limit: LISTED_MAX };
        for (key, value) in query::pairs(query) {
            // A value that is not valid UTF-8 matches no name.
            let value = value.unwrap_or_default();
            match key {
                "workspace" => parsed.workspace = Some(value),
                "role" => parsed.role = Some(value),
                "id" => parsed.id = Some(value),
                "after" => parsed.after = Some(value),
                "format" => parsed.format = Some(value),
                "limit" => parsed.limit = value.parse().unwrap_or(LISTED_MAX).min(LISTED_MAX),
                _ => {}
            }
        }
        parsed
    }

    /// Whether a client is one of those that are asked for.
    fn matches(&self, client: &ClientInfo<'_>) -> bool {
        let fits = |wanted: &Option<String>, is: Option<&str>| wanted.is_none() || wanted.as_deref() == is;
        fits(&self.workspace, Some(client.workspace))
            && fits(&self.role, Some(client.role.as_str()))
            && fits(&self.id, client.id)
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn on_loopback_only_addresses_and_localhost_are_served() {
        let asked = |listen: &str, host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            check_host(listen.parse().unwrap(), &headers).is_ok()
        };
        for own in ["127.0.0.1:9", "127.0.0.1", "localhost:9", "LocalHost", "[::1]:9", "[::1]"] {
            assert!(asked("127.0.0.1:9", own), "{own}");
        }
        for other in ["evil.example:9", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:9", ""] {
            assert!(!asked("127.0.0.1:9", other), "{other}");
        }
        assert!(asked("10.0.0.1:9", "metrics.internal:9"), "a listener that is open to others may have any name");
    }

    #[test]
    fn a_query_is_parsed_and_its_limit_is_bounded() {
        let query = AdminQuery::parse(Some("workspace=a%20b&id=x%2By&role=agent&limit=5&other=1&limit"));
        let (workspace, id, role) = (Some("a b".to_owned()), Some("x+y".to_owned()), Some("agent".to_owned()));
        assert_eq!(query, AdminQuery { workspace, role, id, after: None, format: None, limit: 5 });
        assert_eq!(AdminQuery::parse(Some("limit=99999999")).limit, LISTED_MAX);
    }
}
