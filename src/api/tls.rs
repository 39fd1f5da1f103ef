//! TLS: a certificate that may be replaced while homeostat runs.

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use tokio_rustls::rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// The certificate that clients are shown.
#[derive(Debug)]
pub(crate) struct Certificate(RwLock<Arc<CertifiedKey>>);

impl Certificate {
    /// That in these files.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, String> {
        Ok(Self(RwLock::new(Arc::new(read(certificate, key)?))))
    }

    /// Another one from now on; connections that there are go on.
    pub(crate) fn replace(&self, other: Self) {
        let other = other.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = other;
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// What a server with this certificate speaks: TLS 1.2 and 1.3, and HTTP/1.1 in it.
///
/// # Errors
/// When the library has neither.
pub(crate) fn server_config(certificate: Arc<Certificate>) -> Result<ServerConfig, String> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Whether clients take it for that of a server: many refuse one that says that it may sign others, and nobody hears of that here.
fn serves(certificate: Option<&CertificateDer<'_>>) -> Result<(), String> {
    let Some(certificate) = certificate else { return Err("there is no certificate in it".into()) };
    let looked_at = webpki::EndEntityCert::try_from(certificate).and_then(|one| {
        let usage = webpki::KeyUsage::server_auth();
        // Nobody vouches for it here, which is what a good one ends with.
        one.verify_for_usage(&[], &[], &[], UnixTime::now(), usage, None, None).map(drop)
    });
    match looked_at {
        Err(webpki::Error::CaUsedAsEndEntity) => Err("its first certificate is that of an authority (CA:TRUE), which clients \
            refuse as that of a server; put one first that this authority has signed, or make it with `openssl req -x509 -addext \
            basicConstraints=critical,CA:FALSE ..`"
            .into()),
        Err(webpki::Error::RequiredEkuNotFoundContext(_)) => {
            Err("its first certificate is not for servers (extendedKeyUsage without serverAuth), and clients refuse it".into())
        }
        // That it has run out is seen by clients, and said there; homeostat is to start all the same.
        _ => Ok(()),
    }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, String> {
    let unusable = |path: &Path, why: String| format!("{}: {why}", path.display());
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(certificate, error.to_string()))?;
    serves(certificates.first()).map_err(|why| unusable(certificate, why))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error.to_string()))?;
    let signing = ring::sign::any_supported_type(&secret).map_err(|error| unusable(key, error.to_string()))?;
    let certified = CertifiedKey::new(certificates, signing);
    certified
        .keys_match()
        .map_err(|error| format!("{} is not the key of {}: {error}", key.display(), certificate.display()))?;
    Ok(certified)
}
