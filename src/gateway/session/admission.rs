//! Admits clients by their hello and token, and extends connections by fresh tokens.

use std::net::IpAddr;

use crate::auth::{Claims, TokenOrigin, TokenRefusal, TokenVerifier};
use crate::gateway::connection::handle::ConnectionHandle;
use crate::gateway::connection::joined_client::{Identity, JoinedClient};
use crate::gateway::connection::socket::Socket;
use crate::gateway::session::from_wire;
use crate::gateway::shared::state::GatewayState;
use crate::protocol::inbound::{Hello, HelloRole};
use crate::protocol::{Close, ErrorCode, Role, Timestamp};
use deskbell_core::Name;
use deskbell_core::entry::Joiner;

/// The workspace of all clients without authentication.
const DEFAULT_WORKSPACE: &str = "default";

/// Why a client is not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AdmissionError {
    /// Its token is missing (without a text) or refused (with the reason).
    Token(Option<String>),
    /// Its hello must say which role it takes.
    Role,
    /// Its token is valid, but does not permit what the hello asks for.
    Other(String),
}

impl AdmissionError {
    /// The close code, and the reason in the close frame.
    pub(crate) fn close(&self) -> (Close, String) {
        match self {
            Self::Token(_) => (Close::BadToken, Close::BadToken.reason().to_owned()),
            Self::Role => (Close::BadHello, Close::BadHello.reason().to_owned()),
            Self::Other(how) => (Close::NotAllowed, format!("{}: {how}", Close::NotAllowed.reason())),
        }
    }

    /// The code and detail of the `error` message that comes before the close frame.
    pub(crate) fn error(&self) -> Option<(ErrorCode, &str)> {
        match self {
            Self::Token(refusal) => refusal.as_deref().map(|detail| (ErrorCode::BadToken, detail)),
            Self::Role => Some((ErrorCode::BadParameter, "`role` is missing, and the token does not decide it")),
            Self::Other(_) => None,
        }
    }
}

/// Admits a client. `bearer` is what the token of the upgrade grants, `from` the address of the client.
///
/// # Errors
/// [`AdmissionError`].
pub(crate) fn admit(
    state: &GatewayState,
    hello: &Hello<'_>,
    bearer: Option<Claims>,
    from: IpAddr,
) -> Result<Identity, AdmissionError> {
    let Some(verifier) = &state.backend.verifier else {
        return if hello.role.role().is_some() { Ok(unauthenticated(&hello.role)) } else { Err(AdmissionError::Role) };
    };
    let claims = identify(state, verifier, hello.token.as_deref(), bearer, from)?;
    let role = choose_role(&hello.role, &claims.roles).inspect_err(|error| {
        if let AdmissionError::Other(how) = error {
            log_refusal(state, &TokenRefusal::Role(how.clone()), from, hello.token.as_deref());
        }
    })?;
    let hello_role = hello.role.with_role(role);
    if id(&hello_role).is_some_and(|id| id != claims.subject) {
        return Err(AdmissionError::Other(format!("the {}Id is not the subject of the token", role.as_str())));
    }
    Ok(Identity {
        workspace: claims.workspace.as_str().into(),
        role,
        name: Some(claims.subject.as_str().into()),
        client: from_wire::client_of(&claims, &hello_role),
        expires_ms: Some(claims.ends_ms),
        issued_ms: claims.issued_ms,
        issuer: claims.issuer.as_deref().map(Into::into),
    })
}

/// The role of the hello, if the token grants it; without one, the only role of the token.
fn choose_role(hello: &HelloRole<'_>, granted: &[Role]) -> Result<Role, AdmissionError> {
    match (hello.role(), granted) {
        (_, []) => Err(AdmissionError::Other("the token grants no role".to_owned())),
        (Some(wanted), granted) if granted.contains(&wanted) => Ok(wanted),
        (Some(wanted), granted) => {
            let granted: Vec<&str> = granted.iter().map(|role| role.as_str()).collect();
            let how = format!("the token's role is {}, not {}", granted.join(" or "), wanted.as_str());
            Err(AdmissionError::Other(how))
        }
        (None, [only]) => Ok(*only),
        (None, _) => Err(AdmissionError::Role),
    }
}

/// Whether the token with which a client has joined was revoked meanwhile. This is checked after joining, and a revocation
/// looks for connections after it takes effect, so that one of the two sees the other.
pub(crate) fn is_revoked(state: &GatewayState, client: &JoinedClient) -> bool {
    let Some(name) = client.name.as_deref().filter(|_| state.backend.verifier.is_some()) else { return false };
    is_subject_revoked(state, &client.workspace, name, client.issuer.as_deref(), client.issued_ms())
}

fn is_subject_revoked(
    state: &GatewayState,
    workspace: &str,
    subject: &str,
    issuer: Option<&str>,
    issued_ms: Option<u64>,
) -> bool {
    let revocations = state.hub_of(workspace).1.revocations.current();
    revocations.includes(workspace, subject, issuer.unwrap_or_default(), issued_ms.map(Timestamp))
}

/// What a token grants, if it is good and not revoked.
fn verified(state: &GatewayState, verifier: &TokenVerifier, token: &str) -> Result<Claims, TokenRefusal> {
    let claims = verifier.check(token, state.wall_ms())?;
    if is_subject_revoked(state, &claims.workspace, &claims.subject, claims.issuer.as_deref(), claims.issued_ms) {
        return Err(TokenRefusal::Revoked);
    }
    Ok(claims)
}

/// Checks a token, and counts and logs a refusal.
pub(crate) fn check(
    state: &GatewayState,
    verifier: &TokenVerifier,
    token: &str,
    from: IpAddr,
) -> Result<Claims, TokenRefusal> {
    verified(state, verifier, token).inspect_err(|why| log_refusal(state, why, from, Some(token)))
}

/// Keeps the connection open until `token` expires.
///
/// # Errors
/// Code and detail of the reply, if the token is refused or belongs to another client.
pub(crate) fn refresh<S: Socket>(connection: &ConnectionHandle<S>, token: &str) -> Result<(), (ErrorCode, String)> {
    let state = connection.state();
    let (Some(verifier), Some(client)) = (&state.backend.verifier, connection.client()) else { return Ok(()) };
    let claims = check(state, verifier, token, connection.address())
        .map_err(|why| (ErrorCode::NotAllowed, format!("`token`: {why}")))?;
    let same = claims.roles.contains(&client.role)
        && *client.workspace == *claims.workspace
        && client.name.as_deref() == Some(claims.subject.as_str());
    if !same {
        let detail = "`token` belongs to another client: its subject, role and workspace must be those of the hello";
        return Err((ErrorCode::NotAllowed, detail.to_owned()));
    }
    if !client.extend_until(claims.ends_ms) {
        return Err((ErrorCode::NotAllowed, "`token` came too late: the previous token has ended".to_owned()));
    }
    client.set_issued_ms(claims.issued_ms);
    Ok(())
}

/// Without authentication, the hub believes the hello.
fn unauthenticated(hello: &HelloRole<'_>) -> Identity {
    let client = from_wire::client(hello);
    let name = match &client {
        Joiner::Provider { id, .. } | Joiner::Agent { id, .. } => Some(Name::clone(id)),
        Joiner::Observer => None,
    };
    let role = hello.role().unwrap_or(Role::Observer);
    Identity {
        workspace: DEFAULT_WORKSPACE.into(),
        role,
        name,
        client,
        expires_ms: None,
        issued_ms: None,
        issuer: None,
    }
}

/// Checks the token of the hello, or else uses that of the upgrade. If there are both, they must belong to the same client:
/// where a proxy adds the header, a client must not become another one by its hello.
fn identify(
    state: &GatewayState,
    verifier: &TokenVerifier,
    token: Option<&str>,
    bearer: Option<Claims>,
    from: IpAddr,
) -> Result<Claims, AdmissionError> {
    let refused = |why: TokenRefusal| {
        log_refusal(state, &why, from, token);
        let text = (why != TokenRefusal::Missing).then(|| format!("the token is refused: {why}"));
        AdmissionError::Token(text)
    };
    let bearer = match bearer {
        Some(claims) if claims.ends_ms <= state.wall_ms() => return Err(refused(TokenRefusal::Expired(0))),
        bearer => bearer,
    };
    let Some(token) = token else { return bearer.ok_or_else(|| refused(TokenRefusal::Missing)) };
    let claims = verified(state, verifier, token).map_err(refused)?;
    let client = |claims: &Claims| (claims.subject.clone(), claims.roles.clone(), claims.workspace.clone());
    match bearer {
        Some(bearer) if client(&bearer) != client(&claims) => Err(AdmissionError::Other(
            "the token of the hello and that of the upgrade belong to different clients".to_owned(),
        )),
        _ => Ok(claims),
    }
}

fn id<'h>(hello: &'h HelloRole<'_>) -> Option<&'h str> {
    match hello {
        HelloRole::Provider { provider_id, .. } => provider_id.as_deref(),
        HelloRole::Agent { agent_id, .. } => agent_id.as_deref(),
        HelloRole::Observer | HelloRole::ByToken { .. } => None,
    }
}

/// Counts a refusal, and logs it once a minute for each reason and address; at debug, each one. No claim of the token is
/// logged.
fn log_refusal(state: &GatewayState, why: &TokenRefusal, from: IpAddr, token: Option<&str>) {
    state.metrics.count_token_refused(why);
    let reason = TokenRefusal::LABELS[why.label()];
    let is_due = state.refusal_log.is_due(reason, &from.to_string(), state.uptime());
    if !is_due && !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let origin = state.backend.verifier.as_ref().zip(token).map(|(verifier, token)| verifier.origin_of(token));
    let TokenOrigin { issuer, kid } = origin.unwrap_or_default();
    if is_due {
        tracing::warn!(%from, reason, issuer, kid, "a token was refused: {why}");
    }
    tracing::debug!(%from, reason, issuer, kid, "refused token");
}
