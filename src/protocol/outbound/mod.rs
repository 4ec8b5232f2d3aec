//! Messages from the hub to a client. The hub writes them by [`encode`], a client reads them by [`decode`].
//!
//! Files here may use those above them: `reply`, `desk`, `welcome`, `observer`, `encode`, `decode`.

mod decode;
mod desk;
mod encode;
mod observer;
mod reply;
mod welcome;

pub use decode::{CallResult, HubMessage, decode};
pub use desk::{Activity, Buttons, Closed, Kpi, Notification, PresenceUpdate, Session, SessionContext, SessionEnded};
pub use deskbell_core::entry::Field;
pub(crate) use encode::append;
pub use encode::{Encode, encode};
pub use observer::{EventKind, ObserverEvent, Quantiles, Stats};
pub use reply::{Ack, AnswerResult, CancelResult, DoneResult, ErrorReply, NotifyResult, Pong, Refreshed};
pub use welcome::{ClientLimits, OpenNotification, Welcome, WelcomeState};
