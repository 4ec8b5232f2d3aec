//! The checked configuration that the hub starts with.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use deskbell_core::Millis;

use crate::auth::{Issuer, KeyFiles, OwnIssuer};
use crate::network::{Network, PublicUrl, without_userinfo};
use crate::telemetry;
use crate::template::Catalogue;
use crate::tls::CertificateFiles;

/// The prefix of all environment variables that are settings.
pub(super) const PREFIX: &str = "DESKBELL_";

/// All settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The configuration file, if there is one.
    pub file: Option<PathBuf>,
    /// `[server]`
    pub server: ServerSettings,
    /// `[auth]`
    pub auth: AuthSettings,
    /// `[limits]`
    pub limits: LimitSettings,
    /// `[log]`
    pub log: LogSettings,
    /// `[cluster]`
    pub cluster: ClusterSettings,
    /// The time limit for the lock of the data directory.
    pub wait_lock: Duration,
    /// The format of the log on standard error.
    pub log_format: telemetry::LogFormat,
    /// The filter of the log; see [`telemetry::check_filter`].
    pub log_filter: String,
    /// The built-in templates and those of the file.
    pub templates: Arc<Catalogue>,
    /// Things that are allowed but probably not intended. The start logs them, and `deskbell check` prints them.
    pub warnings: Vec<String>,
    /// The flags and variables, for a reload.
    pub sources: Arc<Sources>,
}

/// The settings of `[server]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// The address to serve; port 0 means a free port.
    pub listen: SocketAddr,
    /// Whether other machines may connect without authentication.
    pub insecure: bool,
    /// The directory of the durable log, unless `memory` is on.
    pub data_dir: PathBuf,
    /// Keep everything in memory.
    pub memory: bool,
    /// Origins in addition to the hub's own, as browsers write them; at most [`ORIGINS_MAX`](super::ORIGINS_MAX).
    pub allowed_origins: Vec<String>,
    /// Origins of pages that may frame the hub's pages; at most [`ORIGINS_MAX`](super::ORIGINS_MAX).
    pub frame_ancestors: Vec<String>,
    /// The time limit from the upgrade to the hello.
    pub hello_timeout: Duration,
    /// The time between the hub's pings.
    pub ping_interval: Duration,
    /// A peer that is silent for this time is disconnected. It is longer than `ping_interval`.
    pub idle_timeout: Duration,
    /// The time limit for the TLS handshake, and for the head of each request.
    pub handshake_timeout: Duration,
    /// How long an HTTP connection stays open between two requests.
    pub http_idle_timeout: Duration,
    /// The certificate chain; given if and only if `tls_key` is.
    pub tls_cert: Option<PathBuf>,
    /// The private key of `tls_cert`.
    pub tls_key: Option<PathBuf>,
    /// The URL at which people reach the hub, if it is not the listen address.
    pub public_url: Option<PublicUrl>,
    /// The address of the listener for metrics and probes only.
    pub metrics_listen: Option<SocketAddr>,
    /// The address of the admin listener.
    pub admin_listen: Option<SocketAddr>,
    /// Proxies trusted to send `X-Forwarded-For`; at most [`PROXIES_MAX`](super::PROXIES_MAX).
    pub trusted_proxies: Vec<Network>,
}

/// The settings of `[auth]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSettings {
    /// The file with the secret for HS256.
    pub secret_file: Option<PathBuf>,
    /// The file with public keys.
    pub public_key_file: Option<PathBuf>,
    /// The only `iss` that a token may have.
    pub issuer: Option<String>,
    /// The value that `aud` must be or contain.
    pub audience: Option<String>,
    /// The tolerated difference between the clocks of hub and issuer.
    pub leeway: Duration,
    /// The greatest age of a token. `None`: any age.
    pub max_token_age: Option<Duration>,
    /// `[[auth.issuers]]`.
    pub issuers: Vec<Issuer>,
    /// `[auth.oidc]`.
    pub oidc: OidcSettings,
}

/// `[auth.oidc]`: where people sign in to the hub's pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// One of [`AuthSettings::issuers`]. None: the pages ask for a token.
    pub issuer: Option<String>,
    /// The id of the pages at the issuer; given if and only if `issuer` is.
    pub client_id: Option<String>,
    /// The scopes that the pages ask for; `openid` is one of them.
    pub scopes: Vec<String>,
    /// The token that the hub gets.
    pub token: OidcToken,
}

impl Default for OidcSettings {
    fn default() -> Self {
        Self { issuer: None, client_id: None, scopes: vec!["openid".to_owned()], token: OidcToken::Access }
    }
}

/// Which of the issuer's tokens the pages send to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum OidcToken {
    Access,
    Id,
}

impl OidcToken {
    /// Its name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Id => "id",
        }
    }

    /// The token with that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Access, Self::Id].into_iter().find(|token| token.as_str() == name)
    }
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            secret_file: None,
            public_key_file: None,
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(5),
            max_token_age: None,
            issuers: Vec::new(),
            oidc: OidcSettings::default(),
        }
    }
}

impl AuthSettings {
    /// Whether clients need tokens.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.own_issuer().is_some() || !self.issuers.is_empty()
    }

    /// The keys of `[auth]`, if there are any.
    #[must_use]
    pub fn own_issuer(&self) -> Option<OwnIssuer> {
        let files = self.key_files();
        let given = files.secret.is_some() || files.public.is_some();
        given.then(|| OwnIssuer { files, issuer: self.issuer.clone(), audience: self.audience.clone() })
    }

    /// The files of the keys.
    #[must_use]
    pub fn key_files(&self) -> KeyFiles {
        KeyFiles { secret: self.secret_file.clone(), public: self.public_key_file.clone() }
    }
}

impl ServerSettings {
    /// The files of certificate and key, if both are given.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateFiles> {
        let (certificate, key) = (self.tls_cert.clone()?, self.tls_key.clone()?);
        Some(CertificateFiles { certificate, key })
    }
}

/// `[limits]`. A count that is also in [`deskbell_core::Limits`] is per workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the row in SETTINGS explains each")]
pub struct LimitSettings {
    pub display_limit: u32,
    pub queue_limit: u32,
    pub retention: Duration,
    pub max_message_bytes: u64,
    pub max_connections: u32,
    pub connections_per_address: u32,
    pub pending_connections: u32,
    pub messages_per_second: u32,
    pub outbound_bytes: u64,
    pub outbound_frames: u32,
    pub open_notifications: u32,
    pub sessions: u32,
    pub kpi_marks: u32,
    pub retained_outcomes: u32,
    pub remembered_agents: u32,
    pub context_bytes: u64,
    pub deliveries_per_second: u32,
    pub session_idle: Duration,
    pub session_limit: u32,
    pub regroup_time: Duration,
}

/// `[log]`: how far back `explain` can reach, by time and by size; the tighter limit applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The limit in time.
    pub history: Duration,
    /// The limit in bytes.
    pub history_bytes: u64,
}

/// The settings of `[cluster]`.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// The URLs of the NATS servers, which may contain credentials. Empty: no cluster.
    pub servers: Vec<String>,
    /// The number of streams that share the workspaces.
    pub partitions: u32,
    /// A NATS credentials file.
    pub creds_file: Option<PathBuf>,
    /// A file with a password or token for the servers.
    pub password_file: Option<PathBuf>,
}

impl fmt::Debug for ClusterSettings {
    /// Does not show the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.servers.iter().map(|url| without_userinfo(url)).collect();
        f.debug_struct("ClusterSettings").field("servers", &servers).finish_non_exhaustive()
    }
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self { servers: Vec::new(), partitions: 1, creds_file: None, password_file: None }
    }
}

impl Default for Config {
    /// The defaults of docs/configuration.md.
    fn default() -> Self {
        Self {
            file: None,
            server: ServerSettings::default(),
            auth: AuthSettings::default(),
            limits: LimitSettings::default(),
            log: LogSettings { history: Duration::from_secs(24 * 60 * 60), history_bytes: 256 * 1024 * 1024 },
            cluster: ClusterSettings::default(),
            wait_lock: Duration::ZERO,
            log_format: telemetry::LogFormat::Text,
            log_filter: telemetry::FILTER_DEFAULT.to_owned(),
            templates: Arc::default(),
            warnings: Vec::new(),
            sources: Arc::default(),
        }
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            insecure: false,
            data_dir: PathBuf::from("./deskbell-data"),
            memory: false,
            allowed_origins: Vec::new(),
            frame_ancestors: Vec::new(),
            hello_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(40),
            handshake_timeout: Duration::from_secs(10),
            http_idle_timeout: Duration::from_secs(75),
            tls_cert: None,
            tls_key: None,
            public_url: None,
            metrics_listen: None,
            admin_listen: None,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        let core = deskbell_core::Limits::default();
        Self {
            display_limit: core.display_limit,
            queue_limit: core.queue_limit,
            retention: Duration::from_millis(core.retention.0),
            max_message_bytes: 65_536,
            max_connections: 20_000,
            connections_per_address: 0,
            pending_connections: 10_000,
            messages_per_second: 200,
            outbound_bytes: 1 << 20,
            outbound_frames: 1_024,
            open_notifications: core.open_notifications,
            sessions: core.sessions,
            kpi_marks: core.kpi_marks,
            retained_outcomes: core.retained_outcomes,
            remembered_agents: core.remembered_agents,
            context_bytes: core.context_bytes,
            deliveries_per_second: 50_000,
            session_idle: Duration::from_millis(core.session_idle.0),
            session_limit: core.session_limit,
            regroup_time: Duration::from_millis(core.regroup_time.0),
        }
    }
}

/// The sources of settings other than the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The values of each flag by its name without dashes. A switch without a value has `true`.
    pub flags: HashMap<&'static str, Vec<String>>,
    /// The environment variables with the prefix of settings.
    pub environment: Vec<(OsString, OsString)>,
}

impl Sources {
    /// Takes `flags`, and the variables of `environment` that can be settings. Other variables may hold secrets of other
    /// programs, so they are not kept.
    pub fn new(
        flags: HashMap<&'static str, Vec<String>>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let ours = |(name, _): &(OsString, OsString)| name.to_string_lossy().starts_with(PREFIX);
        Self { flags, environment: environment.into_iter().filter(ours).collect() }
    }
}

impl Config {
    /// The limits that the core enforces.
    #[must_use]
    pub fn core_limits(&self) -> deskbell_core::Limits {
        let limits = &self.limits;
        deskbell_core::Limits {
            display_limit: limits.display_limit,
            queue_limit: limits.queue_limit,
            retention: millis(limits.retention),
            open_notifications: limits.open_notifications,
            sessions: limits.sessions,
            kpi_marks: limits.kpi_marks,
            retained_outcomes: limits.retained_outcomes,
            remembered_agents: limits.remembered_agents,
            context_bytes: limits.context_bytes,
            session_idle: millis(limits.session_idle),
            session_limit: limits.session_limit,
            regroup_time: millis(limits.regroup_time),
        }
    }
}

fn millis(duration: Duration) -> Millis {
    Millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
