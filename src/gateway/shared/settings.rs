//! What the gateway is told at the start, and its fixed bounds: every one in this file, with its reason.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ServerConfig;

use crate::network::Network;

/// What the kernel may take in for one connection that does not read, before the outbox's own bound counts. The
/// kernel's own idea is megabytes.
pub(crate) const SEND_BUFFER_BYTES: u32 = 64 * 1024;
/// Connections that the kernel keeps ready for the accepting task: a reconnect storm's first second.
pub(crate) const ACCEPT_BACKLOG: u32 = 4096;
/// Sockets that have not become WebSockets (yet): being upgraded, fetching a page, or holding a slot. At the bound
/// accepting waits.
pub(crate) const HTTP_CONNECTIONS_MAX: usize = 8192;
/// Connections of one address that are no WebSockets (yet), over and above `connectionsPerAddress`: so that one more
/// WebSocket is told why it is not let in.
pub(crate) const HTTP_CONNECTIONS_SPARE: usize = 16;
/// How long an HTTP connection that does not become a WebSocket may last: it bounds clients that do not read.
pub(crate) const HTTP_LIFETIME: Duration = Duration::from_secs(60);
/// How long a request by HTTP may wait for an outcome.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);
/// Requests by HTTP that may wait for an outcome at once, so that they leave room among [`HTTP_CONNECTIONS_MAX`] for
/// those who come; one more is answered as if it did not want to wait.
pub(crate) const WAITING_MAX: usize = 2048;
/// How many of them may be one provider's, so that none keeps the others from waiting.
pub(crate) const WAITING_PER_PROVIDER_MAX: usize = WAITING_MAX / 2;
/// Requests by HTTP under way at once; one more is refused.
pub(crate) const REQUESTS_MAX: usize = 4096;
/// How many of them may be one provider's, those whose body has not come yet included: so that none keeps the others
/// out.
pub(crate) const REQUESTS_PER_PROVIDER_MAX: usize = REQUESTS_MAX / 2;
/// Providers that are stood in for at once; one more is refused.
pub(crate) const HTTP_PROVIDERS_MAX: usize = 4096;
/// Errands that wait for one envoy; whoever has one more waits with it.
pub(crate) const CALLS_PER_HTTP_PROVIDER_MAX: usize = 64;
/// An envoy without errands goes home after that: longer than the two seconds after which a rate knows of no earlier
/// message, so that who leaves it no peace and who does are held to the same rate.
pub(crate) const HTTP_PROVIDER_IDLE: Duration = Duration::from_secs(10);
/// The largest request head.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A connection's read buffer. With it an idle connection stays below 4 KiB; larger messages make it grow.
pub(crate) const READ_BUFFER_BYTES: usize = 512;
/// How long a close frame, and what waits before it, may take to go out. From the contract's "Close codes".
pub(crate) const CLOSING_WRITE: Duration = Duration::from_secs(5);
/// How long the peer may take to finish after that.
pub(crate) const CLOSING_READ: Duration = Duration::from_secs(1);
/// What of that is thrown away in one piece, and the pause after it: whoever was closed for saying too much goes on
/// saying it.
pub(crate) const DISCARDED_AT_ONCE: usize = 64 * 1024;
/// See [`DISCARDED_AT_ONCE`].
pub(crate) const DISCARD_PAUSE: Duration = Duration::from_millis(5);
/// Messages of one connection between which no other of its thread is heard. To hear one takes 5 to 10 µs.
pub(crate) const MESSAGES_PER_TURN: usize = 8;
/// Connections served between two yields: a direct write costs the scheduler's budget nothing, and 3 to 10 µs. Between
/// two of these turns other threads and other tasks have theirs, and what is little goes first. So few, since an answer
/// may meet three turns on its way; and to look around costs a hundredth of them.
pub(crate) const CONNECTIONS_PER_TURN: usize = 16;
/// Groups on their way to one shard. At the bound the hub waits for the shard: nothing a client does makes a shard
/// wait.
pub(crate) const BATCHES_PER_SHARD_MAX: usize = 64;
/// Messages over the rate in a row after which the connection is closed. From the contract's "Close codes".
pub(crate) const OVER_RATE_MAX: u32 = 100;
/// WebSocket pings and pongs of one connection per second, with a burst of twice that, past which the same holds.
pub(crate) const CONTROL_FRAMES_PER_SECOND: u32 = 200;
/// Fresh tokens that one connection may send per second, with a burst of twice that: to check one costs a signature, or
/// several where keys have no names.
pub(crate) const REFRESHES_PER_SECOND: u32 = 5;
/// Over how long a stop spreads its closes, so that not all clients come back in one moment.
pub(crate) const STOP_SPREAD: Duration = Duration::from_millis(500);
/// In how many steps.
pub(crate) const STOP_STEPS: u32 = 50;
/// Connections to the admin listener at once; one more waits.
pub(crate) const ADMIN_CONNECTIONS_MAX: usize = 64;
/// How long an explanation may take that is asked for here, and how long a connection to the admin listener may last.
pub(crate) const EXPLAIN_MAX: Duration = Duration::from_secs(120);
pub(crate) const ADMIN_LIFETIME: Duration = Duration::from_secs(150);
/// What an operator may post.
pub(crate) const ADMIN_BODY_BYTES_MAX: usize = 4096;
/// Clients that one answer lists, unless asked for fewer.
pub(crate) const LISTED_MAX: usize = 1000;
/// How long the watch over tokens' ends sleeps at most: a wall clock that is set is noticed after that.
pub(crate) const EXPIRY_SLEEP_MAX: Duration = Duration::from_secs(1);
/// How long a stop waits for all connections to end.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(8);

/// How the gateway listens and what it grants its clients. Defaults are the contract's.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Origins of pages that may connect, besides the hub's own.
    pub allowed_origins: Vec<String>,
    /// TLS, if it is spoken: then by everybody.
    pub tls: Option<Arc<ServerConfig>>,
    /// Where the operator is served; port 0 takes a free one.
    pub admin_listen: Option<SocketAddr>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// How long a client may take for its TLS handshake, for the head of a request, and for a body; also how long an
    /// idle HTTP connection is kept.
    pub handshake_timeout: Duration,
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
            tls: None,
            admin_listen: None,
            trusted_proxies: Vec::new(),
            handshake_timeout: Duration::from_secs(10),
            hello_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(40),
            max_message_bytes: crate::protocol::size::MESSAGE_BYTES_DEFAULT,
            max_connections: 100_000,
            connections_per_address: 0,
            pending_connections: 10_000,
            messages_per_second: 200,
            outbound_bytes: 1024 * 1024,
            outbound_frames: 1024,
            shards: None,
        }
    }
}
