//! Who we are at an endpoint, as settings say it: secrets, certificates, and what does not go together.

use std::path::PathBuf;

use crate::http::{ClientCertificate, Credentials, Secret};
use crate::settings::layers::Environment;

/// Why a text is no secret.
pub(super) enum NoSecret {
    Empty,
    /// It names a variable that is not set.
    NoVariable(String),
}

/// What cannot be said together.
pub(super) enum Both {
    TokenAndPair,
    TokenAndUser,
    PairAndUser,
}

/// There is a key, and nothing that it is the key of.
pub(super) struct NoCertificate;

/// What a secret that is empty should have been.
pub(super) const EXPECTED: &str = "expected @FILE, env:NAME or the secret itself";

/// A file is left to the client: it may change while we run.
pub(super) fn secret(text: String, environment: Environment<'_>) -> Result<Secret, NoSecret> {
    if text.is_empty() {
        return Err(NoSecret::Empty);
    }
    if let Some(path) = text.strip_prefix('@') {
        return Ok(Secret::File(PathBuf::from(path)));
    }
    match text.strip_prefix("env:") {
        Some(variable) => environment(variable).map(Secret::Text).ok_or_else(|| NoSecret::NoVariable(variable.to_owned())),
        None => Ok(Secret::Text(text)),
    }
}

/// `of_url`: user and password of its URL.
pub(super) fn credentials(
    of_url: Option<Credentials>,
    token: Option<Secret>,
    pair: Option<Secret>,
) -> Result<Option<Credentials>, Both> {
    match (of_url, token, pair) {
        (of_url, None, None) => Ok(of_url),
        (None, Some(token), None) => Ok(Some(Credentials::Bearer(token))),
        (None, None, Some(pair)) => Ok(Some(Credentials::Basic(pair))),
        (_, Some(_), Some(_)) => Err(Both::TokenAndPair),
        (Some(_), Some(_), None) => Err(Both::TokenAndUser),
        (Some(_), None, Some(_)) => Err(Both::PairAndUser),
    }
}

/// Certificate and key may be one file.
pub(super) fn client_certificate(
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
) -> Result<Option<ClientCertificate>, NoCertificate> {
    match (certificate_file, key_file) {
        (Some(certificate_file), key_file) => {
            let key_file = key_file.unwrap_or_else(|| certificate_file.clone());
            Ok(Some(ClientCertificate { certificate_file, key_file }))
        }
        (None, None) => Ok(None),
        (None, Some(_)) => Err(NoCertificate),
    }
}

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("the path of a file".to_owned()) } else { Ok(PathBuf::from(text)) }
}
