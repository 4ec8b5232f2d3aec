//! The keys of an issuer that come from a URL: fetched in the background, and kept when a fetch fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::issuer::{Issuer, JwksLocation};
use super::key_set::{KeySet, OctKeys};
use crate::outbound::{FetchError, HttpsClient};

/// The time between two fetches without `Cache-Control`.
const FETCH_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// The shortest interval that `Cache-Control` can ask for.
const FETCH_INTERVAL_MIN: Duration = Duration::from_secs(60);
/// The longest interval that `Cache-Control` can ask for.
const FETCH_INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The pause after a failed fetch.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// The pause between two fetches because of an unknown `kid`, and after a failed fetch while there are no keys.
const DEMAND_INTERVAL: Duration = Duration::from_secs(10);
/// How long a client with an unknown `kid` waits for a fetch.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The current keys, and the task that fetches them.
#[derive(Debug)]
pub(super) struct RemoteKeys {
    issuer: String,
    location: JwksLocation,
    /// The last good key set on disk, so that a restart works while the issuer is down.
    store: Option<PathBuf>,
    current: RwLock<Option<Arc<KeySet>>>,
    /// The error of the last fetch, if it failed.
    failure: RwLock<Option<String>>,
    /// The number of completed fetches, including failed ones.
    fetches: watch::Sender<u64>,
    demand: Notify,
}

/// The reason for which the keys could not be fetched.
#[derive(Debug, thiserror::Error)]
enum KeyFetchError {
    #[error("{url}: {source}")]
    Fetch { url: String, source: FetchError },
    #[error("{url}: {what}")]
    Content { url: String, what: String },
}

/// The discovery document (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// The stored key set.
#[derive(Serialize, Deserialize)]
struct StoredKeys {
    issuer: String,
    jwks: String,
}

impl RemoteKeys {
    /// Begins with the stored keys, if there are any.
    pub(super) fn new(issuer: &Issuer, store: Option<&Path>) -> Self {
        let store = store
            .map(|directory| directory.join(format!(".issuer-keys-{:08x}", crc32c::crc32c(issuer.issuer.as_bytes()))));
        let stored = store.as_ref().and_then(|path| load(path, &issuer.issuer));
        if stored.is_some() {
            tracing::info!(issuer = issuer.issuer, "using the stored keys of the issuer until its keys are fetched");
        }
        Self {
            issuer: issuer.issuer.clone(),
            location: issuer.jwks.clone(),
            store,
            current: RwLock::new(stored.map(Arc::new)),
            failure: RwLock::default(),
            fetches: watch::Sender::new(0),
            demand: Notify::new(),
        }
    }

    /// The current keys; `None` if there have never been any.
    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The issuer of these keys.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The error of the last fetch, if it failed.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the next fetch is complete, at most ten seconds.
    pub(super) async fn wait_for_fetch(&self) {
        let mut fetches = self.fetches.subscribe();
        let before = *fetches.borrow_and_update();
        self.demand.notify_one();
        let _ = timeout(WAIT_MAX, fetches.wait_for(|count| *count > before)).await;
    }

    /// Fetches the keys repeatedly, until the future is dropped.
    pub(super) async fn keep_fresh(self: Arc<Self>, client: HttpsClient) {
        loop {
            let started = Instant::now();
            let fetched = self.fetch(&client).await;
            let failure = fetched.as_ref().err().map(ToString::to_string);
            *self.failure.write().unwrap_or_else(PoisonError::into_inner) = failure;
            let pause = match fetched {
                Ok((set, jwks, max_age)) => {
                    self.replace(set, &jwks);
                    max_age.unwrap_or(FETCH_INTERVAL).clamp(FETCH_INTERVAL_MIN, FETCH_INTERVAL_MAX)
                }
                Err(error) => {
                    let has_keys = self.current().is_some();
                    let effect =
                        if has_keys { "the last keys stay in use" } else { "its tokens cannot be verified yet" };
                    tracing::warn!(issuer = self.issuer, "cannot fetch the keys of the issuer, {effect}: {error}");
                    if has_keys { RETRY_INTERVAL } else { DEMAND_INTERVAL }
                }
            };
            self.fetches.send_modify(|count| *count += 1);
            tokio::select! {
                () = sleep(pause) => {}
                () = self.demand.notified() => sleep_until(started + DEMAND_INTERVAL).await,
            }
        }
    }

    fn replace(&self, set: KeySet, jwks: &str) {
        let first = self.current().is_none();
        for warning in set.warnings() {
            tracing::debug!(issuer = self.issuer, "{warning}");
        }
        if first {
            for warning in set.warnings() {
                tracing::warn!(issuer = self.issuer, "{warning}");
            }
            tracing::info!(issuer = self.issuer, keys = set.count(), "keys of the issuer fetched");
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(set));
        let Some(path) = &self.store else { return };
        let stored = StoredKeys { issuer: self.issuer.clone(), jwks: jwks.to_owned() };
        let written = serde_json::to_vec(&stored).map_err(Into::into).and_then(|bytes| {
            let unfinished = path.with_extension("new");
            fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path))
        });
        if let Err(error) = written {
            tracing::warn!(issuer = self.issuer, %error, "cannot store the keys of the issuer; a restart needs the issuer");
        }
    }

    async fn fetch(&self, client: &HttpsClient) -> Result<(KeySet, String, Option<Duration>), KeyFetchError> {
        let url = match &self.location {
            JwksLocation::Url(url) => url.clone(),
            _ => self.discover(client).await?,
        };
        let response = client.get(&url).await.map_err(|source| KeyFetchError::Fetch { url: url.clone(), source })?;
        let content = |what| KeyFetchError::Content { url: url.clone(), what };
        let jwks = String::from_utf8(response.body).map_err(|_| content("it is not valid UTF-8".to_owned()))?;
        let set = KeySet::parse_jwks(jwks.trim_start_matches('\u{feff}'), OctKeys::Ignore).map_err(content)?;
        Ok((set, jwks, response.max_age))
    }

    /// The URL of the keys, from the discovery document.
    async fn discover(&self, client: &HttpsClient) -> Result<String, KeyFetchError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let response = client.get(&url).await.map_err(|source| KeyFetchError::Fetch { url: url.clone(), source })?;
        let content = |what| KeyFetchError::Content { url: url.clone(), what };
        let document: Discovery = serde_json::from_slice(&response.body)
            .map_err(|error| content(format!("it is not a discovery document: {error}")))?;
        if document.issuer != self.issuer {
            return Err(content("it is the document of another issuer".to_owned()));
        }
        Ok(document.jwks_uri)
    }
}

/// The stored keys, if they are those of this issuer.
fn load(path: &Path, issuer: &str) -> Option<KeySet> {
    let stored: StoredKeys = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (stored.issuer == issuer).then(|| KeySet::parse_jwks(&stored.jwks, OctKeys::Ignore).ok())?
}
