//! The client for Rust: a [`Provider`] raises notifications and learns their outcomes, an [`Agent`] is a desk that
//! answers them.
//!
//! Both keep one connection and reconnect by themselves when it breaks. A call that was under way then is sent again
//! under the same id, by which the hub knows it, so each call settles exactly once. Both need a tokio runtime with I/O
//! and time; a task of their own runs until the last handle is dropped.
//!
//! ```no_run
//! use deskbell::client::{Notify, Outcome, Provider, ProviderOptions};
//!
//! # async fn ring() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = Provider::connect("ws://127.0.0.1:8080/ws", ProviderOptions::new().id("chat-bot-1")).await?;
//! let notify = Notify::template("msdyn_chat_incoming_unauthenticated").parameter("customerName", "Grace");
//! let result = provider.notify(notify).await?;
//! match (result.outcome, result.agent_id) {
//!     (Outcome::Accept, Some(agent)) => println!("{agent} took it"),
//!     (outcome, _) => println!("{outcome:?}; {} agents had it displayed", result.reach.displayed),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `wss:` addresses use TLS. [`Trust`] says who may vouch for the hub, [`Token`] how the client proves who it is:
//!
//! ```no_run
//! use deskbell::client::{Provider, ProviderOptions, Token, Trust};
//!
//! # async fn fetch_token() -> Result<String, Box<dyn std::error::Error + Send + Sync>> { Ok(String::new()) }
//! # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
//! let options = ProviderOptions::new()
//!     .trust(Trust::Authorities(std::fs::read("company-ca.pem")?))
//!     // Asked for each connection, so for a fresh one whenever the last has expired.
//!     .token(Token::source(fetch_token));
//! let provider = Provider::connect("wss://hub.example/ws", options).await?;
//! # drop(provider);
//! # Ok(())
//! # }
//! ```
//!
//! Files here may use those above them: `error`, `trust`, `address`, `options`, `backoff`, `calls`, `link`, `line`,
//! `notify`, `provider`, `desk`, `agent`.

mod address;
mod agent;
mod backoff;
mod calls;
mod desk;
mod error;
mod line;
mod link;
mod notify;
mod options;
mod provider;
#[cfg(test)]
mod tests;
mod trust;

pub use crate::protocol::outbound::received::{
    Activity, Buttons, Closed, Field, Kpi, Notification, Open, Reach, Session, SessionEnded,
};
pub use crate::protocol::{ErrorCode, Outcome, Presence};

pub(crate) use address::Address;
pub use agent::{Agent, Answer};
pub use desk::{AgentEvent, Desk, Events};
pub use error::{CallError, ConnectError, Ended, Refused};
pub use link::Status;
pub use notify::Notify;
pub use options::{AgentOptions, ProviderOptions, Token, TokenSource, Tuning};
pub use provider::{Acked, CancelResult, NotifyResult, Provider, Results, Ring};
pub use trust::Trust;
