//! Limits on connections and messages: how many, how fast, from where, and for how long.

pub(crate) mod client_address;
pub(crate) mod origin;
pub(crate) mod quota;
pub(crate) mod token_bucket;
pub(crate) mod token_expiry;
