//! Messages from a client to the hub: their types, how they are read and, for clients, how they are written.
//!
//! Files here may use those above them: `message`, `fingerprint`, `fields`, `decode`, `encode`.

mod decode;
mod encode;
mod fields;
mod fingerprint;
mod message;

pub use decode::{DecodeError, decode};
pub(super) use decode::{decode_fields, no_object};
pub use encode::encode;
pub use fields::check_name;
pub(super) use fields::{Fields, Key};
pub use message::{Body, ClientMessage, Envelope, Hello, HelloRole, NotifyMessage, Recipients, ResumeFrom, Text};
