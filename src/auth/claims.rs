//! What the claims of a verified token grant.

use serde_json::{Map, Value};

use super::claim_path::ClaimPath;
use super::issuer::{GROUPS_OF_TOKEN_MAX, Issuer};
use super::refusal::TokenRefusal;
use deskbell_protocol::{Role, check_name};

/// The workspace of a token without a workspace claim.
const DEFAULT_WORKSPACE: &str = "default";

/// What a verified token grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The agentId or providerId. It is a valid name.
    pub subject: String,
    /// The name that is displayed, if the token has one.
    pub name: Option<String>,
    /// The roles that the client may take, each at most once. Empty: none.
    pub roles: Vec<Role>,
    /// The groups of an agent: at most [`GROUPS_OF_TOKEN_MAX`] names, each at most once.
    pub groups: Vec<String>,
    /// Groups of the token that were left out, because they are not valid names or too many.
    pub groups_left_out: usize,
    /// The workspace. It is a valid name.
    pub workspace: String,
    /// The capacity of an agent, if the token has one.
    pub capacity: Option<u32>,
    /// The `iss`, if it is one of `[[auth.issuers]]`.
    pub issuer: Option<String>,
    /// `iat` in milliseconds since 1970, if the token has it.
    pub issued_ms: Option<u64>,
    /// The expiry of the token plus the leeway, in milliseconds since 1970.
    pub ends_ms: u64,
}

/// The time of the check, and the tolerance for clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct CheckTime {
    pub(super) now_ms: u64,
    pub(super) leeway_ms: u64,
    /// The greatest age of a token.
    pub(super) age_max_ms: Option<u64>,
}

/// Checks the times, the audience and the mapped claims of a token after its signature was verified.
pub(super) fn check(
    claims: &Map<String, Value>,
    issuer: &Issuer,
    others: &[&Issuer],
    time: CheckTime,
) -> Result<Claims, TokenRefusal> {
    let (issued_ms, ends_ms) = check_times(claims, time)?;
    check_audience(claims, &issuer.audiences)?;
    let paths = &issuer.claims;
    let subject = format!("{}{}", issuer.subject_prefix, required_text(claims, &paths.subject)?);
    check_name(&subject).map_err(|what| wrong(&paths.subject, &what))?;
    let of_another = |other: &&Issuer| {
        other.subject_prefix.len() > issuer.subject_prefix.len() && subject.starts_with(&other.subject_prefix)
    };
    if others.iter().any(of_another) {
        return Err(wrong(&paths.subject, "belongs to another issuer"));
    }
    let (groups, groups_left_out) = groups(claims, &paths.groups);
    let name = paths.name.get(claims).and_then(Value::as_str).filter(|name| check_name(name).is_ok());
    Ok(Claims {
        subject,
        name: name.map(str::to_owned),
        roles: roles(claims, issuer)?,
        groups,
        groups_left_out,
        workspace: workspace(claims, issuer)?,
        capacity: capacity(claims, &paths.capacity)?,
        issuer: None,
        issued_ms,
        ends_ms,
    })
}

fn check_times(claims: &Map<String, Value>, time: CheckTime) -> Result<(Option<u64>, u64), TokenRefusal> {
    let CheckTime { now_ms, leeway_ms, age_max_ms } = time;
    let at = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) => Ok(Some(milliseconds(seconds))),
            None => Err(TokenRefusal::Claims(format!("`{name}` must be a number"))),
        },
    };
    let missing = |name: &str| TokenRefusal::Claims(format!("`{name}` is missing"));
    let ends_ms = at("exp")?.ok_or_else(|| missing("exp"))?.saturating_add(leeway_ms);
    if ends_ms <= now_ms {
        return Err(TokenRefusal::Expired((now_ms - ends_ms.saturating_sub(leeway_ms)) / 1000));
    }
    let issued_ms = at("iat")?;
    let latest_ms = now_ms.saturating_add(leeway_ms);
    for start in [at("nbf")?, issued_ms].into_iter().flatten() {
        if start > latest_ms {
            return Err(TokenRefusal::Early((start - now_ms).div_ceil(1000)));
        }
    }
    if let Some(age_max_ms) = age_max_ms {
        let end = issued_ms.ok_or_else(|| missing("iat"))?.saturating_add(age_max_ms).saturating_add(leeway_ms);
        if end <= now_ms {
            return Err(TokenRefusal::Expired((now_ms - end) / 1000));
        }
        return Ok((issued_ms, ends_ms.min(end)));
    }
    Ok((issued_ms, ends_ms))
}

/// Converts the seconds of a token, which can have a fraction or be out of any range.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a value out of range becomes the nearest")]
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

fn check_audience(claims: &Map<String, Value>, audiences: &[String]) -> Result<(), TokenRefusal> {
    if audiences.is_empty() {
        return Ok(());
    }
    let accepted = |value: &Value| value.as_str().is_some_and(|text| audiences.iter().any(|known| known == text));
    let matches = match claims.get("aud") {
        Some(Value::Array(listed)) => listed.iter().any(accepted),
        Some(value) if !value.is_null() => accepted(value),
        // Amazon Cognito's access tokens have no `aud`.
        _ => ["client_id", "azp"].iter().any(|name| claims.get(*name).is_some_and(accepted)),
    };
    if matches { Ok(()) } else { Err(TokenRefusal::Audience) }
}

fn wrong(path: &ClaimPath, what: &str) -> TokenRefusal {
    TokenRefusal::Claims(format!("`{path}` {what}"))
}

fn required_text<'c>(claims: &'c Map<String, Value>, path: &ClaimPath) -> Result<&'c str, TokenRefusal> {
    let value = path.get(claims).ok_or_else(|| wrong(path, "is missing"))?;
    value.as_str().ok_or_else(|| wrong(path, "must be a string"))
}

/// The strings of a claim that is a string or a list of strings; `None` if it is neither.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(values) => values.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn roles(claims: &Map<String, Value>, issuer: &Issuer) -> Result<Vec<Role>, TokenRefusal> {
    let path = &issuer.claims.role;
    let value = path.get(claims).ok_or_else(|| wrong(path, "is missing"))?;
    let values = texts(value).ok_or_else(|| wrong(path, "must be a string or a list of strings"))?;
    let mut roles = Vec::new();
    for role in values.into_iter().flat_map(|value| issuer.roles_of(value)) {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    Ok(roles)
}

fn workspace(claims: &Map<String, Value>, issuer: &Issuer) -> Result<String, TokenRefusal> {
    let path = &issuer.claims.workspace;
    let workspace = match (path.get(claims), &issuer.workspaces) {
        (Some(Value::String(text)), _) => text.as_str(),
        (Some(_), _) => return Err(wrong(path, "must be a string")),
        // An issuer for one workspace need not name it in each token.
        (None, Some(granted)) if granted.len() == 1 => &granted[0],
        (None, _) => DEFAULT_WORKSPACE,
    };
    check_name(workspace).map_err(|what| wrong(path, &what))?;
    if issuer.workspaces.as_ref().is_some_and(|granted| granted.iter().all(|known| known != workspace)) {
        return Err(wrong(path, "is a workspace that this issuer may not grant"));
    }
    Ok(workspace.to_owned())
}

/// The valid groups, and the number of groups that were left out.
fn groups(claims: &Map<String, Value>, path: &ClaimPath) -> (Vec<String>, usize) {
    let listed: Vec<&Value> = match path.get(claims) {
        None => Vec::new(),
        Some(Value::Array(values)) => values.iter().collect(),
        Some(value) => vec![value],
    };
    let mut groups: Vec<String> = Vec::with_capacity(listed.len().min(GROUPS_OF_TOKEN_MAX));
    let mut left_out = 0;
    let mut seen = std::collections::HashSet::new();
    for value in listed {
        match value.as_str() {
            Some(group) if seen.contains(group) => {}
            Some(group) if check_name(group).is_ok() && groups.len() < GROUPS_OF_TOKEN_MAX => {
                seen.insert(group);
                groups.push(group.to_owned());
            }
            _ => left_out += 1,
        }
    }
    (groups, left_out)
}

fn capacity(claims: &Map<String, Value>, path: &ClaimPath) -> Result<Option<u32>, TokenRefusal> {
    let Some(value) = path.get(claims) else { return Ok(None) };
    // Some providers write all custom claims as strings.
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let capacity = number.and_then(|number| u32::try_from(number).ok());
    capacity.map(Some).ok_or_else(|| wrong(path, "must be a whole number"))
}
