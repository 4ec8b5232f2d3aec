//! A small HTTPS client on hyper and rustls, which the hub uses already.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::url::{NotAnOutboundUrl, OutboundUrl};

/// The time limit of a request with all its redirects.
const TIME_MAX: Duration = Duration::from_secs(10);
/// The size limit of a body, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How many redirects are followed.
const REDIRECTS_MAX: usize = 3;

/// Requests documents over HTTPS. Clones share the trusted roots.
#[derive(Clone)]
pub struct HttpsClient {
    tls: TlsConnector,
}

impl std::fmt::Debug for HttpsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpsClient").finish_non_exhaustive()
    }
}

/// A successful response.
#[derive(Debug)]
pub struct Response {
    /// The body, at most 1 MiB.
    pub body: Vec<u8>,
    /// How long it may be cached, if it says so.
    pub max_age: Option<Duration>,
}

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL is not allowed.
    #[error(transparent)]
    Url(#[from] NotAnOutboundUrl),
    /// There was no complete answer in time.
    #[error("no answer within {} s", TIME_MAX.as_secs())]
    Timeout,
    /// The connection failed.
    #[error("{0}")]
    Connect(#[from] io::Error),
    /// The server does not speak HTTP properly.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// The request could not be built.
    #[error("{0}")]
    Request(#[from] hyper::http::Error),
    /// The answer is an error.
    #[error("HTTP status {}", .0.as_u16())]
    Status(StatusCode),
    /// The answer is too large.
    #[error("the answer is larger than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    /// The body broke off.
    #[error("{0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// A redirect leads to another host, or there are too many.
    #[error("it redirects to another host, or more than {REDIRECTS_MAX} times")]
    Redirect,
}

impl HttpsClient {
    /// A client that trusts the roots that the system trusts (or those in `SSL_CERT_FILE`).
    ///
    /// # Errors
    /// Never in practice: the TLS library does not know its own versions.
    pub fn with_system_roots() -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::warn!("the system trusts no certificate authority; https requests will fail");
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Requests a document. Follows redirects to the same host only.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self, url: &str) -> Result<Response, FetchError> {
        timeout(TIME_MAX, self.follow(url.parse()?)).await.map_err(|_| FetchError::Timeout)?
    }

    async fn follow(&self, mut url: OutboundUrl) -> Result<Response, FetchError> {
        for _ in 0..=REDIRECTS_MAX {
            let response = self.request(&url).await?;
            let status = response.status();
            if status.is_redirection() {
                let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
                let next = location.and_then(|location| url.join(location)).ok_or(FetchError::Redirect)?;
                if next.origin() != url.origin() {
                    return Err(FetchError::Redirect);
                }
                url = next;
                continue;
            }
            if status != StatusCode::OK {
                return Err(FetchError::Status(status));
            }
            let max_age = max_age(response.headers());
            let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
            let body = body.map_err(|error| {
                if error.is::<LengthLimitError>() { FetchError::TooLarge } else { FetchError::Body(error) }
            })?;
            return Ok(Response { body: body.to_bytes().to_vec(), max_age });
        }
        Err(FetchError::Redirect)
    }

    async fn request(&self, url: &OutboundUrl) -> Result<hyper::Response<Incoming>, FetchError> {
        let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
        if !url.tls {
            // `localhost` is a name like others, so look where it led.
            if !stream.peer_addr()?.ip().to_canonical().is_loopback() {
                return Err(FetchError::Url(NotAnOutboundUrl));
            }
            return exchange(url, stream).await;
        }
        let name = ServerName::try_from(url.host.clone()).map_err(|_| NotAnOutboundUrl)?;
        exchange(url, self.tls.connect(name, stream).await?).await
    }
}

async fn exchange<S>(url: &OutboundUrl, stream: S) -> Result<hyper::Response<Incoming>, FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends when the response body has been read or dropped.
    tokio::spawn(connection);
    let request = Request::get(&url.path)
        .header(header::HOST, &url.authority)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("deskbell/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())?;
    Ok(sender.send_request(request).await?)
}

/// `max-age` of `Cache-Control`; zero for `no-store` and `no-cache`.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let directives: Vec<String> =
        lines.flat_map(|line| line.split(',')).map(|d| d.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|directive| directive == "no-store" || directive == "no-cache") {
        return Some(Duration::ZERO);
    }
    let seconds = directives.iter().find_map(|directive| directive.strip_prefix("max-age="))?;
    seconds.trim_matches('"').parse().ok().map(Duration::from_secs)
}
