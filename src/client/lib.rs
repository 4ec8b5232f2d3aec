//! The Rust client of deskbell: a [`Provider`] raises notifications and receives their outcomes, an [`Agent`] answers
//! notifications.
//!
//! Both keep one connection and reconnect when it is lost. A pending call is then sent again with the same id, by which
//! the hub recognises it, so each call settles exactly once. Both need a tokio runtime with I/O and time. Each runs a task
//! until its last handle is dropped.
//!
//! ```no_run
//! use deskbell_client::{Notify, Outcome, Provider, ProviderOptions};
//!
//! # async fn ring() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = Provider::connect("ws://127.0.0.1:8080/ws", ProviderOptions::new().id("chat-bot-1")).await?;
//! let notify = Notify::template("msdyn_chat_incoming_unauthenticated").parameter("customerName", "Grace");
//! let result = provider.notify(notify).await?;
//! match (result.value, result.agent_id) {
//!     (Outcome::Accepted, Some(agent)) => println!("{agent} accepted"),
//!     (outcome, _) => println!("{outcome:?}; displayed to {} agents", result.reach.displayed),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `wss:` addresses use TLS. [`Trust`] sets the certificate authorities, [`Token`] the client's token:
//!
//! ```no_run
//! use deskbell_client::{Provider, ProviderOptions, Token, Trust};
//!
//! # async fn fetch_token() -> Result<String, Box<dyn std::error::Error + Send + Sync>> { Ok(String::new()) }
//! # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
//! let options = ProviderOptions::new()
//!     .trust(Trust::Authorities(std::fs::read("company-ca.pem")?))
//!     // Called for each connection, so a token that expired is replaced.
//!     .token(Token::source(fetch_token));
//! let provider = Provider::connect("wss://hub.example/ws", options).await?;
//! # drop(provider);
//! # Ok(())
//! # }
//! ```
//!
//! Files here may use those above them: `error`, `tls`, `address`, `options`, `backoff`, `pending_calls`, `connection`,
//! `handle`, `notify`, `provider`, `agent_state`, `agent`.

mod address;
mod agent;
mod agent_state;
mod backoff;
mod connection;
mod error;
mod handle;
mod notify;
mod options;
mod pending_calls;
mod provider;
#[cfg(test)]
mod tests;
mod tls;

pub use address::Address;
pub use agent::Agent;
pub use agent_state::{AgentEvent, AgentState, Events};
pub use connection::Status;
pub use deskbell_protocol::outbound::{
    Ack, Activity, AnswerResult, Buttons, CancelResult, Closed, ErrorReply, Field, Kpi, Notification, NotifyResult,
    Session, SessionEnded,
};
pub use deskbell_protocol::{ErrorCode, NotificationId, Outcome, Presence, RawJson, Reach, Timestamp};
pub use error::{CallError, ConnectError, EndReason};
pub use notify::Notify;
pub use options::{AgentOptions, ProviderOptions, Token, TokenSource, Tuning};
pub use provider::{Provider, Results, Ring};
pub use tls::Trust;
