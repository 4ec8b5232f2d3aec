//! What all connections share.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::auth::Gate;
use crate::gateway::http::pending_calls::{HttpProviders, ProviderKey};
use crate::gateway::limits::origin::Origins;
use crate::gateway::limits::quota::Quota;
use crate::gateway::limits::token_expiry::Expiries;
use crate::gateway::shared::counters::Counters;
use crate::gateway::shared::hello_ids::PendingHelloIds;
use crate::gateway::shared::settings::{REQUESTS_MAX, Settings, WAITING_MAX};
use crate::hub::{self, Clock, HubHandle};
use crate::log::History;
use crate::template::{Catalogue, SharedCatalogue};

/// The past of each partition's log, for one explanation at a time.
pub type Histories = Mutex<Vec<Box<dyn History>>>;

/// What the gateway needs of the rest of the hub.
#[derive(Clone)]
pub struct Backend {
    /// The partitions' hubs, in their order; at least one.
    pub hubs: Vec<HubHandle>,
    /// The templates in force.
    pub templates: SharedCatalogue,
    /// HelloRole checks tokens; `None`: there is no authentication.
    pub gate: Option<Arc<Gate>>,
    /// By what tokens end.
    pub clock: Arc<dyn Clock>,
    /// The log's past, for explanations; `None`: nothing is kept.
    pub past: Option<Arc<Histories>>,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend").field("hubs", &self.hubs).finish_non_exhaustive()
    }
}

/// Shared by all shards and connections.
#[derive(Debug)]
pub(crate) struct GatewayState {
    pub(crate) settings: Arc<Settings>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) hellos: Arc<PendingHelloIds>,
    pub(crate) backend: Backend,
    pub(crate) origins: Origins,
    /// WebSockets by address, and http_providers by that of whoever asked first.
    pub(crate) websockets_by_address: Arc<Quota<IpAddr>>,
    /// Connections that are no WebSockets (yet) by address.
    pub(crate) http_by_address: Arc<Quota<IpAddr>>,
    pub(crate) expiries: Expiries,
    pub(crate) http_providers: HttpProviders,
    /// The list of templates as JSON, and of which catalogue it was made.
    pub(crate) listing: Mutex<Option<(Arc<Catalogue>, Bytes)>>,
    /// One for each request by HTTP that is under way.
    pub(crate) requests: Semaphore,
    /// One for each of them that waits for an outcome.
    pub(crate) waiting: Semaphore,
    /// The same by provider.
    pub(crate) requests_of: Arc<Quota<ProviderKey>>,
    pub(crate) waiting_of: Arc<Quota<ProviderKey>>,
    stopping: AtomicBool,
    stop_told: Notify,
    started: Instant,
}

impl GatewayState {
    pub(crate) fn new(
        settings: Arc<Settings>,
        counters: Arc<Counters>,
        hellos: Arc<PendingHelloIds>,
        backend: Backend,
        origins: Origins,
    ) -> Self {
        Self {
            settings,
            counters,
            hellos,
            backend,
            origins,
            websockets_by_address: Arc::default(),
            http_by_address: Arc::default(),
            expiries: Expiries::default(),
            http_providers: HttpProviders::default(),
            listing: Mutex::default(),
            requests: Semaphore::new(REQUESTS_MAX),
            waiting: Semaphore::new(WAITING_MAX),
            requests_of: Arc::default(),
            waiting_of: Arc::default(),
            stopping: AtomicBool::new(false),
            stop_told: Notify::new(),
            started: Instant::now(),
        }
    }

    /// The hub that has this workspace, and which partition it is.
    pub(crate) fn hub_of(&self, workspace: &str) -> (usize, &HubHandle) {
        let hubs = &self.backend.hubs;
        let partition = hub::partition_of(workspace, hubs.len());
        (partition, &hubs[partition])
    }

    /// The partitions that take no notifications at the moment.
    pub(crate) fn unready(&self) -> impl Iterator<Item = usize> {
        self.backend.hubs.iter().enumerate().filter(|(_, hub)| !hub.is_ready()).map(|(partition, _)| partition)
    }

    /// Whether notifications of all workspaces are taken.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_stopping() && self.unready().next().is_none()
    }

    /// The time by which tokens end, in milliseconds since 1970.
    pub(crate) fn wall_ms(&self) -> u64 {
        self.backend.clock.now().0
    }

    /// Since the gateway's start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// [`now`](Self::now) in whole milliseconds.
    pub(crate) fn now_ms(&self) -> u64 {
        whole_ms(self.now())
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    pub(crate) fn begin_stop(&self) {
        self.stopping.store(true, SeqCst);
        self.stop_told.notify_waiters();
    }

    /// Waits for [`begin_stop`](Self::begin_stop).
    pub(crate) async fn stopping(&self) {
        let told = self.stop_told.notified();
        if !self.stopping.load(SeqCst) {
            told.await;
        }
    }
}

/// A duration in whole milliseconds.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
