//! The settings of the gateway.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ServerConfig;

use crate::network::{Network, PublicUrl};

/// The addresses of the listeners and the limits of clients. The defaults are those of docs/configuration.md.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The listen address. Port 0 takes a free port.
    pub listen: SocketAddr,
    /// Origins of pages that may connect, in addition to the hub's own.
    pub allowed_origins: Vec<String>,
    /// Origins of pages that may frame the hub's pages.
    pub frame_ancestors: Vec<String>,
    /// Where people sign in to the pages. `None`: the pages ask for a token.
    pub sign_in: Option<PageSignIn>,
    /// The URL at which people reach the hub, if it is not the listen address.
    pub public_url: Option<PublicUrl>,
    /// The address of the listener that serves only metrics and probes.
    pub metrics_listen: Option<SocketAddr>,
    /// The TLS configuration. If there is one, the listener accepts TLS only.
    pub tls: Option<Arc<ServerConfig>>,
    /// The address of the admin listener. Port 0 takes a free port.
    pub admin_listen: Option<SocketAddr>,
    /// Proxies that are trusted to send `X-Forwarded-For`.
    pub trusted_proxies: Vec<Network>,
    /// The time limit for a TLS handshake, for the head of a request, and for its body.
    pub handshake_timeout: Duration,
    /// How long an HTTP connection stays open between two requests.
    pub http_idle_timeout: Duration,
    /// The time limit from the upgrade to the hello.
    pub hello_timeout: Duration,
    /// The time between two pings of a connection; at least 1 ms.
    pub ping_interval: Duration,
    /// A client that has sent nothing for this time is disconnected.
    pub idle_timeout: Duration,
    /// The largest message of a provider, in bytes.
    pub max_message_bytes: usize,
    /// The most connections at once: WebSockets, and providers that call over HTTP.
    pub max_connections: usize,
    /// The most connections of one address. 0 means no limit.
    pub connections_per_address: usize,
    /// The most WebSockets that have not completed their hello.
    pub pending_connections: usize,
    /// How many messages per second one client may send, with a burst of twice that. At least 1.
    pub messages_per_second: u32,
    /// The most bytes that may wait for one client.
    pub outbound_bytes: usize,
    /// The most frames that may wait for one client.
    pub outbound_frames: usize,
    /// The number of threads that serve connections. `None`: one for each processor.
    pub shards: Option<NonZeroUsize>,
}

/// How the pages get a token from an OpenID provider.
#[derive(Debug, Clone)]
pub struct PageSignIn {
    /// The origin of the issuer, to which the pages may connect.
    pub origin: String,
    /// The JSON of `/sign-in.json`.
    pub json: String,
}
