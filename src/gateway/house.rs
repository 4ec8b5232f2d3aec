//! What all connections share.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::address::Crowd;
use super::counters::Counters;
use super::errand::{Envoys, Principal};
use super::expiry::Expiries;
use super::hellos::Hellos;
use super::origin::Origins;
use super::settings::{REQUESTS_MAX, Settings, WAITING_MAX};
use crate::auth::Gate;
use crate::hub::{self, Clock, HubHandle};
use crate::log::History;
use crate::template::{Catalogue, SharedCatalogue};

/// The past of each partition's log, for one explanation at a time.
pub type Past = Mutex<Vec<Box<dyn History>>>;

/// What the gateway needs of the rest of the hub.
#[derive(Clone)]
pub struct Behind {
    /// The partitions' hubs, in their order; at least one.
    pub hubs: Vec<HubHandle>,
    /// The templates in force.
    pub templates: SharedCatalogue,
    /// Who checks tokens; `None`: there is no authentication.
    pub gate: Option<Arc<Gate>>,
    /// By what tokens end.
    pub clock: Arc<dyn Clock>,
    /// The log's past, for explanations; `None`: nothing is kept.
    pub past: Option<Arc<Past>>,
}

impl std::fmt::Debug for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Behind").field("hubs", &self.hubs).finish_non_exhaustive()
    }
}

/// Shared by all shards and connections.
#[derive(Debug)]
pub(super) struct House {
    pub(super) settings: Arc<Settings>,
    pub(super) counters: Arc<Counters>,
    pub(super) hellos: Arc<Hellos>,
    pub(super) behind: Behind,
    pub(super) origins: Origins,
    /// WebSockets by address, and envoys by that of whoever asked first.
    pub(super) seated: Arc<Crowd<IpAddr>>,
    /// Connections that are no WebSockets (yet) by address.
    pub(super) knocking: Arc<Crowd<IpAddr>>,
    pub(super) expiries: Expiries,
    pub(super) envoys: Envoys,
    /// The list of templates as JSON, and of which catalogue it was made.
    pub(super) listing: Mutex<Option<(Arc<Catalogue>, Bytes)>>,
    /// One for each request by HTTP that is under way.
    pub(super) requests: Semaphore,
    /// One for each of them that waits for an outcome.
    pub(super) waiting: Semaphore,
    /// The same by provider.
    pub(super) requests_of: Arc<Crowd<Principal>>,
    pub(super) waiting_of: Arc<Crowd<Principal>>,
    stopping: AtomicBool,
    stop_told: Notify,
    started: Instant,
}

impl House {
    pub(super) fn new(
        settings: Arc<Settings>,
        counters: Arc<Counters>,
        hellos: Arc<Hellos>,
        behind: Behind,
        origins: Origins,
    ) -> Self {
        Self {
            settings,
            counters,
            hellos,
            behind,
            origins,
            seated: Arc::default(),
            knocking: Arc::default(),
            expiries: Expiries::default(),
            envoys: Envoys::default(),
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
    pub(super) fn hub_of(&self, workspace: &str) -> (usize, &HubHandle) {
        let hubs = &self.behind.hubs;
        let partition = hub::partition_of(workspace, hubs.len());
        (partition, &hubs[partition])
    }

    /// The partitions that take no notifications at the moment.
    pub(super) fn unready(&self) -> impl Iterator<Item = usize> {
        self.behind.hubs.iter().enumerate().filter(|(_, hub)| !hub.is_ready()).map(|(partition, _)| partition)
    }

    /// Whether notifications of all workspaces are taken.
    pub(super) fn is_ready(&self) -> bool {
        !self.is_stopping() && self.unready().next().is_none()
    }

    /// The time by which tokens end, in milliseconds since 1970.
    pub(super) fn wall_ms(&self) -> u64 {
        self.behind.clock.now().0
    }

    /// Since the gateway's start.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// [`now`](Self::now) in whole milliseconds.
    pub(super) fn now_ms(&self) -> u64 {
        whole_ms(self.now())
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    pub(super) fn begin_stop(&self) {
        self.stopping.store(true, SeqCst);
        self.stop_told.notify_waiters();
    }

    /// Waits for [`begin_stop`](Self::begin_stop).
    pub(super) async fn stopping(&self) {
        let told = self.stop_told.notified();
        if !self.stopping.load(SeqCst) {
            told.await;
        }
    }
}

/// A duration in whole milliseconds.
pub(super) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
