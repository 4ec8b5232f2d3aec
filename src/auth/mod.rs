//! Who a client is: tokens, the keys they are checked with, and subjects whose tokens are revoked.
//!
//! A token is a JWT, signed by HS256 (a secret file) or by RS256, ES256 or EdDSA (a file of public keys). What a client
//! is, which groups and which workspace it is in, all come from it. This room reads files and no clock: the time is an
//! argument.
//!
//! Files here may use those above them: `crypto`, `der`, `refused`, `keys`, `claims`, `revoked`, `gate`, `mint`.

mod claims;
mod crypto;
mod der;
mod gate;
mod keys;
mod mint;
mod refused;
mod revoked;

pub use claims::Claims;
pub use gate::{Gate, GateError, Rules, claimed_subject};
pub use keys::{KEYS_MAX, KeyError, KeyFiles, Keys};
pub use mint::{MintError, Wanted, mint};
pub use refused::Refused;
pub use revoked::{REVOKED_MAX, RevokeError};

#[cfg(test)]
mod tests;
