//! Limits on connections and messages: how many, how fast, from where, and for how long.
//!
//! Files here, each of which may use those before it: `permit`, `quota`, `client_address`, `origin`, `token_bucket`,
//! `token_expiry`, `refusal_log`.

pub(crate) mod client_address;
pub(crate) mod origin;
pub(crate) mod permit;
pub(crate) mod quota;
pub(crate) mod refusal_log;
pub(crate) mod token_bucket;
pub(crate) mod token_expiry;
