//! Verifies tokens with the keys of their issuers.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::Value;

use super::claims::{self, CheckTime, Claims};
use super::issuer::{Issuer, JwksLocation};
use super::jws::SignedToken;
use super::key_set::{KeyError, KeyFiles, KeySet};
use super::refusal::TokenRefusal;
use super::remote_keys::RemoteKeys;
use crate::outbound::HttpsClient;
use deskbell_protocol::check_name;

/// The most subjects that are remembered for a logged warning about their groups. Above this number, warnings can repeat.
const WARNED_SUBJECTS_MAX: usize = 10_000;

/// The settings of a verifier.
#[derive(Debug, Clone, Default)]
pub struct VerifierSettings {
    /// The keys of `[auth]`, and what their tokens must contain.
    pub own: Option<OwnIssuer>,
    /// `[[auth.issuers]]`.
    pub issuers: Vec<Issuer>,
    /// The tolerated difference between the clocks of hub and issuer, in milliseconds.
    pub leeway_ms: u64,
    /// The greatest age of a token, in milliseconds.
    pub token_age_max_ms: Option<u64>,
    /// The directory for the last good keys of each issuer; `None`: they are not stored.
    pub key_store: Option<PathBuf>,
}

/// The keys of `[auth]`.
#[derive(Debug, Clone, Default)]
pub struct OwnIssuer {
    /// The files of the keys.
    pub files: KeyFiles,
    /// The only `iss`; `None`: any, or none.
    pub issuer: Option<String>,
    /// The value that `aud` must be or contain. `None`: any value.
    pub audience: Option<String>,
}

/// The reason for which the verifier cannot start.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// A file of keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// What may be logged of a token before its signature is verified. Its claims are not in it: they can be personal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenOrigin {
    /// Its `iss`, if that is a configured issuer.
    pub issuer: Option<String>,
    /// The name of its key, if that is a valid name.
    pub kid: Option<String>,
}

/// Verifies tokens. All connections share it; keys and revocations can change meanwhile.
#[derive(Debug)]
pub struct TokenVerifier {
    own: Option<IssuerEntry>,
    issuers: Vec<IssuerEntry>,
    leeway_ms: u64,
    token_age_max_ms: Option<u64>,
    warned_subjects: Mutex<HashSet<String>>,
}

#[derive(Debug)]
struct IssuerEntry {
    rules: Issuer,
    keys: KeySource,
}

#[derive(Debug)]
enum KeySource {
    Files { files: KeyFiles, current: RwLock<Arc<KeySet>> },
    Remote(Arc<RemoteKeys>),
}

impl KeySource {
    fn files(files: KeyFiles) -> Result<Self, KeyError> {
        let current = RwLock::new(Arc::new(KeySet::load(&files)?));
        Ok(Self::Files { files, current })
    }

    fn current(&self) -> Option<Arc<KeySet>> {
        match self {
            Self::Files { current, .. } => Some(Arc::clone(&current.read().unwrap_or_else(PoisonError::into_inner))),
            Self::Remote(remote) => remote.current(),
        }
    }
}

impl TokenVerifier {
    /// Loads the keys and the revocations. Keys at URLs are not fetched yet, see [`keep_keys_fresh`](Self::keep_keys_fresh).
    ///
    /// # Errors
    /// [`VerifierError`]: a file cannot be used.
    pub fn open(settings: VerifierSettings) -> Result<Self, VerifierError> {
        let VerifierSettings { own, issuers, leeway_ms, token_age_max_ms, key_store } = settings;
        let own = own.map(|own| -> Result<_, KeyError> {
            let mut rules = Issuer::new(own.issuer.as_deref().unwrap_or_default());
            rules.audiences = own.audience.into_iter().collect();
            Ok(IssuerEntry { rules, keys: KeySource::files(own.files)? })
        });
        let open = |rules: Issuer| -> Result<_, KeyError> {
            let keys = match &rules.jwks {
                JwksLocation::File(path) => KeySource::files(KeyFiles { secret: None, public: Some(path.clone()) })?,
                _ => KeySource::Remote(Arc::new(RemoteKeys::new(&rules, key_store.as_deref()))),
            };
            Ok(IssuerEntry { rules, keys })
        };
        let issuers = issuers.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { own: own.transpose()?, issuers, leeway_ms, token_age_max_ms, warned_subjects: Mutex::default() })
    }

    /// Keeps the keys at URLs up to date, until the future is dropped.
    pub async fn keep_keys_fresh(self: Arc<Self>, client: HttpsClient) {
        let tasks: Vec<_> =
            self.remotes().map(|remote| tokio::spawn(Arc::clone(remote).keep_fresh(client.clone()))).collect();
        for task in tasks {
            let _ = task.await;
        }
    }

    fn remotes(&self) -> impl Iterator<Item = &Arc<RemoteKeys>> {
        self.issuers.iter().filter_map(|issuer| match &issuer.keys {
            KeySource::Remote(remote) => Some(remote),
            KeySource::Files { .. } => None,
        })
    }

    /// Whether the keys of any issuer are at a URL.
    #[must_use]
    pub fn issuers_with_remote_keys(&self) -> bool {
        self.remotes().next().is_some()
    }

    /// Waits until each issuer with keys at a URL was asked once, at most ten seconds.
    pub async fn wait_for_keys(&self) {
        for remote in self.remotes().filter(|remote| remote.current().is_none()) {
            remote.wait_for_fetch().await;
        }
    }

    /// The issuers without any keys so far. While there is one, the hub is not ready.
    pub fn issuers_without_keys(&self) -> impl Iterator<Item = &str> {
        let without = self.issuers.iter().filter(|issuer| issuer.keys.current().is_none());
        without.map(|issuer| issuer.rules.issuer.as_str())
    }

    /// The issuers with a failed last fetch of keys, with the error.
    #[must_use]
    pub fn key_failures(&self) -> Vec<(String, String)> {
        let failures = self.remotes().filter_map(|remote| Some((remote.issuer().to_owned(), remote.failure()?)));
        failures.collect()
    }

    /// The files of keys, which the caller watches for changes.
    #[must_use]
    pub fn key_paths(&self) -> Vec<PathBuf> {
        let sources = self.own.iter().chain(&self.issuers).map(|issuer| &issuer.keys);
        sources
            .flat_map(|keys| if let KeySource::Files { files, .. } = keys { files.paths() } else { Vec::new() })
            .collect()
    }

    /// The number of all current keys.
    #[must_use]
    pub fn key_count(&self) -> usize {
        let sources = self.own.iter().chain(&self.issuers);
        sources.filter_map(|issuer| issuer.keys.current()).map(|keys| keys.count()).sum()
    }

    /// Reloads the files of keys. Clients that are connected stay connected.
    ///
    /// # Errors
    /// [`KeyError`]: a file cannot be used. Its old keys stay in use.
    pub fn reload(&self) -> Result<(), KeyError> {
        let mut result = Ok(());
        for issuer in self.own.iter().chain(&self.issuers) {
            if let KeySource::Files { files, current } = &issuer.keys {
                match KeySet::load(files) {
                    Ok(keys) => *current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys),
                    Err(error) => result = Err(error),
                }
            }
        }
        result
    }

    /// Waits for the keys that this token needs, if its issuer has keys at a URL and its `kid` is not among them. Call it
    /// before [`check`](Self::check) where waiting is possible.
    pub async fn wait_for_key_of(&self, token: &str) {
        let Ok(token) = SignedToken::parse(token) else { return };
        let Ok(IssuerEntry { keys: KeySource::Remote(remote), .. }) = self.issuer_of(&token) else { return };
        let is_unknown =
            remote.current().is_none_or(|keys| matches!(keys.candidates(&token.header), Err(TokenRefusal::UnknownKey)));
        if is_unknown {
            remote.wait_for_fetch().await;
        }
    }

    /// Checks a token at the time `now_ms` (since 1970).
    ///
    /// # Errors
    /// [`TokenRefusal`]: the first problem of the token.
    pub fn check(&self, token: &str, now_ms: u64) -> Result<Claims, TokenRefusal> {
        let token = SignedToken::parse(token)?;
        let issuer = self.issuer_of(&token)?;
        let keys = issuer.keys.current().ok_or(TokenRefusal::UnknownKey)?;
        let (algorithm, candidates) = keys.candidates(&token.header)?;
        if !candidates.into_iter().any(|key| token.verify(algorithm, key)) {
            return Err(TokenRefusal::Signature);
        }
        let is_own = self.own.as_ref().is_some_and(|own| std::ptr::eq(own, issuer));
        let others = self.issuers.iter().map(|entry| &entry.rules);
        let others: Vec<&Issuer> = others.filter(|other| is_own || other.overlaps(&issuer.rules)).collect();
        let time = CheckTime { now_ms, leeway_ms: self.leeway_ms, age_max_ms: self.token_age_max_ms };
        let mut claims = claims::check(&token.claims, &issuer.rules, &others, time)?;
        claims.issuer = (!is_own).then(|| issuer.rules.issuer.clone());
        self.warn_about_groups(&claims);
        Ok(claims)
    }

    /// The issuer of this token: the one with its `iss`, or otherwise the keys of `[auth]`.
    fn issuer_of(&self, token: &SignedToken<'_>) -> Result<&IssuerEntry, TokenRefusal> {
        let issuer = token.claims.get("iss").and_then(Value::as_str);
        if let Some(entry) = self.issuers.iter().find(|entry| issuer == Some(&entry.rules.issuer)) {
            return Ok(entry);
        }
        let accepts = |own: &&IssuerEntry| own.rules.issuer.is_empty() || issuer == Some(&own.rules.issuer);
        self.own.as_ref().filter(accepts).ok_or(TokenRefusal::Issuer)
    }

    /// Where a refused token seems to come from, for the log.
    #[must_use]
    pub fn origin_of(&self, token: &str) -> TokenOrigin {
        let Ok(token) = SignedToken::parse(token) else { return TokenOrigin::default() };
        let issuer = self.issuer_of(&token).ok().map(|entry| entry.rules.issuer.clone());
        let kid = token.header.kid.filter(|kid| check_name(kid).is_ok());
        TokenOrigin { issuer, kid }
    }

    fn warn_about_groups(&self, claims: &Claims) {
        if claims.groups_left_out == 0 {
            return;
        }
        let mut warned = self.warned_subjects.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() >= WARNED_SUBJECTS_MAX {
            warned.clear();
        }
        if warned.insert(claims.subject.clone()) {
            tracing::warn!(
                subject = claims.subject,
                left_out = claims.groups_left_out,
                "groups of a token are left out: they are not valid names, or there are too many"
            );
        }
    }

    /// The number of issuers that could have issued tokens of this subject; the keys of `[auth]` count as one.
    #[must_use]
    pub fn issuers_of(&self, subject: &str) -> usize {
        let entries = self.own.iter().chain(&self.issuers);
        entries.filter(|entry| subject.starts_with(&entry.rules.subject_prefix)).count()
    }

    /// Whether this issuer is configured. An empty name stands for the keys of `[auth]`.
    #[must_use]
    pub fn knows_issuer(&self, issuer: &str) -> bool {
        if issuer.is_empty() { self.own.is_some() } else { self.issuers.iter().any(|one| one.rules.issuer == issuer) }
    }

    /// How old a token may be, including the leeway, in milliseconds; `None`: any age.
    #[must_use]
    pub fn token_age_max_ms(&self) -> Option<u64> {
        self.token_age_max_ms.map(|age_ms| age_ms.saturating_add(self.leeway_ms))
    }
}
