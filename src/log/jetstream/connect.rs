//! The connection to the NATS servers and its credentials.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ReconnectToServer};
use uuid::Uuid;

use super::error::{StreamError, chain};
use crate::network::without_userinfo;

/// The time limit for the first connection at a start; the servers may be starting, too.
const CONNECT_MAX: Duration = Duration::from_secs(20);

/// The pause before an unreachable server is tried again.
const CONNECT_AGAIN: Duration = Duration::from_millis(500);

/// The interval of pings to a server. After two missed answers the hub tries another server, well before the time after
/// which a hub counts itself out.
const PING_EVERY: Duration = Duration::from_secs(1);

/// The time limit for one connection attempt.
const CONNECT_ONE_MAX: Duration = Duration::from_secs(2);

/// The time after which a request to a server counts as lost.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// The NATS servers and the credentials for them.
#[derive(Clone, PartialEq, Eq)]
pub struct Servers {
    /// `nats://HOST:PORT` or `tls://HOST:PORT`, possibly with `USER:PASSWORD@` or `TOKEN@` before the host.
    pub urls: Vec<String>,
    /// A NATS credentials file (JWT and key).
    pub creds_file: Option<PathBuf>,
    /// A file with `USER:PASSWORD`, or the password of the user in the URL, or a token.
    pub password_file: Option<PathBuf>,
}

impl std::fmt::Debug for Servers {
    /// Shows the servers without their credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Servers {
    /// The servers' URLs without passwords, for logs and messages.
    #[must_use]
    pub fn shown(&self) -> String {
        self.urls.iter().map(|url| without_userinfo(url)).collect::<Vec<_>>().join(",")
    }
}

fn userinfo(url: &str) -> Option<&str> {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    authority.rsplit_once('@').map(|(secret, _)| secret)
}

/// Connects under the name `name` as soon as one of the servers answers.
pub(super) async fn connect(servers: &Servers, name: &str) -> Result<Client, StreamError> {
    let urls: Vec<String> = servers.urls.iter().map(|url| without_userinfo(url)).collect();
    let began = tokio::time::Instant::now();
    let turn = Arc::new(AtomicUsize::new(Uuid::new_v4().as_u128() as usize));
    for attempt in 1_usize.. {
        let options = authenticated(servers).await?.name(name);
        let error = match tune(options, &turn).connect(&urls).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        // Trying again does not help against refused credentials.
        let unknown =
            matches!(error.kind(), ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication);
        if unknown || began.elapsed() > CONNECT_MAX {
            return Err(StreamError::Connect { servers: servers.shown(), source: error });
        }
        if attempt.is_multiple_of(urls.len().max(1)) {
            tracing::warn!(servers = %servers.shown(), error = %chain(&error), "no NATS server yet");
            tokio::time::sleep(CONNECT_AGAIN).await;
        }
    }
    Err(StreamError::NoServers)
}

/// `turn` chooses the servers in a circle from a random start, so that hubs spread over them, and a hub that leaves one
/// goes to another.
fn tune(options: ConnectOptions, turn: &Arc<AtomicUsize>) -> ConnectOptions {
    let turn = Arc::clone(turn);
    options
        .reconnect_to_server_callback(move |servers, _| {
            let next = servers.get(turn.fetch_add(1, Relaxed) % servers.len().max(1));
            std::future::ready(next.map(|server| ReconnectToServer { addr: server.addr.clone(), delay: None }))
        })
        // Only the configured servers are used: addresses that a server announces may not be reachable from here.
        .ignore_discovered_servers()
        .ping_interval(PING_EVERY)
        .connection_timeout(CONNECT_ONE_MAX)
        .request_timeout(Some(REQUEST_MAX))
        .reconnect_delay_callback(|attempts| Duration::from_millis((attempts as u64 * 50).clamp(10, 500)))
        .event_callback(async |event| match event {
            Event::Connected => tracing::info!("connected to NATS"),
            Event::Disconnected => tracing::warn!("disconnected from NATS"),
            other => tracing::warn!(event = %other, "NATS"),
        })
}

async fn authenticated(servers: &Servers) -> Result<ConnectOptions, StreamError> {
    if let Some(path) = &servers.creds_file {
        let options = ConnectOptions::with_credentials_file(path).await;
        return options.map_err(|source| StreamError::CredentialsFile { path: path.clone(), source });
    }
    let in_url = servers.urls.iter().find_map(|url| userinfo(url));
    let secret = match &servers.password_file {
        Some(path) => Some(with_user(&secret_of(path)?, in_url)),
        None => in_url.map(str::to_owned),
    };
    Ok(match secret.as_deref().map(|secret| (secret, secret.split_once(':'))) {
        None => ConnectOptions::new(),
        Some((_, Some((user, password)))) => {
            ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        }
        Some((token, None)) => ConnectOptions::with_token(token.to_owned()),
    })
}

/// The credentials in the file, for the user in the URL if it has one.
fn with_user(secret: &str, in_url: Option<&str>) -> String {
    match in_url.map(|userinfo| userinfo.split_once(':').map_or(userinfo, |(user, _)| user)) {
        Some(user) if !secret.contains(':') => format!("{user}:{secret}"),
        _ => secret.to_owned(),
    }
}

fn secret_of(path: &Path) -> Result<String, StreamError> {
    let unreadable = |source| StreamError::CredentialsFile { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    match text.lines().next().map(str::trim) {
        Some(secret) if !secret.is_empty() => Ok(secret.to_owned()),
        _ => Err(StreamError::EmptyPasswordFile(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_the_servers_is_not_shown() {
        let servers = Servers {
            urls: vec!["nats://ada:s3cret@a:4222".into(), "tls://t0ken@b".into(), "c:4222".into()],
            creds_file: None,
            password_file: None,
        };
        assert_eq!(servers.shown(), "nats://a:4222,tls://b,c:4222");
        assert_eq!(format!("{servers:?}"), servers.shown());
    }

    #[test]
    fn a_file_brings_the_password_of_the_user_in_the_url_or_both_or_a_token() {
        assert_eq!(with_user("p", Some("ada")), "ada:p");
        assert_eq!(with_user("bob:p", Some("ada")), "bob:p");
        assert_eq!(with_user("t0ken", None), "t0ken");
    }
}
