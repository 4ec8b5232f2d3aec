//! HelloRole comes in by a hello, and who stays by a fresh token.

use std::net::IpAddr;

use crate::auth::{self, Claims, Gate, Refused};
use crate::gateway::fanout::connection::ConnectionHandle;
use crate::gateway::fanout::joined_client::{Identity, JoinedClient};
use crate::gateway::fanout::socket::Socket;
use crate::gateway::session::from_wire;
use crate::gateway::shared::state::GatewayState;
use crate::protocol::inbound::{Hello, HelloRole};
use crate::protocol::{Close, ErrorCode};
use deskbell_core::Name;
use deskbell_core::entry::Joiner;

/// The workspace of all clients where there are no tokens.
const DEFAULT_WORKSPACE: &str = "default";

/// Why somebody does not come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AdmissionError {
    /// Its token is missing or not taken.
    Token,
    /// Its token is good, and somebody else's than it says it is: how so, for people.
    Other(String),
}

impl AdmissionError {
    /// The close code, and what goes into the close frame.
    pub(crate) fn close(&self) -> (Close, String) {
        match self {
            Self::Token => (Close::BadToken, Close::BadToken.reason().to_owned()),
            Self::Other(how) => (Close::NotAllowed, format!("{}: {how}", Close::NotAllowed.reason())),
        }
    }
}

/// Whom `hello` brings; `bearer` is what the token said that came with the upgrade, `from` where the client is.
///
/// # Errors
/// [`AdmissionError`].
pub(crate) fn admit(
    state: &GatewayState,
    hello: &Hello<'_>,
    bearer: Option<Claims>,
    from: IpAddr,
) -> Result<Identity, AdmissionError> {
    let Some(gate) = &state.backend.gate else { return Ok(by_its_own_word(&hello.role)) };
    let claims = identify(state, gate, hello.token.as_deref(), bearer, from)?;
    let (wanted, has) = (hello.role.role(), claims.role);
    if has != wanted {
        // Neither is of the client's own wording.
        return Err(AdmissionError::Other(format!("the token's role is {}, not {}", has.as_str(), wanted.as_str())));
    }
    if id(&hello.role).is_some_and(|id| id != claims.subject) {
        return Err(AdmissionError::Other(format!("the {}Id is not the token's `sub`", wanted.as_str())));
    }
    Ok(Identity {
        workspace: claims.workspace.as_str().into(),
        role: claims.role,
        name: Some(claims.subject.as_str().into()),
        client: from_wire::client_of(&claims, &hello.role),
        expires_ms: Some(claims.ends_ms),
        issued_ms: claims.issued_ms,
    })
}

/// Whether the token with which a client has joined was revoked meanwhile. This is asked after joining, and a revocation
/// looks for connections after it is in force, so one of the two sees the other.
pub(crate) fn is_revoked(state: &GatewayState, client: &JoinedClient, issued_ms: Option<u64>) -> bool {
    let Some(gate) = &state.backend.gate else { return false };
    client.name.as_deref().is_some_and(|name| gate.is_revoked(&client.workspace, name, issued_ms))
}

/// What the token of an upgrade says; `Err`: it is not taken.
pub(crate) fn check(state: &GatewayState, gate: &Gate, token: &str, from: IpAddr) -> Result<Claims, Refused> {
    gate.check(token, state.wall_ms()).inspect_err(|why| note(state, why, from, Some(token)))
}

/// Keeps a connection open for as long as a fresh token is valid.
///
/// # Errors
/// The code and detail of the error reply: the token is not accepted, belongs to another client, or comes too late.
pub(crate) fn refresh<S: Socket>(connection: &ConnectionHandle<S>, token: &str) -> Result<(), (ErrorCode, String)> {
    let state = connection.state();
    let (Some(gate), Some(client)) = (&state.backend.gate, connection.client()) else { return Ok(()) };
    let claims = check(state, gate, token, connection.address())
        .map_err(|why| (ErrorCode::NotAllowed, format!("`token`: {why}")))?;
    let same = client.role == claims.role
        && *client.workspace == *claims.workspace
        && client.name.as_deref() == Some(claims.subject.as_str());
    if !same {
        let detail = "`token` is another's: its `sub`, `role` and `workspace` must be those of the hello's";
        return Err((ErrorCode::NotAllowed, detail.to_owned()));
    }
    if !client.extend_until(claims.ends_ms) {
        return Err((ErrorCode::NotAllowed, "`token` came too late: the one before it has ended".to_owned()));
    }
    Ok(())
}

fn by_its_own_word(who: &HelloRole<'_>) -> Identity {
    let client = from_wire::client(who);
    let name = match &client {
        Joiner::Provider { id, .. } | Joiner::Agent { id, .. } => Some(Name::clone(id)),
        Joiner::Observer => None,
    };
    Identity { workspace: DEFAULT_WORKSPACE.into(), role: who.role(), name, client, expires_ms: None, issued_ms: None }
}

/// HelloRole it is by the token in the hello, or else by that of the upgrade. If there are both, they must be one person's:
/// a proxy that vouches for somebody by the header must not be talked round in the hello.
fn identify(
    state: &GatewayState,
    gate: &Gate,
    token: Option<&str>,
    bearer: Option<Claims>,
    from: IpAddr,
) -> Result<Claims, AdmissionError> {
    let bad = |why: Refused| {
        note(state, &why, from, token);
        AdmissionError::Token
    };
    let bearer = match bearer {
        Some(claims) if claims.ends_ms <= state.wall_ms() => return Err(bad(Refused::Expired)),
        bearer => bearer,
    };
    let Some(token) = token else { return bearer.ok_or_else(|| bad(Refused::Missing)) };
    let claims = gate.check(token, state.wall_ms()).map_err(bad)?;
    let who = |claims: &Claims| (claims.subject.clone(), claims.role, claims.workspace.clone());
    match bearer {
        Some(bearer) if who(&bearer) != who(&claims) => {
            Err(AdmissionError::Other("the hello's token and that of the upgrade are not one person's".to_owned()))
        }
        _ => Ok(claims),
    }
}

fn id<'h>(who: &'h HelloRole<'_>) -> Option<&'h str> {
    match who {
        HelloRole::Provider { provider_id, .. } => provider_id.as_deref(),
        HelloRole::Agent { agent_id, .. } => agent_id.as_deref(),
        HelloRole::Observer => None,
    }
}

/// Counts and logs a token that is not accepted. The subject is a claim: an invalid token may say anything.
fn note(state: &GatewayState, why: &Refused, from: IpAddr, token: Option<&str>) {
    state.counters.count_token_refused(why);
    let claim = || token.and_then(auth::claimed_subject).unwrap_or_default();
    if state.refusal_log.is_due("token", from, state.uptime()) {
        tracing::warn!(%from, claim = claim(), %why, "a token was not accepted");
    } else if tracing::enabled!(tracing::Level::DEBUG) {
        tracing::debug!(%from, claim = claim(), %why, "a token was not accepted");
    }
}
