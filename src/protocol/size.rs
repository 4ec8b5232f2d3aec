//! The limits of the wire ("Sizes" in docs/PROTOCOL.md), in bytes unless the name says otherwise.

/// The longest name, id, cancellation token, group, template name and parameter name. The shortest has 1 byte.
pub const NAME_BYTES_MAX: usize = 128;
/// The longest `details` of a kpi.
pub const DETAILS_BYTES_MAX: usize = 512;
/// The longest `reason` of a reject.
pub const REASON_BYTES_MAX: usize = 1024;
/// The most agents and groups together in `to`, each counted once.
pub const TO_NAMES_MAX: usize = 100;
/// The most groups of one agent, each counted once.
pub const GROUPS_MAX: usize = 64;
/// The longest message before the hello, and from an agent or an observer.
pub const SMALL_MESSAGE_BYTES_MAX: usize = 16_384;
/// The longest message from a provider by default.
pub const MESSAGE_BYTES_DEFAULT: usize = 65_536;
/// The longest `position`.
pub const POSITION_BYTES_MAX: usize = 32;
/// The longest reason in a close frame (RFC 6455: a control frame's payload is at most 125 bytes, 2 of them are the code).
pub const CLOSE_REASON_BYTES_MAX: usize = 123;
