//! TLS to the hub: whose certificates are believed.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::Ended;

/// Which authorities may vouch for a hub; for `wss:` addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those that the system trusts, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    #[default]
    System,
    /// Only those in this PEM text.
    Authorities(Vec<u8>),
}

/// What opens TLS to one host.
#[derive(Clone)]
pub(super) struct Seal {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Trust {
    /// What opens TLS to `host`.
    ///
    /// # Errors
    /// There are no authorities, or `host` cannot stand in a certificate.
    pub(super) fn seal(&self, host: &str) -> Result<Seal, Ended> {
        let wrong = |what: String| Ended::Trust(what);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(self.roots().map_err(wrong)?)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).map_err(|error| wrong(format!("{host:?}: {error}")))?;
        Ok(Seal { connector: TlsConnector::from(Arc::new(config)), name })
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        match self {
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                // Some systems hold one that is no certificate any more; the others count.
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    let why: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
                    return Err(format!("the system names no certificate authority {}", why.join("; ")));
                }
            }
            Self::Authorities(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate = certificate.map_err(|error| format!("the authorities' PEM: {error}"))?;
                    roots.add(certificate).map_err(|error| format!("an authority's certificate: {error}"))?;
                }
                if roots.is_empty() {
                    return Err("there is no certificate in the authorities' PEM".to_owned());
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
        assert!(Trust::Authorities(authority.clone()).seal("hub.example").is_ok());
        assert!(matches!(Trust::Authorities(authority).seal("no name"), Err(Ended::Trust(_))));
        for wrong in [&b""[..], b"nonsense", include_bytes!("../../tests/auth/keys/ec.pub.pem")] {
            assert!(matches!(Trust::Authorities(wrong.to_vec()).seal("hub.example"), Err(Ended::Trust(_))));
        }
    }
}
