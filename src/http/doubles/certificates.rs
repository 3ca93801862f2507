//! Certificates, made for each test: an authority, and what it signs.

use std::path::PathBuf;

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslAcceptorBuilder, SslMethod, SslVerifyMode};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509Builder, X509NameBuilder};

use crate::http::ClientCertificate;

const DAY: i64 = 24 * 60 * 60;

/// An authority that clients trust through a file, and a folder for files.
pub(crate) struct Trust {
    pub(crate) authority: Pair,
    pub(crate) folder: tempfile::TempDir,
}

impl Trust {
    pub(crate) fn new() -> Self {
        let trust = Self { authority: Pair::authority("an authority"), folder: tempfile::tempdir().unwrap() };
        trust.write("ca.pem", &trust.authority.certificate_pem());
        trust
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A client of this name, by this authority.
    pub(crate) fn client(&self, name: &str, authority: &Pair) -> ClientCertificate {
        let client = authority.issue(name, Valid::Now);
        ClientCertificate {
            certificate_file: self.write("client.pem", &client.certificate_pem()),
            key_file: self.write("client.key", &client.key_pem()),
        }
    }
}

/// A certificate and its key.
pub(crate) struct Pair {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
}

/// When a certificate is valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Valid {
    Now,
    Yesterday,
}

impl Pair {
    pub(crate) fn authority(name: &str) -> Self {
        let key = key();
        let mut builder = builder(name, &key, Valid::Now);
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        let issuer = builder.build();
        let mut builder = self::builder(name, &key, Valid::Now);
        builder.set_issuer_name(issuer.subject_name()).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    /// For a server of this name, or for a client.
    pub(crate) fn issue(&self, name: &str, valid: Valid) -> Self {
        let key = key();
        let mut builder = builder(name, &key, valid);
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        let names = SubjectAlternativeName::new().dns(name).build(&builder.x509v3_context(Some(&self.certificate), None)).unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    pub(crate) fn certificate_pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    /// PKCS#8.
    pub(crate) fn key_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().unwrap()
    }

    /// A server with this certificate.
    pub(crate) fn acceptor(&self) -> SslAcceptorBuilder {
        let mut acceptor = SslAcceptor::mozilla_modern_v5(SslMethod::tls()).unwrap();
        acceptor.set_certificate(&self.certificate).unwrap();
        acceptor.set_private_key(&self.key).unwrap();
        acceptor
    }

    /// A server with this certificate that wants one of its clients, signed by `authority`.
    pub(crate) fn acceptor_of_clients(&self, authority: &Self) -> SslAcceptor {
        let mut acceptor = self.acceptor();
        let mut store = X509StoreBuilder::new().unwrap();
        store.add_cert(authority.certificate.clone()).unwrap();
        acceptor.set_verify_cert_store(store.build()).unwrap();
        acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        acceptor.build()
    }
}

fn key() -> PKey<Private> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&curve).unwrap()).unwrap()
}

fn builder(name: &str, key: &PKey<Private>, valid: Valid) -> X509Builder {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(120, MsbOption::MAYBE_ZERO, false).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    builder.set_subject_name(&subject.build()).unwrap();
    builder.set_pubkey(key).unwrap();
    let now = jiff::Timestamp::now().as_second();
    let until = if valid == Valid::Now { now + DAY } else { now - DAY };
    builder.set_not_before(&Asn1Time::from_unix(now - 2 * DAY).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(until).unwrap()).unwrap();
    builder
}
