//! Why a token is not taken.

/// Why a token is not taken. Nothing of the token itself is in it, so that it can be logged and counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each is explained by its own text")]
pub enum Refused {
    #[error("there is no token")]
    Missing,
    #[error("it is no signed JWT")]
    Malformed,
    #[error("its algorithm is not one that a configured key is for")]
    Algorithm,
    #[error("no configured key has its `kid`")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("it has expired")]
    Expired,
    #[error("its time has not come: `nbf` or `iat` is in the future")]
    Early,
    #[error("its `iss` is not the configured issuer")]
    Issuer,
    #[error("its `aud` does not name the configured audience")]
    Audience,
    #[error("its claims are wrong: {0}")]
    Claims(String),
    #[error("its subject was revoked after it was issued")]
    Revoked,
}

impl Refused {
    /// All labels, in the order of declaration.
    pub const LABELS: [&str; 11] = [
        "missing",
        "malformed",
        "algorithm",
        "unknownKey",
        "signature",
        "expired",
        "early",
        "issuer",
        "audience",
        "claims",
        "revoked",
    ];

    /// Its place in [`LABELS`](Self::LABELS).
    #[must_use]
    pub fn label(&self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Malformed => 1,
            Self::Algorithm => 2,
            Self::UnknownKey => 3,
            Self::Signature => 4,
            Self::Expired => 5,
            Self::Early => 6,
            Self::Issuer => 7,
            Self::Audience => 8,
            Self::Claims(_) => 9,
            Self::Revoked => 10,
        }
    }
}
