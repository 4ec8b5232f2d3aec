//! The wire: one type per message, errors and close codes as tables, decoding, encoding, framing.
//!
//! What a client sends is read by [`decode`] into a [`client::Message`]; what the hub says is one of the types of
//! [`server`], [`welcome`] and [`watch`], written by [`encode`] (the JSON alone) or [`frame::text`] (the whole
//! WebSocket frame). This room knows no other: it takes and gives text, numbers and its own enums.
//!
//! Files here may use those above them: `size`, `name`, `time`, `position`, `outcome`, `error`, `close`, `client`,
//! `fingerprint`, `server`, `fields`, `decode`, `welcome`, `watch`, `encode`, `frame`, `admin`, `listing`, `http`,
//! `asyncapi`, `openapi`, and for the client's side `scan`, `from_hub`, `to_hub`.

pub mod admin;
pub mod asyncapi;
pub mod client;
pub mod close;
mod decode;
mod encode;
pub mod error;
mod fields;
mod fingerprint;
pub mod frame;
pub mod from_hub;
pub mod http;
pub mod listing;
mod name;
pub mod openapi;
mod outcome;
mod position;
pub mod scan;
pub mod server;
pub mod size;
mod time;
mod to_hub;
pub mod watch;
pub mod welcome;

pub use close::Close;
pub use decode::{Fault, decode};
pub use encode::{Encode, encode};
pub use error::ErrorCode;
pub use fields::check_name;
pub use from_hub::{FromHub, decode_hub};
pub use name::{CallName, Presence, Role};
pub use outcome::Outcome;
pub use position::Position;
pub use time::Time;
pub use to_hub::encode_client;

/// The subprotocol that the hub selects if the client offers it.
pub const SUBPROTOCOL: &str = "deskbell.v1";

/// The version of the protocol, as the welcome tells it.
pub const VERSION: u32 = 1;
