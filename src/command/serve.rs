//! `deskbell serve`: puts the hub together and runs it. The only place that knows all rooms.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::config::Config;
use crate::gateway::{Behind, BindError, Gateway, Settings};
use crate::hub::{Clock, Hub, HubError, HubSettings, Intake, WallClock};
use crate::log::{Disk, Keep, Log, LogError, Memory, disk};
use crate::template::SharedCatalogue;
use crate::workspace::Incarnation;

/// Why a hub that was configured rightly does not serve.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{0}; stop what holds the port, or give another one with --listen (port 0 takes a free one)")]
    Bind(#[from] BindError),
    #[error(transparent)]
    Hub(#[from] HubError),
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
    let log = open_log(config)?;
    let gateway = Gateway::bind(gateway_settings(config))?;
    let address = gateway.local_addr();
    let intake = Arc::new(Intake::default());
    let clock = WallClock;
    let settings = hub_settings(config, clock);
    let delivery = gateway.delivery(settings.incarnation);
    let ended = Arc::new(Notify::new());
    let hub_ended = Arc::clone(&ended);
    let hub =
        Hub::start(log, delivery, Arc::clone(&intake), Arc::new(clock), settings, move || hub_ended.notify_one())?;
    let catalogue = SharedCatalogue::new(Arc::clone(&config.templates));
    let behind = Behind { intake, templates: catalogue.clone(), ready: hub.ready(), metrics: Arc::new(String::new) };
    let mut serving = gateway.serve(behind)?;
    // Before the line: whoever reads it may send a signal at once.
    let signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    announce(address);
    runtime.block_on(until_stopped(config, catalogue, &ended, signals));
    tracing::info!("stopping");
    serving.stop_accepting();
    let result = hub.stop();
    serving.stop();
    end(runtime);
    Ok(result?)
}

fn open_log(config: &Config) -> Result<Box<dyn Log>, LogError> {
    if config.server.memory {
        return Ok(Box::new(Memory::default()));
    }
    let options = disk::Options::new(&config.server.data_dir, || WallClock.now().0).wait_lock(config.wait_lock);
    let (log, recovery) = Disk::open(&options)?;
    tracing::info!(directory = %config.server.data_dir.display(), records = recovery.last, "data directory opened");
    Ok(Box::new(log))
}

fn gateway_settings(config: &Config) -> Settings {
    let (server, limits) = (&config.server, &config.limits);
    Settings {
        listen: server.listen,
        allowed_origins: server.allowed_origins.clone(),
        hello_timeout: server.hello_timeout,
        ping_interval: server.ping_interval,
        idle_timeout: server.idle_timeout,
        max_message_bytes: as_usize(limits.max_message_bytes),
        max_connections: limits.max_connections as usize,
        messages_per_second: limits.messages_per_second,
        outbound_bytes: as_usize(limits.outbound_bytes),
        outbound_frames: limits.outbound_frames as usize,
        shards: None,
    }
}

fn as_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn hub_settings(config: &Config, clock: WallClock) -> HubSettings {
    // 48 bits of time and 16 of chance: never used twice, and later runs sort after earlier ones.
    let chance = Uuid::new_v4().as_u128();
    let incarnation = Incarnation((clock.now().0 << 16) | (chance as u64 & 0xffff));
    HubSettings {
        incarnation,
        epoch: ((chance >> 64) as u64).max(1),
        limits: config.core_limits(),
        deliveries_per_second: u64::from(config.limits.deliveries_per_second),
        keep: Keep {
            history_ms: u64::try_from(config.log.history.as_millis()).unwrap_or(u64::MAX),
            history_bytes: config.log.history_bytes,
        },
    }
}

/// The one line on standard output: whoever started the hub reads the port from it.
fn announce(address: std::net::SocketAddr) {
    let mut out = io::stdout().lock();
    // Nobody listening there is no failure.
    let _ = writeln!(out, "deskbell listening on http://{address}").and_then(|()| out.flush());
    tracing::info!(%address, "serving");
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
