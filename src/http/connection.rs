//! The client of one endpoint: what it trusts, who it is, and what it must not do.
//!
//! It follows no redirect, asks no proxy of the environment, and tries nothing again by itself.

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity};

use crate::http::{ClientCertificate, Keys};

/// A connection that takes longer is as good as none, and saying so helps more than a timeout.
pub(super) const CONNECTS_WITHIN: Duration = Duration::from_secs(10);

const USER_AGENT: &str = concat!("redrive/", env!("CARGO_PKG_VERSION"));

/// Whom a client trusts beside the system's authorities, and who it is.
#[derive(Clone, Copy)]
pub(crate) struct Tls<'t> {
    pub(crate) ca_file: Option<&'t Path>,
    pub(crate) client_certificate: Option<&'t ClientCertificate>,
}

/// # Errors
/// When a file cannot be read or is not what it should be; says which setting named it.
pub(crate) fn client(tls: Tls<'_>, keys: &Keys) -> io::Result<Client> {
    let Tls { ca_file, client_certificate } = tls;
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .referer(false)
        .no_proxy()
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECTS_WITHIN);
    if let Some(path) = ca_file {
        builder = builder.tls_certs_merge(authorities(path, keys)?);
    }
    if let Some(certificate) = client_certificate {
        builder = builder.identity(identity(certificate, keys)?);
    }
    builder.build().map_err(|error| match client_certificate {
        Some(ClientCertificate { certificate_file, key_file }) => invalid(format!(
            "{} {} and {} {} do not belong together: {}",
            keys.certificate_file,
            certificate_file.display(),
            keys.key_file,
            key_file.display(),
            innermost(&error)
        )),
        None => invalid(format!("TLS cannot be set up: {}", innermost(&error))),
    })
}

fn authorities(path: &Path, keys: &Keys) -> io::Result<Vec<Certificate>> {
    let pem = read(keys.ca_file, path)?;
    let of_file = |why: String| invalid(format!("{} {}: {why}", keys.ca_file, path.display()));
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| of_file(innermost(&error)))?;
    if certificates.is_empty() {
        return Err(of_file("it holds no certificate: expected PEM, -----BEGIN CERTIFICATE-----".to_owned()));
    }
    Ok(certificates)
}

fn identity(of: &ClientCertificate, keys: &Keys) -> io::Result<Identity> {
    let ClientCertificate { certificate_file, key_file } = of;
    let certificate = read(keys.certificate_file, certificate_file)?;
    if Certificate::from_pem_bundle(&certificate).map_or(0, |found| found.len()) == 0 {
        return Err(invalid(format!(
            "{} {}: it holds no certificate: expected PEM, -----BEGIN CERTIFICATE-----",
            keys.certificate_file,
            certificate_file.display()
        )));
    }
    let key = read(keys.key_file, key_file)?;
    let (setting, path) = (keys.key_file, key_file.display());
    let Some(key) = private_key(&key) else {
        return Err(invalid(format!(
            "{setting} {path}: it holds no PKCS#8 key without a passphrase (PEM, -----BEGIN PRIVATE KEY-----); to make one: \
             openssl pkcs8 -topk8 -nocrypt -in {path} -out NEW"
        )));
    };
    Identity::from_pkcs8_pem(&certificate, key).map_err(|error| invalid(format!("{setting} {path}: {}", innermost(&error))))
}

/// The part of a file from its key on: certificates may stand before it.
fn private_key(pem: &[u8]) -> Option<&[u8]> {
    const BEGINS: &[u8] = b"-----BEGIN PRIVATE KEY-----";
    let at = pem.windows(BEGINS.len()).position(|window| window == BEGINS)?;
    pem.get(at..)
}

/// # Errors
/// Names the setting and the file.
pub(super) fn read(setting: &str, path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{setting} {} cannot be read: {error}", path.display())))
}

pub(crate) fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
