//! The provider API over plain HTTP, for clients that cannot hold a socket: everything below `/api/`.
//!
//! A request is one message of a provider. Its body is the message, and the body of the response is the hub's reply.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deskbell_core::entry::{Call, ProviderAction};
use deskbell_core::{Name, NotificationId};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::gateway::connection::joined_client::Identity;
use crate::gateway::fanout::pending_calls::{CallReply, CallReplyKind, Ended, PendingCalls, WaitingCall};
use crate::gateway::http::api_error::ApiError;
use crate::gateway::http::api_request::{self, ApiQuery};
use crate::gateway::http::endpoint::{Endpoint, NOTIFICATIONS};
use crate::gateway::http::providers::{CallError, HttpProvider, HttpProviders, JoinError, ProviderKey};
use crate::gateway::http::query;
use crate::gateway::http::request_checks;
use crate::gateway::http::response::{self, HttpResponse, JSON};
use crate::gateway::limits::client_address::{self, Peer};
use crate::gateway::limits::quota::Quota;
use crate::gateway::session::admission::{self, AdmissionError};
use crate::gateway::session::from_wire::{self, Intent};
use crate::gateway::session::messages::over_rate_error;
use crate::gateway::shared::bounds::{REQUESTS_MAX, REQUESTS_PER_PROVIDER_MAX, WAITING_MAX, WAITING_PER_PROVIDER_MAX};
use crate::gateway::shared::state::{GatewayState, whole_ms};
use crate::protocol::http::{self, HTTP_CALLS};
use crate::protocol::inbound::{ClientMessage, Hello, HelloRole, ResumeFrom};
use crate::protocol::outbound::ErrorReply;
use crate::protocol::{CallName, Close, Envelope, ErrorCode, Role};

/// The providerId of a request that names none, without authentication.
const DEFAULT_PROVIDER: &str = "http";
/// For how long a browser may remember the answer to a preflight request.
const PREFLIGHT_SECONDS: &str = "600";

/// The API and its bounds, shared by all shards.
#[derive(Debug)]
pub(crate) struct ProviderApi {
    state: Arc<GatewayState>,
    pub(crate) providers: HttpProviders,
    /// One permit for each request that may be under way.
    requests: Semaphore,
    /// One permit for each request that may wait for an outcome.
    waiting: Semaphore,
    requests_by_provider: Arc<Quota<ProviderKey>>,
    waiting_by_provider: Arc<Quota<ProviderKey>>,
}

impl ProviderApi {
    pub(crate) fn new(state: Arc<GatewayState>, calls: Arc<PendingCalls>) -> Self {
        Self {
            providers: HttpProviders::new(Arc::clone(&state), calls),
            state,
            requests: Semaphore::new(REQUESTS_MAX),
            waiting: Semaphore::new(WAITING_MAX),
            requests_by_provider: Arc::default(),
            waiting_by_provider: Arc::default(),
        }
    }

    /// Answers a request below `/api/`.
    pub(crate) async fn answer(&self, peer: Peer, request: Request<Incoming>) -> HttpResponse {
        let origin = request.headers().get(header::ORIGIN).cloned();
        let origins = &self.state.origins;
        let cors = origin.filter(|origin| origin.to_str().is_ok_and(|origin| origins.may_read(origin)));
        let answered = self.check_and_carry_out(peer, request, cors.is_some()).await;
        let mut response = answered.unwrap_or_else(ApiError::response);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(origin) = cors {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
            let exposed = HeaderValue::from_static("Location, Retry-After");
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        response
    }

    /// `cors`: the request comes from a page of an origin that may read the answer.
    async fn check_and_carry_out(
        &self,
        peer: Peer,
        request: Request<Incoming>,
        cors: bool,
    ) -> Result<HttpResponse, ApiError> {
        let state = &self.state;
        let Some(endpoint) = Endpoint::at(request.uri().path()) else {
            let names: Vec<_> = HTTP_CALLS.iter().map(|(name, _)| *name).collect();
            let detail = format!("the API has {} and notifications/<notificationId>", names.join(", "));
            return Err(ApiError::new(None, StatusCode::NOT_FOUND, ErrorCode::NotFound, &detail));
        };
        let checked =
            request_checks::check_origin(&state.origins, request.headers(), request_checks::is_by_proxy(state, peer))
                .and(request_checks::check_host(state, peer, &request));
        if let Err(refusal) = checked {
            let from = client_address::client(peer.address, request.headers(), &state.settings.trusted_proxies);
            request_checks::note_refused(state, from, &refusal);
            return Err(ApiError::new(Some(endpoint), refusal.status, ErrorCode::NotAllowed, &refusal.text));
        }
        if !endpoint.allows(request.method()) {
            if request.method() == Method::OPTIONS && cors {
                return Ok(preflight(endpoint));
            }
            return Ok(method_not_allowed(endpoint));
        }
        let unavailable = |detail| ApiError::by_code(endpoint, ErrorCode::Unavailable, detail);
        if state.is_stopping() {
            return Err(unavailable("the hub is stopping; nothing was done"));
        }
        let _request = self
            .requests
            .try_acquire()
            .map_err(|_| unavailable("as many requests as the limit allows are under way; nothing was done"))?;
        self.carry_out(peer, endpoint, request).await
    }

    async fn carry_out(
        &self,
        peer: Peer,
        endpoint: Endpoint,
        request: Request<Incoming>,
    ) -> Result<HttpResponse, ApiError> {
        let state = &self.state;
        let query = ApiQuery::parse(endpoint, request.uri().query())?;
        let headers = request.headers();
        let address = client_address::client(peer.address, headers, &state.settings.trusted_proxies);
        let identity = self.admit(peer, endpoint, query.provider_id.as_deref(), headers, address)?;
        let provider = identity.name.clone().unwrap_or_default();
        let key = ProviderKey { workspace: Name::clone(&identity.workspace), provider };
        let _of_provider = self.requests_by_provider.take(key.clone(), REQUESTS_PER_PROVIDER_MAX).ok_or_else(|| {
            let detail =
                format!("{REQUESTS_PER_PROVIDER_MAX} requests of this provider are under way; nothing was done");
            ApiError::by_code(endpoint, ErrorCode::RateLimited, &detail)
        })?;
        match endpoint {
            Endpoint::Call(call) => {
                let (key_header, body) = api_request::read_body(&state.settings, endpoint, request).await?;
                let message = http::decode_call(call, &body, key_header.as_deref());
                let message = message.map_err(|error| {
                    state.metrics.count_refused(error.code);
                    ApiError::from_reply(&error.reply())
                })?;
                let (provider, expires_ms) = self.join(endpoint, identity, address)?;
                let call = self.call_of(&provider, &message)?;
                drop(message);
                self.make_call(endpoint, &query, key, &provider, expires_ms, call).await
            }
            Endpoint::Notification => {
                let id = request.uri().path().strip_prefix(NOTIFICATIONS).and_then(query::path_segment);
                let id: Option<NotificationId> = id.and_then(|id| id.parse().ok());
                let notification_id = id.ok_or_else(|| {
                    ApiError::by_code(endpoint, ErrorCode::NotFound, "the path does not contain a valid notificationId")
                })?;
                let (provider, expires_ms) = self.join(endpoint, identity, address)?;
                self.take_message(&provider, Envelope::default(), endpoint.call_name())?;
                let action = ProviderAction::Lookup { notification_id }.into();
                let call = Call { id: None, correlation_id: None, number: None, action };
                self.make_call(endpoint, &query, key, &provider, expires_ms, call).await
            }
        }
    }

    /// The provider of a request: that of its token, or without authentication that of `provider_id`.
    fn admit(
        &self,
        peer: Peer,
        endpoint: Endpoint,
        provider_id: Option<&str>,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<Identity, ApiError> {
        let state = &self.state;
        let unauthorized =
            |detail: &str| ApiError::new(Some(endpoint), StatusCode::UNAUTHORIZED, ErrorCode::BadToken, detail);
        let bearer = request_checks::bearer(state, peer, headers).map_err(|refusal| unauthorized(&refusal.text))?;
        let default = state.backend.verifier.is_none().then_some(DEFAULT_PROVIDER);
        let provider_id = provider_id.or(default).map(Into::into);
        let hello = Hello { role: HelloRole::Provider { provider_id, resume: ResumeFrom::Nothing }, token: None };
        admission::admit(state, &hello, bearer, address).map_err(|why| match why {
            AdmissionError::Token(_) => unauthorized("a token is needed, in the header Authorization: Bearer"),
            AdmissionError::Role => ApiError::by_code(endpoint, ErrorCode::NotAllowed, "a provider's token is needed"),
            AdmissionError::Other(how) => ApiError::by_code(endpoint, ErrorCode::NotAllowed, &how),
        })
    }

    /// The provider, joined to the hub, and the expiry of the request's token.
    fn join(
        &self,
        endpoint: Endpoint,
        identity: Identity,
        address: IpAddr,
    ) -> Result<(Arc<HttpProvider>, Option<u64>), ApiError> {
        let expires_ms = identity.expires_ms;
        let again = expires_ms.map(|_| identity.clone());
        let mut provider = self.providers.find_or_join(identity, address);
        if let (Ok(found), Some(expires_ms), Some(again)) = (&provider, expires_ms, again)
            && !found.client.extend_until(expires_ms)
        {
            // The tokens before this one have expired, and their connection is being closed. This token is good.
            self.providers.close(found.client.serial, Some(Close::BadToken));
            provider = self.providers.find_or_join(again, address);
        }
        provider.map(|provider| (provider, expires_ms)).map_err(|error| join_error(endpoint, error))
    }

    /// The call of a message, if the provider may make one more now.
    fn call_of(&self, provider: &HttpProvider, message: &ClientMessage<'_>) -> Result<Call, ApiError> {
        self.take_message(provider, message.envelope.clone(), message.body.call())?;
        match from_wire::intent(Role::Provider, message, &self.state.backend.templates) {
            Intent::Call(call) => Ok(call),
            // The path allows calls of providers only, which are all calls for the hub.
            Intent::NoSuchNotification | Intent::Ignore | Intent::NotACall => {
                let detail = "this message cannot be sent over HTTP";
                let (ids, call) = (message.envelope.reply(), message.body.call());
                Err(ApiError::from_reply(&ErrorReply::new(ids, call, ErrorCode::NotAllowed, detail)))
            }
        }
    }

    /// Counts one message of the provider.
    fn take_message(
        &self,
        provider: &HttpProvider,
        envelope: Envelope<'_>,
        call: Option<CallName>,
    ) -> Result<(), ApiError> {
        provider.take_message(self.state.uptime()).map_err(|wait| {
            let error = over_rate_error(self.state.settings.messages_per_second, envelope, call);
            let reply = error.reply().retry_after_ms(whole_ms(wait).max(1));
            provider.client.note_refused(&reply);
            ApiError::from_reply(&reply)
        })
    }

    async fn make_call(
        &self,
        endpoint: Endpoint,
        query: &ApiQuery,
        key: ProviderKey,
        provider: &HttpProvider,
        expires_ms: Option<u64>,
        call: Call,
    ) -> Result<HttpResponse, ApiError> {
        let lost = |error| call_error(endpoint, error, provider.close_reason());
        let (CallReply { kind, json }, waiting) = self.providers.call(provider, call).await.map_err(lost)?;
        match kind {
            CallReplyKind::Refused { code, retry_after_ms } => Err(ApiError::from_hub(code, retry_after_ms, json)),
            CallReplyKind::Done => Ok(response::response(StatusCode::OK, JSON, json)),
            CallReplyKind::Ack(id) => {
                let left_ms = expires_ms.map_or(u64::MAX, |expires_ms| expires_ms.saturating_sub(self.state.wall_ms()));
                let wait = query.wait.min(Duration::from_millis(left_ms));
                let (status, json) = match self.outcome_within(key, waiting, wait).await {
                    Ok(Some(outcome)) => (StatusCode::OK, outcome),
                    Err(Ended) if is_final(provider.close_reason()) => return Err(lost(CallError::Unknown)),
                    // The hub has the notification, and answers a later request for it.
                    Ok(None) | Err(Ended) => (StatusCode::ACCEPTED, json),
                };
                Ok(with_location(&self.state, status, id, query.provider_id.as_deref(), json))
            }
        }
    }

    /// The outcome, if it comes in time.
    async fn outcome_within(
        &self,
        key: ProviderKey,
        mut call: WaitingCall,
        wait: Duration,
    ) -> Result<Option<Bytes>, Ended> {
        // An outcome that came together with the ack is there already.
        if let Some(json) = call.outcome_now()? {
            return Ok(Some(json));
        }
        if wait.is_zero() {
            return Ok(None);
        }
        let Some(_of_provider) = self.waiting_by_provider.take(key, WAITING_PER_PROVIDER_MAX) else {
            return Ok(None);
        };
        let Ok(_waiting) = self.waiting.try_acquire() else { return Ok(None) };
        match timeout(wait, &mut call.outcome).await {
            Ok(Ok(json)) => Ok(Some(json)),
            Ok(Err(_)) => Err(Ended),
            Err(_) => Ok(None),
        }
    }
}

/// The answer to a browser that asks what a page of another origin may send.
fn preflight(endpoint: Endpoint) -> HttpResponse {
    let mut response = response::response(StatusCode::NO_CONTENT, JSON, Bytes::new());
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(endpoint.methods()));
    let allowed = HeaderValue::from_static("Authorization, Content-Type, Idempotency-Key");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
    response
}

fn method_not_allowed(endpoint: Endpoint) -> HttpResponse {
    let detail = format!("only {} is allowed here", endpoint.methods());
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = ApiError::new(Some(endpoint), status, ErrorCode::NotAllowed, &detail).response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(endpoint.methods()));
    response
}

fn join_error(endpoint: Endpoint, error: JoinError) -> ApiError {
    let (code, detail) = match error {
        JoinError::HubFull => (
            ErrorCode::Unavailable,
            "the hub has as many connections or HTTP providers as the limits allow; nothing was done",
        ),
        JoinError::AddressFull => (
            ErrorCode::RateLimited,
            "this address has as many connections as [limits] connectionsPerAddress allows; nothing was done",
        ),
        JoinError::Stopping => (ErrorCode::Unavailable, "the hub is stopping; nothing was done"),
        JoinError::Revoked => {
            let detail = "the token was revoked; nothing was done";
            return ApiError::new(Some(endpoint), StatusCode::UNAUTHORIZED, ErrorCode::BadToken, detail);
        }
    };
    ApiError::by_code(endpoint, code, detail)
}

/// The error for a call without a reply; `closed` is the reason for which the provider's connection was closed.
fn call_error(endpoint: Endpoint, error: CallError, closed: Option<Close>) -> ApiError {
    const UNKNOWN: &str = "it is unknown whether the call was carried out";
    match (closed, error) {
        (Some(Close::BadToken), _) => {
            let detail = format!("the token has expired or was revoked; {UNKNOWN}");
            ApiError::new(Some(endpoint), StatusCode::UNAUTHORIZED, ErrorCode::BadToken, &detail)
        }
        (Some(Close::NotAllowed), _) => {
            let detail = format!("the operator has disconnected this provider; {UNKNOWN}");
            ApiError::by_code(endpoint, ErrorCode::NotAllowed, &detail)
        }
        (_, CallError::NotTaken) => {
            ApiError::by_code(endpoint, ErrorCode::Unavailable, "the hub takes no calls now; nothing was done")
        }
        (_, CallError::Unknown) => {
            let detail = format!("{UNKNOWN}; repeat it with the same `id`");
            ApiError::by_code(endpoint, ErrorCode::Unavailable, &detail)
        }
    }
}

/// Whether a provider that was closed for this reason would be refused again.
fn is_final(closed: Option<Close>) -> bool {
    matches!(closed, Some(Close::BadToken | Close::NotAllowed))
}

/// Adds the `Location` at which the outcome can be asked for. A response with the outcome has it too, since a client that
/// does not wait cannot know which of the two it receives.
fn with_location(
    state: &GatewayState,
    status: StatusCode,
    id: NotificationId,
    provider_id: Option<&str>,
    json: Bytes,
) -> HttpResponse {
    let mut response = response::response(status, JSON, json);
    let asked = provider_id.map_or_else(String::new, |name| format!("?providerId={}", query::encoded(name)));
    if let Ok(location) = HeaderValue::from_str(&format!("{}{NOTIFICATIONS}{id}{asked}", state.public_path())) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
