//! The operator's own listener: who is there, showing somebody out, revoking, metrics, explanations.
//!
//! It asks nobody who they are: who reaches it is the operator. So it listens on loopback, unless told to be insecure,
//! and is closed to web pages, which reach loopback too: a page's `Origin` must be allowed, a name in `Host` must be
//! `localhost` (else a page could come under a name of its own that leads here), and what changes anything takes
//! `application/json` only, which no form can send.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use deskbell_core::ConnectionId;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::gateway::admin::explain;
use crate::gateway::fanout::connection::ConnectionHandle;
use crate::gateway::fanout::connection_serial::ConnectionSerial;
use crate::gateway::fanout::disconnect::Disconnector;
use crate::gateway::fanout::shard::Shard;
use crate::gateway::fanout::stream::Stream;
use crate::gateway::http::response::{self, HttpRefusal, HttpResponse, JSON};
use crate::gateway::limits::origin::{Origins, without_port};
use crate::gateway::shared::bounds::{
    ADMIN_BODY_BYTES_MAX, ADMIN_CONNECTIONS_MAX, ADMIN_LIFETIME, HEAD_BYTES_MAX, LISTED_MAX};
use crate::gateway::shared::state::GatewayState;
use crate::hub::HubHandle;
use crate::protocol::admin::{self, Client, Clients, Disconnect, Revoke};
use crate::protocol::{Close, Time, check_name};

/// What the operator is served from.
#[derive(Debug)]
pub(crate) struct AdminServer {
    state: Arc<GatewayState>,
    address: SocketAddr,
    origins: Origins,
    shards: Vec<Arc<Shard<Stream>>>,
    disconnector: Disconnector,
}

impl AdminServer {
    pub(crate) fn new(
        state: Arc<GatewayState>,
        address: SocketAddr,
        shards: Vec<Arc<Shard<Stream>>>,
        disconnector: Disconnector,
    ) -> Self {
        let origins = Origins::new(address, false, &state.settings.allowed_origins);
        Self { state, address, origins, shards, disconnector }
    }

    /// Serves until its task is dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
        loop {
            // Never closed.
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let admin = Arc::clone(&self);
            tokio::spawn(async move {
                admin.speak(stream).await;
                drop(place);
            });
        }
    }

    async fn speak(&self, stream: TcpStream) {
        let service = service_fn(|request| async move {
            let reply = self.answer(request).await;
            Ok::<_, Infallible>(
                reply.unwrap_or_else(|refusal| response::plain(refusal.status, refusal.text.into_owned())),
            )
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.state.settings.handshake_timeout)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        // However it ended: the next request comes by another connection.
        let _ = timeout(ADMIN_LIFETIME, connection).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<HttpResponse, HttpRefusal> {
        check_host(self.address, request.headers())?;
        response::check_origin(&self.origins, request.headers())?;
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        let post = request.method() == Method::POST;
        match request.uri().path() {
            "/clients" if get => Ok(self.list(&Query::of(request.uri().query()))),
            "/metrics" if get => Ok(response::metrics(&self.state)),
            "/explain" if get => self.explain(&Query::of(request.uri().query())).await,
            "/disconnect" if post => self.disconnect(self.posted(request).await?).await,
            "/revoke" if post => self.revoke(self.posted(request).await?).await,
            "/clients" | "/metrics" | "/explain" => Ok(response::not_allowed("GET, HEAD")),
            "/disconnect" | "/revoke" => Ok(response::not_allowed("POST")),
            _ => Err(HttpRefusal::new(
                StatusCode::NOT_FOUND,
                "here are /clients, /metrics, /explain, /disconnect and /revoke",
            )),
        }
    }

    /// HelloRole is there, in the order of their connections; at most [`LISTED_MAX`].
    fn list(&self, query: &Query) -> HttpResponse {
        let mut clients = Clients::default();
        let from = query.after.as_deref().and_then(|id| self.serial(id)).map(ConnectionSerial::unpack);
        for (number, shard) in self.shards.iter().enumerate() {
            let first = match from {
                Some(from) if usize::from(from.shard) > number => continue,
                Some(from) if usize::from(from.shard) == number => from.slot as usize + 1,
                _ => 0,
            };
            for (_, link) in shard.links(first) {
                let Some(client) = self.client(&link).filter(|client| query.wants(client)) else { continue };
                if clients.count() == query.limit {
                    return response::reply(StatusCode::OK, JSON, Bytes::from(clients.finish(true)));
                }
                clients.add(&client);
            }
        }
        response::reply(StatusCode::OK, JSON, Bytes::from(clients.finish(false)))
    }

    async fn explain(&self, query: &Query) -> Result<HttpResponse, HttpRefusal> {
        let asked = query.id.as_deref().unwrap_or_default();
        explain::explain(self.state.backend.past.as_ref(), asked, query.format.as_deref() == Some("text")).await
    }

    /// One that has said hello.
    fn client<'l>(&self, link: &'l ConnectionHandle<Stream>) -> Option<Client<'l>> {
        let member = link.member()?;
        let incarnation = self.state.backend.hubs.get(member.partition)?.incarnation();
        Some(Client {
            connection_id: ConnectionId { incarnation, serial: link.serial }.to_string(),
            workspace: &member.workspace,
            role: member.role,
            id: member.name.as_deref(),
            address: link.address(),
            silent_ms: link.silent_ms(),
            token_ends: link.ends_ms().map(Time),
        })
    }

    async fn disconnect(&self, asked: Disconnect) -> Result<HttpResponse, HttpRefusal> {
        let found = self.serial(&asked.connection_id).and_then(|serial| {
            let shard = self.shards.get(usize::from(ConnectionSerial::unpack(serial).shard))?;
            let link = shard.find(serial)?;
            // Its id, and not one that bears another partition's name.
            let own = self.client(&link)?.connection_id == asked.connection_id;
            own.then_some((serial, link))
        });
        let Some((serial, link)) = found else {
            return Err(HttpRefusal::new(StatusCode::NOT_FOUND, "there is no such connection"));
        };
        self.disconnector.close(&[serial], if asked.come_back { Close::GoingAway } else { Close::NotAllowed }).await;
        let (workspace, client) =
            link.member().map_or(("", ""), |member| (&*member.workspace, member.name.as_deref().unwrap_or_default()));
        tracing::info!(
            workspace, client, connection = asked.connection_id, from = %link.address(), "disconnected by the operator"
        );
        Ok(response::reply(StatusCode::OK, JSON, admin::disconnected(1).into()))
    }

    async fn revoke(&self, asked: Revoke) -> Result<HttpResponse, HttpRefusal> {
        let Some(gate) = &self.state.backend.gate else {
            return Err(HttpRefusal::new(
                StatusCode::CONFLICT,
                "there is no authentication, so there are no tokens to revoke",
            ));
        };
        for name in [Some(&asked.subject), asked.workspace.as_ref()].into_iter().flatten() {
            check_name(name).map_err(|what| HttpRefusal::new(StatusCode::BAD_REQUEST, format!("a name {what}")))?;
        }
        let kept = gate.revoke(asked.workspace.as_deref(), &asked.subject, self.state.wall_ms());
        // Also where it is not kept: it is in force. Whoever joins from now on is refused by the gate.
        let serials: Vec<u64> = self.links().filter(|link| is_meant(link, &asked)).map(|link| link.serial).collect();
        self.disconnector.close(&serials, Close::BadToken).await;
        tracing::info!(
            client = asked.subject,
            workspace = asked.workspace.as_deref(),
            closed = serials.len(),
            "subject revoked"
        );
        kept.map_err(|error| {
            tracing::error!(client = asked.subject, "{error}");
            HttpRefusal::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string())
        })?;
        Ok(response::reply(StatusCode::OK, JSON, admin::disconnected(serials.len()).into()))
    }

    /// What was posted, as JSON and said to be JSON.
    async fn posted<T: serde::de::DeserializeOwned>(&self, request: Request<Incoming>) -> Result<T, HttpRefusal> {
        if !response::is_json(request.headers()) {
            return Err(HttpRefusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "only application/json is taken"));
        }
        let body = Limited::new(request.into_body(), ADMIN_BODY_BYTES_MAX).collect();
        let body = timeout(self.state.settings.handshake_timeout, body).await;
        let body = body.map_err(|_| HttpRefusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"))?;
        let body = body.map_err(|_| HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, "it is too long, or broke off"))?;
        admin::read(&body.to_bytes()).map_err(|why| HttpRefusal::new(StatusCode::BAD_REQUEST, why))
    }

    fn links(&self) -> impl Iterator<Item = Arc<ConnectionHandle<Stream>>> {
        self.shards.iter().flat_map(|shard| shard.links(0)).map(|(_, link)| link)
    }

    /// The serial in a connectionId of this hub's.
    fn serial(&self, connection_id: &str) -> Option<u64> {
        let (_, serial) = connection_id.rsplit_once('-')?;
        let serial = u64::from_str_radix(serial, 16).ok()?;
        let is_of =
            |hub: &HubHandle| ConnectionId { incarnation: hub.incarnation(), serial }.to_string() == connection_id;
        self.state.backend.hubs.iter().any(is_of).then_some(serial)
    }
}

fn is_meant(link: &ConnectionHandle<Stream>, asked: &Revoke) -> bool {
    link.member().is_some_and(|member| {
        member.name.as_deref() == Some(asked.subject.as_str())
            && asked.workspace.as_deref().is_none_or(|workspace| workspace == &*member.workspace)
    })
}

/// On loopback, only names that no page can have.
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
    Err(HttpRefusal::new(StatusCode::MISDIRECTED_REQUEST, "this is no name of the admin listener; ask by its address"))
}

/// Which clients are asked for, or which explanation.
#[derive(Debug, PartialEq, Eq)]
struct Query {
    workspace: Option<String>,
    role: Option<String>,
    id: Option<String>,
    after: Option<String>,
    format: Option<String>,
    limit: usize,
}

impl Query {
    /// What is unknown is passed over.
    fn of(query: Option<&str>) -> Self {
        let mut wanted = Self { workspace: None, role: None, id: None, after: None, format: None, limit: LISTED_MAX };
        for (key, value) in response::query(query) {
            // What is no text is nobody's name.
            let value = value.unwrap_or_default();
            match key {
                "workspace" => wanted.workspace = Some(value),
                "role" => wanted.role = Some(value),
                "id" => wanted.id = Some(value),
                "after" => wanted.after = Some(value),
                "format" => wanted.format = Some(value),
                "limit" => wanted.limit = value.parse().unwrap_or(LISTED_MAX).min(LISTED_MAX),
                _ => {}
            }
        }
        wanted
    }

    fn wants(&self, client: &Client<'_>) -> bool {
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
    fn a_name_that_a_page_can_have_is_not_served_on_loopback() {
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
        assert!(asked("10.0.0.1:9", "metrics.internal:9"), "who opens it to others names it as they like");
    }

    #[test]
    fn a_query_is_taken_apart() {
        let query = Query::of(Some("workspace=a%20b&id=x%2By&role=agent&limit=5&other=1&limit"));
        let (workspace, id, role) = (Some("a b".to_owned()), Some("x+y".to_owned()), Some("agent".to_owned()));
        assert_eq!(query, Query { workspace, role, id, after: None, format: None, limit: 5 });
        assert_eq!(Query::of(Some("limit=99999999")).limit, LISTED_MAX);
        assert_eq!(response::percent_decoded("%zz%4").as_deref(), Some("%zz%4"));
        assert_eq!(response::percent_decoded("%+a").as_deref(), Some("% a"), "a sign is no digit");
        assert_eq!(response::percent_decoded("%ff"), None);
    }
}
