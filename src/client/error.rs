//! What can go wrong, for those who call.

use std::time::Duration;

use thiserror::Error;

use crate::protocol::ErrorCode;
use crate::protocol::outbound::received::Refusal;

/// The hub did nothing, and says why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message} ({}): {detail}", code.as_str())]
pub struct Refused {
    /// For programs.
    pub code: ErrorCode,
    /// In the words of the Channel Integration Framework.
    pub message: String,
    /// For people: what is wrong, and where.
    pub detail: String,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code, message: refusal.message, detail: refusal.detail }
    }
}

/// Why a client is over for good.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Ended {
    /// Its last handle was dropped, or it was closed by this side.
    #[error("the client was closed by this side")]
    Closed,
    /// The hub closed it with a code after which the same client would only be sent away again.
    #[error("the hub sent this client away with {code}: {reason}")]
    SentAway {
        /// The WebSocket close code.
        code: u16,
        /// The hub's words.
        reason: String,
    },
    /// The hub's HTTP answer to the upgrade says that coming again is of no use.
    #[error("the hub answered the upgrade with HTTP {0}")]
    Http(u16),
    /// The address is none that this client can connect to.
    #[error("{0}")]
    Address(String),
    /// There are no authorities by which to check the hub's certificate, or the host's name cannot stand in one.
    #[error("{0}")]
    Trust(String),
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The hub refused it; nothing was done.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The hub was away for so long that it may have settled and forgotten the call: repeated, it might ring again for
    /// someone who hung up long ago. Whether it was done is not known.
    #[error("the hub was away for more than {0:?}: the outcome is not known")]
    Unknown(Duration),
    /// The client is over; whether a call under way was done is not known.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// So many calls are under way already; nothing was sent.
    #[error("{0} calls are under way already: wait for some of them")]
    TooMany(usize),
    /// A call with the same id is under way; nothing was sent.
    #[error("a call under way has the id {0:?}: give each notify its own")]
    IdUnderWay(String),
    /// Longer than the hub takes, in bytes; nothing was sent.
    #[error("the message has {bytes} bytes; the hub takes at most {bytes_max}")]
    TooLong {
        /// What it has.
        bytes: usize,
        /// What the hub takes.
        bytes_max: usize,
    },
    /// The hub's reply is none that this call can have.
    #[error("the hub's reply is not one to this call")]
    Nonsense,
}

/// Why no first connection came about.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// It never will.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// None within the time allowed; the last failure is told.
    #[error("no connection within {within:?}; the last failure: {last}")]
    TimedOut {
        /// [`Tuning::connect_within`](super::Tuning::connect_within).
        within: Duration,
        /// What happened last, for people.
        last: String,
    },
}
