//! The hub's certificate, read from its files, and read again when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

/// The files of the certificate and its key, both in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by the intermediate certificates.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

/// The certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", .path.display())]
pub struct CertificateError {
    /// The file at fault.
    pub path: PathBuf,
    /// The reason, for people.
    pub what: String,
}

/// The current certificate. Each handshake uses the certificate that is current at that moment.
#[derive(Debug)]
pub struct Certificate {
    files: CertificateFiles,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads the certificate and the key.
    ///
    /// # Errors
    /// [`CertificateError`] if a file cannot be used, or if the key does not belong to the certificate.
    pub fn open(files: CertificateFiles) -> Result<Self, CertificateError> {
        let current = RwLock::new(Arc::new(read(&files)?));
        Ok(Self { files, current })
    }

    /// The paths of both files, for watching them.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        vec![self.files.certificate.clone(), self.files.key.clone()]
    }

    /// Reads the files again; later handshakes use the new certificate.
    ///
    /// # Errors
    /// [`CertificateError`] if the new files cannot be used; the current certificate stays.
    pub fn reload(&self) -> Result<(), CertificateError> {
        let new = Arc::new(read(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// The TLS settings for this certificate: TLS 1.3 and 1.2, with HTTP/1.1 inside.
    ///
    /// # Errors
    /// Only if the crypto provider does not support these versions, which does not happen.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn read(files: &CertificateFiles) -> Result<CertifiedKey, CertificateError> {
    let fault = |path: &Path, what: String| CertificateError { path: path.to_owned(), what };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| fault(&files.certificate, format!("the certificate cannot be read: {error}")))?;
    if chain.is_empty() {
        return Err(fault(&files.certificate, "the file has no PEM block CERTIFICATE".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| fault(&files.key, format!("the private key cannot be read: {error}")))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| {
        fault(&files.key, format!("the key does not belong to {}: {error}", files.certificate.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/auth/keys").join(name)
    }

    fn open(certificate: &str, key: &str) -> Result<Certificate, String> {
        Certificate::open(CertificateFiles { certificate: file(certificate), key: file(key) })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_pair_that_belongs_together_is_taken() {
        let certificate = Arc::new(open("tls-1.pem", "tls-1.key.pem").unwrap());
        assert_eq!(certificate.server_config().unwrap().alpn_protocols, [b"http/1.1".to_vec()]);
        assert!(certificate.reload().is_ok());
    }

    #[test]
    fn anything_else_says_which_file_and_why() {
        for (certificate, key, says) in [
            ("tls-1.pem", "tls-2.key.pem", "tls-2.key.pem: the key does not belong to"),
            ("tls-1.key.pem", "tls-1.key.pem", "has no PEM block CERTIFICATE"),
            ("tls-1.pem", "tls-1.pem", "tls-1.pem: the private key cannot be read"),
            ("missing.pem", "tls-1.key.pem", "missing.pem: the certificate cannot be read"),
        ] {
            let error = open(certificate, key).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
