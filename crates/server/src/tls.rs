//! Certificates: those of the configuration, and the one `portcullis dev --tls` makes.

use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use portcullis_listener::TlsSettings;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// A certificate with its key, and where it came from, so that it can be read again.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// What the listeners use.
    pub settings: Arc<TlsSettings>,
    chain_file: PathBuf,
    key_file: PathBuf,
}

impl Certificate {
    /// Reads the two PEM files.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(chain_file: &Path, key_file: &Path) -> Result<Self> {
        let (chain, key) = read(chain_file, key_file)?;
        let settings = TlsSettings::from_pem(&chain, &key)
            .with_context(|| format!("{} and {}", chain_file.display(), key_file.display()))?;
        Ok(Self {
            settings: Arc::new(settings),
            chain_file: chain_file.to_owned(),
            key_file: key_file.to_owned(),
        })
    }

    /// Reads the files again; connections made from now on get the new certificate.
    ///
    /// # Errors
    /// As [`Certificate::load`]; the old certificate stays.
    pub fn reload(&self) -> Result<()> {
        let (chain, key) = read(&self.chain_file, &self.key_file)?;
        self.settings.reload(&chain, &key).with_context(|| {
            format!(
                "{} and {}",
                self.chain_file.display(),
                self.key_file.display()
            )
        })
    }
}

/// The certificates of a PEM file.
///
/// # Errors
/// When it cannot be read or one of them is malformed.
pub fn read_roots(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .with_context(|| format!("{} holds no certificates in PEM form", file.display()))
}

fn read(chain_file: &Path, key_file: &Path) -> Result<(Vec<u8>, Vec<u8>)> {
    let file =
        |path: &Path| fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
    Ok((file(chain_file)?, file(key_file)?))
}

/// The certificate of a development folder, made once: an authority of its own (`ca.pem`, whose key is not
/// kept) and a certificate for localhost, `127.0.0.1` and `::1`.
///
/// # Errors
/// When the files cannot be written or read.
pub fn development_certificate(folder: &Path) -> Result<(Certificate, PathBuf)> {
    let [ca, chain, key] = ["ca.pem", "certificate.pem", "key.pem"].map(|name| folder.join(name));
    if !(ca.exists() && chain.exists() && key.exists()) {
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        let made = make().context("a development certificate cannot be made")?;
        write(&key, &made.key, 0o600)?;
        write(&chain, &made.chain, 0o644)?;
        write(&ca, &made.ca, 0o644)?;
    }
    Ok((Certificate::load(&chain, &key)?, ca))
}

struct Made {
    ca: String,
    chain: String,
    key: String,
}

fn make() -> Result<Made, rcgen::Error> {
    let named = |name: &str| {
        let mut names = DistinguishedName::new();
        names.push(DnType::CommonName, name);
        names
    };
    let mut ca = CertificateParams::default();
    ca.distinguished_name = named("Portcullis development");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_key = KeyPair::generate()?;
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca, ca_key);
    let hosts = ["localhost", "127.0.0.1", "::1"].map(ToOwned::to_owned);
    let mut leaf = CertificateParams::new(hosts)?;
    leaf.distinguished_name = named("localhost");
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let leaf_key = KeyPair::generate()?;
    let leaf_pem = leaf.signed_by(&leaf_key, &issuer)?.pem();
    Ok(Made {
        chain: leaf_pem + &ca_pem,
        ca: ca_pem,
        key: leaf_key.serialize_pem(),
    })
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    use std::io::Write;
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_development_certificate_is_made_once() {
        let folder = tempfile::tempdir().unwrap();

        let (first, ca) = development_certificate(folder.path()).unwrap();
        let before = fs::read(&ca).unwrap();
        let (second, _) = development_certificate(folder.path()).unwrap();

        assert_eq!(before, fs::read(&ca).unwrap());
        assert!(first.reload().is_ok());
        assert_eq!(first.chain_file, second.chain_file);
    }

    #[test]
    fn a_file_that_is_no_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = (
            folder.path().join("chain.pem"),
            folder.path().join("key.pem"),
        );
        fs::write(&chain, "garbage").unwrap();
        fs::write(&key, "garbage").unwrap();

        let garbage = Certificate::load(&chain, &key).unwrap_err();
        let absent = Certificate::load(&chain, &folder.path().join("none.pem")).unwrap_err();

        assert!(format!("{garbage:#}").contains("chain.pem"), "{garbage:#}");
        assert!(format!("{absent:#}").contains("none.pem"), "{absent:#}");
    }
}
