//! Providers that call over plain HTTP.
//!
//! Such a provider joins the hub once for all its requests and leaves when it has made none for a while, so observers see
//! one provider, and its limits count across requests. It has no socket: its calls wait in
//! [`PendingCalls`](crate::gateway::fanout::pending_calls::PendingCalls), and any number of them can be under way.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use deskbell_core::Name;
use deskbell_core::entry::{Call, Input};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::gateway::connection::connection_serial::HTTP_SHARD;
use crate::gateway::connection::joined_client::{Identity, JoinedClient};
use crate::gateway::connection::slab::ConnectionSlab;
use crate::gateway::fanout::pending_calls::{CallReply, PendingCalls, WaitingCall};
use crate::gateway::fanout::shard_batch::ShardBatch;
use crate::gateway::limits::client_address;
use crate::gateway::limits::permit::PoolPermit;
use crate::gateway::limits::quota::QuotaGuard;
use crate::gateway::session::admission;
use crate::gateway::session::rate_limits::RateLimits;
use crate::gateway::shared::bounds::{CALL_REPLY_MAX, HTTP_PROVIDER_IDLE, HTTP_PROVIDERS_MAX};
use crate::gateway::shared::gateway_metrics::TurnedAway;
use crate::gateway::shared::state::{GatewayState, whole_ms};
use crate::protocol::Close;

/// How often idle providers are looked for.
const IDLE_CHECK_EVERY: Duration = Duration::from_secs(1);

/// A provider, by workspace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ProviderKey {
    pub(crate) workspace: Name,
    pub(crate) provider: Name,
}

/// One provider that calls over HTTP. A request holds it for as long as it is under way.
#[derive(Debug)]
pub(crate) struct HttpProvider {
    key: ProviderKey,
    pub(crate) client: JoinedClient,
    limits: Mutex<RateLimits>,
    /// When the latest request came, as [`GatewayState::uptime_ms`].
    used_ms: AtomicU64,
    /// The reason for which the provider was closed; `None` inside if it was idle.
    ended: OnceLock<Option<Close>>,
    /// Its places among all connections, and among those of the address of its first request.
    _places: (PoolPermit, QuotaGuard<IpAddr>),
}

/// Why a provider cannot join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinError {
    /// The hub has as many connections, or providers over HTTP, as the limits allow.
    HubFull,
    /// The address has as many connections as `connectionsPerAddress` allows.
    AddressFull,
    /// The token was revoked meanwhile.
    Revoked,
    /// The hub is stopping.
    Stopping,
}

/// Why a call has no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallError {
    /// The hub did not take the call: nothing was done.
    NotTaken,
    /// The connection ended, or the hub did not answer in time. The hub may have carried the call out.
    Unknown,
}

/// The providers that have joined, at most [`HTTP_PROVIDERS_MAX`].
#[derive(Debug)]
pub(crate) struct HttpProviders {
    state: Arc<GatewayState>,
    calls: Arc<PendingCalls>,
    table: Mutex<ProviderTable>,
}

#[derive(Debug)]
struct ProviderTable {
    serials: HashMap<ProviderKey, u64>,
    slots: ConnectionSlab<Arc<HttpProvider>>,
}

impl HttpProvider {
    /// Counts one message.
    ///
    /// # Errors
    /// The message is over the rate. The error is the time after which the next one is allowed.
    pub(crate) fn take_message(&self, now: Duration) -> Result<(), Duration> {
        // The buckets are complete after every statement.
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).take_message(now)
    }

    /// The reason for which it was closed, if it was and there is one.
    pub(crate) fn close_reason(&self) -> Option<Close> {
        self.ended.get().copied().flatten()
    }

    /// The time since its latest request, in milliseconds.
    pub(crate) fn silent_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.used_ms.load(Relaxed))
    }
}

impl HttpProviders {
    pub(crate) fn new(state: Arc<GatewayState>, calls: Arc<PendingCalls>) -> Self {
        let table = ProviderTable { serials: HashMap::new(), slots: ConnectionSlab::new(HTTP_SHARD) };
        Self { state, calls, table: Mutex::new(table) }
    }

    /// The provider of `identity`, which joins if it has not. `address` is the address of the request.
    ///
    /// # Errors
    /// [`JoinError`].
    pub(crate) fn find_or_join(&self, identity: Identity, address: IpAddr) -> Result<Arc<HttpProvider>, JoinError> {
        let provider = identity.name.clone().unwrap_or_default();
        let key = ProviderKey { workspace: Name::clone(&identity.workspace), provider };
        let now_ms = self.state.uptime_ms();
        let mut table = self.lock();
        if let Some(found) = table.find(&key) {
            found.used_ms.store(now_ms, Relaxed);
            return Ok(Arc::clone(found));
        }
        if self.state.is_stopping() {
            return Err(JoinError::Stopping);
        }
        if table.serials.len() >= HTTP_PROVIDERS_MAX {
            return Err(JoinError::HubFull);
        }
        let places = self.take_places(address)?;
        let mut ticket = None;
        let make = |serial| {
            let (client, join) = JoinedClient::new(Arc::clone(&self.state), serial, address, identity);
            ticket = Some(join);
            Arc::new(HttpProvider {
                key: key.clone(),
                client,
                limits: Mutex::new(RateLimits::new(self.state.settings.messages_per_second)),
                used_ms: AtomicU64::new(now_ms),
                ended: OnceLock::new(),
                _places: places,
            })
        };
        let joined = table.slots.insert(make).map(Arc::clone).ok_or(JoinError::HubFull)?;
        table.serials.insert(key, joined.client.serial);
        // Under the lock: a second request must not hand in its call before this join.
        let joining = ticket.is_some_and(|ticket| joined.client.join(ticket).is_ok());
        drop(table);
        if !joining {
            self.close(joined.client.serial, None);
            return Err(JoinError::Stopping);
        }
        if admission::is_revoked(&self.state, &joined.client) {
            self.close(joined.client.serial, Some(Close::BadToken));
            return Err(JoinError::Revoked);
        }
        Ok(joined)
    }

    /// Makes a call and waits for its reply. For a notify the outcome follows in the returned [`WaitingCall`].
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn call(
        &self,
        provider: &HttpProvider,
        call: Call,
    ) -> Result<(CallReply, WaitingCall), CallError> {
        let connection = provider.client.serial;
        let mut waiting = self.calls.register(connection);
        if provider.ended.get().is_some() {
            // It was closed before the call was registered.
            return Err(CallError::NotTaken);
        }
        let permit = tokio::select! {
            biased;
            permit = provider.client.permit() => permit,
            // Nothing was submitted, so only a close can end this.
            _ = &mut waiting.reply => return Err(CallError::NotTaken),
        };
        let call = Call { number: Some(waiting.number), ..call };
        let submitted = permit.and_then(|permit| provider.client.submit(permit, Input::Call { connection, call }));
        if submitted.is_err() {
            return Err(CallError::NotTaken);
        }
        match timeout(CALL_REPLY_MAX, &mut waiting.reply).await {
            Ok(Ok(reply)) => Ok((reply, waiting)),
            Ok(Err(_)) | Err(_) => Err(CallError::Unknown),
        }
    }

    /// Closes a provider: it leaves the hub, and its calls end. `why` is `None` if it is idle.
    pub(crate) fn close(&self, serial: u64, why: Option<Close>) {
        let Some(provider) = self.lock().remove(serial) else { return };
        let _ = provider.ended.set(why);
        provider.client.leave();
        self.calls.end_all_of(serial);
    }

    /// Closes all providers, for a stop.
    pub(crate) fn close_all(&self, why: Close) {
        for (_, provider) in self.providers(0) {
            self.close(provider.client.serial, Some(why));
        }
    }

    /// Closes providers as the hub and the operator ask, and those that are idle. Never ends.
    pub(crate) async fn supervise(&self, mut batches: mpsc::Receiver<ShardBatch>) {
        let mut ticks = interval(IDLE_CHECK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(batch) = batches.recv() => self.carry_out(batch),
                _ = ticks.tick() => self.close_idle(),
            }
        }
    }

    /// The providers from the slot `from` on, each with its slot.
    pub(crate) fn providers(&self, from: usize) -> Vec<(usize, Arc<HttpProvider>)> {
        let table = self.lock();
        (from..table.slots.slots()).filter_map(|slot| Some((slot, Arc::clone(table.slots.at(slot)?)))).collect()
    }

    /// The provider with this serial, if it is still there.
    pub(crate) fn find(&self, serial: u64) -> Option<Arc<HttpProvider>> {
        self.lock().slots.get(serial).map(Arc::clone)
    }

    fn carry_out(&self, batch: ShardBatch) {
        for (serial, why) in batch.closes {
            self.close(serial, Some(why));
        }
        if let Some((partition, why)) = batch.close_all {
            for (_, provider) in self.providers(0) {
                if provider.client.partition == partition {
                    self.close(provider.client.serial, Some(why));
                }
            }
        }
    }

    fn close_idle(&self) {
        let now_ms = self.state.uptime_ms();
        let is_idle = |provider: &Arc<HttpProvider>| {
            // Only the table holds it: no request is under way.
            Arc::strong_count(provider) == 1 && provider.silent_ms(now_ms) >= whole_ms(HTTP_PROVIDER_IDLE)
        };
        let mut idle = Vec::new();
        let mut table = self.lock();
        for slot in 0..table.slots.slots() {
            idle.extend(table.slots.at(slot).filter(|provider| is_idle(provider)).map(|one| one.client.serial));
        }
        let gone: Vec<_> = idle.into_iter().filter_map(|serial| table.remove(serial)).collect();
        drop(table);
        for provider in gone {
            let _ = provider.ended.set(None);
            provider.client.leave();
        }
    }

    fn take_places(&self, address: IpAddr) -> Result<(PoolPermit, QuotaGuard<IpAddr>), JoinError> {
        let (state, settings) = (&self.state, &self.state.settings);
        // Otherwise one address could exceed its limit by using thousands of providerIds.
        let network = client_address::network_of(address);
        let Some(by_address) = state.websockets_by_address.take(network, settings.connections_per_address) else {
            state.metrics.count_turned_away(TurnedAway::Address);
            return Err(JoinError::AddressFull);
        };
        let Some(websocket) = state.websockets.take(settings.max_connections) else {
            state.metrics.count_turned_away(TurnedAway::Full);
            return Err(JoinError::HubFull);
        };
        Ok((websocket, by_address))
    }

    fn lock(&self) -> MutexGuard<'_, ProviderTable> {
        // The two parts of the table are changed together, by statements that cannot panic in between.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProviderTable {
    fn find(&self, key: &ProviderKey) -> Option<&Arc<HttpProvider>> {
        self.slots.get(*self.serials.get(key)?)
    }

    fn remove(&mut self, serial: u64) -> Option<Arc<HttpProvider>> {
        let provider = self.slots.remove(serial)?;
        self.serials.remove(&provider.key);
        Some(provider)
    }
}
