//! Certificates in PEM: an authority, and what it signs.
//!
//! Kafka reads a key and its certificate from one file, the client library from two.

use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

const DAY_S: i64 = 24 * 60 * 60;

pub(crate) struct Authority {
    key: PKey<Private>,
    certificate: X509,
}

/// A certificate and its key (PKCS#8).
pub(crate) struct Pair {
    pub(crate) key: String,
    pub(crate) certificate: String,
}

/// When a certificate ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Valid {
    Now,
    UntilYesterday,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Result<Self, ErrorStack> {
        let (key, name) = (key()?, subject(name)?);
        let mut builder = builder(&name, &key, Valid::Now)?;
        builder.set_issuer_name(&name)?;
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { key, certificate: builder.build() })
    }

    pub(crate) fn certificate(&self) -> Result<String, ErrorStack> {
        Ok(text(&self.certificate.to_pem()?))
    }

    /// For a server that is reached as `host`, a name or an address, or for a client that is called so.
    pub(crate) fn issue(&self, host: &str, valid: Valid) -> Result<Pair, ErrorStack> {
        let key = key()?;
        let mut builder = builder(&*subject(host)?, &key, valid)?;
        builder.set_issuer_name(self.certificate.subject_name())?;
        let mut names = SubjectAlternativeName::new();
        if host.parse::<std::net::IpAddr>().is_ok() {
            names.ip(host)
        } else {
            names.dns(host)
        };
        let names = names.build(&builder.x509v3_context(Some(&self.certificate), None))?;
        builder.append_extension(names)?;
        builder.sign(&self.key, MessageDigest::sha256())?;
        Ok(Pair { key: text(&key.private_key_to_pem_pkcs8()?), certificate: text(&builder.build().to_pem()?) })
    }
}

fn key() -> Result<PKey<Private>, ErrorStack> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&curve)?)
}

fn subject(name: &str) -> Result<X509Name, ErrorStack> {
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_text("CN", name)?;
    Ok(subject.build())
}

fn builder(subject: &openssl::x509::X509NameRef, key: &PKey<Private>, valid: Valid) -> Result<X509Builder, ErrorStack> {
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    let mut serial = BigNum::new()?;
    serial.rand(120, MsbOption::MAYBE_ZERO, false)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(subject)?;
    builder.set_pubkey(key)?;
    let now = Timestamp::now().as_second();
    let end = match valid {
        Valid::Now => now + DAY_S,
        Valid::UntilYesterday => now - DAY_S,
    };
    builder.set_not_before(&*Asn1Time::from_unix(now - 2 * DAY_S)?)?;
    builder.set_not_after(&*Asn1Time::from_unix(end)?)?;
    Ok(builder)
}

fn text(pem: &[u8]) -> String {
    String::from_utf8_lossy(pem).into_owned()
}
