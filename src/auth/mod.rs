//! Authentication: tokens, the keys that verify them, what their claims grant, and revocations.
//!
//! A token is a signed JWT. Its issuer decides which keys verify it, where its claims are, and which roles, workspaces and
//! subjects it may grant. This module reads files and fetches keys, but it never reads a clock: the time is an argument.
//!
//! Files here may use those above them: `refusal`, `claim_path`, `jws`, `key_set`, `issuer`, `claims`, `remote_keys`,
//! `verifier`, `mint`.

mod claim_path;
mod claims;
mod issuer;
mod jws;
mod key_set;
mod mint;
mod refusal;
mod remote_keys;
mod verifier;

pub use claim_path::ClaimPath;
pub use claims::Claims;
pub use issuer::{ClaimPaths, GROUPS_OF_TOKEN_MAX, Issuer, JwksLocation};
pub use key_set::{KEYS_MAX, KeyError, KeyFiles, KeySet};
pub use mint::{MintError, TokenRequest, mint};
pub use refusal::TokenRefusal;
pub use verifier::{OwnIssuer, TokenOrigin, TokenVerifier, VerifierError, VerifierSettings};

#[cfg(test)]
mod tests;
