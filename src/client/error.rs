//! The errors of connections and calls.

use std::time::Duration;

use deskbell_protocol::outbound::ErrorReply;
use thiserror::Error;

/// Why a client has ended for good. It does not reconnect any more.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndReason {
    /// This process dropped the client's last handle.
    #[error("the client was closed by this process")]
    Closed,
    /// The hub closed the connection with a code that says not to reconnect.
    #[error("the hub closed the connection for good with {code}: {reason}")]
    ClosedByHub {
        /// The WebSocket close code.
        code: u16,
        /// The reason in the close frame, or the detail of the error before it.
        reason: String,
    },
    /// The hub answered the WebSocket upgrade with an HTTP status that does not change on a retry.
    #[error("the hub answered the upgrade with HTTP {0}")]
    Http(u16),
    /// The address is not valid.
    #[error("{0}")]
    Address(String),
    /// TLS cannot be set up: there are no certificate authorities, or the host's name is not valid in a certificate.
    #[error("{0}")]
    Tls(String),
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The hub refused the call and did nothing.
    #[error("{} ({}): {}", .0.message, .0.code.as_str(), .0.detail)]
    Refused(Box<ErrorReply<'static>>),
    /// The connection was lost for so long that the hub may have settled and forgotten the call. It is not sent again,
    /// because the customer may be gone. Its outcome is not known.
    #[error("the hub could not be reached for more than {0:?}: the outcome is not known")]
    Unknown(Duration),
    /// The client has ended. The outcome of a pending call is not known.
    #[error(transparent)]
    Ended(#[from] EndReason),
    /// This many calls are pending already. Nothing was sent.
    #[error("{0} calls are pending already: wait for some of them")]
    TooMany(usize),
    /// A pending call has the same id. Nothing was sent.
    #[error("a pending call has the id {0:?}: give each notify its own id")]
    DuplicateId(String),
    /// The message is longer than the hub takes. Nothing was sent.
    #[error("the message has {bytes} bytes; the hub takes at most {bytes_max}")]
    TooLong {
        /// The length of the message.
        bytes: usize,
        /// The hub's limit (`maxMessageBytes`).
        bytes_max: usize,
    },
    /// The hub sent a reply that does not belong to this kind of call.
    #[error("the hub's reply does not belong to this call")]
    UnexpectedReply,
}

/// Why there is no first connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// The client has ended; a retry does not help.
    #[error(transparent)]
    Ended(#[from] EndReason),
    /// There was no welcome in time.
    #[error("no connection within {within:?}; the last failure: {last}")]
    TimedOut {
        /// [`Tuning::connect_within`](super::Tuning::connect_within).
        within: Duration,
        /// The last failure, for people.
        last: String,
    },
}
