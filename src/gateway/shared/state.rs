//! The state that all connections share: settings, metrics, limits by address, the way to the hub, and the stop signal.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::auth::TokenVerifier;
use crate::gateway::limits::origin::Origins;
use crate::gateway::limits::permit::PermitPool;
use crate::gateway::limits::quota::Quota;
use crate::gateway::limits::refusal_log::RefusalLog;
use crate::gateway::limits::token_expiry::TokenExpiries;
use crate::gateway::shared::gateway_metrics::{GatewayMetrics, TurnedAway};
use crate::gateway::shared::hello_ids::PendingHelloIds;
use crate::gateway::shared::settings::Settings;
use crate::gateway::shared::stop_signal::StopSignal;
use crate::hub::{self, Clock, HubHandle};
use crate::log::History;
use crate::template::SharedCatalogue;

/// The history of each partition's log. The lock admits one explanation at a time.
pub type Histories = Mutex<Vec<Box<dyn History>>>;

/// The parts of the process that the gateway works with.
#[derive(Clone)]
pub struct Backend {
    /// The hubs of the partitions, in the order of the partitions; at least one.
    pub hubs: Vec<HubHandle>,
    /// The templates in force.
    pub templates: SharedCatalogue,
    /// Verifies tokens; `None` without authentication.
    pub verifier: Option<Arc<TokenVerifier>>,
    /// The wall clock, by which tokens expire.
    pub clock: Arc<dyn Clock>,
    /// The history of the log, for explanations; `None` if the hub keeps no log.
    pub histories: Option<Arc<Histories>>,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend").field("hubs", &self.hubs).finish_non_exhaustive()
    }
}

/// The state that all shards and connections share.
#[derive(Debug)]
pub(crate) struct GatewayState {
    pub(crate) settings: Arc<Settings>,
    pub(crate) metrics: Arc<GatewayMetrics>,
    pub(crate) hello_ids: Arc<PendingHelloIds>,
    pub(crate) backend: Backend,
    /// WebSockets, from the upgrade until the socket is closed, and HTTP providers (`maxConnections`).
    pub(crate) websockets: PermitPool,
    /// WebSockets that have not joined yet (`pendingConnections`).
    pub(crate) handshakes: PermitPool,
    /// HTTP connections that have made a call: a stop waits for their answers.
    pub(crate) http_callers: PermitPool,
    /// The origins of pages that may connect.
    pub(crate) origins: Origins,
    /// WebSockets by client address, and HTTP providers by the address of their first request.
    pub(crate) websockets_by_address: Arc<Quota<IpAddr>>,
    /// TCP connections that are not WebSockets (yet), by address.
    pub(crate) http_by_address: Arc<Quota<IpAddr>>,
    pub(crate) token_expiries: TokenExpiries,
    pub(crate) refusal_log: RefusalLog,
    pub(crate) stop: StopSignal,
    started: Instant,
}

impl GatewayState {
    pub(crate) fn new(
        settings: Arc<Settings>,
        metrics: Arc<GatewayMetrics>,
        hello_ids: Arc<PendingHelloIds>,
        backend: Backend,
        origins: Origins,
    ) -> Self {
        Self {
            settings,
            metrics,
            hello_ids,
            backend,
            websockets: PermitPool::default(),
            handshakes: PermitPool::default(),
            http_callers: PermitPool::default(),
            origins,
            websockets_by_address: Arc::default(),
            http_by_address: Arc::default(),
            token_expiries: TokenExpiries::default(),
            refusal_log: RefusalLog::default(),
            stop: StopSignal::default(),
            started: Instant::now(),
        }
    }

    /// The partition of a workspace, and its hub.
    pub(crate) fn hub_of(&self, workspace: &str) -> (usize, &HubHandle) {
        let hubs = &self.backend.hubs;
        let partition = hub::partition_of(workspace, hubs.len());
        (partition, &hubs[partition])
    }

    /// The path of the public URL, without a slash at its end.
    pub(crate) fn public_path(&self) -> &str {
        self.settings.public_url.as_ref().map_or("", |url| url.path.as_str())
    }

    /// The issuers of tokens without any keys: the first fetch has not succeeded yet.
    pub(crate) fn issuers_without_keys(&self) -> impl Iterator<Item = &str> {
        self.backend.verifier.iter().flat_map(|verifier| verifier.issuers_without_keys())
    }

    /// The partitions that accept no notifications at the moment.
    pub(crate) fn unready_partitions(&self) -> impl Iterator<Item = usize> {
        self.backend.hubs.iter().enumerate().filter(|(_, hub)| !hub.is_ready()).map(|(partition, _)| partition)
    }

    /// Whether the hub accepts notifications for every workspace, and can verify the tokens of every issuer.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_stopping()
            && self.unready_partitions().next().is_none()
            && self.issuers_without_keys().next().is_none()
    }

    /// The wall clock in milliseconds since 1970. Tokens expire by it.
    pub(crate) fn wall_ms(&self) -> u64 {
        self.backend.clock.now().0
    }

    /// The time since the gateway started, by the monotonic clock. Timeouts and rate limits use it.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// [`uptime`](Self::uptime) in whole milliseconds.
    pub(crate) fn uptime_ms(&self) -> u64 {
        whole_ms(self.uptime())
    }

    /// Counts a refused connection or request, and logs `text` once a minute for each client address. A text about an origin
    /// contains that origin, so it is logged once a minute for each origin instead.
    pub(crate) fn note_refused(&self, why: TurnedAway, from: IpAddr, text: &str) {
        self.metrics.count_turned_away(why);
        let client = if why == TurnedAway::Origin { String::new() } else { from.to_string() };
        if self.refusal_log.is_due(text, &client, self.uptime()) {
            tracing::warn!(%from, "a client was refused: {text}");
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_given()
    }
}

/// A duration in whole milliseconds.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
