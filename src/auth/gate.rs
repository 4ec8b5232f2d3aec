//! Checks tokens: the one place that says who comes in.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};

use super::claims::{Claims, Raw};
use super::crypto;
use super::keys::{Key, KeyError, KeyFiles, Keys};
use super::refused::Refused;
use super::revoked::{RevokeError, Revoked};
use crate::protocol::check_name;

/// What a token must say besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The only `iss` that is taken; `None`: any or none.
    pub issuer: Option<String>,
    /// What `aud` must name; `None`: anything or nothing.
    pub audience: Option<String>,
    /// How wrong clocks may be, in milliseconds.
    pub leeway_ms: u64,
}

/// Why tokens cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// A file of keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The file of revocations.
    #[error("the file of revoked subjects cannot be read: {}: {source}", .path.display())]
    Revoked {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Checks tokens by the keys in force. Shared by all connections; keys and revocations can change meanwhile.
#[derive(Debug)]
pub struct Gate {
    rules: Rules,
    files: KeyFiles,
    keys: RwLock<Arc<Keys>>,
    revoked: RwLock<Revoked>,
}

impl Gate {
    /// Reads the keys, and whom `revoked` says to be revoked (`None`: revocations are not kept over a restart).
    ///
    /// # Errors
    /// [`GateError`]: a file cannot be used.
    pub fn open(files: KeyFiles, rules: Rules, revoked: Option<&Path>) -> Result<Self, GateError> {
        crypto::install();
        let keys = RwLock::new(Arc::new(Keys::load(&files)?));
        let revoked = Revoked::open(revoked.map(Path::to_owned))
            .map_err(|source| GateError::Revoked { path: revoked.unwrap_or(Path::new("")).to_owned(), source })?;
        Ok(Self { rules, files, keys, revoked: RwLock::new(revoked) })
    }

    /// The files of keys, to be watched.
    #[must_use]
    pub fn files(&self) -> &KeyFiles {
        &self.files
    }

    /// The keys in force.
    #[must_use]
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the keys anew. Who is in stays in; who comes is checked by the new ones.
    ///
    /// # Errors
    /// [`KeyError`]: a file cannot be used; the old keys stay.
    pub fn reload(&self) -> Result<(), KeyError> {
        let keys = Arc::new(Keys::load(&self.files)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Who bears this token, at the time `now_ms` since 1970.
    ///
    /// # Errors
    /// [`Refused`]: why nobody comes in by it.
    pub fn check(&self, token: &str, now_ms: u64) -> Result<Claims, Refused> {
        let header = decode_header(token).map_err(|error| refused(error.kind()))?;
        if header.crit.is_some() {
            // Extensions that must be understood (RFC 7515, 4.1.11), and none is.
            return Err(Refused::Malformed);
        }
        let keys = self.keys();
        let mut why = Refused::Signature;
        for key in keys.candidates(&header)? {
            match self.check_with(key, token) {
                Ok(raw) => return self.not_revoked(raw.check(now_ms, self.rules.leeway_ms)?),
                Err(Refused::Signature) => {}
                Err(other) => why = other,
            }
        }
        Err(why)
    }

    /// Refuses the tokens of a subject that were issued until now, in one workspace or (`None`) in all.
    ///
    /// # Errors
    /// [`RevokeError`]: there are too many, or it will not outlast a restart.
    pub fn revoke(&self, workspace: Option<&str>, subject: &str, now_ms: u64) -> Result<(), RevokeError> {
        self.revoked.write().unwrap_or_else(PoisonError::into_inner).add(workspace, subject, now_ms)
    }

    /// Whether a token of that subject, issued then, is revoked.
    #[must_use]
    pub fn is_revoked(&self, workspace: &str, subject: &str, issued_ms: Option<u64>) -> bool {
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        revoked.includes(workspace, subject, issued_ms)
    }

    fn check_with(&self, key: &Key, token: &str) -> Result<Raw, Refused> {
        let mut validation = Validation::new(key.algorithm());
        // Times are checked by the caller's clock.
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        validation.required_spec_claims.clear();
        if let Some(issuer) = &self.rules.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        validation.validate_aud = self.rules.audience.is_some();
        if let Some(audience) = &self.rules.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        decode::<Raw>(token, key.decoding(), &validation).map(|data| data.claims).map_err(|error| refused(error.kind()))
    }

    fn not_revoked(&self, claims: Claims) -> Result<Claims, Refused> {
        if self.is_revoked(&claims.workspace, &claims.subject, claims.issued_ms) {
            return Err(Refused::Revoked);
        }
        Ok(claims)
    }
}

/// Whose a token that is not taken says it is, if that is a name. Nothing vouches for it: for the log alone.
#[must_use]
pub fn claimed_subject(token: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Claimed {
        sub: String,
    }
    let Claimed { sub } = insecure_decode_claims(token).ok()?;
    check_name(&sub).ok().map(|()| sub)
}

fn refused(kind: &ErrorKind) -> Refused {
    match kind {
        ErrorKind::InvalidSignature => Refused::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => Refused::Algorithm,
        ErrorKind::InvalidIssuer => Refused::Issuer,
        ErrorKind::InvalidAudience => Refused::Audience,
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => Refused::Issuer,
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => Refused::Audience,
        _ => Refused::Malformed,
    }
}
