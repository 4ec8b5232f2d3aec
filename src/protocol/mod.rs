//! The wire: one type per message, errors and close codes as tables, decoding, encoding, framing.
//!
//! [`inbound`] holds the messages of clients: the hub reads them by [`decode`], a client writes them by
//! [`encode_inbound`]. [`outbound`] holds the messages of the hub: the hub writes them by [`encode`] (the JSON alone) or
//! [`frame::text`] (the whole WebSocket frame), a client reads them by [`decode_outbound`]. This room uses no other
//! room: it takes and gives text, numbers and its own enums.
//!
//! Files here may use those above them: `size`, `name`, `time`, `position`, `outcome`, `error`, `close`, `outbound`,
//! `inbound`, `frame`, `admin`, `template_list`, `http`, `asyncapi`, `openapi`.

pub mod admin;
pub mod asyncapi;
pub mod close;
pub mod error;
pub mod frame;
pub mod http;
pub mod inbound;
mod name;
pub mod openapi;
pub mod outbound;
mod outcome;
mod position;
pub mod size;
pub mod template_list;
mod time;

pub use close::Close;
pub use error::ErrorCode;
pub use inbound::{DecodeError, check_name, decode, encode as encode_inbound};
pub use name::{CallName, Presence, Role};
pub use outbound::{Encode, HubMessage, decode as decode_outbound, encode};
pub use outcome::Outcome;
pub use position::Position;
pub use time::Time;

/// The subprotocol that the hub selects if the client offers it.
pub const SUBPROTOCOL: &str = "deskbell.v1";

/// The version of the protocol, as the welcome gives it.
pub const VERSION: u32 = 1;
