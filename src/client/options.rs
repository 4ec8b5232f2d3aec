//! As what a client comes, and how patient it is.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::trust::Trust;
use crate::protocol::Presence;

/// What gives a token whenever one is needed.
pub type TokenSource =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, Box<dyn Error + Send + Sync>>> + Send>> + Send + Sync>;

/// By what a client proves who it is.
#[derive(Clone, Default)]
pub enum Token {
    /// By nothing: the hub has no authentication.
    #[default]
    None,
    /// By this one; when it expires, the client is over.
    Fixed(String),
    /// By what this gives, asked for each connection.
    Source(TokenSource),
}

impl Token {
    /// A source of tokens; its error is one more reason to try again later.
    ///
    /// ```
    /// use deskbell::client::{ProviderOptions, Token};
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
        // The token itself belongs in no log.
        f.write_str(match self {
            Self::None => "None",
            Self::Fixed(_) => "Fixed(…)",
            Self::Source(_) => "Source(…)",
        })
    }
}

/// How patient a client is. The defaults suit a bot that runs for months.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// How long `connect` waits for the first welcome; 30 s.
    pub connect_within: Duration,
    /// From the beginning of one try to its welcome; 15 s.
    pub open_within: Duration,
    /// The first pause before coming back is a random part of this, the next of twice as much, and so on; 500 ms.
    pub backoff_first: Duration,
    /// No pause is longer; 20 s.
    pub backoff_max: Duration,
    /// A call that was under way is given up when the hub was away for so long, since it might have forgotten it;
    /// 9 min, as hubs remember for 10 unless configured otherwise.
    pub give_up_after: Duration,
    /// Messages sent per second, with a burst of as many; more wait here. 150, as hubs take 200 unless configured otherwise.
    pub messages_per_second: u32,
    /// Calls under way; one more is refused here. 10 000.
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

/// As what a provider comes.
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
    /// A provider that the hub names, or its token.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Its name. Who wants the outcomes of before a restart must come back under the same.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Wants the outcomes of its notifications settled after that position of an earlier [`NotifyResult`](super::NotifyResult).
    #[must_use]
    pub fn resume_after(mut self, position: impl Into<String>) -> Self {
        self.resume = Some(position.into());
        self
    }

    /// Wants all outcomes that the hub still holds (10 min unless configured otherwise).
    #[must_use]
    pub fn resume_all(mut self) -> Self {
        self.resume_all = true;
        self
    }

    /// By what it proves who it is.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = token;
        self
    }

    /// Whom it believes that the hub is the hub, where TLS is spoken; else the system's authorities.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// How patient it is.
    #[must_use]
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }
}

/// As what an agent comes.
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
    /// An agent that the hub names, or its token; groups and presence as the hub remembers them.
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

    /// The agent's groups; none named: in no group.
    #[must_use]
    pub fn groups(mut self, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.groups = Some(groups.into_iter().map(Into::into).collect());
        self
    }

    /// The presence to begin with. When the connection is renewed, the hub's memory counts.
    #[must_use]
    pub fn presence(mut self, presence: Presence) -> Self {
        self.presence = Some(presence);
        self
    }

    /// By what the agent proves who it is.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = token;
        self
    }

    /// Whom it believes that the hub is the hub, where TLS is spoken; else the system's authorities.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// How patient it is.
    #[must_use]
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }
}
