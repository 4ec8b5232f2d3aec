//! TLS to the hub: the certificate authorities, and the setup for one host.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::EndReason;

/// The certificate authorities that may sign the hub's certificate; for `wss:` addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    #[default]
    System,
    /// Only those in this PEM text.
    Authorities(Vec<u8>),
}

/// The TLS setup for one host.
#[derive(Clone)]
pub(super) struct TlsSetup {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
}

impl fmt::Debug for TlsSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSetup").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Trust {
    /// The setup for `host`.
    ///
    /// # Errors
    /// There are no authorities, or `host` is not valid in a certificate.
    pub(super) fn tls_setup(&self, host: &str) -> Result<TlsSetup, EndReason> {
        let wrong = EndReason::Tls;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(self.roots().map_err(wrong)?)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).map_err(|error| wrong(format!("{host:?}: {error}")))?;
        Ok(TlsSetup { connector: TlsConnector::from(Arc::new(config)), name })
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        match self {
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                // Some systems have files that are not valid certificates. The others are used.
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    let why: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
                    return Err(format!("the system has no certificate authorities {}", why.join("; ")));
                }
            }
            Self::Authorities(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate =
                        certificate.map_err(|error| format!("the PEM text of the authorities: {error}"))?;
                    roots.add(certificate).map_err(|error| format!("the certificate of an authority: {error}"))?;
                }
                if roots.is_empty() {
                    return Err("the PEM text of the authorities has no certificate".to_owned());
                }
            }
        }
        Ok(roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_certificate_in_pem() {
        let authority = include_bytes!("../../tests/auth/keys/ca.pem").to_vec();
        assert!(Trust::Authorities(authority.clone()).tls_setup("hub.example").is_ok());
        assert!(matches!(Trust::Authorities(authority).tls_setup("no name"), Err(EndReason::Tls(_))));
        for wrong in [&b""[..], b"nonsense", include_bytes!("../../tests/auth/keys/ec.pub.pem")] {
            assert!(matches!(Trust::Authorities(wrong.to_vec()).tls_setup("hub.example"), Err(EndReason::Tls(_))));
        }
    }
}
