//! The gateway's threads: one accepts, the others serve.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::gateway::admin::server::AdminServer;
use crate::gateway::fanout::connection_serial::SHARDS_MAX;
use crate::gateway::fanout::delivery::Fanout;
use crate::gateway::fanout::disconnect::{self, Disconnector};
use crate::gateway::fanout::shard::Shard;
use crate::gateway::fanout::stream::Stream;
use crate::gateway::fanout::write_plan::ShardBatch;
use crate::gateway::http::routes;
use crate::gateway::limits::client_address::{self, Peer};
use crate::gateway::limits::origin::Origins;
use crate::gateway::limits::quota::QuotaGuard;
use crate::gateway::shared::counters::{Counters, TurnedAway};
use crate::gateway::shared::hello_ids::PendingHelloIds;
use crate::gateway::shared::bounds::{
    ACCEPT_BACKLOG, BATCHES_PER_SHARD_MAX, HTTP_CONNECTIONS_MAX, HTTP_CONNECTIONS_SPARE, SEND_BUFFER_BYTES, STOP_MAX};
use crate::gateway::shared::settings::Settings;
use crate::gateway::shared::state::{Backend, GatewayState};
use deskbell_core::Incarnation;

/// Accepted sockets on their way to one shard; what does not fit waits in the kernel.
const ARRIVALS_PER_SHARD_MAX: usize = 256;
/// How long accepting rests after it failed (most often for want of file descriptors).
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How often failing to accept is reported.
const ACCEPT_REPORT_EVERY: Duration = Duration::from_secs(10);

/// The gateway cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// Where.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// An accepted socket on its way to a shard.
struct AcceptedSocket {
    stream: std::net::TcpStream,
    peer: IpAddr,
    /// Its place among all that are no WebSockets (yet).
    place: OwnedSemaphorePermit,
    /// Its place among those of its address.
    spot: QuotaGuard<IpAddr>,
}

/// A gateway whose port is bound, and which does not serve yet: clients that connect already wait.
#[derive(Debug)]
pub struct Gateway {
    settings: Arc<Settings>,
    counters: Arc<Counters>,
    hellos: Arc<PendingHelloIds>,
    address: SocketAddr,
    listener: TcpListener,
    admin: Option<TcpListener>,
    /// The accepting thread's; the listeners live in it.
    runtime: DetachedRuntime,
    shards: Vec<mpsc::Sender<ShardBatch>>,
    batches: Vec<mpsc::Receiver<ShardBatch>>,
}

/// A runtime that nothing runs on yet. Dropping it waits for nothing, so that it may be dropped anywhere.
#[derive(Debug)]
struct DetachedRuntime(Option<Runtime>);

impl Drop for DetachedRuntime {
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
    /// Binds the port.
    ///
    /// # Errors
    /// [`BindError`]: the address is in use, not this machine's, or not permitted.
    pub fn bind(settings: Settings) -> Result<Self, BindError> {
        let address = settings.listen;
        let failed = |source| BindError { address, source };
        let runtime = DetachedRuntime(Some(runtime().map_err(failed)?));
        let listener = listen(&runtime, address).map_err(failed)?;
        let admin = match settings.admin_listen {
            Some(address) => Some(listen(&runtime, address).map_err(|source| BindError { address, source })?),
            None => None,
        };
        let address = listener.local_addr().map_err(failed)?;
        let (shards, batches) = (0..shard_count(settings.shards)).map(|_| mpsc::channel(BATCHES_PER_SHARD_MAX)).unzip();
        Ok(Self {
            settings: Arc::new(settings),
            counters: Arc::default(),
            hellos: Arc::default(),
            address,
            listener,
            admin,
            runtime,
            shards,
            batches,
        })
    }

    /// Where the operator is served; the port is the real one.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Where it listens; the port is the real one.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The way from a partition's hub, which begins as that incarnation, to this gateway's connections.
    #[must_use]
    pub fn delivery(&self, partition: usize, incarnation: Incarnation) -> Fanout {
        let (settings, counters, hellos) = (&self.settings, &self.counters, &self.hellos);
        let (settings, counters, hellos) = (Arc::clone(settings), Arc::clone(counters), Arc::clone(hellos));
        Fanout::new(partition, incarnation, settings, counters, hellos, self.shards.clone())
    }

    /// Begins to serve.
    ///
    /// # Errors
    /// The system gives no thread, or no runtime for it.
    pub fn serve(self, backend: Backend) -> io::Result<Serving> {
        let admin_address = self.admin_addr();
        let origins = Origins::new(self.address, self.settings.tls.is_some(), &self.settings.allowed_origins);
        let state = Arc::new(GatewayState::new(self.settings, self.counters, self.hellos, backend, origins));
        let (stop, stopped) = watch::channel(None);
        let mut serving = Serving { state: Arc::clone(&state), stop, accepting: None, shards: Vec::new() };
        let mut arrivals = Vec::new();
        let mut shards = Vec::new();
        for (number, batches) in self.batches.into_iter().enumerate() {
            let (sender, receiver) = mpsc::channel(ARRIVALS_PER_SHARD_MAX);
            arrivals.push(sender);
            let shard = Arc::new(Shard::new(Arc::clone(&state), u8::try_from(number).unwrap_or(u8::MAX)));
            shards.push(Arc::clone(&shard));
            let runtime = runtime()?;
            let stopped = stopped.clone();
            let thread = thread::Builder::new().name(format!("shard-{number}"));
            serving.shards.push(thread.spawn(move || run_shard(runtime, shard, receiver, batches, stopped))?);
        }
        let disconnector = Disconnector::new(self.shards);
        let admin = admin_address
            .map(|address| Arc::new(AdminServer::new(Arc::clone(&state), address, shards, disconnector.clone())));
        let admin = self.admin.zip(admin);
        let (listener, mut runtime) = (self.listener, self.runtime);
        let thread = thread::Builder::new().name("accept".to_owned());
        let (stop_accepting, stopped) = watch::channel(false);
        let accepting = move || {
            if let Some(runtime) = runtime.0.take() {
                runtime.block_on(accept_until(listener, admin, state, disconnector, arrivals, stopped));
            }
        };
        serving.accepting = Some((stop_accepting, thread.spawn(accepting)?));
        Ok(serving)
    }
}

impl Serving {
    /// Stops accepting: the port is free when this returns, and no page or upgrade is served any more.
    pub fn stop_accepting(&mut self) {
        self.state.begin_stop();
        if let Some((stop, thread)) = self.accepting.take() {
            stop.send_replace(true);
            // A thread that panicked has said so, and has nothing left to stop.
            let _ = thread.join();
        }
    }

    /// Stops accepting, closes all clients with 1001, and waits until they are gone, at most 8 s. Blocks.
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

fn listen(runtime: &DetachedRuntime, address: SocketAddr) -> io::Result<TcpListener> {
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
    state: Arc<GatewayState>,
    disconnector: Disconnector,
    shards: Vec<mpsc::Sender<AcceptedSocket>>,
    mut stopped: watch::Receiver<bool>,
) {
    // Both end with this thread's runtime.
    tokio::spawn(disconnect::close_what_is_over(Arc::clone(&state), disconnector));
    if let Some((listener, admin)) = admin {
        tokio::spawn(admin.serve(listener));
    }
    tokio::select! {
        () = accept(listener, &state, shards) => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}

async fn accept(listener: TcpListener, state: &GatewayState, shards: Vec<mpsc::Sender<AcceptedSocket>>) {
    let settings = &state.settings;
    let room = Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX));
    let mut reported: Option<Instant> = None;
    for shard in shards.iter().cycle() {
        // Never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let (stream, peer, spot) = loop {
            match listener.accept().await.and_then(|(stream, peer)| Ok((stream.into_std()?, peer.ip().to_canonical())))
            {
                Ok((stream, peer)) => {
                    match state.http_by_address.join(client_address::place(peer), http_connections_max(settings, peer))
                    {
                        Some(spot) => break (stream, peer, spot),
                        // Closed without a word: to answer would keep it.
                        None => state.counters.count_turned_away(TurnedAway::Address),
                    }
                }
                Err(error) => {
                    if reported.is_none_or(|at| at.elapsed() >= ACCEPT_REPORT_EVERY) {
                        tracing::warn!(%error, "cannot accept connections");
                        reported = Some(Instant::now());
                    }
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        };
        if shard.send(AcceptedSocket { stream, peer, place, spot }).await.is_err() {
            return;
        }
    }
}

/// How many connections of that address may be no WebSockets (yet); 0: any number.
fn http_connections_max(settings: &Settings, peer: IpAddr) -> usize {
    // Many clients come from a proxy's one address; they are told apart by what it says of them.
    let is_proxy = settings.trusted_proxies.iter().any(|network| network.contains(peer));
    match settings.connections_per_address {
        0 => 0,
        _ if is_proxy => 0,
        max => max + HTTP_CONNECTIONS_SPARE,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the thread owns its runtime and drops it at its end")]
fn run_shard(
    runtime: Runtime,
    shard: Arc<Shard<Stream>>,
    arrivals: mpsc::Receiver<AcceptedSocket>,
    batches: mpsc::Receiver<ShardBatch>,
    mut stopped: watch::Receiver<Option<Instant>>,
) {
    runtime.block_on(async move {
        let own = |shard: &Arc<_>| Arc::clone(shard);
        tokio::spawn(welcome_in(own(&shard), arrivals));
        let delivering = own(&shard);
        tokio::spawn(async move { delivering.deliver(batches).await });
        let beating = own(&shard);
        tokio::spawn(async move { beating.keep_alive().await });
        let deadline = match stopped.wait_for(Option::is_some).await {
            Ok(told) => told.unwrap_or_else(Instant::now),
            // The gateway was dropped without being stopped.
            Err(_) => Instant::now(),
        };
        shard.stop(deadline).await;
    });
    // What is left is HTTP, and clients that would not end: dropped with the runtime.
}

async fn welcome_in(shard: Arc<Shard<Stream>>, mut arrivals: mpsc::Receiver<AcceptedSocket>) {
    while let Some(AcceptedSocket { stream, peer, place, spot }) = arrivals.recv().await {
        let Ok(stream) = TcpStream::from_std(stream) else { continue };
        let by_loopback = stream.local_addr().is_ok_and(|own| own.ip().to_canonical().is_loopback());
        let peer = Peer { address: peer, by_loopback };
        let shard = Arc::clone(&shard);
        tokio::spawn(async move {
            routes::serve(shard, stream, peer).await;
            drop((place, spot));
        });
    }
}
