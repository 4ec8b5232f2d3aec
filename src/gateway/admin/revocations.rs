//! Revocations: they are entries of the log, so every hub of a cluster closes the connections of a revoked subject.

use std::collections::BTreeMap;
use std::sync::Arc;

use deskbell_core::revocations::{Revocation, Revocations, RevokedSubject};
use hyper::StatusCode;

use crate::auth::TokenVerifier;
use crate::gateway::admin::all_clients::AllClients;
use crate::gateway::connection::joined_client::JoinedClient;
use crate::gateway::fanout::disconnect::Disconnector;
use crate::gateway::http::request_checks::HttpRefusal;
use crate::gateway::http::response::{self, HttpResponse, JSON};
use crate::gateway::session::admission;
use crate::gateway::shared::state::GatewayState;
use crate::hub::{HubHandle, Unconfirmed};
use crate::protocol::admin::{self, Revoke, RevokedEntry};
use crate::protocol::{Close, Timestamp, check_name};

/// The longest issuer in a request, in bytes.
const ISSUER_BYTES_MAX: usize = 1024;

/// Closes the connections of revoked subjects whenever the revocations of this partition change. Ends with the hub.
pub(crate) async fn close_revoked(
    state: Arc<GatewayState>,
    hub: HubHandle,
    clients: AllClients,
    disconnector: Disconnector,
) {
    let mut revocations = hub.revocations;
    while revocations.changed().await {
        let serials = clients.serials(|client| admission::is_revoked(&state, client));
        disconnector.close(&serials, Close::BadToken).await;
    }
}

/// Revokes the tokens of a subject that were issued until now. Returns the number of connections that this closes here.
pub(super) async fn revoke(
    state: &GatewayState,
    clients: &AllClients,
    disconnector: &Disconnector,
    request: &Revoke,
) -> Result<HttpResponse, HttpRefusal> {
    let (verifier, subject) = checked(state, request)?;
    let now_ms = state.wall_ms();
    let until = verifier.token_age_max_ms().map(|age_ms| Timestamp(now_ms.saturating_add(age_ms)));
    let revocation = Revocation { at: Timestamp(now_ms), until };
    let hubs = hubs_of(state, request);
    let is_full = |hub: &&HubHandle| {
        let current = hub.revocations.current();
        current.is_full(revocation.at) && current.get(&subject).is_none()
    };
    if hubs.iter().copied().any(|hub| is_full(&hub)) {
        let text = "there is no space for more revocations: lift some (DELETE /revoke), or set [auth] maxTokenAge";
        return Err(HttpRefusal::new(StatusCode::INSUFFICIENT_STORAGE, text));
    }
    let meant = clients.serials(|client| is_meant(client, &subject));
    for hub in hubs {
        hub.revocations.revoke(subject.clone(), revocation).await.map_err(unconfirmed)?;
    }
    disconnector.close(&meant, Close::BadToken).await;
    let (workspace, issuer) = (request.workspace.as_deref(), request.issuer.as_deref());
    tracing::info!(client = request.subject, workspace, issuer, closed = meant.len(), "subject revoked");
    Ok(response::response(StatusCode::OK, JSON, admin::disconnected(meant.len()).into()))
}

/// Lifts a revocation: earlier tokens of the subject are accepted again.
pub(super) async fn lift(state: &GatewayState, request: &Revoke) -> Result<HttpResponse, HttpRefusal> {
    let (_, subject) = checked(state, request)?;
    let hubs = hubs_of(state, request);
    if hubs.iter().all(|hub| hub.revocations.current().get(&subject).is_none()) {
        let text = "there is no such revocation; GET /revoked lists them";
        return Err(HttpRefusal::new(StatusCode::NOT_FOUND, text));
    }
    for hub in hubs {
        hub.revocations.lift(subject.clone()).await.map_err(unconfirmed)?;
    }
    let (workspace, issuer) = (request.workspace.as_deref(), request.issuer.as_deref());
    tracing::info!(client = request.subject, workspace, issuer, "revocation lifted");
    Ok(response::response(StatusCode::OK, JSON, admin::lifted().into()))
}

/// All revocations that have not expired.
pub(super) fn list(state: &GatewayState) -> HttpResponse {
    let now = state.wall_ms();
    let partitions: Vec<Arc<Revocations>> = state.backend.hubs.iter().map(|hub| hub.revocations.current()).collect();
    let all: BTreeMap<&RevokedSubject, &Revocation> = partitions.iter().flat_map(|list| list.iter()).collect();
    let entries = all.iter().filter(|(_, revocation)| revocation.until.is_none_or(|until| until.0 > now));
    let entries: Vec<RevokedEntry<'_>> = entries
        .map(|(revoked, revocation)| RevokedEntry {
            subject: &revoked.subject,
            workspace: revoked.workspace.as_deref(),
            issuer: revoked.issuer.as_deref(),
            at: revocation.at,
            until: revocation.until,
        })
        .collect();
    response::response(StatusCode::OK, JSON, admin::revoked(&entries).into())
}

/// The hubs of the partitions that a request concerns: that of its workspace, or all.
fn hubs_of<'s>(state: &'s GatewayState, request: &Revoke) -> Vec<&'s HubHandle> {
    match &request.workspace {
        Some(workspace) => vec![state.hub_of(workspace).1],
        None => state.backend.hubs.iter().collect(),
    }
}

/// Whether a client is meant by a revocation, whenever its token was issued.
fn is_meant(client: &JoinedClient, revoked: &RevokedSubject) -> bool {
    client.name.as_deref() == Some(&*revoked.subject)
        && revoked.workspace.as_deref().is_none_or(|workspace| workspace == &*client.workspace)
        && revoked.issuer.as_deref().is_none_or(|issuer| issuer == client.issuer.as_deref().unwrap_or_default())
}

/// The subject of a request, if that is well-formed and unambiguous.
fn checked<'s>(state: &'s GatewayState, request: &Revoke) -> Result<(&'s TokenVerifier, RevokedSubject), HttpRefusal> {
    let bad = |text: String| HttpRefusal::new(StatusCode::BAD_REQUEST, text);
    let Some(verifier) = &state.backend.verifier else {
        let text = "authentication is off, so there are no tokens to revoke";
        return Err(HttpRefusal::new(StatusCode::CONFLICT, text));
    };
    for name in [Some(&request.subject), request.workspace.as_ref()].into_iter().flatten() {
        check_name(name).map_err(|what| bad(format!("a name {what}")))?;
    }
    match &request.issuer {
        Some(issuer) if issuer.len() > ISSUER_BYTES_MAX => {
            return Err(bad(format!("`issuer` has more than {ISSUER_BYTES_MAX} bytes")));
        }
        Some(issuer) if !verifier.knows_issuer(issuer) => {
            return Err(bad("`issuer` is not configured; \"\" stands for the keys of [auth]".to_owned()));
        }
        None if verifier.issuers_of(&request.subject) > 1 => {
            let text = "several issuers could have issued this subject: say which in `issuer`; \"\" stands for the keys \
                        of [auth]";
            return Err(bad(text.to_owned()));
        }
        _ => {}
    }
    let subject = RevokedSubject {
        subject: request.subject.as_str().into(),
        workspace: request.workspace.as_deref().map(Into::into),
        issuer: request.issuer.as_deref().map(Into::into),
    };
    Ok((verifier, subject))
}

fn unconfirmed(error: Unconfirmed) -> HttpRefusal {
    HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}
