//! The parts that serve HTTP on one shard.

use std::sync::Arc;

use crate::gateway::fanout::shard::Shard;
use crate::gateway::fanout::stream::Stream;
use crate::gateway::http::api::ProviderApi;
use crate::gateway::http::template_list::TemplateListCache;
use crate::gateway::shared::state::GatewayState;

/// The parts that serve HTTP on one shard. All but the shard are shared by all of them.
#[derive(Debug, Clone)]
pub(crate) struct HttpServices {
    pub(crate) state: Arc<GatewayState>,
    /// The shard on which connections become WebSockets.
    pub(crate) shard: Arc<Shard<Stream>>,
    pub(crate) api: Arc<ProviderApi>,
    pub(crate) template_list: Arc<TemplateListCache>,
}
