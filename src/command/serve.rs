//! `deskbell serve`: puts the hub together and runs it. The only place that knows all rooms.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deskbell_core::Incarnation;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_rustls::rustls;
use uuid::Uuid;

use super::{partitions, supervisor};
use crate::auth::{Gate, GateError, Rules};
use crate::config::Config;
use crate::gateway::{Backend, BindError, Gateway, Settings};
use crate::hub::{Clock, HubError, HubSettings, SnapshotInterval, WallClock};
use crate::log::{LogError, Retention};
use crate::template::SharedCatalogue;
use crate::tls::{Certificate, CertificateError};
use crate::watched::Watched;

/// In the data directory; the log passes over names that begin so.
const REVOKED_FILE: &str = ".revoked-subjects";

/// Why a hub that was configured rightly does not serve.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{0}; stop what holds the port, or give another one with --listen (port 0 takes a free one)")]
    Bind(#[from] BindError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the system gives no thread or no signals: {0}")]
    System(#[from] io::Error),
}

/// Serves until SIGTERM or SIGINT. Exit code 0 after an orderly stop, 1 where it could not start or had to give up.
pub fn run(config: &Config) -> ExitCode {
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts from the inside out (log, port, hub, doors) and stops from the outside in.
fn serve(config: &Config) -> Result<(), ServeError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    survive_file_size_limit(&runtime)?;
    let opened = partitions::open(config)?;
    let histories: Option<Vec<_>> = opened.iter().map(partitions::Opened::history).collect();
    let certificate = config.server.certificate().map(Certificate::open).transpose()?.map(Arc::new);
    let gate = open_gate(config)?;
    let gateway = Gateway::bind(gateway_settings(config, certificate.as_ref())?)?;
    let (address, admin) = (gateway.local_addr(), gateway.admin_addr());
    let clock = WallClock;
    let ended = Arc::new(Notify::new());
    let hub_ended = Arc::clone(&ended);
    let hubs = partitions::start(opened, &gateway, || hub_settings(config), move || hub_ended.notify_one())?;
    let catalogue = SharedCatalogue::new(Arc::clone(&config.templates));
    let behind = Backend {
        hubs: partitions::handles(&hubs),
        templates: catalogue.clone(),
        gate: gate.clone(),
        clock: Arc::new(clock),
        histories: histories.map(|histories| Arc::new(Mutex::new(histories))),
    };
    let mut serving = gateway.serve(behind)?;
    // Before the line: whoever reads it may send a signal at once.
    let signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    announce(address, certificate.is_some(), admin);
    watch_keys(&runtime, gate, certificate);
    supervisor::ready(&address.to_string());
    if let Some(every) = supervisor::watchdog() {
        let (watched, woken) = (partitions::handles(&hubs), partitions::handles(&hubs));
        let turns = move || watched.iter().map(|hub| hub.metrics.turns()).collect();
        let wake = move || woken.iter().for_each(|hub| hub.inputs.wake());
        runtime.spawn(supervisor::keep_telling(every, turns, wake));
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

/// SIGXFSZ would end the process at `ulimit -f`; handled, the write fails instead and the log says that it is full.
fn survive_file_size_limit(runtime: &Runtime) -> io::Result<()> {
    /// Its number on every Linux but MIPS.
    const SIGXFSZ: i32 = 25;
    let _inside = runtime.enter();
    // Once installed the handler stays, whoever listens.
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop)
}

/// Who checks tokens, if there is authentication. Whom it revokes is kept beside the log, where that is kept.
fn open_gate(config: &Config) -> Result<Option<Arc<Gate>>, GateError> {
    let auth = &config.auth;
    if !auth.is_on() {
        return Ok(None);
    }
    let leeway_ms = u64::try_from(auth.leeway.as_millis()).unwrap_or(u64::MAX);
    let rules = Rules { issuer: auth.issuer.clone(), audience: auth.audience.clone(), leeway_ms };
    let revoked =
        (!config.server.memory && config.cluster.servers.is_empty()).then(|| config.server.data_dir.join(REVOKED_FILE));
    let gate = Gate::open(auth.key_files(), rules, revoked.as_deref())?;
    tracing::info!(keys = gate.keys().count(), "clients need tokens");
    Ok(Some(Arc::new(gate)))
}

/// Keys and certificate are read anew when their files change; what is wrong is reported, and the old ones stay.
fn watch_keys(runtime: &Runtime, gate: Option<Arc<Gate>>, certificate: Option<Arc<Certificate>>) {
    if let Some(gate) = gate {
        let watched = Watched::new(gate.files().paths());
        runtime.spawn(watched.run(move || match gate.reload() {
            Ok(()) => tracing::info!(keys = gate.keys().count(), "keys read again"),
            Err(error) => tracing::error!("keys not read again, the old ones stay: {error}"),
        }));
    }
    if let Some(certificate) = certificate {
        let watched = Watched::new(certificate.paths());
        runtime.spawn(watched.run(move || match certificate.reload() {
            Ok(()) => tracing::info!("certificate read again"),
            Err(error) => tracing::error!("certificate not read again, the old one stays: {error}"),
        }));
    }
}

fn gateway_settings(config: &Config, certificate: Option<&Arc<Certificate>>) -> Result<Settings, ServeError> {
    let (server, limits) = (&config.server, &config.limits);
    Ok(Settings {
        listen: server.listen,
        allowed_origins: server.allowed_origins.clone(),
        tls: certificate.map(Certificate::server_config).transpose()?,
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
    })
}

fn as_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// 48 bits of time and 16 of chance: never used twice, and later runs sort after earlier ones.
fn next_incarnation() -> Incarnation {
    Incarnation((WallClock.now().0 << 16) | (Uuid::new_v4().as_u128() as u64 & 0xffff))
}

fn hub_settings(config: &Config) -> HubSettings {
    HubSettings {
        incarnation: next_incarnation(),
        next_incarnation,
        epoch: (Uuid::new_v4().as_u128() as u64).max(1),
        limits: config.core_limits(),
        deliveries_per_second: u64::from(config.limits.deliveries_per_second),
        snapshot_every: SnapshotInterval::default(),
        retention: Retention {
            history_ms: u64::try_from(config.log.history.as_millis()).unwrap_or(u64::MAX),
            history_bytes: config.log.history_bytes,
        },
    }
}

/// The one line on standard output: whoever started the hub reads the port from it.
fn announce(address: SocketAddr, tls: bool, admin: Option<SocketAddr>) {
    let mut out = io::stdout().lock();
    let scheme = if tls { "https" } else { "http" };
    // Nobody listening there is no failure.
    let _ = writeln!(out, "deskbell listening on {scheme}://{address}").and_then(|()| out.flush());
    tracing::info!(%address, tls, "serving");
    if let Some(admin) = admin {
        tracing::info!("admin listener on http://{admin}");
    }
}

/// The signals that a hub hears.
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

/// Waits for a signal to stop, or the hub's own end; reloads templates meanwhile.
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
                None => tracing::info!("SIGHUP: there is no configuration file to read again"),
            },
        }
    }
}

fn end(runtime: Runtime) {
    // The watch may be reading the file; nobody needs what it finds.
    runtime.shutdown_timeout(Duration::from_millis(100));
}
