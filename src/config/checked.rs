//! The checked configuration: what the hub is started with.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use deskbell_core::Millis;

use super::value;
use crate::auth::KeyFiles;
use crate::network::Network;
use crate::telemetry;
use crate::template::Catalogue;
use crate::tls::CertificateFiles;

/// What the environment's names of settings begin with.
pub(super) const PREFIX: &str = "DESKBELL_";

/// Everything that can be configured, checked: what stands here is what the hub does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The configuration file, if there is one.
    pub file: Option<PathBuf>,
    /// `[server]`
    pub server: Server,
    /// `[auth]`
    pub auth: Auth,
    /// `[limits]`
    pub limits: Limits,
    /// `[log]`
    pub log: LogHistory,
    /// `[cluster]`
    pub cluster: Cluster,
    /// How long to wait for the data directory's lock.
    pub wait_lock: Duration,
    /// How the log is written.
    pub log_format: telemetry::Format,
    /// What is logged; see [`telemetry::check_filter`].
    pub log_filter: String,
    /// The built-in and the file's templates as they were at the start.
    pub templates: Arc<Catalogue>,
    /// What is no fault, but what whoever started the hub should know; to be logged.
    pub notices: Vec<String>,
    /// Where all this came from; a reload reads it again.
    pub sources: Arc<Sources>,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where to serve; port 0 means a free one.
    pub listen: SocketAddr,
    /// Whether other machines may connect though there is no authentication.
    pub insecure: bool,
    /// Where the durable log lives, unless `memory`.
    pub data_dir: PathBuf,
    /// No durable log.
    pub memory: bool,
    /// Origins besides the hub's own, as browsers write them; at most [`ORIGINS_MAX`](super::ORIGINS_MAX).
    pub allowed_origins: Vec<String>,
    /// From the upgrade to the hello.
    pub hello_timeout: Duration,
    /// Between the hub's pings.
    pub ping_interval: Duration,
    /// Silence after which a peer is dropped; longer than `ping_interval`.
    pub idle_timeout: Duration,
    /// For the TLS handshake, and for the head of each request.
    pub handshake_timeout: Duration,
    /// How long an HTTP connection stays open between two requests.
    pub http_idle_timeout: Duration,
    /// Certificate and key; both or none.
    pub tls_cert: Option<PathBuf>,
    /// See `tls_cert`.
    pub tls_key: Option<PathBuf>,
    /// The operator's listener.
    pub admin_listen: Option<SocketAddr>,
    /// Proxies whose `X-Forwarded-For` is believed; at most [`PROXIES_MAX`](super::PROXIES_MAX).
    pub trusted_proxies: Vec<Network>,
}

/// `[auth]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// The secret of HS256.
    pub secret_file: Option<PathBuf>,
    /// Public keys for RS256, ES256, EdDSA.
    pub public_key_file: Option<PathBuf>,
    /// The only `iss`.
    pub issuer: Option<String>,
    /// What `aud` must name.
    pub audience: Option<String>,
    /// How wrong clocks may be.
    pub leeway: Duration,
}

impl Auth {
    /// Whether clients need tokens.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.secret_file.is_some() || self.public_key_file.is_some()
    }

    /// Where the keys are.
    #[must_use]
    pub fn key_files(&self) -> KeyFiles {
        KeyFiles { secret: self.secret_file.clone(), public: self.public_key_file.clone() }
    }
}

impl Server {
    /// Certificate and key, if there are both.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateFiles> {
        let (certificate, key) = (self.tls_cert.clone()?, self.tls_key.clone()?);
        Some(CertificateFiles { certificate, key })
    }
}

/// `[limits]`; counts are per workspace where [`deskbell_core::Limits`] has them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is explained in its row of SETTINGS")]
pub struct Limits {
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
    pub deliveries_per_second: u32,
    pub session_idle: Duration,
    pub session_limit: u32,
    pub regroup_time: Duration,
}

/// `[log]`: how far back what is settled can be explained; whichever ends first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHistory {
    /// By time.
    pub history: Duration,
    /// By size, in bytes.
    pub history_bytes: u64,
}

/// `[cluster]`
#[derive(Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The NATS servers' URLs, with what opens them where they hold it; none: no cluster.
    pub servers: Vec<String>,
    /// Streams among which workspaces are spread.
    pub partitions: u32,
    /// A NATS credentials file.
    pub creds_file: Option<PathBuf>,
    /// A file with what opens the servers.
    pub password_file: Option<PathBuf>,
}

impl fmt::Debug for Cluster {
    /// Without what opens the servers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.servers.iter().map(|url| value::without_userinfo(url)).collect();
        f.debug_struct("Cluster").field("servers", &servers).finish_non_exhaustive()
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self { servers: Vec::new(), partitions: 1, creds_file: None, password_file: None }
    }
}

impl Default for Config {
    /// The contract's defaults.
    fn default() -> Self {
        Self {
            file: None,
            server: Server::default(),
            auth: Auth::default(),
            limits: Limits::default(),
            log: LogHistory { history: Duration::from_secs(24 * 60 * 60), history_bytes: 256 * 1024 * 1024 },
            cluster: Cluster::default(),
            wait_lock: Duration::ZERO,
            log_format: telemetry::Format::Text,
            log_filter: telemetry::FILTER_DEFAULT.to_owned(),
            templates: Arc::default(),
            notices: Vec::new(),
            sources: Arc::default(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            insecure: false,
            data_dir: PathBuf::from("./deskbell-data"),
            memory: false,
            allowed_origins: Vec::new(),
            hello_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(40),
            handshake_timeout: Duration::from_secs(10),
            http_idle_timeout: Duration::from_secs(75),
            tls_cert: None,
            tls_key: None,
            admin_listen: None,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for Limits {
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
            deliveries_per_second: 50_000,
            session_idle: Duration::from_millis(core.session_idle.0),
            session_limit: core.session_limit,
            regroup_time: Duration::from_millis(core.regroup_time.0),
        }
    }
}

/// Where settings come from besides the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The values of each flag, by its name without dashes; `true` for a switch.
    pub flags: HashMap<&'static str, Vec<String>>,
    /// The environment, as far as it is deskbell's.
    pub environment: Vec<(OsString, OsString)>,
}

impl Sources {
    /// `flags`, and of `environment` what may be a setting: nobody else's secrets are kept.
    pub fn new(
        flags: HashMap<&'static str, Vec<String>>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let ours = |(name, _): &(OsString, OsString)| name.to_string_lossy().starts_with(PREFIX);
        Self { flags, environment: environment.into_iter().filter(ours).collect() }
    }
}

impl Config {
    /// What decides in the core.
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
            session_idle: millis(limits.session_idle),
            session_limit: limits.session_limit,
            regroup_time: millis(limits.regroup_time),
        }
    }
}

fn millis(duration: Duration) -> Millis {
    Millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
