//! The routes outside the provider API: pages, probes, metrics, the list of templates, and the WebSocket upgrade.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode};

use crate::gateway::http::assets::{self, Asset};
use crate::gateway::http::request_checks::{self, HttpRefusal};
use crate::gateway::http::response::{self, HttpResponse, JSON, method_not_allowed, plain};
use crate::gateway::http::services::HttpServices;
use crate::gateway::http::upgrade;
use crate::gateway::limits::client_address::{self, Peer};
use crate::gateway::shared::settings::{PageSignIn, Settings};
use crate::gateway::shared::state::GatewayState;
use crate::protocol::{ErrorCode, Role, http};

/// Pages run only scripts of this hub. The origins to which they connect and which may frame them follow.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; connect-src 'self'";

/// Answers a request.
pub(crate) fn answer(services: &HttpServices, peer: Peer, request: Request<Incoming>) -> HttpResponse {
    let state = &services.state;
    let from = client_address::client(peer.address, request.headers(), &state.settings.trusted_proxies);
    let refused = |refusal| {
        request_checks::note_refused(state, from, &refusal);
        refusal_response(refusal)
    };
    let path = request.uri().path();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match path {
        "/ws" => {
            let mut response = match request.method() {
                &Method::GET => upgrade::upgrade(services, peer, request).unwrap_or_else(refused),
                _ => method_not_allowed("GET"),
            };
            end_refused_upgrade(&mut response);
            response
        }
        "/templates" if is_read => templates(services, peer, &request).unwrap_or_else(refused),
        "/templates" => method_not_allowed("GET, HEAD"),
        _ => match Resource::at(path).filter(|resource| resource.is_public(state)) {
            None => {
                plain(StatusCode::NOT_FOUND, "there is nothing at this path; the WebSocket is at /ws, the demo at /")
            }
            Some(_) if !is_read => method_not_allowed("GET, HEAD"),
            Some(resource) => match request_checks::check_host(state, peer, &request) {
                Err(refusal) if resource.is_for_operators() => refused(refusal),
                _ => resource.response(state),
            },
        },
    }
}

/// Completes a response to a request that did not become a WebSocket.
fn end_refused_upgrade(response: &mut HttpResponse) {
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    // A WebSocket client sends no further request over this connection.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    if status == StatusCode::BAD_REQUEST {
        // RFC 6455, section 4.4: a client with another version of the protocol learns the supported one.
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
}

/// A resource that is read without any parameters.
pub(crate) enum Resource {
    Liveness,
    Readiness,
    Metrics,
    SignIn,
    Page(&'static Asset),
}

impl Resource {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/sign-in.json" => Some(Self::SignIn),
            _ => Self::for_operators_at(path).or_else(|| assets::find(path).map(Self::Page)),
        }
    }

    /// The resources of the metrics listener.
    pub(crate) fn for_operators_at(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Liveness),
            "/readyz" => Some(Self::Readiness),
            "/metrics" => Some(Self::Metrics),
            _ => None,
        }
    }

    fn is_for_operators(&self) -> bool {
        matches!(self, Self::Metrics)
    }

    /// With authentication, only the admin listener serves what is for operators.
    fn is_public(&self, state: &GatewayState) -> bool {
        !self.is_for_operators() || state.backend.verifier.is_none()
    }

    pub(crate) fn response(self, state: &GatewayState) -> HttpResponse {
        match self {
            Self::Liveness => plain(StatusCode::OK, "alive"),
            Self::Readiness if state.is_ready() => plain(StatusCode::OK, "ready"),
            Self::Readiness => plain(StatusCode::SERVICE_UNAVAILABLE, not_ready(state)),
            Self::Metrics => response::metrics(state),
            Self::SignIn => sign_in(state.settings.sign_in.as_ref()),
            Self::Page(asset) => page(asset, &state.settings),
        }
    }
}

/// The text of `/readyz` for a hub that is not ready. With several partitions it names those that are not.
fn not_ready(state: &GatewayState) -> String {
    let unready: Vec<String> = state.unready_partitions().map(|partition| partition.to_string()).collect();
    match state.backend.hubs.len() {
        partitions @ 2.. if !unready.is_empty() => {
            let last = partitions - 1;
            format!(
                "not ready to accept notifications: of the partitions 0 to {last}, these are not ready: {}",
                unready.join(", ")
            )
        }
        _ if state.issuers_without_keys().next().is_some() => {
            "not ready: the keys of an issuer of tokens could not be fetched yet".to_owned()
        }
        _ => "not ready to accept notifications".to_owned(),
    }
}

/// The templates in force. With authentication, a provider's or an observer's token is needed.
fn templates(services: &HttpServices, peer: Peer, request: &Request<Incoming>) -> Result<HttpResponse, HttpRefusal> {
    let state = &services.state;
    request_checks::check_host(state, peer, request)?;
    if state.backend.verifier.is_some() {
        let claims = request_checks::bearer(state, peer, request.headers())?.ok_or_else(|| {
            let text = "the token of a provider or an observer is needed, in the header Authorization: Bearer";
            HttpRefusal::new(StatusCode::UNAUTHORIZED, text)
        })?;
        if claims.roles.iter().all(|role| *role == Role::Agent) {
            let text = "this needs the token of a provider or an observer";
            return Err(HttpRefusal::new(StatusCode::FORBIDDEN, text));
        }
    }
    let json = services.template_list.json(&state.backend.templates);
    let mut list = response::response(StatusCode::OK, JSON, json);
    list.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(list)
}

fn refusal_response(refusal: HttpRefusal) -> HttpResponse {
    if refusal.status != StatusCode::UNAUTHORIZED {
        return plain(refusal.status, refusal.text.into_owned());
    }
    let json = http::refusal(None, ErrorCode::BadToken, &refusal.text, None);
    let mut response = response::response(refusal.status, JSON, json.into());
    response::ask_for_token(response.headers_mut());
    response
}

/// What a page needs to sign in at the issuer; an empty object if it has to ask for a token. Nothing in it is secret, and the
/// desk as an element reads it on pages of other sites.
fn sign_in(sign_in: Option<&PageSignIn>) -> HttpResponse {
    let json = sign_in.map_or_else(|| "{}".to_owned(), |sign_in| sign_in.json.clone());
    let mut response = response::response(StatusCode::OK, JSON, json.into());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn page(asset: &Asset, settings: &Settings) -> HttpResponse {
    let mut page = response::response(StatusCode::OK, asset.content_type, Bytes::from_static(asset.text.as_bytes()));
    let headers = page.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        content_security_policy(settings.sign_in.as_ref(), &settings.frame_ancestors),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if asset.content_type == assets::HTML {
        // A page of another site that opened this page gets no reference to it, and so cannot replace it by a copy that asks
        // for tokens.
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    }
    if asset.is_public() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    // The files change with the binary, but their names do not.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    page
}

/// The policy of every page. A configured origin is always a valid header value. Otherwise no page may frame this one.
fn content_security_policy(sign_in: Option<&PageSignIn>, frame_ancestors: &[String]) -> HeaderValue {
    let issuer = sign_in.map(|sign_in| format!(" {}", sign_in.origin)).unwrap_or_default();
    let ancestors = if frame_ancestors.is_empty() { "'none'".to_owned() } else { frame_ancestors.join(" ") };
    HeaderValue::try_from(format!("{CONTENT_SECURITY_POLICY}{issuer}; frame-ancestors {ancestors}"))
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_the_headers_that_protect_them_and_scripts_those_that_apply() {
        let header = |path: &str, name: &str| {
            let response = page(
                assets::find(path).unwrap(),
                &crate::command::serve::gateway_settings(&crate::config::Config::default()),
            );
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        for path in ["/", "/desk", "/console", "/dashboard"] {
            assert_eq!(header(path, "cross-origin-opener-policy").as_deref(), Some("same-origin"), "{path}");
            assert!(header(path, "content-security-policy").unwrap().contains("frame-ancestors 'none'"), "{path}");
            assert_eq!(header(path, "referrer-policy").as_deref(), Some("no-referrer"), "{path}");
        }
        assert_eq!(header("/sdk/deskbell.js", "cross-origin-opener-policy"), None);
        assert_eq!(header("/sdk/deskbell.js", "cache-control").as_deref(), Some("no-cache"));
    }

    #[test]
    fn only_configured_origins_may_frame_a_page() {
        let origins = ["https://crm.example.org".to_owned(), "https://help.example.org:8443".to_owned()];
        let policy = content_security_policy(None, &origins);
        let ancestors = policy.to_str().unwrap().split("; ").find(|part| part.starts_with("frame-ancestors"));
        assert_eq!(ancestors, Some("frame-ancestors https://crm.example.org https://help.example.org:8443"));
    }

    #[test]
    fn pages_may_connect_to_the_issuer_where_people_sign_in_and_to_no_other() {
        let sign_in = PageSignIn { origin: "https://id.example.org".to_owned(), json: "{}".to_owned() };
        for (sign_in, connect) in
            [(None, "connect-src 'self'"), (Some(&sign_in), "connect-src 'self' https://id.example.org")]
        {
            let policy = content_security_policy(sign_in, &[]);
            let found = policy.to_str().unwrap().split("; ").find(|part| part.starts_with("connect-src"));
            assert_eq!(found, Some(connect));
        }
    }

    #[test]
    fn only_a_refusal_with_401_asks_for_a_token() {
        let asks = |status| refusal_response(HttpRefusal::new(status, "no")).headers().contains_key("www-authenticate");
        assert!(asks(StatusCode::UNAUTHORIZED));
        assert!(!asks(StatusCode::FORBIDDEN) && !asks(StatusCode::SERVICE_UNAVAILABLE));
    }
}
