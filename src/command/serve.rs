//! `deskbell serve`: assembles the hub and runs it. No other file knows all modules.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deskbell_core::Incarnation;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_rustls::rustls;
use uuid::Uuid;

use super::{partitions, revoked_file, supervisor};
use crate::auth::{TokenVerifier, VerifierError, VerifierSettings};
use crate::config::{Config, OidcSettings};
use crate::gateway::{Backend, BindError, Gateway, PageSignIn, Settings};
use crate::hub::{Clock, HubError, HubSettings, SnapshotInterval, WallClock};
use crate::log::{LogError, Retention};
use crate::outbound::{HttpsClient, OutboundUrl};
use crate::template::SharedCatalogue;
use crate::tls::{Certificate, CertificateError};
use crate::watched::Watched;

/// The reason for which a hub with a valid configuration cannot serve.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{0}; stop the process that uses the port, or set another one with --listen (port 0 takes a free one)")]
    Bind(#[from] BindError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Verifier(#[from] VerifierError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the system refuses threads or signals: {0}")]
    System(#[from] io::Error),
}

/// Serves until SIGTERM or SIGINT. Exits with 0 after an orderly stop, and with 1 if it could not start or had to give up.
pub fn run(config: &Config) -> ExitCode {
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts from the inside out (log, port, hub, listeners) and stops from the outside in.
fn serve(config: &Config) -> Result<(), ServeError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    survive_file_size_limit(&runtime)?;
    let opened = partitions::open(config)?;
    let histories: Option<Vec<_>> = opened.iter().map(partitions::OpenedPartition::history).collect();
    let certificate = config.server.certificate().map(Certificate::open).transpose()?.map(Arc::new);
    let verifier = open_verifier(config)?;
    let tls = certificate.as_ref().map(Certificate::server_config).transpose()?;
    let gateway = Gateway::bind(Settings { tls, ..gateway_settings(config) })?;
    let (address, admin, metrics) = (gateway.local_addr(), gateway.admin_addr(), gateway.metrics_addr());
    let clock = WallClock;
    let ended = Arc::new(Notify::new());
    let hub_ended = Arc::clone(&ended);
    let hubs = partitions::start(opened, &gateway, || hub_settings(config), move || hub_ended.notify_one())?;
    let catalogue = SharedCatalogue::new(Arc::clone(&config.templates));
    let behind = Backend {
        hubs: partitions::handles(&hubs),
        templates: catalogue.clone(),
        verifier: verifier.clone(),
        clock: Arc::new(clock),
        histories: histories.map(|histories| Arc::new(Mutex::new(histories))),
    };
    if verifier.is_some() && is_durable(config) {
        runtime.block_on(revoked_file::move_into_log(&config.server.data_dir, &behind.hubs))?;
    }
    let mut serving = gateway.serve(behind)?;
    // This comes before the announcement, because its reader may send a signal at once.
    let signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    announce(address, certificate.is_some(), admin, metrics);
    watch_keys(&runtime, verifier, certificate)?;
    supervisor::ready(&address.to_string());
    if let Some(every) = supervisor::watchdog() {
        let (watched, woken) = (partitions::handles(&hubs), partitions::handles(&hubs));
        let turns = move || watched.iter().map(|hub| hub.metrics.turns()).collect();
        let wake = move || woken.iter().for_each(|hub| hub.inputs.wake());
        runtime.spawn(supervisor::feed_watchdog(every, turns, wake));
    }
    runtime.block_on(until_stopped(config, catalogue, &ended, signals));
    tracing::info!("stopping");
    supervisor::stopping();
    serving.stop_accepting();
    let result = partitions::stop(hubs);
    serving.stop();
    end(runtime);
    Ok(result?)
}

/// At the limit of `ulimit -f`, SIGXFSZ would end the process. With a handler the write fails instead, and the log is full.
fn survive_file_size_limit(runtime: &Runtime) -> io::Result<()> {
    /// The number of this signal on every Linux except MIPS.
    const SIGXFSZ: i32 = 25;
    let _inside = runtime.enter();
    // The handler stays installed when the stream is dropped.
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop)
}

/// Whether this hub has a data directory.
fn is_durable(config: &Config) -> bool {
    !config.server.memory && config.cluster.servers.is_empty()
}

/// The verifier of tokens, if authentication is on. It stores the last keys of each issuer in the data directory.
fn open_verifier(config: &Config) -> Result<Option<Arc<TokenVerifier>>, VerifierError> {
    if !config.auth.is_on() {
        return Ok(None);
    }
    let directory = is_durable(config).then(|| config.server.data_dir.clone());
    let verifier = TokenVerifier::open(verifier_settings(config, directory))?;
    tracing::info!(keys = verifier.key_count(), "clients need tokens");
    Ok(Some(Arc::new(verifier)))
}

/// The settings of the verifier. `directory` is for the files that must survive a restart.
pub(super) fn verifier_settings(config: &Config, directory: Option<PathBuf>) -> VerifierSettings {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    VerifierSettings {
        own: config.auth.own_issuer(),
        issuers: config.auth.issuers.clone(),
        leeway_ms: ms(config.auth.leeway),
        token_age_max_ms: config.auth.max_token_age.map(ms),
        key_store: directory,
    }
}

/// Keeps keys and certificate up to date. If a changed file has an error, the old keys or certificate stay in use.
fn watch_keys(
    runtime: &Runtime,
    verifier: Option<Arc<TokenVerifier>>,
    certificate: Option<Arc<Certificate>>,
) -> Result<(), ServeError> {
    if let Some(verifier) = verifier {
        if verifier.issuers_with_remote_keys() {
            let client = HttpsClient::with_system_roots()?;
            runtime.spawn(Arc::clone(&verifier).keep_keys_fresh(client));
        }
        let mut watched = Watched::new(verifier.key_paths());
        watched.reading();
        runtime.spawn(watched.run(move || match verifier.reload() {
            Ok(()) => tracing::info!(keys = verifier.key_count(), "keys reloaded"),
            Err(error) => tracing::error!("cannot reload keys, the old ones stay in use: {error}"),
        }));
    }
    if let Some(certificate) = certificate {
        let mut watched = Watched::new(certificate.paths());
        watched.reading();
        runtime.spawn(watched.run(move || match certificate.reload() {
            Ok(()) => tracing::info!("certificate reloaded"),
            Err(error) => tracing::error!("cannot reload the certificate, the old one stays in use: {error}"),
        }));
    }
    Ok(())
}

/// The gateway's part of the configuration, without TLS.
#[must_use]
pub fn gateway_settings(config: &Config) -> Settings {
    let (server, limits) = (&config.server, &config.limits);
    Settings {
        listen: server.listen,
        allowed_origins: server.allowed_origins.clone(),
        frame_ancestors: server.frame_ancestors.clone(),
        sign_in: page_sign_in(&config.auth.oidc),
        public_url: server.public_url.clone(),
        metrics_listen: server.metrics_listen,
        tls: None,
        admin_listen: server.admin_listen,
        trusted_proxies: server.trusted_proxies.clone(),
        handshake_timeout: server.handshake_timeout,
        http_idle_timeout: server.http_idle_timeout,
        hello_timeout: server.hello_timeout,
        ping_interval: server.ping_interval,
        idle_timeout: server.idle_timeout,
        max_message_bytes: as_usize(limits.max_message_bytes),
        max_connections: limits.max_connections as usize,
        connections_per_address: limits.connections_per_address as usize,
        pending_connections: limits.pending_connections as usize,
        messages_per_second: limits.messages_per_second,
        outbound_bytes: as_usize(limits.outbound_bytes),
        outbound_frames: limits.outbound_frames as usize,
        shards: None,
    }
}

fn page_sign_in(oidc: &OidcSettings) -> Option<PageSignIn> {
    let (issuer, client_id) = (oidc.issuer.as_ref()?, oidc.client_id.as_ref()?);
    let origin = issuer.parse::<OutboundUrl>().ok()?.origin();
    let (scope, token) = (oidc.scopes.join(" "), oidc.token.as_str());
    let json = serde_json::json!({ "issuer": issuer, "clientId": client_id, "scope": scope, "token": token });
    Some(PageSignIn { origin, json: json.to_string() })
}

fn as_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// A new incarnation: 48 bits of time and 16 random bits. It is never used twice, and later runs sort after earlier ones.
fn next_incarnation() -> Incarnation {
    Incarnation((WallClock.now().0 << 16) | (Uuid::new_v4().as_u128() as u64 & 0xffff))
}

fn hub_settings(config: &Config) -> HubSettings {
    HubSettings {
        incarnation: next_incarnation(),
        next_incarnation,
        epoch: (Uuid::new_v4().as_u128() as u64).max(1),
        limits: config.core_limits(),
        rules: deskbell_core::rules::RULES,
        deliveries_per_second: u64::from(config.limits.deliveries_per_second),
        snapshot_every: SnapshotInterval::default(),
        retention: Retention {
            history_ms: u64::try_from(config.log.history.as_millis()).unwrap_or(u64::MAX),
            history_bytes: config.log.history_bytes,
        },
    }
}

/// Prints the only line on standard output, from which the parent process can read the port.
fn announce(address: SocketAddr, tls: bool, admin: Option<SocketAddr>, metrics: Option<SocketAddr>) {
    let mut out = io::stdout().lock();
    let scheme = if tls { "https" } else { "http" };
    // A closed standard output is not an error.
    let _ = writeln!(out, "deskbell listening on {scheme}://{address}").and_then(|()| out.flush());
    tracing::info!(%address, tls, "serving");
    if let Some(admin) = admin {
        tracing::info!("admin listener on http://{admin}");
    }
    if let Some(metrics) = metrics {
        tracing::info!("metrics listener on http://{metrics}");
    }
}

/// The signals that the hub handles.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

/// Waits until a signal stops the hub, or the hub ends by itself. Reloads templates meanwhile.
async fn until_stopped(config: &Config, catalogue: SharedCatalogue, ended: &Notify, mut signals: Signals) {
    let reload = config.watch_templates(catalogue).map(|(watch, reload)| {
        tokio::spawn(watch.run());
        reload
    });
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            () = ended.notified() => return,
            _ = signals.hang_up.recv() => match &reload {
                Some(reload) => reload.reload_now(),
                None => tracing::info!("SIGHUP: there is no configuration file to reload"),
            },
        }
    }
}

fn end(runtime: Runtime) {
    // The template watcher may be reading the file; its result is not needed.
    runtime.shutdown_timeout(Duration::from_millis(100));
}
