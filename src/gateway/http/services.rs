//! The parts that serve HTTP on one shard.

use std::sync::Arc;

use crate::gateway::connection::shard::Shard;
use crate::gateway::connection::stream::Stream;
use crate::gateway::http::api::ProviderApi;
use crate::gateway::http::template_list::TemplateListCache;
use crate::gateway::shared::state::GatewayState;

/// The parts that serve HTTP on one shard. The other shards share all of them except `shard`.
#[derive(Debug, Clone)]
pub(crate) struct HttpServices {
    pub(crate) state: Arc<GatewayState>,
    /// The shard on which connections become WebSockets.
    pub(crate) shard: Arc<Shard<Stream>>,
    pub(crate) api: Arc<ProviderApi>,
    pub(crate) template_list: Arc<TemplateListCache>,
}
