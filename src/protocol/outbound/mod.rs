//! Messages from the hub to a client: their types, how they are written and, for clients, how they are read.
//!
//! Files here may use those above them: `message`, `welcome`, `observer`, `encode`, `received`.

mod encode;
mod message;
mod observer;
pub mod received;
mod welcome;

pub(super) use encode::append;
pub use encode::{Encode, encode};
pub use message::{
    Ack, Activity, AnswerResult, Buttons, CancelResult, Closed, DoneResult, ErrorReply, Field, Kpi, Notification,
    NotifyResult, Pong, PresenceUpdate, Reach, Refreshed, ReplyIds, Session, SessionEnded, Uuid,
};
pub use observer::{Event, EventKind, Quantiles, Stats};
pub use received::{HubMessage, decode};
pub use welcome::{Limits, OpenNotification, Welcome, WelcomeState};
