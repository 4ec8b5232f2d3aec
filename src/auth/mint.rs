//! Issues tokens for development. In production, an identity provider or a token service issues them.

use std::path::Path;

use serde::Serialize;

use super::jws;
use super::key_set::{self, KeyError};
use deskbell_protocol::Role;

/// The claims of a new token.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// The claim `sub`: the agentId or providerId.
    pub subject: String,
    /// The claim `role`.
    pub role: Role,
    /// The claim `groups`. It is left out if empty.
    pub groups: Vec<String>,
    /// The claim `workspace`.
    pub workspace: Option<String>,
    /// The claim `iss`.
    pub issuer: Option<String>,
    /// The claim `aud`.
    pub audience: Option<String>,
    /// The claim `iat`, in seconds since 1970.
    pub issued: u64,
    /// The claim `exp`, in seconds since 1970.
    pub expires: u64,
}

#[derive(Serialize)]
struct MintedClaims<'a> {
    sub: &'a str,
    role: Role,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    groups: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    iat: u64,
    exp: u64,
}

/// The reason for which no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The file of the secret cannot be used.
    #[error(transparent)]
    Secret(#[from] KeyError),
    /// The claims cannot be written as JSON. This does not happen.
    #[error("cannot write the token: {0}")]
    Json(#[from] serde_json::Error),
}

/// Issues a token, signed with HS256 and the secret in that file.
///
/// # Errors
/// [`MintError`]: the file cannot be used.
pub fn mint(secret_file: &Path, request: &TokenRequest) -> Result<String, MintError> {
    let secret = key_set::secret(secret_file)?;
    let claims = MintedClaims {
        sub: &request.subject,
        role: request.role,
        groups: &request.groups,
        workspace: request.workspace.as_deref(),
        iss: request.issuer.as_deref(),
        aud: request.audience.as_deref(),
        iat: request.issued,
        exp: request.expires,
    };
    Ok(jws::sign(&secret, &serde_json::to_vec(&claims)?))
}
