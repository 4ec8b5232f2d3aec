//! Makes tokens, for development: where one is at hand, an identity provider makes them.

use std::path::Path;

use jsonwebtoken::{EncodingKey, Header, encode};
use serde::Serialize;

use super::crypto;
use super::keys::{self, KeyError};
use crate::protocol::Role;

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// `sub`.
    pub subject: String,
    /// `role`.
    pub role: Role,
    /// `groups`, if it is to name any.
    pub groups: Vec<String>,
    /// `workspace`.
    pub workspace: Option<String>,
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`.
    pub audience: Option<String>,
    /// `iat`, in seconds since 1970.
    pub issued: u64,
    /// `exp`, likewise.
    pub expires: u64,
}

#[derive(Serialize)]
struct Said<'a> {
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

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The file of the secret.
    #[error(transparent)]
    Secret(#[from] KeyError),
    /// Not to be expected.
    #[error("the token cannot be written")]
    NotWritten,
}

/// A token signed by HS256 with the secret in that file.
///
/// # Errors
/// [`MintError`]: the file cannot be used.
pub fn mint(secret_file: &Path, wanted: &Wanted) -> Result<String, MintError> {
    crypto::install();
    let secret = keys::secret(secret_file)?;
    let said = Said {
        sub: &wanted.subject,
        role: wanted.role,
        groups: &wanted.groups,
        workspace: wanted.workspace.as_deref(),
        iss: wanted.issuer.as_deref(),
        aud: wanted.audience.as_deref(),
        iat: wanted.issued,
        exp: wanted.expires,
    };
    encode(&Header::default(), &said, &EncodingKey::from_secret(&secret)).map_err(|_| MintError::NotWritten)
}
