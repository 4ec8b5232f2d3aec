//! What a token says of its bearer, held to the wire's rules for names.

use serde::Deserialize;

use super::refused::Refused;
use crate::protocol::size::GROUPS_MAX;
use crate::protocol::{Role, check_name};

/// The workspace of a token that names none, and of everybody where there are no tokens.
pub(super) const DEFAULT_WORKSPACE: &str = "default";

/// Who the bearer of a good token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `sub`: the agentId or providerId; a name.
    pub subject: String,
    /// `role`.
    pub role: Role,
    /// `groups`: at most [`GROUPS_MAX`] names, none twice.
    pub groups: Vec<String>,
    /// `workspace`, or `default`; a name.
    pub workspace: String,
    /// When it was issued, in milliseconds since 1970, if it says so.
    pub issued_ms: Option<u64>,
    /// From when on it is not good any more, leeway included, in milliseconds since 1970.
    pub ends_ms: u64,
}

/// The claims as they stand in a token. What is not listed is ignored; one that stands there twice is a fault.
#[derive(Debug, Deserialize)]
pub(super) struct Raw {
    sub: Option<String>,
    role: Option<String>,
    groups: Option<Vec<String>>,
    workspace: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
}

impl Raw {
    /// Checks everything but the signature.
    pub(super) fn check(self, now_ms: u64, leeway_ms: u64) -> Result<Claims, Refused> {
        let ends_ms = ms(self.exp.ok_or_else(|| missing("exp"))?).saturating_add(leeway_ms);
        let latest_ms = now_ms.saturating_add(leeway_ms);
        if ends_ms <= now_ms {
            return Err(Refused::Expired);
        }
        let issued_ms = self.iat.map(ms);
        if self.nbf.map(ms).is_some_and(|at| at > latest_ms) || issued_ms.is_some_and(|at| at > latest_ms) {
            return Err(Refused::Early);
        }
        Ok(Claims {
            subject: name("sub", self.sub.ok_or_else(|| missing("sub"))?)?,
            role: role(self.role.as_deref())?,
            groups: groups(self.groups.unwrap_or_default())?,
            workspace: self
                .workspace
                .map_or_else(|| Ok(DEFAULT_WORKSPACE.to_owned()), |given| name("workspace", given))?,
            issued_ms,
            ends_ms,
        })
    }
}

/// Seconds as tokens write them, which may have a fraction or be out of all reason.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what does not fit becomes the nearest")]
fn ms(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

fn missing(claim: &str) -> Refused {
    Refused::Claims(format!("`{claim}` is missing"))
}

fn name(claim: &str, text: String) -> Result<String, Refused> {
    match check_name(&text) {
        Ok(()) => Ok(text),
        Err(what) => Err(Refused::Claims(format!("`{claim}` {what}"))),
    }
}

fn role(text: Option<&str>) -> Result<Role, Refused> {
    let text = text.ok_or_else(|| missing("role"))?;
    let role = Role::ALL.into_iter().find(|role| role.as_str() == text);
    role.ok_or_else(|| Refused::Claims("`role` must be \"provider\", \"agent\" or \"observer\"".to_owned()))
}

fn groups(given: Vec<String>) -> Result<Vec<String>, Refused> {
    let mut groups: Vec<String> = Vec::with_capacity(given.len().min(GROUPS_MAX));
    for group in given {
        let group = name("groups", group)?;
        if groups.contains(&group) {
            continue;
        }
        if groups.len() == GROUPS_MAX {
            return Err(Refused::Claims(format!("`groups` has more than {GROUPS_MAX} names")));
        }
        groups.push(group);
    }
    Ok(groups)
}
