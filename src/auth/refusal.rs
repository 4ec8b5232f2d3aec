//! The reasons for which a token is refused.

/// The reason for which a token is refused. The text describes the problem to the client, and reveals nothing of the
/// configuration. It contains nothing of the token except the path of a claim, so it can be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the text explains each")]
pub enum TokenRefusal {
    #[error("there is no token")]
    Missing,
    #[error("it is not a signed JWT")]
    Malformed,
    #[error("its `iss` is unknown")]
    Issuer,
    #[error("its `alg` is not accepted for this issuer")]
    Algorithm,
    #[error("its key is unknown: no key of the issuer has its `kid`")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("it expired {0} s ago")]
    Expired(u64),
    #[error("it is not valid yet: `nbf` or `iat` is {0} s in the future")]
    Early(u64),
    #[error("its `aud` is for another audience")]
    Audience,
    #[error("{0}")]
    Claims(String),
    #[error("its role may not be used here: {0}")]
    Role(String),
    #[error("its subject was revoked after it was issued")]
    Revoked,
}

impl TokenRefusal {
    /// The labels of the metric, in the order of [`label`](Self::label).
    pub const LABELS: [&str; 12] = [
        "missing",
        "malformed",
        "issuer",
        "algorithm",
        "unknownKey",
        "signature",
        "expired",
        "early",
        "audience",
        "claims",
        "role",
        "revoked",
    ];

    /// The index of its label in [`LABELS`](Self::LABELS).
    #[must_use]
    pub fn label(&self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Malformed => 1,
            Self::Issuer => 2,
            Self::Algorithm => 3,
            Self::UnknownKey => 4,
            Self::Signature => 5,
            Self::Expired(_) => 6,
            Self::Early(_) => 7,
            Self::Audience => 8,
            Self::Claims(_) => 9,
            Self::Role(_) => 10,
            Self::Revoked => 11,
        }
    }
}
