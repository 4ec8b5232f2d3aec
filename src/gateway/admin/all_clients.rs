//! All clients of this hub, whatever they are connected by.

use std::sync::Arc;

use crate::gateway::connection::connection_serial::{ConnectionSerial, HTTP_SHARD};
use crate::gateway::connection::joined_client::JoinedClient;
use crate::gateway::connection::shard::Shard;
use crate::gateway::connection::stream::Stream;
use crate::gateway::http::api::ProviderApi;
use crate::gateway::shared::state::GatewayState;

/// Receives one client and the milliseconds for which it has sent nothing. Returns whether to go on.
type Visit<'v> = &'v mut dyn FnMut(&JoinedClient, u64) -> bool;

/// The clients of all shards, and the providers that call over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct AllClients {
    state: Arc<GatewayState>,
    shards: Vec<Arc<Shard<Stream>>>,
    api: Arc<ProviderApi>,
}

impl AllClients {
    pub(crate) fn new(state: Arc<GatewayState>, shards: Vec<Arc<Shard<Stream>>>, api: Arc<ProviderApi>) -> Self {
        Self { state, shards, api }
    }

    /// Visits the clients behind the connection `after`, or all, in the order of their connections, each with the
    /// milliseconds for which it has sent nothing. Stops when `visit` returns false.
    pub(crate) fn visit(&self, after: Option<ConnectionSerial>, visit: Visit<'_>) {
        let first_slot = |shard: usize| match after {
            Some(after) if usize::from(after.shard) > shard => None,
            Some(after) if usize::from(after.shard) == shard => Some(after.slot as usize + 1),
            _ => Some(0),
        };
        for (number, shard) in self.shards.iter().enumerate() {
            let Some(first) = first_slot(number) else { continue };
            for (_, connection) in shard.connections(first) {
                if connection.client().is_some_and(|client| !visit(client, connection.silent_ms())) {
                    return;
                }
            }
        }
        let now_ms = self.state.uptime_ms();
        for (_, provider) in self.api.providers.providers(first_slot(usize::from(HTTP_SHARD)).unwrap_or(0)) {
            if !visit(&provider.client, provider.silent_ms(now_ms)) {
                return;
            }
        }
    }

    /// The serials of the clients that match.
    pub(crate) fn serials(&self, matches: impl Fn(&JoinedClient) -> bool) -> Vec<u64> {
        let mut serials = Vec::new();
        self.visit(None, &mut |client, _| {
            if matches(client) {
                serials.push(client.serial);
            }
            true
        });
        serials
    }

    /// Calls `with` with the client of a connection, if there is one.
    pub(crate) fn with_client(&self, serial: u64, with: impl FnOnce(&JoinedClient) -> Option<()>) {
        if ConnectionSerial::is_http(serial) {
            self.api.providers.find(serial).and_then(|provider| with(&provider.client));
            return;
        }
        let shard = self.shards.get(usize::from(ConnectionSerial::unpack(serial).shard));
        let connection = shard.and_then(|shard| shard.find(serial));
        connection.and_then(|connection| with(connection.client()?));
    }
}
