//! The fixed bounds of the gateway, each with its reason.

use std::time::Duration;

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
/// An HTTP connection that is older gets `Connection: close` with its next response, so that clients spread over the hubs
/// of a cluster again.
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
/// A provider that calls over HTTP leaves the hub after so long without a request. This is longer than the two seconds
/// after which a rate limit has forgotten earlier messages, so pauses do not raise the rate.
pub(crate) const HTTP_PROVIDER_IDLE: Duration = Duration::from_secs(10);
/// How long a call over HTTP waits for the hub's reply. The hub ends the connections of calls after 10 s without an answer
/// of its log; this bounds calls that have not reached the log by then.
pub(crate) const CALL_REPLY_MAX: Duration = Duration::from_secs(30);
/// When a request that was refused for the hub's own state may be repeated, in milliseconds.
pub(crate) const RETRY_AFTER_MS: u64 = 1_000;
/// How long a client may take nothing of an HTTP response.
pub(crate) const HTTP_WRITE_MAX: Duration = Duration::from_secs(60);
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
