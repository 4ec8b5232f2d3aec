//! The options of a client: its name, its token, and its timeouts.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deskbell_protocol::Presence;

use super::tls::Trust;

/// A function that returns a token for each connection.
pub type TokenSource =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, Box<dyn Error + Send + Sync>>> + Send>> + Send + Sync>;

/// The token of a client.
#[derive(Clone, Default)]
pub enum Token {
    /// No token: the hub has no authentication.
    #[default]
    None,
    /// Always this token. After it expires, the client ends for good.
    Fixed(String),
    /// A new token from this source for each connection.
    Source(TokenSource),
}

impl Token {
    /// A source of tokens. An error counts as a failed connection attempt: the client asks again later.
    ///
    /// ```
    /// use deskbell_client::{ProviderOptions, Token};
    ///
    /// # async fn fetch_token() -> Result<String, Box<dyn std::error::Error + Send + Sync>> { Ok(String::new()) }
    /// let options = ProviderOptions::new().token(Token::source(|| async { fetch_token().await }));
    /// # let _ = options;
    /// ```
    pub fn source<F, T>(source: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        Self::Source(Arc::new(move || Box::pin(source())))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokens must not appear in logs.
        f.write_str(match self {
            Self::None => "None",
            Self::Fixed(_) => "Fixed(…)",
            Self::Source(_) => "Source(…)",
        })
    }
}

/// Timeouts and limits of a client. The defaults suit a bot that runs for months.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// How long `connect` waits for the first welcome; 30 s.
    pub connect_within: Duration,
    /// From the start of one attempt until its welcome; 15 s.
    pub open_within: Duration,
    /// The first pause before a reconnect is a random part of this, the next one of twice as much, and so on; 500 ms.
    pub backoff_first: Duration,
    /// The longest pause; 20 s.
    pub backoff_max: Duration,
    /// A pending call is given up when the hub could not be reached for this long, because the hub may have forgotten it;
    /// 9 min, because hubs retain outcomes for 10 min by default.
    pub give_up_after: Duration,
    /// Messages sent per second, with a burst of the same number. Further messages wait. 150, because hubs take 200 by
    /// default.
    pub messages_per_second: u32,
    /// Pending calls; one more gets [`CallError::TooMany`](super::CallError::TooMany). 10 000.
    pub calls_max: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            connect_within: Duration::from_secs(30),
            open_within: Duration::from_secs(15),
            backoff_first: Duration::from_millis(500),
            backoff_max: Duration::from_secs(20),
            give_up_after: Duration::from_secs(9 * 60),
            messages_per_second: 150,
            calls_max: 10_000,
        }
    }
}

/// The options of a provider.
#[derive(Debug, Clone, Default)]
pub struct ProviderOptions {
    pub(super) id: Option<String>,
    pub(super) resume: Option<String>,
    pub(super) resume_all: bool,
    pub(super) token: Token,
    pub(super) trust: Trust,
    pub(super) tuning: Tuning,
}

impl ProviderOptions {
    /// A provider. Its name is in its token, or the hub mints one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The provider's name. After a restart, use the same name to receive the outcomes of earlier notifications.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Asks for the outcomes that were settled after the position of an earlier
    /// [`NotifyResult`](super::NotifyResult).
    #[must_use]
    pub fn resume_after(mut self, position: impl Into<String>) -> Self {
        self.resume = Some(position.into());
        self
    }

    /// Asks for all outcomes that the hub retains; by default those of the last 10 min.
    #[must_use]
    pub fn resume_all(mut self) -> Self {
        self.resume_all = true;
        self
    }

    /// The provider's token.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = token;
        self
    }

    /// The certificate authorities for `wss:` addresses; those of the system by default.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Timeouts and limits.
    #[must_use]
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }
}

/// The options of an agent.
#[derive(Debug, Clone, Default)]
pub struct AgentOptions {
    pub(super) id: Option<String>,
    pub(super) groups: Option<Vec<String>>,
    pub(super) presence: Option<Presence>,
    pub(super) token: Token,
    pub(super) trust: Trust,
    pub(super) tuning: Tuning,
}

impl AgentOptions {
    /// An agent. Its name is in its token, or the hub mints one. The groups and the presence are those that the hub remembers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The agent's name.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The agent's groups. With an empty list the agent is in no group.
    #[must_use]
    pub fn groups(mut self, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.groups = Some(groups.into_iter().map(Into::into).collect());
        self
    }

    /// The presence of the first connection. After a reconnect, the presence that the hub remembers applies.
    #[must_use]
    pub fn presence(mut self, presence: Presence) -> Self {
        self.presence = Some(presence);
        self
    }

    /// The agent's token.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = token;
        self
    }

    /// The certificate authorities for `wss:` addresses; those of the system by default.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Timeouts and limits.
    #[must_use]
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }
}
