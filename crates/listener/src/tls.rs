//! Certificates of a port: read from PEM, replaceable while the port serves. Keys never leave this file.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// TLS of one port: versions 1.2 and 1.3, ALPN `http/1.1`, one certificate that can be replaced.
pub struct TlsSettings {
    config: Arc<ServerConfig>,
    certificate: Arc<Certificate>,
    provider: Arc<CryptoProvider>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate chain is not PEM, or has no certificate.
    #[error("the certificate file holds no readable certificate")]
    Certificate,
    /// The key is not PEM, or not a private key.
    #[error("the key file holds no readable private key")]
    Key,
    /// The key cannot be used for TLS, or is not that of the certificate.
    #[error("the private key cannot be used with this certificate: {0}")]
    Mismatch(#[source] rustls::Error),
    /// The TLS library refused its settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[source] rustls::Error),
}

impl TlsSettings {
    /// TLS with this certificate chain, the server's own certificate first, and its private key.
    ///
    /// # Errors
    /// When either cannot be read, or the key is not that of the first certificate.
    pub fn from_pem(cert_chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let certificate = Arc::new(Certificate {
            current: ArcSwap::from(certified_key(&provider, cert_chain, key)?),
        });
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Tickets keep the state of a session with the caller, so that resumption costs no memory here.
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?;
        Ok(Self {
            config: Arc::new(config),
            certificate,
            provider,
        })
    }

    /// Replaces certificate and key for handshakes from now on; open connections are not touched.
    ///
    /// # Errors
    /// As [`TlsSettings::from_pem`]; then the old certificate stays.
    pub fn reload(&self, cert_chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        self.certificate
            .current
            .store(certified_key(&self.provider, cert_chain, key)?);
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("key", &"[redacted]")
            .finish_non_exhaustive()
    }
}

struct Certificate {
    current: ArcSwap<CertifiedKey>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate { current: [redacted] }")
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn certified_key(
    provider: &CryptoProvider,
    cert_chain: &[u8],
    key: &[u8],
) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(cert_chain)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::Certificate)?;
    if chain.is_empty() {
        return Err(TlsError::Certificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(TlsError::Mismatch)?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(TlsError::Mismatch)?;
    Ok(Arc::new(certified))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (cert, _) = identity();
        let (_, other_key) = identity();

        let refused = TlsSettings::from_pem(cert.as_bytes(), other_key.as_bytes());

        assert!(matches!(refused, Err(TlsError::Mismatch(_))));
    }

    #[test]
    fn what_is_not_pem_is_refused_by_name() {
        let (cert, key) = identity();

        assert!(matches!(
            TlsSettings::from_pem(b"", key.as_bytes()),
            Err(TlsError::Certificate)
        ));
        assert!(matches!(
            TlsSettings::from_pem(key.as_bytes(), key.as_bytes()),
            Err(TlsError::Certificate)
        ));
        assert!(matches!(
            TlsSettings::from_pem(cert.as_bytes(), b"x"),
            Err(TlsError::Key)
        ));
        assert!(matches!(
            TlsSettings::from_pem(cert.as_bytes(), cert.as_bytes()),
            Err(TlsError::Key)
        ));
    }

    #[test]
    fn a_failed_reload_keeps_the_old_certificate() {
        let (cert, key) = identity();
        let settings = TlsSettings::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
        let before = settings.certificate.current.load_full();

        assert!(settings.reload(b"rubbish", key.as_bytes()).is_err());

        assert!(Arc::ptr_eq(
            &before,
            &settings.certificate.current.load_full()
        ));
    }

    #[test]
    fn debug_output_has_no_key() {
        let (cert, key) = identity();
        let settings = TlsSettings::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();

        assert_eq!(
            format!("{settings:?}"),
            r#"TlsSettings { key: "[redacted]", .. }"#
        );
    }
}
