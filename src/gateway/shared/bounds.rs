//! The fixed bounds of the gateway, each with its reason.

use std::time::Duration;

/// The size of a socket's send buffer in bytes. The kernel accepts this much for a client that does not read, before the
/// bound of the outbox counts. The kernel's default is several megabytes.
pub(crate) const SEND_BUFFER_BYTES: u32 = 64 * 1024;
/// How many connections the kernel holds until they are accepted: those of the first second of a reconnect storm.
pub(crate) const ACCEPT_BACKLOG: u32 = 4096;
/// The most sockets that are not WebSockets (yet): they are being upgraded, fetch a page, or are idle. At this bound no
/// further socket is accepted until one ends.
pub(crate) const HTTP_CONNECTIONS_MAX: usize = 8192;
/// How many connections of one address that are not WebSockets (yet) are allowed in addition to `connectionsPerAddress`. With
/// them, a client over the limit receives a response with the reason.
pub(crate) const HTTP_CONNECTIONS_SPARE: usize = 16;
/// An HTTP connection that is older gets `Connection: close` with its next response, so that clients spread over the hubs
/// of a cluster again.
pub(crate) const HTTP_LIFETIME: Duration = Duration::from_secs(60);
/// The longest time for which an HTTP request may wait for an outcome.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);
/// How many HTTP requests may wait for an outcome at once. They leave room for new clients among [`HTTP_CONNECTIONS_MAX`]. A
/// further request is answered at once, as if it had no `wait`.
pub(crate) const WAITING_MAX: usize = 2048;
/// How many of [`WAITING_MAX`] one provider may use, so that it leaves some to the others.
pub(crate) const WAITING_PER_PROVIDER_MAX: usize = WAITING_MAX / 2;
/// How many HTTP requests may be under way at once. A further one is refused.
pub(crate) const REQUESTS_MAX: usize = 4096;
/// How many of [`REQUESTS_MAX`] one provider may use, including requests with a body that has not arrived, so that it leaves
/// some to the others.
pub(crate) const REQUESTS_PER_PROVIDER_MAX: usize = REQUESTS_MAX / 2;
/// How many providers may be joined over HTTP at once. A further one is refused.
pub(crate) const HTTP_PROVIDERS_MAX: usize = 4096;
/// A provider that calls over HTTP leaves the hub after this time without a request. It is longer than the two seconds after
/// which a rate limit has forgotten earlier messages, so a provider cannot raise its rate by pausing.
pub(crate) const HTTP_PROVIDER_IDLE: Duration = Duration::from_secs(10);
/// How long a call over HTTP waits for the hub's reply. The hub ends the connections of calls after 10 s without an answer
/// of its log; this bounds calls that have not reached the log by then.
pub(crate) const CALL_REPLY_MAX: Duration = Duration::from_secs(30);
/// The `retryAfterMs` of a request that is refused because of the state of the hub.
pub(crate) const RETRY_AFTER_MS: u64 = 1_000;
/// A client that reads nothing of an HTTP response for this time is disconnected.
pub(crate) const HTTP_WRITE_MAX: Duration = Duration::from_secs(60);
/// The largest head of an HTTP request, in bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The initial read buffer of a connection, in bytes. An idle connection needs less than 4 KiB in all. The buffer grows for
/// larger messages.
pub(crate) const READ_BUFFER_BYTES: usize = 512;
/// The time limit for sending a close frame and the data that waits before it ("Close codes" in docs/PROTOCOL.md).
pub(crate) const CLOSING_WRITE: Duration = Duration::from_secs(5);
/// How long the hub then waits for the peer to close its side.
pub(crate) const CLOSING_READ: Duration = Duration::from_secs(1);
/// How many bytes of a closing connection are read and discarded before a pause of [`DISCARD_PAUSE`]. A client that was
/// closed for sending too much may still send.
pub(crate) const DISCARDED_AT_ONCE: usize = 64 * 1024;
/// See [`DISCARDED_AT_ONCE`].
pub(crate) const DISCARD_PAUSE: Duration = Duration::from_millis(5);
/// How many messages of one connection are handled before the other connections of its thread are read. One message takes 5 to
/// 10 µs.
pub(crate) const MESSAGES_PER_TURN: usize = 8;
/// How many connections are written to before the thread yields to other tasks and threads, and light batches overtake. One
/// write takes 3 to 10 µs and does not use up the scheduler's budget. The number is small because a reply may have to wait for
/// three such turns; yielding itself takes about a hundredth of a turn.
pub(crate) const CONNECTIONS_PER_TURN: usize = 16;
/// How many batches may wait for one shard. At this bound the hub waits for the shard. No client can make a shard wait.
pub(crate) const BATCHES_PER_SHARD_MAX: usize = 64;
/// A connection is closed after more than this many messages over the rate in a row ("Close codes" in docs/PROTOCOL.md).
pub(crate) const OVER_RATE_MAX: u32 = 100;
/// The rate limit for WebSocket pings and pongs of one connection, per second, with a burst of twice that.
/// [`OVER_RATE_MAX`] applies to them too.
pub(crate) const CONTROL_FRAMES_PER_SECOND: u32 = 200;
/// How many fresh tokens one connection may send per second, with a burst of twice that. The hub verifies a signature for each,
/// or several if the keys have no `kid`.
pub(crate) const REFRESHES_PER_SECOND: u32 = 5;
/// The time over which a stop spreads the closes, so that clients do not all reconnect at the same moment.
pub(crate) const STOP_SPREAD: Duration = Duration::from_millis(500);
/// The number of steps within [`STOP_SPREAD`].
pub(crate) const STOP_STEPS: u32 = 50;
/// How many connections the admin listener and the metrics listener each serve at once. A further one waits.
pub(crate) const ADMIN_CONNECTIONS_MAX: usize = 64;
/// The time limit for an explanation over the admin listener.
pub(crate) const EXPLAIN_MAX: Duration = Duration::from_secs(120);
/// The longest time for which a connection to the admin listener or the metrics listener may last.
pub(crate) const ADMIN_LIFETIME: Duration = Duration::from_secs(150);
/// The largest body of a request to the admin listener, in bytes.
pub(crate) const ADMIN_BODY_BYTES_MAX: usize = 4096;
/// The most clients in one response of `/clients`.
pub(crate) const LISTED_MAX: usize = 1000;
/// The longest sleep of the task that closes connections with expired tokens. After a change of the wall clock it is late by at
/// most this time.
pub(crate) const EXPIRY_SLEEP_MAX: Duration = Duration::from_secs(1);
/// How long a stop waits until all connections have ended.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(8);
