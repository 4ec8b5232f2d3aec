//! The wire of deskbell: one type for each message, the tables of errors and close codes, JSON and WebSocket frames.
//! `docs/PROTOCOL.md` is the contract.
//!
//! [`inbound`] holds the messages of clients, [`outbound`] those of the hub. Each type is written by one side and read by
//! the other, so the hub and the Rust client share it. Ids, outcomes and times are those of `deskbell-core`.
//!
//! Files here may use those above them: `size`, `duration`, `names`, `vocabulary`, `error`, `close`, `envelope`, `raw_json`,
//! `outbound`, `inbound`, `frame`, `admin`, `template_list`, `http`, `asyncapi`, `openapi`.

pub mod admin;
pub mod asyncapi;
pub mod close;
mod duration;
mod envelope;
pub mod error;
pub mod frame;
pub mod http;
pub mod inbound;
mod names;
pub mod openapi;
pub mod outbound;
mod raw_json;
pub mod size;
pub mod template_list;
mod vocabulary;

pub use close::Close;
pub use deskbell_core::entry::{Presence, Settle};
pub use deskbell_core::{NotificationId, Outcome, Position, Reach, Timestamp};
pub use duration::{format_duration, parse_duration};
pub use envelope::Envelope;
pub use error::ErrorCode;
pub use inbound::{DecodeError, decode, encode as encode_inbound};
pub use names::{check_name, is_hidden};
pub use outbound::{Encode, HubMessage, decode as decode_outbound, encode};
pub use raw_json::RawJson;
pub use vocabulary::{CallName, Role};

/// The subprotocol that the hub selects if the client offers it.
pub const SUBPROTOCOL: &str = "deskbell.v1";

/// The version of the protocol, as the welcome gives it.
pub const VERSION: u32 = 1;
