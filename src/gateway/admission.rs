//! Who comes in by a hello, and who stays by a fresh token.

use super::house::House;
use super::inputs;
use super::link::{Admitted, Link};
use super::socket::Socket;
use crate::auth::{Claims, Gate, Refused};
use crate::protocol::client::{Hello, Who};
use crate::protocol::{Close, ErrorCode};
use crate::workspace::Name;
use crate::workspace::entry::Client;

/// The workspace of all clients where there are no tokens.
const DEFAULT_WORKSPACE: &str = "default";

/// Whom `hello` brings; `bearer` is what the token said that came with the upgrade.
///
/// # Errors
/// The close code for somebody who may not.
pub(super) fn admit(house: &House, hello: &Hello<'_>, bearer: Option<Claims>) -> Result<Admitted, Close> {
    let Some(gate) = &house.behind.gate else { return Ok(by_its_own_word(&hello.who)) };
    let claims = identify(house, gate, hello.token.as_deref(), bearer)?;
    if claims.role != hello.who.role() || id(&hello.who).is_some_and(|id| id != claims.subject) {
        return Err(Close::NotAllowed);
    }
    Ok(Admitted {
        workspace: claims.workspace.as_str().into(),
        role: claims.role,
        name: Some(claims.subject.as_str().into()),
        client: inputs::client_of(&claims, &hello.who),
        ends_ms: Some(claims.ends_ms),
        issued_ms: claims.issued_ms,
    })
}

/// Whether the token by which the connection has joined was revoked meanwhile. Asked after joining: who revokes looks
/// for connections after that, so that one of the two sees the other.
pub(super) fn is_revoked<S: Socket>(link: &Link<S>, issued_ms: Option<u64>) -> bool {
    let (Some(gate), Some(member)) = (&link.house().behind.gate, link.member()) else { return false };
    member.name.as_deref().is_some_and(|name| gate.is_revoked(&member.workspace, name, issued_ms))
}

/// What the token of an upgrade says; `Err`: it is not taken.
pub(super) fn check(house: &House, gate: &Gate, token: &str) -> Result<Claims, Refused> {
    gate.check(token, house.wall_ms()).inspect_err(|why| note(house, why))
}

/// Lets the connection last as long as `token` does.
///
/// # Errors
/// The reply's code and detail, if it does not: it is no good, or somebody else's.
pub(super) fn refresh<S: Socket>(link: &Link<S>, token: &str) -> Result<(), (ErrorCode, String)> {
    let house = link.house();
    let (Some(gate), Some(member)) = (&house.behind.gate, link.member()) else { return Ok(()) };
    let claims = check(house, gate, token).map_err(|why| (ErrorCode::NotAllowed, format!("`token`: {why}")))?;
    let same = member.role == claims.role
        && *member.workspace == *claims.workspace
        && member.name.as_deref() == Some(claims.subject.as_str());
    if !same {
        let detail = "`token` is another's: its `sub`, `role` and `workspace` must be those of the hello's";
        return Err((ErrorCode::NotAllowed, detail.to_owned()));
    }
    link.last_until(claims.ends_ms);
    Ok(())
}

fn by_its_own_word(who: &Who<'_>) -> Admitted {
    let client = inputs::client(who);
    let name = match &client {
        Client::Provider { id, .. } | Client::Agent { id, .. } => Some(Name::clone(id)),
        Client::Observer => None,
    };
    Admitted { workspace: DEFAULT_WORKSPACE.into(), role: who.role(), name, client, ends_ms: None, issued_ms: None }
}

/// Who it is by the token in the hello, or else by that of the upgrade. If there are both, they must be one person's:
/// a proxy that vouches for somebody by the header must not be talked round in the hello.
fn identify(house: &House, gate: &Gate, token: Option<&str>, bearer: Option<Claims>) -> Result<Claims, Close> {
    let bad = |why: Refused| {
        note(house, &why);
        Close::BadToken
    };
    let bearer = match bearer {
        Some(claims) if claims.ends_ms <= house.wall_ms() => return Err(bad(Refused::Expired)),
        bearer => bearer,
    };
    let Some(token) = token else { return bearer.ok_or_else(|| bad(Refused::Missing)) };
    let claims = gate.check(token, house.wall_ms()).map_err(bad)?;
    let who = |claims: &Claims| (claims.subject.clone(), claims.role, claims.workspace.clone());
    match bearer {
        Some(bearer) if who(&bearer) != who(&claims) => Err(Close::NotAllowed),
        _ => Ok(claims),
    }
}

fn id<'h>(who: &'h Who<'_>) -> Option<&'h str> {
    match who {
        Who::Provider { provider_id, .. } => provider_id.as_deref(),
        Who::Agent { agent_id, .. } => agent_id.as_deref(),
        Who::Observer => None,
    }
}

fn note(house: &House, why: &Refused) {
    house.counters.token_refused(why);
    tracing::debug!(%why, "a token was not taken");
}
