//! Messages from a client to the hub. A client writes them by [`encode()`], the hub reads them by [`decode()`].
//!
//! Files here may use those above them: `message`, `fingerprint`, `fields`, `decode`, `encode`.

mod decode;
mod encode;
mod fields;
mod fingerprint;
mod message;

pub use decode::{DecodeError, decode};
pub(crate) use decode::{decode_fields, not_an_object};
pub use encode::encode;
pub(crate) use fields::{FieldKey, Fields};
pub use message::{AddressedTo, Body, ClientMessage, Hello, HelloRole, NotifyMessage, ResumeFrom, Text};
