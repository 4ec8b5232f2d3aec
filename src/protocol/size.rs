//! Every size of the wire, in bytes unless the name says otherwise, from the contract's "Sizes".

/// Names, ids, cancellation tokens, groups, template and parameter names: at least 1 byte, at most so many.
pub const NAME_BYTES_MAX: usize = 128;
/// `details` of a kpi; may be empty.
pub const DETAILS_BYTES_MAX: usize = 512;
/// `reason` of a reject; may be empty.
pub const REASON_BYTES_MAX: usize = 1024;
/// Agents and groups together that `to` may name, each counted once.
pub const TO_NAMES_MAX: usize = 100;
/// Groups that one agent may be in, each counted once.
pub const GROUPS_MAX: usize = 64;
/// A message before the hello, or from an agent or an observer.
pub const SMALL_MESSAGE_BYTES_MAX: usize = 16_384;
/// A message from a provider, unless configured otherwise.
pub const MESSAGE_BYTES_DEFAULT: usize = 65_536;
/// A `position`.
pub const POSITION_BYTES_MAX: usize = 32;
/// The reason in a close frame (RFC 6455: a control frame's payload is at most 125 bytes, 2 of them are the code).
pub const CLOSE_REASON_BYTES_MAX: usize = 123;
