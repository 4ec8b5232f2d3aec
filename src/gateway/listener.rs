//! The threads of the gateway: one accepts connections, the shards' threads serve them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use deskbell_core::Incarnation;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::gateway::admin::all_clients::AllClients;
use crate::gateway::admin::revocations;
use crate::gateway::admin::server::AdminServer;
use crate::gateway::connection::connection_serial::SHARDS_MAX;
use crate::gateway::connection::keep_alive;
use crate::gateway::connection::shard::Shard;
use crate::gateway::fanout::delivery::Fanout;
use crate::gateway::fanout::disconnect::{self, Disconnector};
use crate::gateway::fanout::message_sender::FanoutParts;
use crate::gateway::fanout::shard_batch::{ShardBatch, ShardSenders};
use crate::gateway::fanout::write_loop::WriteLoop;
use crate::gateway::http::api::ProviderApi;
use crate::gateway::http::metrics_listener;
use crate::gateway::http::server;
use crate::gateway::http::services::HttpServices;
use crate::gateway::http::upgrade::ADDRESS_FULL;
use crate::gateway::limits::client_address::{self, Peer};
use crate::gateway::limits::origin::Origins;
use crate::gateway::limits::quota::QuotaGuard;
use crate::gateway::shared::bounds::{
    ACCEPT_BACKLOG, BATCHES_PER_SHARD_MAX, HTTP_CONNECTIONS_MAX, HTTP_CONNECTIONS_SPARE, SEND_BUFFER_BYTES, STOP_MAX,
};
use crate::gateway::shared::gateway_metrics::TurnedAway;
use crate::gateway::shared::settings::Settings;
use crate::gateway::shared::state::{Backend, GatewayState};
use crate::network;
use crate::protocol::Close;

/// Accepted sockets that wait for one shard. Further ones wait in the kernel.
const SOCKETS_PER_SHARD_MAX: usize = 256;
/// How long accepting pauses after it failed, most often because no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often a failure to accept is logged.
const ACCEPT_LOGGED_EVERY: Duration = Duration::from_secs(10);

/// The gateway cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// The address from the configuration.
    pub address: SocketAddr,
    /// The error of the system.
    pub source: io::Error,
}

/// An accepted socket on its way to a shard.
struct AcceptedSocket {
    stream: std::net::TcpStream,
    peer: IpAddr,
    /// Its place among all connections that are not WebSockets (yet).
    permit: OwnedSemaphorePermit,
    /// Its place among those of its address.
    by_address: QuotaGuard<IpAddr>,
}

/// A gateway that listens and does not serve yet: clients can connect already, and wait.
#[derive(Debug)]
pub struct Gateway {
    parts: FanoutParts,
    address: SocketAddr,
    listener: TcpListener,
    admin: Option<TcpListener>,
    metrics: Option<TcpListener>,
    /// The runtime of the accepting thread; the listeners belong to it.
    runtime: IdleRuntime,
    /// The receiving ends of the shards' channels, and that of the HTTP providers.
    batches: Vec<mpsc::Receiver<ShardBatch>>,
    http_batches: mpsc::Receiver<ShardBatch>,
}

/// A runtime that runs nothing yet. Dropping it does not block, so it may be dropped anywhere.
#[derive(Debug)]
struct IdleRuntime(Option<Runtime>);

impl Drop for IdleRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Serving {
    state: Arc<GatewayState>,
    stop: watch::Sender<Option<Instant>>,
    accepting: Option<(watch::Sender<bool>, JoinHandle<()>)>,
    shards: Vec<JoinHandle<()>>,
}

impl Gateway {
    /// Binds the addresses of all listeners.
    ///
    /// # Errors
    /// [`BindError`]: an address is in use, does not belong to this machine, or is not permitted.
    pub fn bind(settings: Settings) -> Result<Self, BindError> {
        let address = settings.listen;
        let failed = |source| BindError { address, source };
        let runtime = IdleRuntime(Some(runtime().map_err(failed)?));
        let listener = listen(&runtime, address).map_err(failed)?;
        let listen_if = |address: Option<SocketAddr>| {
            let listen_there = |address| listen(&runtime, address).map_err(|source| BindError { address, source });
            address.map(listen_there).transpose()
        };
        let (admin, metrics) = (listen_if(settings.admin_listen)?, listen_if(settings.metrics_listen)?);
        let address = listener.local_addr().map_err(failed)?;
        let (shards, batches) = (0..shard_count(settings.shards)).map(|_| mpsc::channel(BATCHES_PER_SHARD_MAX)).unzip();
        let (http, http_batches) = mpsc::channel(BATCHES_PER_SHARD_MAX);
        let parts = FanoutParts {
            settings: Arc::new(settings),
            metrics: Arc::default(),
            hello_ids: Arc::default(),
            shards: ShardSenders::new(shards, http),
            calls: Arc::default(),
        };
        Ok(Self { parts, address, listener, admin, metrics, runtime, batches, http_batches })
    }

    /// The address of the admin listener, with its real port.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// The address of the listener for metrics and probes, with its real port.
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// The listen address, with its real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The fan-out of a partition's hub to the connections of this gateway. `incarnation` is the hub's own.
    #[must_use]
    pub fn delivery(&self, partition: usize, incarnation: Incarnation) -> Fanout {
        Fanout::new(partition, incarnation, self.parts.clone())
    }

    /// Begins to serve.
    ///
    /// # Errors
    /// The system has no thread, or no runtime for one.
    pub fn serve(self, backend: Backend) -> io::Result<Serving> {
        let admin_address = self.admin_addr();
        let FanoutParts { settings, metrics, hello_ids, shards: senders, calls } = self.parts;
        let (authenticated, public_url) = (backend.verifier.is_some(), settings.public_url.as_ref());
        let origins =
            Origins::new(self.address, settings.tls.is_some(), authenticated, public_url, &settings.allowed_origins);
        let state = Arc::new(GatewayState::new(settings, metrics, hello_ids, backend, origins));
        let api = Arc::new(ProviderApi::new(Arc::clone(&state), calls));
        let template_list = Arc::default();
        let (stop, stopped) = watch::channel(None);
        let mut serving = Serving { state: Arc::clone(&state), stop, accepting: None, shards: Vec::new() };
        let mut sockets = Vec::new();
        let mut shards = Vec::new();
        let mut http_batches = Some(self.http_batches);
        for (number, batches) in self.batches.into_iter().enumerate() {
            let (sender, receiver) = mpsc::channel(SOCKETS_PER_SHARD_MAX);
            sockets.push(sender);
            let shard = Arc::new(Shard::new(Arc::clone(&state), u8::try_from(number).unwrap_or(u8::MAX)));
            shards.push(Arc::clone(&shard));
            let services = HttpServices {
                state: Arc::clone(&state),
                shard,
                api: Arc::clone(&api),
                template_list: Arc::clone(&template_list),
            };
            // The first shard's thread looks after the HTTP providers too.
            let channels = ShardChannels { sockets: receiver, batches, http_batches: http_batches.take() };
            let runtime = runtime()?;
            let stopped = stopped.clone();
            let thread = thread::Builder::new().name(format!("shard-{number}"));
            serving.shards.push(thread.spawn(move || run_shard(runtime, services, channels, stopped))?);
        }
        let disconnector = Disconnector::new(senders);
        let clients = AllClients::new(Arc::clone(&state), shards, api);
        let admin = admin_address.map(|address| {
            Arc::new(AdminServer::new(Arc::clone(&state), address, clients.clone(), disconnector.clone()))
        });
        let closing = (disconnector, clients);
        let admin = self.admin.zip(admin);
        let (listener, metrics, mut runtime) = (self.listener, self.metrics, self.runtime);
        let thread = thread::Builder::new().name("accept".to_owned());
        let (stop_accepting, stopped) = watch::channel(false);
        let accepting = move || {
            if let Some(runtime) = runtime.0.take() {
                runtime.block_on(accept_until(listener, admin, metrics, state, closing, sockets, stopped));
            }
        };
        serving.accepting = Some((stop_accepting, thread.spawn(accepting)?));
        Ok(serving)
    }
}

impl Serving {
    /// Stops accepting. The port is free when this returns, and no page or upgrade is served any more. Blocks.
    pub fn stop_accepting(&mut self) {
        self.state.stop.give();
        if let Some((stop, thread)) = self.accepting.take() {
            stop.send_replace(true);
            // A thread that panicked has logged it, and has nothing left to stop.
            let _ = thread.join();
        }
    }

    /// Stops accepting, closes all clients with 1001, and waits until they have ended, at most 8 s. Blocks.
    pub fn stop(mut self) {
        self.stop_accepting();
        self.stop.send_replace(Some(Instant::now() + STOP_MAX));
        for thread in self.shards {
            let _ = thread.join();
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn shard_count(wanted: Option<NonZeroUsize>) -> usize {
    wanted.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get).min(SHARDS_MAX)
}

fn listen(runtime: &IdleRuntime, address: SocketAddr) -> io::Result<TcpListener> {
    let _inside = runtime.0.as_ref().map(Runtime::enter);
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit both.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_BACKLOG)
}

async fn accept_until(
    listener: TcpListener,
    admin: Option<(TcpListener, Arc<AdminServer>)>,
    metrics: Option<TcpListener>,
    state: Arc<GatewayState>,
    (disconnector, clients): (Disconnector, AllClients),
    shards: Vec<mpsc::Sender<AcceptedSocket>>,
    mut stopped: watch::Receiver<bool>,
) {
    // All of these end with the runtime of this thread.
    for hub in state.backend.hubs.iter().filter(|_| state.backend.verifier.is_some()) {
        let (hub, clients, disconnector) = (hub.clone(), clients.clone(), disconnector.clone());
        tokio::spawn(revocations::close_revoked(Arc::clone(&state), hub, clients, disconnector));
    }
    tokio::spawn(disconnect::close_expired(Arc::clone(&state), disconnector));
    if let Some((listener, admin)) = admin {
        tokio::spawn(admin.serve(listener));
    }
    if let Some(listener) = metrics {
        tokio::spawn(metrics_listener::serve(listener, Arc::clone(&state)));
    }
    tokio::select! {
        () = accept(listener, &state, shards) => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}

async fn accept(listener: TcpListener, state: &GatewayState, shards: Vec<mpsc::Sender<AcceptedSocket>>) {
    let permits = Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX));
    let mut logged: Option<Instant> = None;
    for shard in shards.iter().cycle() {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let (stream, peer, by_address) = loop {
            let accepted = listener.accept().await;
            match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer.ip().to_canonical()))) {
                Ok((stream, peer)) => {
                    let max = http_connections_max(&state.settings, peer);
                    match state.http_by_address.take(client_address::network_of(peer), max) {
                        Some(by_address) => break (stream, peer, by_address),
                        // Closed without an answer, which would cost as much as serving it.
                        None => state.note_refused(TurnedAway::Address, peer, ADDRESS_FULL),
                    }
                }
                Err(error) => {
                    if logged.is_none_or(|at| at.elapsed() >= ACCEPT_LOGGED_EVERY) {
                        tracing::warn!(%error, "cannot accept connections; raise the limit of file descriptors");
                        logged = Some(Instant::now());
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        };
        if shard.send(AcceptedSocket { stream, peer, permit, by_address }).await.is_err() {
            return;
        }
    }
}

/// How many connections of an address may be no WebSockets (yet); 0: any number.
fn http_connections_max(settings: &Settings, peer: IpAddr) -> usize {
    // All clients of a proxy come from its address. They are counted by the address that the proxy names.
    let is_proxy = settings.trusted_proxies.iter().any(|network| network::includes(network, peer));
    match settings.connections_per_address {
        0 => 0,
        _ if is_proxy => 0,
        max => max + HTTP_CONNECTIONS_SPARE,
    }
}

/// The receiving ends of one shard.
struct ShardChannels {
    sockets: mpsc::Receiver<AcceptedSocket>,
    batches: mpsc::Receiver<ShardBatch>,
    /// The batches of the HTTP providers; one shard has them.
    http_batches: Option<mpsc::Receiver<ShardBatch>>,
}

#[expect(clippy::needless_pass_by_value, reason = "the thread owns its runtime and drops it at its end")]
fn run_shard(
    runtime: Runtime,
    services: HttpServices,
    channels: ShardChannels,
    mut stopped: watch::Receiver<Option<Instant>>,
) {
    let ShardChannels { sockets, batches, http_batches } = channels;
    runtime.block_on(async move {
        let HttpServices { shard, api, .. } = services.clone();
        tokio::spawn(serve_sockets(services, sockets));
        let writing = Arc::clone(&shard);
        tokio::spawn(async move { WriteLoop::new(batches).run(&writing).await });
        let pinging = Arc::clone(&shard);
        tokio::spawn(async move { keep_alive::run(&pinging).await });
        if let Some(http_batches) = http_batches {
            let api = Arc::clone(&api);
            tokio::spawn(async move { api.providers.supervise(http_batches).await });
        }
        // An error: the gateway was dropped without being stopped.
        let deadline = stopped.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
        api.providers.close_all(Close::GoingAway);
        shard.stop(deadline.unwrap_or_else(Instant::now)).await;
    });
    // HTTP connections that are left, and clients that did not end in time, are dropped with the runtime.
}

async fn serve_sockets(services: HttpServices, mut sockets: mpsc::Receiver<AcceptedSocket>) {
    while let Some(AcceptedSocket { stream, peer, permit, by_address }) = sockets.recv().await {
        let Ok(stream) = TcpStream::from_std(stream) else { continue };
        let by_loopback = stream.local_addr().is_ok_and(|own| own.ip().to_canonical().is_loopback());
        let peer = Peer { address: peer, by_loopback };
        let services = services.clone();
        tokio::spawn(async move {
            server::serve(&services, stream, peer).await;
            drop((permit, by_address));
        });
    }
}
