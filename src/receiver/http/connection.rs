//! The client of one receiver, as its endpoint says it.

use std::io;

use reqwest::Client;

use crate::http::{self, Keys, Tls, invalid};
use crate::receiver::http::Endpoint;

/// The keys of a `[[receiver]]`.
pub(super) const KEYS: Keys = Keys {
    ca_file: "ca_file",
    certificate_file: "certificate_file",
    key_file: "key_file",
    bearer_token: "bearer_token",
    basic_auth: "basic_auth",
    whose: " of the receiver",
};

/// # Errors
/// When a file cannot be read or is not what it should be; says which setting named it.
pub(super) fn client(endpoint: &Endpoint) -> io::Result<Client> {
    let Endpoint { url, ca_file, client_certificate, .. } = endpoint;
    if url.scheme() != "https" && (ca_file.is_some() || client_certificate.is_some()) {
        return Err(invalid("ca_file, certificate_file and key_file are for https://, and the target is http://".to_owned()));
    }
    http::client(Tls { ca_file: ca_file.as_deref(), client_certificate: client_certificate.as_ref() }, &KEYS)
}
