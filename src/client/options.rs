//! Who a client is, how it proves that, and how patient it is.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::trust::Trust;
use crate::protocol::Presence;

/// Gives a token whenever one is needed.
pub type TokenSource =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, Box<dyn Error + Send + Sync>>> + Send>> + Send + Sync>;

/// How a client proves who it is.
#[derive(Clone, Default)]
pub enum Token {
    /// Not at all: the hub has no authentication.
    #[default]
    None,
    /// By this token. When it expires, the client ends for good.
    Fixed(String),
    /// By the token that this gives, asked anew for each connection.
    Source(TokenSource),
}

impl Token {
    /// A source of tokens. After an error it is asked again later, as after a connection that failed.
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
    /// Messages sent per second, with a burst of as many; more wait here. 150, as hubs take 200 unless configured
    /// otherwise.
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

/// Who a provider is, and how it connects.
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
    /// A provider that is named by its token, or else by the hub.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The provider's name. To get the outcomes of before a restart, come back under the same one.
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

    /// Asks for all outcomes that the hub still holds: those of 10 min, unless it is configured otherwise.
    #[must_use]
    pub fn resume_all(mut self) -> Self {
        self.resume_all = true;
        self
    }

    /// How the provider proves who it is.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = token;
        self
    }

    /// Which authorities may vouch for the hub, where TLS is spoken; the system's, unless this is called.
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

/// Who an agent is, and how it connects.
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
    /// An agent that is named by its token, or else by the hub; with the groups and the presence that the hub
    /// remembers.
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

    /// The agent's groups. An empty list: none.
    #[must_use]
    pub fn groups(mut self, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.groups = Some(groups.into_iter().map(Into::into).collect());
        self
    }

    /// The presence to begin with. When the connection is renewed, the one that the hub remembers counts.
    #[must_use]
    pub fn presence(mut self, presence: Presence) -> Self {
        self.presence = Some(presence);
        self
    }

    /// How the agent proves who it is.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = token;
        self
    }

    /// Which authorities may vouch for the hub, where TLS is spoken; the system's, unless this is called.
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
