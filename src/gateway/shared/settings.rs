//! The settings of the gateway.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ServerConfig;

use crate::network::{Network, PublicUrl};

/// How the gateway listens and what it grants its clients. Defaults are the contract's.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Origins of pages that may connect, besides the hub's own.
    pub allowed_origins: Vec<String>,
    /// Origins whose pages may frame the hub's pages.
    pub frame_ancestors: Vec<String>,
    /// Where people reach the hub.
    pub public_url: Option<PublicUrl>,
    /// Where metrics and probes alone are served.
    pub metrics_listen: Option<SocketAddr>,
    /// TLS, if it is spoken: then by everybody.
    pub tls: Option<Arc<ServerConfig>>,
    /// Where the operator is served; port 0 takes a free one.
    pub admin_listen: Option<SocketAddr>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// How long a client may take for its TLS handshake, for the head of a request, and for a body.
    pub handshake_timeout: Duration,
    /// How long an HTTP connection stays open between two requests.
    pub http_idle_timeout: Duration,
    /// How long a client may take from the upgrade to its hello.
    pub hello_timeout: Duration,
    /// How often a client is pinged; at least 1 ms.
    pub ping_interval: Duration,
    /// A client that has sent nothing for so long is dropped.
    pub idle_timeout: Duration,
    /// The largest message of a provider, in bytes.
    pub max_message_bytes: usize,
    /// WebSocket connections at once.
    pub max_connections: usize,
    /// WebSocket connections of one address; 0: no limit.
    pub connections_per_address: usize,
    /// WebSocket connections that have not got in yet.
    pub pending_connections: usize,
    /// Messages per second of one connection; the burst is twice that. At least 1.
    pub messages_per_second: u32,
    /// Bytes that may wait for one client.
    pub outbound_bytes: usize,
    /// Frames that may wait for one client.
    pub outbound_frames: usize,
    /// Threads that serve connections; `None`: one per processor.
    pub shards: Option<NonZeroUsize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allowed_origins: Vec::new(),
            frame_ancestors: Vec::new(),
            public_url: None,
            metrics_listen: None,
            tls: None,
            admin_listen: None,
            trusted_proxies: Vec::new(),
            handshake_timeout: Duration::from_secs(10),
            http_idle_timeout: Duration::from_secs(75),
            hello_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(40),
            max_message_bytes: crate::protocol::size::MESSAGE_BYTES_DEFAULT,
            max_connections: 20_000,
            connections_per_address: 0,
            pending_connections: 10_000,
            messages_per_second: 200,
            outbound_bytes: 1024 * 1024,
            outbound_frames: 1024,
            shards: None,
        }
    }
}
